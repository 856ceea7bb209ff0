"""The record as one file for elsewhere, and back; and whether it is what was written.

A backup is a copy of the record at one moment (`VACUUM INTO`), with the plan library's file in a table of its
own. The names of sessions are in the record.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from server.record import files, sums
from server.record.caches import check_records
from server.record.record import Damaged, Exists, Missing
from server.record.writer import ROW_BYTES, entry_bytes
from store.change_set import AnswerRow
from store.entries import EntryRow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIBRARY: Final = "plans.db"
#: What of the data root is in a backup beside the record.
_BESIDE: Final = (LIBRARY,)
_TABLE: Final = "CREATE TABLE backup_files (name TEXT PRIMARY KEY, bytes BLOB NOT NULL)"
_MOST_NAMED: Final = 20


def make(root: Path, target: Path) -> dict[str, Any]:
    """Write a backup to a file that is not there.

    What is in it. Raises RecordError, OSError, sqlite3.Error.
    """
    copies = {name: _copy_of(root, name) for name in _BESIDE}
    _private(target).close()
    with closing(files.connect(root / files.NAME)) as record:
        record.execute("VACUUM INTO ?", (str(target),))
    with closing(sqlite3.connect(target, isolation_level=None)) as backup:
        backup.execute("PRAGMA journal_mode=DELETE")
        backup.execute("PRAGMA synchronous=FULL")
        backup.execute("BEGIN")
        backup.execute("DELETE FROM caches")
        backup.execute(_TABLE)
        for name, data in copies.items():
            if data is not None:
                backup.execute("INSERT INTO backup_files VALUES (?, ?)", (name, data))
        backup.execute("COMMIT")
        sessions = backup.execute("SELECT count(*) FROM sessions").fetchone()[0]
    return {"sessions": sessions, "size_bytes": target.stat().st_size}


def _copy_of(root: Path, name: str) -> bytes | None:
    """A consistent copy of a database that others may be writing to; None where there is none."""
    if not (root / name).exists():
        return None
    scratch = root / f"scratch-{secrets.token_hex(8)}.db"
    try:
        _private(scratch).close()
        with closing(sqlite3.connect(root / name, isolation_level=None)) as source:
            source.execute("VACUUM INTO ?", (str(scratch),))
        return scratch.read_bytes()
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)


def restore(
    backup: Path, root: Path, library: Callable[[Path], list[str]], *, replace: bool = False
) -> dict[str, Any]:
    """Make a data root, which no service may use, of a backup; what `verify` says of it.

    `library` says what is wrong with a plan library's file, which somebody else may have written.

    What was there before stays beside, as `record.db.before-restore` and the like. Raises RecordError,
    OSError: then everything is as it was.
    """
    if not backup.is_file():
        raise Missing(f"{backup} is no file")
    target = root / files.NAME
    if target.exists() and not replace:
        raise Exists(f"{target} is there already")
    made = root / f"scratch-{secrets.token_hex(8)}.db"
    try:
        with files.failures():
            _copy_file(backup, made)
            found = verify(made)
            if found["damaged"]:
                raise Damaged(f"the backup is damaged: {', '.join(found['damaged'][:3])}")
            beside = _unpack(made)
            _check_library(root, beside, library)
            _exchange(root, made, beside)
    finally:
        made.unlink(missing_ok=True)
    return found


def _copy_file(source: Path, target: Path) -> None:
    with source.open("rb") as reading, _private(target) as writing:
        while data := reading.read(1024 * 1024):
            writing.write(data)


def _private(path: Path) -> BinaryIO:
    """A new file that its owner alone may read; a database may be written into it while it is empty."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _unpack(made: Path) -> dict[str, bytes]:
    """What is beside the record in it; then it is a record, and another one than that which was copied."""
    with closing(sqlite3.connect(made, isolation_level=None)) as record:
        record.execute("PRAGMA synchronous=FULL")
        if record.execute("SELECT 1 FROM sqlite_master WHERE name = 'backup_files'").fetchone() is None:
            beside: dict[str, bytes] = {}
        else:
            beside = dict(record.execute("SELECT name, bytes FROM backup_files").fetchall())
        record.execute("BEGIN")
        record.execute("DROP TABLE IF EXISTS backup_files")
        record.execute("DELETE FROM caches")
        files.renew_identity(record)
        record.execute("COMMIT")
        record.execute("VACUUM")
    return {name: data for name, data in beside.items() if name in _BESIDE}


def _check_library(root: Path, beside: dict[str, bytes], library: Callable[[Path], list[str]]) -> None:
    """Raises Damaged."""
    if LIBRARY not in beside:
        return
    scratch = root / f"scratch-{secrets.token_hex(8)}.db"
    try:
        with _private(scratch) as file:
            file.write(beside[LIBRARY])
        faults = library(scratch)
    finally:
        scratch.unlink(missing_ok=True)
    if faults:
        raise Damaged(f"the backup's {LIBRARY} is not as this release makes it: {', '.join(faults[:3])}")


