"""Tar files are unpacked by hand: `extractall(filter=...)` came with Python 3.11.4, and we ask for 3.11.0."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class NotUnpackedError(Exception):
    """A member that is no plain file or directory below the target; the message names it."""


def unpack(archive: Path, target: Path) -> list[str]:
    """Write the files of a tar file below `target`; the members' names.

    Directories and files only, each made anew and below the target: a link, a device, an absolute path or a
    `..` is refused, and so is a file in the place of another. Of its owner, mode and time nothing is taken.
    Raises NotUnpackedError, tarfile.TarError, OSError.
    """
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        for member in members:
            _check(member)
        target.mkdir(parents=True, exist_ok=True)
        for member in members:
            _write(tar, member, target / member.name)
    return [member.name for member in members]


def _check(member: tarfile.TarInfo) -> None:
    path = PurePosixPath(member.name)
    if not (member.isreg() or member.isdir()) or path.is_absolute() or ".." in path.parts:
        raise NotUnpackedError(f"{member.name[:100]!a} in the archive is no file below the directory")


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    # Never through what is there already, which may be a link.
    with path.open("xb") as file:
        if content is not None:
            shutil.copyfileobj(content, file)
