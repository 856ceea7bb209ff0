"""Sessions' data in the documented layout, as tar files: made and read by a process that holds no keys.

A session's database may have been written by a guest that was taken over, and SQLite is a large parser
of such files. So `store.transfer` reads it, in a process with an empty environment, confined as a worker is,
which can write to what it is to make and to a scratch directory, and to nothing else. What it says is checked
here.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from wasm_runtime import session_files
from wasm_runtime.confined import Confinement

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Longer than the largest session takes: 256 MiB are exported in some seconds.
_SECONDS: Final = 600
#: 1,000 collections with 1,000 fields of 64 letters, and room.
_MAX_ANSWER_BYTES: Final = 128 * 1024 * 1024
#: Of a file in an archive: a collection's name has 64 letters.
_MAX_NAME: Final = 100
#: Members of a tar file that extend the header of the next one, and the largest of them that is read.
_EXTENSIONS: Final = frozenset(
    {
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
    }
)
_MAX_EXTENSION: Final = 65_536
#: How large one file that is made can be: JSON with spaces, or a database with indexes, against its source.
_LARGER: Final = 8
_ROOM_BYTES: Final = 64 * 1024 * 1024


class TransferError(Exception):
    """The session's data, or the data that is to become one, is refused; the message says why."""


def export(session_directory: Path, archive: Path) -> list[str]:
    """Write the session's collections to a tar file; their names. Raises TransferError, OSError."""
    with _two_directories() as (scratch, files):
        names = _run(scratch, "export", session_directory, files)
        with tarfile.open(archive, "w") as tar:
            for path in _sorted_files(files):
                tar.add(path, path.relative_to(files).as_posix(), recursive=False, filter=_anonymous)
    return list(map(str, names))


def imported(archive: Path, rows: Path, *, most_bytes: int, most_members: int) -> list[str]:
    """Write the rows of a tar file's collections, of at most so much data, as text (`store/dump.py`).

    No object in them has more than `most_members`.

    The collections' names. Raises TransferError, OSError.
    """
    with _scratch(rows.parent) as scratch:
        files = scratch / "files"
        files.mkdir()
        _unpack(archive, files, most_bytes)
        found = _dumped(scratch, "--import", str(most_members), files)
        (scratch / "rows").rename(rows)
        return list(map(str, found["collections"]))


def rows_of(session_directory: Path, rows: Path) -> dict[str, Any]:
    """Write the rows of a session's file, which a guest may have written, as text.

    {}, or {"error": "..."} where that is refused: for the keeper, which asks for it.
    """
    try:
        with _scratch(rows.parent) as scratch:
            session_files.copy(session_directory, scratch / "session")
            _dumped(scratch, scratch / "session")
            (scratch / "rows").rename(rows)
    except (TransferError, OSError) as error:
        return {"error": str(error)}
    return {}


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    path = parent / f"scratch-{secrets.token_hex(8)}"
    path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _dumped(scratch: Path, *arguments: str | Path) -> dict[str, Any]:
    """Run `store.dump` into `rows` in a directory, beyond which it can neither read nor write."""
    return _answer_of(_confinement(scratch, scratch), "store.dump", *arguments, scratch / "rows")


def salvaged(damaged: Path, rows: Path) -> dict[str, Any]:
    """Write the rows that can be read of a directory that was set aside as text; it stays as it is.

    `collections` (name, records, rows_lost, pages_lost), `notes` on other damage.
    Raises TransferError, OSError.
    """
    with _scratch(rows.parent) as scratch:
        copy = scratch / "session.damaged"
        if not session_files.copy(damaged, copy):
            raise TransferError("there is no database in it")
        report = _ask(scratch, "salvage", copy)
        _dumped(scratch, scratch / "session")
        (scratch / "rows").rename(rows)
        return {name: report.get(name) for name in ("collections", "notes")}


def _sorted_files(directory: Path) -> Iterator[Path]:
    return iter(sorted(path for path in directory.rglob("*") if path.is_file()))


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nothing of this machine's users, and no times: equal data is an equal file."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime, member.mode = 0, 0o644
    return member


