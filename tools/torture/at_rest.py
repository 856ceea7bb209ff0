"""What the record holds, as a stranger reads it; and whether sessions' files are what it says they are."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from contextlib import closing, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from server.record import files
from server.record.process import CACHES
from server.record.record import Missing
from server.record.sqlite_record import SqliteRecord
from server.sessions.identity import session_for
from store import dump

if TYPE_CHECKING:
    from collections.abc import Collection

    from server.record.record import Engine
    from tools.torture.ledger import Contents

_RECORDS = """\
SELECT doc FROM records JOIN sessions ON sessions.id = records.session
JOIN collections ON collections.session = sessions.id AND collections.number = records.collection
WHERE sessions.name = ? AND collections.name = ? ORDER BY row"""
#: Files that an orderly stop has left to be opened again.
_CLOSED = "SELECT session FROM caches"


def name_of(session: str) -> str:
    """What the record and the directories call it."""
    return session_for(session, None, "reject").directory


def directory_of(data_root: Path, session: str) -> Path:
    """Where a worker has the session's file."""
    return data_root / CACHES / name_of(session)


def read_at_rest(data_root: Path, session: str, collections: tuple[str, ...]) -> Contents | str:
    """The session's records by collection; or what is wrong with the record."""
    path = data_root / files.NAME
    if not path.exists():
        return {name: [] for name in collections}
    try:
        with closing(_reader(path)) as record:
            return {
                name: [json.loads(doc) for (doc,) in record.execute(_RECORDS, (name_of(session), name))]
                for name in collections
            }
    except (sqlite3.Error, ValueError) as error:
        return f"{type(error).__name__}: {error}"


def _reader(path: Path) -> sqlite3.Connection:
    """Without leave to write: what a kill has left in the log stays there for the next keeper."""
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)


def integrity(path: Path) -> str:
    """What `PRAGMA integrity_check` says of a database: `ok`, or its first complaints."""
    try:
        with closing(_reader(path)) as connection:
            return "; ".join(row[0] for row in connection.execute("PRAGMA integrity_check(3)"))
    except sqlite3.Error as error:
        return str(error)


async def untrue_files(data_root: Path, without: Collection[str] = ()) -> tuple[int, list[str]]:
    """After an orderly stop: how many files may be opened again, and which are not what the record has.

    Row by row, catalogue and kept answers included, but for the sessions in `without` (names of directories).
    Raises ValueError for a file that cannot be read.
    """
    with closing(_reader(data_root / files.NAME)) as connection:
        sessions = [session for (session,) in connection.execute(_CLOSED) if session not in without]
    record = SqliteRecord(data_root / files.NAME)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            found = [each for each in sessions if await _differs(record, data_root, each, Path(scratch))]
    finally:
        await record.close()
    return len(sessions), found


async def _differs(record: SqliteRecord, data_root: Path, session: str, scratch: Path) -> bool:
    return await dumped(record, session, scratch) != dumped_file(data_root / CACHES / session, scratch)


async def dumped(record: Engine, session: str, scratch: Path) -> str:
    """All rows that the record has of a session, as text; none for one of which nothing was ever kept."""
    held = scratch / f"{session}.record"
    try:
        await record.dump(session, held)
    except Missing:
        return ""
    return held.read_text("utf-8")


def dumped_file(directory: Path, scratch: Path) -> str:
    """All rows of a session's file, likewise. Raises ValueError for one that cannot be read."""
    there = scratch / f"{directory.name}.file"
    with redirect_stdout(StringIO()) as told:
        failed = dump.main([str(directory), str(there)])
    if failed:
        raise ValueError(f"{directory.name}: {told.getvalue()}")
    return there.read_text("utf-8")
