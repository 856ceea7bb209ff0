"""Sessions' files, made of the record's rows: written beside, checked on the way, then put in place.

1. Every row's sum is looked at before it is copied, in the same snapshot. A thousand documents come as one
   text: a row at a time, each would be a trip out of SQLite and back, with a wait for the interpreter in
   each.
2. Above MOST_INDEXED records no index is made, and the file's catalogue lists none: a session's searches ask
   for them again (`Runner`), and opening does not wait for them.
3. The file is nobody's data, so it is not synced, and has no journal while it is made.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from server.record import sums
from server.record.files import fail
from server.record.record import Damaged, Missing
from store import file_rows
from store.change_set import AnswerRow
from store.entries import EntryRow

if TYPE_CHECKING:
    from pathlib import Path

MOST_INDEXED: Final = 10_000
#: Rows whose sums are looked at together.
_CHUNK: Final = 1_000
_ENTRIES: Final = "SELECT name, number, next_id, updated_at, schema, indexes, crc FROM main.collections WHERE session = ? ORDER BY number"  # noqa: E501
_ANSWERS: Final = "SELECT seq, name, fingerprint, made, start, size, answer, crc FROM main.answers WHERE session = ? ORDER BY seq"  # noqa: E501
#: Numbers, rows and sums as text; documents apart, since JSON text holds no U+001F.
_SUMS: Final = f"""\
SELECT group_concat(row || ' ' || crc, char(10)), group_concat(doc, char(31)), max(row), count(*)
FROM (SELECT row, crc, doc FROM main.records WHERE session = ? AND collection = ? AND row > ?
ORDER BY row LIMIT {_CHUNK})"""  # noqa: S608  a number
_ROWS: Final = f"""\
INSERT OR IGNORE INTO cache.c%d (rowid, key, doc)
SELECT row, {file_rows.KEY}, doc FROM main.records WHERE session = ? AND collection = ? ORDER BY row"""  # noqa: S608


class Loader:
    """Makes files with a connection of its own; one at a time, on any thread. Raises RecordError."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._execute = connection.execute

    def close(self) -> None:
        self.connection.close()

    def load(self, session: int, into: Path) -> None:
        """Write the session's file, which must not be there. Raises Missing, Damaged, Full, Unavailable."""
        try:
            self._load(session, into)
        except BaseException as error:
            self._give_up(into)
            if isinstance(error, sqlite3.Error | OSError | UnicodeDecodeError | ValueError):
                if isinstance(error, ValueError) and not isinstance(error, UnicodeDecodeError):
                    raise Damaged(f"a row of the session is not readable: {error}") from error
                fail(error)
            raise

    def _load(self, session: int, into: Path) -> None:
        # No other process may use it, so SQLite need not look who does.
        os.close(os.open(into, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        self._execute("ATTACH ? AS cache", (str(into),))
        for pragma in ("page_size=4096", "locking_mode=EXCLUSIVE", "journal_mode=OFF", "synchronous=OFF"):
            self._execute(f"PRAGMA cache.{pragma}").fetchall()
        self._execute("BEGIN")
        if self._execute("SELECT 1 FROM main.sessions WHERE id = ?", (session,)).fetchone() is None:
            raise Missing("there is no such session")
        self._catalogue(session)
        self._answers(session)
        self._execute("COMMIT")
        self._execute("DETACH cache")

    def _give_up(self, into: Path) -> None:
        with suppress(sqlite3.Error):
            if self.connection.in_transaction:
                self._execute("ROLLBACK")
        with suppress(sqlite3.Error):
            self._execute("DETACH cache")
        with suppress(OSError):
            into.unlink(missing_ok=True)

    def _catalogue(self, session: int) -> None:
        rows = self._execute(_ENTRIES, (session,)).fetchall()
        # Of a session without collections, too: a file without marks is taken for one that is gone.
        for statement in (file_rows.catalogue_table("cache"), *file_rows.marks("cache")):
            self._execute(statement)
        for *values, crc in rows:
            entry = EntryRow(*values)
            if sums.of_entry(entry) != crc:
                raise Damaged("a row of the session's catalogue is not what was written")
            self._collection(session, entry)

    def _collection(self, session: int, entry: EntryRow) -> None:
        count = check_records(self.connection, session, entry.number)
        wanted = entry if count <= MOST_INDEXED else entry._replace(indexes="[]")
        self._execute(
            "INSERT INTO cache.collections (name, number, next_id, updated_at, schema, indexes) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: E501
            wanted,
        )
        for statement in file_rows.record_tables("cache", entry.number):
            self._execute(statement)
        if count:
            self._execute(_ROWS % entry.number, (session, entry.number))
        for statement in file_rows.indexes("cache", wanted):
            self._execute(statement)

    def _answers(self, session: int) -> None:
        rows = self._execute(_ANSWERS, (session,)).fetchall()
        if not rows:
            return
        answers = [AnswerRow(*row[:-1]) for row in rows]
        if any(sums.of_answer(answer) != row[-1] for answer, row in zip(answers, rows, strict=True)):
            raise Damaged("a kept answer is not what was written")
        self._execute(file_rows.answers_table("cache"))
        self.connection.executemany("INSERT INTO cache.answers VALUES (?, ?, ?, ?, ?, ?, ?)", answers)


def check_records(connection: sqlite3.Connection, session: int, number: int) -> int:
    """How many records a collection has, each looked at. Raises Damaged, sqlite3.Error, ValueError."""
    total: int = 0
    last: int = 0
    while True:
        heads, documents, last_row, count = connection.execute(_SUMS, (session, number, last)).fetchone()
        if not count:
            return total
        _check(number, heads, documents)
        total += count
        if count < _CHUNK:
            return total
        last = last_row


def _check(number: int, heads: str, documents: str) -> None:
    lines = heads.split("\n")
    texts = documents.encode().split(b"\x1f")
    if len(lines) != len(texts):
        raise Damaged("a record is not what was written")
    for line, text in zip(lines, texts, strict=True):
        row, _, crc = line.partition(" ")
        if sums.of_record(number, int(row), text) != int(crc):
            raise Damaged(f"the record in row {row} of collection {number} is not what was written")
