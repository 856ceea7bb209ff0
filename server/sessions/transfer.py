"""Sessions' data in the documented layout, as tar files: made and read by a process that holds no keys.

A session's database may have been written by a guest that was taken over, and SQLite is a large parser
of such files. So `store.transfer` reads it, in a process with an empty environment; what it says is
checked here.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Longer than the largest session takes: 256 MiB are exported in some seconds.
_SECONDS: Final = 600
#: 1,000 collections with 1,000 fields of 64 letters, and room.
_MAX_ANSWER_BYTES: Final = 128 * 1024 * 1024


class TransferError(Exception):
    """The session's data, or the data that is to become one, is refused; the message says why."""


def describe(session_directory: Path) -> list[dict[str, Any]]:
    """Name, records, next id, fields and their types of each collection. Raises TransferError."""
    found = _run("describe", session_directory)
    return [each for each in found if isinstance(each, dict)]


def export(session_directory: Path, archive: Path) -> list[str]:
    """Write the session's collections to a tar file; their names. Raises TransferError, OSError."""
    with tempfile.TemporaryDirectory() as scratch:
        names = _run("export", session_directory, Path(scratch))
        with tarfile.open(archive, "w") as tar:
            for path in _sorted_files(Path(scratch)):
                tar.add(path, path.relative_to(scratch).as_posix(), recursive=False, filter=_anonymous)
    return list(map(str, names))


def import_(archive: Path, session_directory: Path, *, most_bytes: int) -> list[str]:
    """Make a session's directory, which must not be there yet, out of a tar file of at most so much data.

    Raises TransferError, OSError.
    """
    with tempfile.TemporaryDirectory() as scratch:
        _unpack(archive, Path(scratch), most_bytes)
        return list(map(str, _run("import", Path(scratch), session_directory)))


def salvage(damaged: Path) -> dict[str, Any]:
    """Put in service what can be read of a directory that was set aside.

    `collections` (name, records, rows_lost, pages_lost), `notes` on other damage, and `kept`, the name of the
    directory with the damaged files. Raises TransferError.
    """
    report = _ask("salvage", damaged)
    return {name: report.get(name) for name in ("collections", "notes", "kept")}


def _sorted_files(directory: Path) -> Iterator[Path]:
    return iter(sorted(path for path in directory.rglob("*") if path.is_file()))


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nothing of this machine's users, and no times: equal data is an equal file."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime, member.mode = 0, 0o644
    return member


def _unpack(archive: Path, target: Path, most_bytes: int) -> None:
    """Only files of the layout: `name.json`, and those in `.schemas`. Whatever else is in it is refused."""
    size = 0
    try:
        # Not compressed: tarfile reads a member's extended header whole, however large it unpacks to.
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                if member.isdir():
                    continue
                size += member.size
                content = tar.extractfile(member) if member.isreg() else None
                if content is None or not _in_layout(member.name):
                    raise TransferError("the archive holds what is no file of the documented layout")
                if size > most_bytes:
                    raise TransferError(f"the archive holds more than {most_bytes} bytes")
                path = target / member.name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content.read())
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise TransferError(f"not a readable tar file, which must not be compressed: {error}") from None


def _in_layout(name: str) -> bool:
    parts = name.removeprefix("./").split("/")
    if parts[:1] == [".schemas"]:
        parts = parts[1:]
    return (
        len(parts) == 1 and parts[0].endswith(".json") and not parts[0].startswith(".") and "\0" not in name
    )


def _run(command: str, *paths: Path) -> list[Any]:
    collections: list[Any] = _ask(command, *paths)["collections"]
    return collections


def _ask(command: str, *paths: Path) -> dict[str, Any]:
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter and module
            [*(sys.executable, "-I", "-X", "utf8", "-m", "store.transfer", command), *map(str, paths)],
            env={},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise TransferError(f"it takes longer than {_SECONDS} seconds") from None
    return _answer(done.stdout, done.returncode)


def _answer(output: bytes, status: int) -> dict[str, Any]:
    try:
        document = orjson.loads(output) if len(output) <= _MAX_ANSWER_BYTES else {}
    except orjson.JSONDecodeError:
        document = {}
    if not isinstance(document, dict):
        document = {}
    if isinstance(document.get("error"), str):
        raise TransferError(document["error"])
    if status or not isinstance(document.get("collections"), list):
        raise TransferError("the session's data cannot be read")
    return document
