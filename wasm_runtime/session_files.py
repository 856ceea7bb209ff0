"""A session's directory, looked over after runs, because WASI knows no quota.

An honest guest has one file in it, the database, and SQLite bounds that. Code that has got past the policy
can make more: files without number, directories without end, links. What does not belong is removed without
following anything, and the run that left it is refused.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NAME = re.compile(r"[0-9A-Za-z_-]{1,64}")
DATABASE = "store.db"
_JOURNAL = "store.db-journal"
_OURS = frozenset({DATABASE, _JOURNAL})
#: With less on the disk than a transaction of a few pages takes, it is full.
_LEAST_FREE_BYTES = 64 * 1024
_CHUNK = 1024 * 1024
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def directory_of(root: Path, session: str) -> Path:
    """Where a session's file is.

    The last door before the disk: a name that the API process did not derive is a bug, and no path.
    """
    if not _NAME.fullmatch(session):
        raise ValueError("not a name that was derived for a session")
    return root / session


def look(directory: Path) -> os.stat_result | None:
    """The session's database, if there is one that is a file."""
    try:
        found = (directory / DATABASE).lstat()
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def is_disk_full(directory: Path) -> bool:
    """Raises OSError."""
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize < _LEAST_FREE_BYTES


def delete(root: Path, name: str) -> None:
    """Delete a directory of the data root with all that is in it; no link is followed. Raises OSError."""
    directory = root / name
    remove_foreign(directory)
    for ours in _OURS:
        (directory / ours).unlink(missing_ok=True)
    directory.rmdir()


def rename(root: Path, name: str, other: str) -> None:
    """Give a directory of the data root another name, on disk when this returns. Raises OSError."""
    descriptor = os.open(root, _DIRECTORY)
    try:
        os.rename(name, other, src_dir_fd=descriptor, dst_dir_fd=descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy(source: Path, target: Path) -> bool:
    """Copy a session's files to a directory that is made for it, and sync them; False: there is no database.

    Nobody may have the session open. Raises OSError, and so for a link or what else is no ordinary file.
    """
    target.mkdir(mode=0o700)
    found = [_copy(source, name, target) for name in sorted(_OURS)]
    descriptor = os.open(target, _DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return found[0]


def _copy(source: Path, name: str, target: Path) -> bool:
    try:
        descriptor = os.open(source / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    with os.fdopen(descriptor, "rb") as reading, (target / name).open("xb") as writing:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not an ordinary file")
        shutil.copyfileobj(reading, writing, _CHUNK)
        writing.flush()
        os.fsync(writing.fileno())
    return True


def is_within(directory: Path | str, most_bytes: int) -> bool:
    """Whether there are only the database and its journal, as files, and together at most so large."""
    size = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            found = entry.stat(follow_symlinks=False)
            if entry.name not in _OURS or not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                return False
            size += found.st_size
    return size <= most_bytes


def remove_foreign(directory: Path | str) -> None:
    """Remove whatever is not the database or its journal. Raises OSError.

    Directories are flattened into this one, level by level: neither the depth nor the length of a path in
    them matters, and no more than two are open at a time.
    """
    top = os.open(directory, _DIRECTORY)
    try:
        names = count()
        while foreign := [name for name in _names(top) if not _belongs(name, top)]:
            for name in foreign:
                _remove(name, top, names)
    finally:
        os.close(top)


def _belongs(name: str, top: int) -> bool:
    if name not in _OURS:
        return False
    found = os.stat(name, dir_fd=top, follow_symlinks=False)
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1


def _remove(name: str, top: int, names: count[int]) -> None:
    try:
        inner = os.open(name, _DIRECTORY, dir_fd=top)
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
            raise
        os.unlink(name, dir_fd=top)
        return
    try:
        for child in _names(inner):
            _lift(child, inner, top, names)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=top)


def _lift(child: str, inner: int, top: int, names: count[int]) -> None:
    """Unlink a file where it is; move a directory up, where its own children get their turn."""
    found = os.stat(child, dir_fd=inner, follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode):
        os.unlink(child, dir_fd=inner)
        return
    while True:
        try:
            os.rename(child, f"removing-{next(names)}", src_dir_fd=inner, dst_dir_fd=top)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        else:
            return


def _names(descriptor: int) -> list[str]:
    return os.listdir(descriptor)
