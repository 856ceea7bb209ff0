"""Writes to the record: the one connection that may, and what each change set does to the rows.

1. A group is one transaction, and one sync. If anything in it fails it is undone, and its parts are tried one
   by one: who is at fault fails alone.
2. A part's version is compared twice: with what this process knows, before anything is written, and by the
   statement that raises it, in the engine. Nobody else writes to the file, so the second never says no; it is
   there because the first is only memory.
3. After a sync that failed in a COMMIT, its rows may be in the log, unsynced: a crash would bring them
   back. The next transaction is written over them. So each such part is tried again, and only what fails
   again is Unknown.
4. What a change set says was checked by the worker. It is checked here once more for what would harm more
   than its own session, or would make rows that nobody can read: numbers, names, sizes.
"""

from __future__ import annotations

import sqlite3
import time
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field, frozen

from server.record import sums
from server.record.files import fail, meaning
from server.record.record import Fenced, Full, Head, Invalid, RecordError, Unknown
from store.change_set import ChangeSet, ChangeSetError, decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from server.record.history import History
    from server.record.record import Part
    from store.change_set import AnswerRow, RecordRow
    from store.entries import EntryRow

#: Counted for a row beside its text.
ROW_BYTES: Final = 8
#: All frames of a commit were written to the log by then: who opens it next may find them there.
_IN_DOUBT: Final = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})
_MOST_KNOWN: Final = 8_192

_FIND: Final = "SELECT id, version, crc, doc FROM records WHERE session = ? AND collection = ? AND row = ?"
_FIND_ENTRY: Final = "SELECT name, number, next_id, updated_at, schema, indexes, version, crc FROM collections WHERE session = ? AND number = ?"  # noqa: E501
_INSERT: Final = "INSERT INTO records (session, collection, row, version, crc, doc) VALUES (?, ?, ?, ?, ?, ?)"
_LAST: Final = "SELECT coalesce(max(row), 0) FROM records WHERE session = ? AND collection = ?"
_RAISE: Final = """\
UPDATE sessions SET version = version + 1, batch = ?, bytes = ?, changed_at = ?, used_at = ?, last_commit = ?
WHERE id = ? AND version = ?"""


@frozen
class Limits:
    """Bytes that a session's rows may come to, and those of all sessions together; 0: without end."""

    session_bytes: int = 0
    total_bytes: int = 0


@define
class Known:
    """A session's row, as it will be when the open transaction ends. `collections`: names by number."""

    id: int
    version: int
    batch: str
    size: int
    last_commit: int
    collections: dict[int, str] = field(factory=dict)
    #: By collection, a row beyond which there is none.
    last_rows: dict[int, int] = field(factory=dict)


