"""A session's file, made of rows that come from PostgreSQL: as `server/record/caches.py` makes one.

Rows come some at a time, out of one snapshot; each one's sum is looked at before it is written.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from server.record import caches, sums
from server.record.files import fail
from server.record.record import Damaged
from store import file_rows
from store.change_set import AnswerRow, RecordRow
from store.entries import EntryRow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from server.record.postgres.connecting import Connection

_CHUNK: Final = 1_000
_ENTRIES: Final = """\
SELECT name, number, next_id, updated_at, schema, indexes, crc FROM collections
WHERE session = $1 ORDER BY number"""
_ANSWERS: Final = """\
SELECT seq, name, fingerprint, made, start, size, answer, crc FROM answers WHERE session = $1 ORDER BY seq"""
_RECORDS: Final = """\
SELECT "row", doc, crc FROM records
WHERE session = $1 AND collection = $2 AND "row" > $3 ORDER BY "row" LIMIT $4"""


async def entries_of(connection: Connection, session: int) -> list[EntryRow]:
    """Raises Damaged."""
    found: list[EntryRow] = []
    for *values, crc in await connection.fetch(_ENTRIES, session):
        entry = EntryRow(*values)
        if sums.of_entry(entry) != crc:
            raise Damaged("a row of the session's catalogue is not what was written")
        found.append(entry)
    return found


async def answers_of(connection: Connection, session: int) -> list[AnswerRow]:
    """Raises Damaged."""
    found: list[AnswerRow] = []
    for *values, crc in await connection.fetch(_ANSWERS, session):
        answer = AnswerRow(*values)
        if sums.of_answer(answer) != crc:
            raise Damaged("a kept answer is not what was written")
        found.append(answer)
    return found


async def records_of(connection: Connection, session: int, number: int) -> AsyncIterator[list[RecordRow]]:
    """In order, some at a time. Raises Damaged."""
    last = 0
    while True:
        rows = await connection.fetch(_RECORDS, session, number, last, _CHUNK)
        if rows:
            yield [_checked(number, *row) for row in rows]
        if len(rows) < _CHUNK:
            return
        last = rows[-1][0]


def _checked(number: int, row: int, doc: str, crc: int) -> RecordRow:
    if sums.of_record(number, row, doc.encode()) != crc:
        raise Damaged(f"the record in row {row} of collection {number} is not what was written")
    return RecordRow(number, row, doc)


class FileMaker:
    """A file that must not be there yet; it goes again if it was not finished. May raise RecordError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            self._connection = sqlite3.connect(path, isolation_level=None)
            self._execute = self._connection.execute
            for pragma in ("page_size=4096", "locking_mode=EXCLUSIVE", "journal_mode=OFF", "synchronous=OFF"):
                self._execute(f"PRAGMA {pragma}").fetchall()
            self._execute("BEGIN")
        except (sqlite3.Error, OSError) as error:
            fail(error)

    def catalogue(self) -> None:
        for statement in (file_rows.catalogue_table("main"), *file_rows.marks("main")):
            self._execute(statement)

    def collection(self, entry: EntryRow) -> None:
        """Its table; then its records come."""
        for statement in file_rows.record_tables("main", entry.number):
            self._execute(statement)

    def records(self, number: int, rows: Sequence[RecordRow]) -> None:
        self._connection.executemany(
            f"INSERT OR IGNORE INTO c{number} (rowid, key, doc) SELECT row, {file_rows.KEY}, doc FROM (SELECT ? AS row, ? AS doc)",  # noqa: E501, S608
            [(row, doc) for _, row, doc in rows],
        )

    def described(self, entry: EntryRow, count: int) -> None:
        """When its records are there."""
        wanted = entry if count <= caches.MOST_INDEXED else entry._replace(indexes="[]")
        self._execute(
            "INSERT INTO collections (name, number, next_id, updated_at, schema, indexes) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: E501
            wanted,
        )
        for statement in file_rows.indexes("main", wanted):
            self._execute(statement)

    def answers(self, rows: Sequence[AnswerRow]) -> None:
        self._execute(file_rows.answers_table("main"))
        self._connection.executemany("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def finish(self) -> None:
        self._execute("COMMIT")
        self._connection.close()

    def give_up(self) -> None:
        self._connection.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


async def make_file(connection: Connection, session: int, path: Path) -> None:
    """In one snapshot. Raises RecordError."""
    maker = FileMaker(path)
    try:
        await _fill(maker, connection, session)
        maker.finish()
    except BaseException as error:
        maker.give_up()
        if isinstance(error, sqlite3.Error):
            fail(error)
        raise


async def _fill(maker: FileMaker, connection: Connection, session: int) -> None:
    entries = await entries_of(connection, session)
    maker.catalogue()  # of a session without collections, too: without marks it is taken for one that is gone
    for entry in entries:
        maker.collection(entry)
        count = 0
        async for rows in records_of(connection, session, entry.number):
            maker.records(entry.number, rows)
            count += len(rows)
        maker.described(entry, count)
    answers = await answers_of(connection, session)
    if answers:
        maker.answers(answers)
