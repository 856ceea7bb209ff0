"""A session's directory: made here, and looked over after runs, because WASI knows no quota.

The data root may have a session under other names, which no session's own can be, each given in one rename:
`<session>.damaged` is set aside, whole, until somebody salvages it (`metaservice sessions salvage`), and
meanwhile there is no `<session>`. `<session>.removed` has expired and is about to be gone.

An honest guest has two files in it, the database and its journal, and SQLite bounds both. Code that has got
past the policy can make more: files without number, directories without end, links. What does not belong is
removed without following anything, and the run that left it is refused.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from pathlib import Path

_NAME = re.compile(r"[0-9A-Za-z_-]{1,64}")
DATABASE = "store.db"
_JOURNAL = "store.db-journal"
_OURS = frozenset({DATABASE, _JOURNAL})
#: What a session's directory is called while its data waits to be salvaged.
DAMAGED = ".damaged"
#: What its damaged data is called once that was salvaged, before the time.
SALVAGED = ".salvaged-"
#: And while it is being removed.
REMOVED = ".removed"
#: What opening or reading something else than a file ends in.
NOT_A_FILE = frozenset({errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.ENXIO, errno.ENOENT})
#: With less on the disk than a transaction of a few pages takes, it is full.
_LEAST_FREE_BYTES = 64 * 1024
_CHUNK = 1024 * 1024
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class SetAside(Exception):
    """The session's data is damaged and waits to be salvaged: there is nothing to serve or to make."""


def ensure(root: Path, session: str, synced: MutableMapping[str, int]) -> Path:
    """The session's directory, made (0700) and its name on disk if need be. Raises OSError, SetAside.

    `synced` is added to: sessions, by the inodes of their directories, whose names the caller has had synced.
    The last door before the disk: a name that the API process did not derive is a bug, and no path.
    """
    if not _NAME.fullmatch(session):
        raise ValueError("not a name that was derived for a session")
    directory = root / session
    if _exists(directory / DATABASE):
        return directory
    found = _stat(directory)
    if found is not None and synced.get(session) == found.st_ino:
        return directory
    if found is None and _exists(root / f"{session}{DAMAGED}"):
        raise SetAside(session)
    # The name of a directory without a database may not be on disk yet, whoever has made it: a session whose
    # directory is lost with the power has lost its data, however well that was synced.
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    sync(root)
    synced[session] = directory.lstat().st_ino
    return directory


def sync(directory: Path) -> None:
    """Have the names in a directory on disk. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@frozen
class Found:
    """A session's files as they are before a guest opens them.

    `database` tells whether it has been touched: device, inode, size in bytes, and when its content and its
    entry were changed, in nanoseconds. Empty: there is none. None: there is something else in its place.
    """

    database: tuple[int, ...] | None
    #: Whether there may be something in the journal.
    journal: bool

    @property
    def changed_ns(self) -> int:
        """When the database was last changed; 0: there is none."""
        return max(self.database[3:]) if self.database else 0

    @property
    def is_empty(self) -> bool:
        """Nothing was ever committed: there is no byte in either."""
        return not self.journal and self.database is not None and not any(self.database[2:3])


def look(directory: Path) -> Found:
    """Raises OSError."""
    journal = _stat(directory / _JOURNAL)
    return Found(
        database=_identity(_stat(directory / DATABASE)),
        journal=journal is not None and not (stat.S_ISREG(journal.st_mode) and journal.st_size == 0),
    )


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _identity(found: os.stat_result | None) -> tuple[int, ...] | None:
    if found is None:
        return ()
    if not stat.S_ISREG(found.st_mode):
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def has_hot_journal(directory: Path) -> bool:
    """Whether SQLite would roll the journal back: it begins with a header. Raises OSError."""
    try:
        descriptor = os.open(directory / _JOURNAL, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    try:
        return os.read(descriptor, 1) not in (b"", b"\0")
    finally:
        os.close(descriptor)


def read_through(directory: Path) -> None:
    """Read the database from end to end, for the disk's opinion of it. Raises OSError."""
    descriptor = os.open(directory / DATABASE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        while os.read(descriptor, _CHUNK):
            pass
    finally:
        os.close(descriptor)


def is_disk_full(directory: Path) -> bool:
    """Raises OSError."""
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize < _LEAST_FREE_BYTES


def _exists(path: Path) -> bool:
    """Unlike `os.path.lexists`, which takes a failing disk for an empty one. Raises OSError."""
    return _stat(path) is not None


def set_aside(root: Path, session: str) -> None:
    """Take a session out of service with all that is in it. Raises OSError, where it stays as it is."""
    rename(root, session, f"{session}{DAMAGED}")


def exists(root: Path, session: str) -> bool:
    return os.path.lexists(root / session)


def stats(directory: str) -> list[os.stat_result]:
    """Of what is in a directory, links not followed. Raises OSError."""
    with os.scandir(directory) as entries:
        return [entry.stat(follow_symlinks=False) for entry in entries]


def remove(root: Path, session: str) -> None:
    """Remove a session for good. Raises OSError; once it has another name, `delete` can be called again."""
    gone = f"{session}{REMOVED}"
    if exists(root, gone):
        delete(root, gone)
    rename(root, session, gone)
    delete(root, gone)


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


def is_within(directory: Path, most_bytes: int) -> bool:
    """Whether there are only the database and its journal, as files, and together at most so large."""
    size = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            found = entry.stat(follow_symlinks=False)
            if entry.name not in _OURS or not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                return False
            size += found.st_size
    return size <= most_bytes


def remove_foreign(directory: Path) -> None:
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