@contextmanager
def _two_directories() -> Iterator[tuple[Path, Path]]:
    """One for temporary files, one for those of an archive."""
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory() as files:
        yield Path(scratch), Path(files)


def _unpack(archive: Path, target: Path, most_bytes: int) -> None:
    """Only files of the layout: `name.json`, and those in `.schemas`. Whatever else is in it is refused."""
    size = 0
    try:
        _check_extensions(archive)
        # Not compressed: tarfile reads a member's extended header whole, however large it unpacks to.
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                if member.isdir() and not _in_layout(member.name):
                    continue
                size += member.size
                content = tar.extractfile(member) if member.isreg() else None
                if content is None or not _in_layout(member.name):
                    raise TransferError(
                        f"{member.name[:_MAX_NAME]!a} in the archive is no file of the documented layout"
                    )
                if len(member.name) > _MAX_NAME:
                    raise TransferError(
                        f"a name in the archive has over {_MAX_NAME} letters: {member.name[:40]!a}"
                    )
                if size > most_bytes:
                    raise TransferError(f"the archive holds more than {most_bytes} bytes")
                _write_new(target / member.name, content.read())
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise TransferError(f"not a readable tar file, which must not be compressed: {error}") from None


def _check_extensions(archive: Path) -> None:
    """Go through the headers by their sizes: what extends a header is short, else the archive is refused.

    tarfile takes the memory that an extended header claims before it looks for its bytes.
    Raises TransferError, tarfile.TarError.
    """
    with archive.open("rb") as file:
        while len(block := file.read(tarfile.BLOCKSIZE)) == tarfile.BLOCKSIZE and any(block):
            member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            if member.type in _EXTENSIONS and not 0 <= member.size <= _MAX_EXTENSION:
                raise TransferError(f"a header in the archive is longer than {_MAX_EXTENSION} bytes")
            if member.size < 0:
                raise TransferError("a size in the archive is negative")
            blocks = -(-member.size // tarfile.BLOCKSIZE) if _has_content(member) else 0
            file.seek(blocks * tarfile.BLOCKSIZE, os.SEEK_CUR)
        # tarfile leaves out what follows the end without a word: of a file with a hole that is most of it.
        while rest := file.read(_MAX_EXTENSION):
            if rest.strip(b"\0"):
                raise TransferError("something follows the end of the archive: it is not whole")


def _has_content(member: tarfile.TarInfo) -> bool:
    """As tarfile reads it: a link, a device or a directory has none, whatever its size says."""
    return member.isreg() or member.type in _EXTENSIONS or member.type not in tarfile.SUPPORTED_TYPES


def _write_new(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise TransferError(f"the archive has {path.name} twice") from None


def _in_layout(name: str) -> bool:
    parts = name.removeprefix("./").split("/")
    if parts[:1] == [".schemas"]:
        parts = parts[1:]
    return (
        len(parts) == 1 and parts[0].endswith(".json") and not parts[0].startswith(".") and name.isprintable()
    )


def _run(scratch: Path, command: str, *paths: Path) -> list[Any]:
    collections: list[Any] = _ask(scratch, command, *paths)["collections"]
    return collections


def _ask(scratch: Path, command: str, *paths: Path) -> dict[str, Any]:
    return _answer_of(_confinement(scratch, *paths), "store.transfer", command, *paths)


def _answer_of(confinement: Confinement, module: str, *arguments: str | Path) -> dict[str, Any]:
    scratch = confinement.writable[0]
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter and module
            confinement.command(module, *map(str, arguments)),
            env={"TMPDIR": scratch, "SQLITE_TMPDIR": scratch},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise TransferError(f"it takes longer than {_SECONDS} seconds") from None
    return _answer(done.stdout, done.returncode)


def _confinement(scratch: Path, *paths: Path) -> Confinement:
    """Of two paths the last is written to."""
    source, *written = paths
    size = sum(path.lstat().st_size for path in source.rglob("*"))
    return Confinement(
        writable=tuple(map(str, (scratch, *written))),
        readable=(str(source),),
        file_bytes=_LARGER * size + _ROOM_BYTES,
        parent=os.getpid(),
    )


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