def _exchange(root: Path, made: Path, beside: dict[str, bytes]) -> None:
    """The old files get another name; their logs go, which are copied into them first."""
    scratches: dict[str, Path] = {}
    for name, data in beside.items():
        scratches[name] = root / f"scratch-{secrets.token_hex(8)}.db"
        with _private(scratches[name]) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    with made.open("rb") as file:
        os.fsync(file.fileno())
    for name in (*beside, files.NAME):
        if (root / name).exists():
            _fold(root / name)
            (root / name).replace(root / f"{name}.before-restore")
    for name, scratch in scratches.items():
        scratch.rename(root / name)
    made.rename(root / files.NAME)
    files.sync_directory(root)


def _fold(database: Path) -> None:
    """Copy its log into it, so that the file is all there is. One that is damaged keeps it."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    for suffix in ("-wal", "-shm"):
        log = database.with_name(f"{database.name}{suffix}")
        if log.exists():
            log.replace(database.with_name(f"{database.name}.before-restore{suffix}"))


def verify(path: Path) -> dict[str, Any]:
    """Read the whole record: its structure, all sums, sessions' sizes, and where their history ends.

    Of a schema that is not this version's nothing is read but the schema.

    `sessions` and `records` that were read; `damaged`: what is not as it was written, the first of it.
    Raises RecordError, sqlite3.Error.
    """
    with closing(files.connect(path, read_only=not path.with_name(f"{path.name}-wal").exists())) as record:
        files.check_format(record)
        if foreign := _foreign(record):
            return {"sessions": 0, "records": 0, "damaged": foreign[:_MOST_NAMED]}
        record.execute("BEGIN")
        damaged = _structure(record)
        records = 0
        try:
            sessions = record.execute("SELECT id, name, version, bytes, last_commit FROM sessions").fetchall()
        except sqlite3.DatabaseError as error:
            damaged.append(f"the list of sessions: {error}")
            sessions = []
        for session in sessions:
            count, faults = _look_at(record, session)
            records += count
            damaged += faults
        record.execute("ROLLBACK")
    return {"sessions": len(sessions), "records": records, "damaged": damaged[:_MOST_NAMED]}


def _foreign(record: sqlite3.Connection) -> list[str]:
    try:
        return files.foreign_schema(record)
    except sqlite3.DatabaseError as error:
        return [f"structure: {error}"]


def _structure(record: sqlite3.Connection) -> list[str]:
    try:
        found = record.execute("PRAGMA integrity_check(20)").fetchall()
    except sqlite3.DatabaseError as error:
        return [f"structure: {error}"]
    return [f"structure: {row[0]}" for row in found if row[0] != "ok"]


def _look_at(record: sqlite3.Connection, session: tuple[Any, ...]) -> tuple[int, list[str]]:
    id_, name, version, size, last_commit = session
    try:
        count, found_size = _rows(record, id_)
    except (Damaged, ValueError, UnicodeDecodeError, sqlite3.DatabaseError) as error:
        return 0, [f"session {name}: {error}"]
    faults: list[str] = []
    if found_size != size:
        faults.append(f"session {name}: its rows come to {found_size} bytes, and it says {size}")
    highest = record.execute(
        "SELECT max(version) FROM (SELECT version FROM records WHERE session = ?1 UNION ALL SELECT version FROM collections WHERE session = ?1)",  # noqa: E501
        (id_,),
    ).fetchone()[0]
    if highest is not None and highest > version:
        faults.append(f"session {name}: it is at version {version}, and has a row of {highest}")
    if last_commit:
        found = record.execute(
            "SELECT version FROM commits WHERE id = ? AND session = ?", (last_commit, id_)
        ).fetchone()
        if found is not None and found[0] != version:
            faults.append(f"session {name}: its history ends at version {found[0]}, and it is at {version}")
    return count, faults


def _rows(record: sqlite3.Connection, session: int) -> tuple[int, int]:
    """How many records there are, and what all rows come to in bytes.

    Raises Damaged and what reading does.
    """
    count = size = 0
    for *values, crc in record.execute(
        "SELECT name, number, next_id, updated_at, schema, indexes, crc FROM collections WHERE session = ?",
        (session,),
    ).fetchall():
        entry = EntryRow(*values)
        if sums.of_entry(entry) != crc:
            raise Damaged(f"the catalogue's row of {entry.name} is not what was written")
        count += check_records(record, session, entry.number)
        size += entry_bytes(entry)
    for *values, crc in record.execute(
        "SELECT seq, name, fingerprint, made, start, size, answer, crc FROM answers WHERE session = ?",
        (session,),
    ):
        answer = AnswerRow(*values)
        if sums.of_answer(answer) != crc:
            raise Damaged("a kept answer is not what was written")
        size += len(answer.answer.encode()) + ROW_BYTES
    all_records, documents = record.execute(
        "SELECT count(*), coalesce(sum(length(CAST(doc AS BLOB)) + ?), 0) FROM records WHERE session = ?",
        (ROW_BYTES, session),
    ).fetchone()
    if all_records != count:
        raise Damaged(f"{all_records - count} records are in no collection")
    return count, size + documents