class Writer:
    """Synchronous; a RecordError or nothing is raised. `total` is what all sessions come to, in bytes."""

    def __init__(
        self, connection: sqlite3.Connection, identity: str, limits: Limits, history: History
    ) -> None:
        self._connection = connection
        self.execute = connection.execute
        self.identity = identity
        self.limits = limits
        self.history = history
        self._known: OrderedDict[str, Known] = OrderedDict()
        #: Of the open transaction: records that are new, and sessions whose version goes up.
        self._inserts: list[tuple[Any, ...]] = []
        self._raises: list[tuple[Any, ...]] = []
        self.total: int = self.execute("SELECT coalesce(sum(bytes), 0) FROM sessions").fetchone()[0]

    # Sessions

    def known(self, session: str) -> Known | None:
        """The session's row, if there is one. Raises sqlite3.Error."""
        found = self._known.get(session)
        if found is None:
            sql = "SELECT id, version, batch, bytes, last_commit FROM sessions WHERE name = ?"
            row = self.execute(sql, (session,)).fetchone()
            if row is None:
                return None
            names = self.execute("SELECT number, name FROM collections WHERE session = ?", row[:1])
            number, version, batch, size, last_commit = row
            found = self._known[session] = Known(number, version, batch, size, last_commit, dict(names))
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return found

    def forget(self, session: str) -> None:
        """Read its row again the next time."""
        self._known.pop(session, None)

    def head(self, session: str) -> Head:
        """Version 0 where there is no such session. Raises RecordError."""
        try:
            return self.head_of(self.known(session))
        except sqlite3.Error as error:
            fail(error)

    def head_of(self, known: Known | None) -> Head:
        if known is None:
            return Head(self.identity, 0, "")
        return Head(self.identity, known.version, known.batch)

    def make(self, session: str, now: float) -> Known:
        """A session of version 0, without rows."""
        sql = "INSERT INTO sessions (name, version, batch, bytes, made_at, changed_at, used_at) VALUES (?, 0, '', 0, ?, ?, ?)"  # noqa: E501
        number = self.execute(sql, (session, now, now, now)).lastrowid
        assert number is not None  # noqa: S101  SQLite has just given it
        made = self._known[session] = Known(number, 0, "", 0, 0)
        return made

    # Transactions

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing. Raises RecordError; what is known of sessions is then read again."""
        total = self.total
        try:
            self.execute("BEGIN IMMEDIATE")
            yield
            self._flush()
        except BaseException as error:
            self._undo(total)
            if isinstance(error, sqlite3.Error | OverflowError):
                raise _refusal(error) from error
            raise
        try:
            self.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo(total)
            refusal = meaning(error)
            if getattr(error, "sqlite_errorcode", 0) in _IN_DOUBT:
                raise Unknown(refusal.reason) from error
            raise refusal from error

    def _flush(self) -> None:
        """Write what can be written together, which is quicker. Raises Fenced, sqlite3.Error."""
        _insert(self._connection, self._inserts)
        self.history.flush()
        if self._raises:
            done = self._connection.executemany(_RAISE, self._raises)
            if done.rowcount != len(self._raises):
                raise Fenced("the session has gone on without it")
            self._raises.clear()

    def _undo(self, total: int) -> None:
        """SQLite has ended some transactions itself by now."""
        self._known.clear()
        self._inserts.clear()
        self._raises.clear()
        self.history.undone()
        self.total = total
        if self._connection.in_transaction:
            self.execute("ROLLBACK")

    # Groups

    def commit(self, group: Sequence[Part]) -> list[Head | RecordError]:
        """See `Record.commit`."""
        now = time.time()
        read = [_read(part) for part in group]
        try:
            with self.transaction():
                return [self._part(part, rows, now) for part, rows in zip(group, read, strict=True)]
        except RecordError:
            return [self._alone(part, rows, now) for part, rows in zip(group, read, strict=True)]

    def _alone(self, part: Part, rows: ChangeSet | Invalid, now: float) -> Head | RecordError:
        try:
            with self.transaction():
                return self._part(part, rows, now)
        except RecordError as error:
            return error

    def _part(self, part: Part, rows: ChangeSet | Invalid, now: float) -> Head | RecordError:
        """Its head; why there is none, where nothing was written. Raises RecordError where something was."""
        if isinstance(rows, Invalid):
            return rows
        known = self.known(part.session)
        if (0 if known is None else known.version) != part.base:
            return Fenced("the session has gone on without it")
        if known is None:
            known = self.make(part.session, now)
        return self.apply(known, part, rows, now)

    def apply(self, known: Known, part: Part, rows: ChangeSet, now: float) -> Head:
        """Write a change set and raise the version. Raises RecordError, with rows written."""
        change = self.change(known)
        change.apply(rows)
        return self.finish(known, part, change, now)

    def change(self, known: Known) -> Change:
        """The beginning of its next version."""
        return Change(self._connection, known, self.history, self._inserts)

    def finish(self, known: Known, part: Part, change: Change, now: float) -> Head:
        """Raise the version to that of a change. Raises RecordError."""
        if change.grown > 0:
            self._require_room(known.size + change.grown, self.total + change.grown)
        commit = self.history.note(known.id, known.version + 1, known.last_commit, part, change.changes())
        size = known.size + change.grown
        self._raises.append(
            (part.batch, size, now, now, commit or known.last_commit, known.id, known.version)
        )
        known.version, known.batch, known.size = known.version + 1, part.batch, size
        known.last_commit = commit or known.last_commit
        self.total += change.grown
        return self.head_of(known)

    def _require_room(self, size: int, total: int) -> None:
        for what, most, wanted in (
            ("session", self.limits.session_bytes, size),
            ("total", self.limits.total_bytes, total),
        ):
            if 0 < most < wanted:
                raise Full(what, most)


class Change:
    """A change set on its way into a session's rows. `grown`: bytes that it adds, negative: takes away."""

    def __init__(
        self, connection: sqlite3.Connection, known: Known, history: History, inserts: list[tuple[Any, ...]]
    ) -> None:
        self._connection = connection
        self._inserts = inserts
        self._execute = connection.execute
        self._many = connection.executemany
        self._known = known
        self._history = history
        self._version = known.version + 1
        self.grown = 0
        #: By collection: records that are new, changed, removed.
        self._counts: dict[int, list[int]] = {}
        self._dropped: dict[int, str] = {}

    def apply(self, rows: ChangeSet) -> None:
        """Raises Invalid, sqlite3.Error, OverflowError."""
        for entry in rows.entries:
            self._entry(entry)
        for number in rows.cleared:
            self._clear(number)
        for number, row in rows.deletes:
            self._delete(number, row)
        for put in rows.puts:
            self._put(put)
        for seq in rows.purged:
            self._purge(seq)
        if rows.answers:
            self._answers(rows.answers)

    def empty(self) -> None:
        """Remove all rows there are."""
        for number in tuple(self._known.collections):
            self._clear(number)
            self._drop_entry(number)
        self.forget_answers()

    def forget_answers(self) -> None:
        """Remove all kept answers."""
        sql = "SELECT coalesce(sum(length(CAST(answer AS BLOB)) + ?), 0) FROM answers WHERE session = ?"
        self.grown -= self._execute(sql, (ROW_BYTES, self._known.id)).fetchone()[0]
        self._execute("DELETE FROM answers WHERE session = ?", (self._known.id,))

    def _drop_entry(self, number: int) -> None:
        before = self._execute(_FIND_ENTRY, (self._known.id, number)).fetchone()
        self._history.keep_entry(self._known.id, before, self._version)
        self._execute("DELETE FROM collections WHERE session = ? AND number = ?", (self._known.id, number))
        self.grown -= entry_bytes(before)
        self._dropped[number] = self._known.collections.pop(number)

    def changes(self) -> dict[str, list[int]]:
        names = {**self._dropped, **self._known.collections}
        return {names[number]: counts for number, counts in self._counts.items()}

    def _count(self, number: int, kind: int, by: int = 1) -> None:
        self._counts.setdefault(number, [0, 0, 0])[kind] += by

    def _entry(self, entry: EntryRow) -> None:
        name = self._known.collections.get(entry.number)
        if name is None:
            if entry.name in self._known.collections.values():
                raise Invalid("a collection has a second number")
            self._known.collections[entry.number] = entry.name
        elif name != entry.name:
            raise Invalid("a collection has another's number")
        before = self._execute(_FIND_ENTRY, (self._known.id, entry.number)).fetchone()
        if before is not None:
            self._history.keep_entry(self._known.id, before, self._version)
            self.grown -= entry_bytes(before)
        self.grown += entry_bytes(entry)
        self._execute(
            "INSERT OR REPLACE INTO collections VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(self._known.id, entry.number, entry.name, entry.next_id, entry.updated_at),
                *(entry.schema, entry.indexes, self._version, sums.of_entry(entry)),
            ),
        )

    def _clear(self, number: int) -> None:
        _insert(self._connection, self._inserts)
        where = (self._known.id, number)
        sql = "SELECT count(*), coalesce(sum(length(CAST(doc AS BLOB)) + ?), 0) FROM records WHERE session = ? AND collection = ?"  # noqa: E501
        count, size = self._execute(sql, (ROW_BYTES, *where)).fetchone()
        if not count:
            return
        self._require_collection(number)
        self._history.keep_all(*where, self._version)
        self._execute("DELETE FROM records WHERE session = ? AND collection = ?", where)
        self.grown -= size
        self._count(number, 2, count)

    def _find(self, number: int, row: int) -> tuple[int, int, int, str] | None:
        """A record's id, version, crc and document."""
        last = self._known.last_rows.get(number)
        if last is None:
            where = (self._known.id, number)
            last = self._execute(_LAST, where).fetchone()[0]
            self._known.last_rows[number] = last
        if row > last:
            return None
        _insert(self._connection, self._inserts)
        found: tuple[int, int, int, str] | None = self._execute(
            _FIND, (self._known.id, number, row)
        ).fetchone()
        return found

    def _delete(self, number: int, row: int) -> None:
        found = self._find(number, row)
        if found is None:
            return  # made and deleted by one request
        self._history.keep(self._known.id, number, row, found, self._version)
        self._execute("DELETE FROM records WHERE id = ?", found[:1])
        self.grown -= len(found[3].encode()) + ROW_BYTES
        self._count(number, 2)

    def _put(self, put: RecordRow) -> None:
        number, row, doc = put
        self._require_collection(number)
        data = doc.encode()
        crc = sums.of_record(number, row, data)
        session = self._known.id
        found = self._find(number, row)
        if found is None:
            self._inserts.append((session, number, row, self._version, crc, doc))
            last_rows = self._known.last_rows
            last_rows[number] = max(last_rows[number], row)
            self.grown += len(data) + ROW_BYTES
            self._count(number, 0)
            return
        self._history.keep(session, number, row, found, self._version)
        self._execute(
            "UPDATE records SET version = ?, crc = ?, doc = ? WHERE id = ?",
            (self._version, crc, doc, found[0]),
        )
        self.grown += len(data) - len(found[3].encode())
        self._count(number, 1)

    def _require_collection(self, number: int) -> None:
        if number not in self._known.collections:
            raise Invalid("a record is in no collection")

    def _purge(self, seq: int) -> None:
        where = (self._known.id, seq)
        sql = "SELECT length(CAST(answer AS BLOB)) FROM answers WHERE session = ? AND seq = ?"
        found = self._execute(sql, where).fetchone()
        if found is not None:
            self._execute("DELETE FROM answers WHERE session = ? AND seq = ?", where)
            self.grown -= found[0] + ROW_BYTES

    def _answers(self, answers: Sequence[AnswerRow]) -> None:
        try:
            self._many(
                "INSERT INTO answers (session, seq, name, fingerprint, made, start, size, crc, answer) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: E501
                [(self._known.id, *each[:6], sums.of_answer(each), each[6]) for each in answers],
            )
        except sqlite3.IntegrityError:
            raise Invalid("a kept answer has another's number") from None
        self.grown += sum(len(each.answer.encode()) + ROW_BYTES for each in answers)


def _insert(connection: sqlite3.Connection, records: list[tuple[Any, ...]]) -> None:
    """Write records that are new, and have waited for others. Raises sqlite3.Error, OverflowError."""
    if records:
        connection.executemany(_INSERT, records)
        records.clear()


def entry_bytes(entry: Sequence[Any]) -> int:
    """Of a row that begins as an EntryRow does."""
    return len(entry[0]) + len(entry[4]) + len(entry[5]) + ROW_BYTES


def _read(part: Part) -> ChangeSet | Invalid:
    try:
        return decode(part.changes)
    except ChangeSetError as error:
        return Invalid(f"no change set: {error}")


def _refusal(error: sqlite3.Error | OverflowError) -> RecordError:
    return Invalid("a number beyond 64 bits") if isinstance(error, OverflowError) else meaning(error)
