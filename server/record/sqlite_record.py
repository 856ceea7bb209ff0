"""The embedded engine: one SQLite file in the data root, one connection that writes, others that read.

Commits run where they are asked for, and block: what comes meanwhile is the next group. What takes long and
only reads (large files, backups, checks, history) has threads and connections of its own.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attrs import field, frozen

from server.record import backup, files, places, sums
from server.record.caches import Loader, check_records
from server.record.checkpoints import Checkpoints
from server.record.history import History, Past, checked_rows
from server.record.lives import Sought
from server.record.record import (
    MOST_SETTINGS_BYTES,
    Changes,
    Collection,
    Damaged,
    Difference,
    Entry,
    Exists,
    Head,
    Invalid,
    LogEntry,
    Missing,
    Moment,
    Part,
    RecordError,
    RecordVersion,
    SessionName,
    Step,
    Unavailable,
)
from server.record.writer import Known, Limits, Writer
from store import dump
from store.change_set import AnswerRow, ChangeSet, RecordRow
from store.entries import EntryRow
from store.keeper_wire import Closed

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from server.record.files import Durability

T = TypeVar("T")

#: A session whose rows come to no more is made a file of at once: that is quicker than to ask a thread.
_SMALL_BYTES: Final = 128 * 1024
_NO_SESSION: Final = "there is no such session"
_THREADS: Final = 2
_LISTED_AT_ONCE: Final = 500


@frozen
class Options:
    """`history_seconds` 0: superseded rows are not kept; `history_bytes` bounds them."""

    durability: Durability = "full"
    limits: Limits = field(factory=Limits)
    history_seconds: float = 0.0
    history_bytes: int = 0


class SqliteRecord:
    """See `Record`. To be used in one event loop."""

    def __init__(self, path: Path, options: Options = Options()) -> None:
        """Open the record, or make one. Raises RecordError."""
        self.path = path
        self._identity = files.prepare(path)
        with files.failures():
            self._connection = files.connect(path, options.durability)
            self.history = History(self._connection, options.history_seconds, options.history_bytes)
            self.writer = Writer(self._connection, self._identity, options.limits, self.history)
            self.checkpoints = Checkpoints(path, self._connection)
            self._probe = files.Probe(path)
            self._near = Loader(files.connect(path))
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="record")
        self._readers: list[Loader] = []
        self._prepare_history()

    @property
    def identity(self) -> str:
        return self._identity

    def _prepare_history(self) -> None:
        """What was not kept for a while is no history: it would tell of a past that never was."""
        if self.history.on:
            return
        with self.writer.transaction():
            for statement in (
                "DELETE FROM superseded",
                "DELETE FROM commits",
                "UPDATE sessions SET last_commit = 0 WHERE last_commit != 0",
            ):
                self._connection.execute(statement)

    # Heads and commits

    async def head(self, session: SessionName) -> Head:
        return self.writer.head(session)

    async def certain_head(self, session: SessionName) -> Head:
        return self.writer.head(session)

    async def commit(self, group: Sequence[Part]) -> list[Head | RecordError]:
        results = self.writer.commit(group)
        self.checkpoints.consider()
        return results

    def explained(self, error: RecordError) -> RecordError:
        """What the disk says of damage that SQLite has found."""
        if isinstance(error, Damaged) and error.structure and self._probe.fails():
            return Unavailable("the disk cannot read the record")
        return error

    async def used_bytes(self, session: SessionName) -> int:
        known = self._known(session)
        return 0 if known is None else known.size

    def _known(self, session: SessionName) -> Known | None:
        with files.failures():
            return self.writer.known(session)

    def _there(self, session: SessionName) -> Known:
        known = self._known(session)
        if known is None:
            raise Missing(_NO_SESSION)
        return known

    # Files

    async def load(self, session: SessionName, into: Path) -> Head:
        known = self._there(session)
        head = self.writer.head_of(known)
        if known.size <= _SMALL_BYTES:
            self._near.load(known.id, into)
        else:
            await self._elsewhere(lambda loader: loader.load(known.id, into))
        return head

    async def dump(self, session: SessionName, into: Path) -> Head:
        known = self._there(session)
        head = self.writer.head_of(known)
        await self.read(lambda connection: dump.write(into, _chunks(connection, known.id)))
        return head

    async def _elsewhere(self, work: Callable[[Loader], T]) -> T:
        """On a thread, with a connection that nobody else uses meanwhile."""

        def run() -> T:
            with files.failures():
                reader = self._readers.pop() if self._readers else Loader(files.connect(self.path))
            try:
                return work(reader)
            finally:
                self._readers.append(reader)

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """On a thread, in a transaction of its own. Raises RecordError."""

        def run(loader: Loader) -> T:
            connection = loader.connection
            with files.failures():
                connection.execute("BEGIN")
                try:
                    return work(connection)
                finally:
                    connection.execute("ROLLBACK")

        return await self._elsewhere(run)

    # Whole sessions

    @contextmanager
    def _operation(self) -> Iterator[None]:
        """A transaction of its own, and perhaps a checkpoint behind it."""
        with self.writer.transaction():
            yield
        self.checkpoints.consider()

    async def adopt(
        self,
        session: SessionName,
        rows: Iterable[ChangeSet],
        *,
        replace: bool = False,
        route: str = "import",
    ) -> Head:
        now = time.time()
        with self._operation():
            known = self.writer.known(session)
            if known is not None and known.collections and not replace:
                raise Exists("the session has data already")
            known = known or self.writer.make(session, now)
            change = self.writer.change(known)
            change.empty()
            for each in rows:
                change.apply(each)
            return self.writer.finish(known, _part(session, known, route, now), change, now)

    async def copy(
        self,
        source: SessionName,
        target: SessionName,
        *,
        at: Moment | None = None,
        missing_ok: bool = False,
    ) -> Head:
        origin = self._known(source)
        if origin is None and missing_ok:
            return self.writer.head(target)
        origin = origin or self._there(source)
        now = time.time()
        with self._operation():
            version = origin.version if at is None else self._past(origin).version_at(at)
            known = self.writer.known(target)
            if known is not None and known.collections:
                raise Exists("the session has data already")
            known = known or self.writer.make(target, now)
            self._copy_settings((source, target), own_stay=missing_ok)
            if version == origin.version:
                self._copy_rows(origin, known)
            else:
                change = self.writer.change(known)
                change.apply(self._state(origin, version))
                return self.writer.finish(known, _part(target, known, f"fork of {source}", now), change, now)
            change = self.writer.change(known)
            change.grown = origin.size
            return self.writer.finish(known, _part(target, known, f"fork of {source}", now), change, now)

    def _copy_rows(self, origin: Known, target: Known) -> None:
        """Rows that are not what was written are not handed on. Raises Damaged."""
        for number in origin.collections:
            check_records(self._connection, origin.id, number)
        version = target.version + 1
        for statement in (
            """\
            INSERT INTO collections
            SELECT ?2, number, name, next_id, updated_at, schema, indexes, ?3, crc
            FROM collections WHERE session = ?1""",
            """\
            INSERT INTO records (session, collection, row, version, crc, doc)
            SELECT ?2, collection, row, ?3, crc, doc FROM records WHERE session = ?1 ORDER BY collection,
            row""",
            """\
            INSERT INTO answers (session, seq, name, fingerprint, made, start, size, crc, answer)
            SELECT ?2, seq, name, fingerprint, made, start, size, crc, answer FROM answers
            WHERE session = ?1 AND ?3""",
        ):
            self._connection.execute(statement, (origin.id, target.id, version))
        target.collections = dict(origin.collections)

    async def reset(self, session: SessionName) -> Head:
        known, now = self._there(session), time.time()
        with self._operation():
            change = self.writer.change(known)
            change.empty()
            return self.writer.finish(known, _part(session, known, "reset", now), change, now)

    async def remove(
        self, sessions: Sequence[SessionName], *, unused_since: float | None = None
    ) -> list[SessionName]:
        gone: list[SessionName] = []
        with self._operation():
            for session in sessions:
                known = self.writer.known(session)
                if known is not None and not self._used(known, unused_since):
                    self._remove(session, known)
                    gone.append(session)
            left = gone if unused_since is not None else sessions
            self._connection.executemany(
                "DELETE FROM places WHERE session = ?", [(session,) for session in left]
            )
        return gone

    def _used(self, known: Known, since: float | None) -> bool:
        if since is None:
            return False
        sql = "SELECT used_at FROM sessions WHERE id = ?"
        return bool(self._connection.execute(sql, (known.id,)).fetchone()[0] >= since)

    def _remove(self, session: SessionName, known: Known) -> None:
        self.history.purge(known.id, known.last_commit)
        for table in ("records", "collections", "answers"):
            self._connection.execute(f"DELETE FROM {table} WHERE session = ?", (known.id,))  # noqa: S608  ours
        self._connection.execute("DELETE FROM sessions WHERE id = ?", (known.id,))
        self.writer.total -= known.size
        self.writer.forget(session)

    async def use(self, sessions: Iterable[SessionName]) -> None:
        now = time.time()
        with self._operation():
            self._connection.executemany(
                "UPDATE sessions SET used_at = ? WHERE name = ?", [(now, session) for session in sessions]
            )

    # What there is

    async def sessions(self) -> AsyncIterator[Entry]:
        last = 0
        while True:
            rows = await self.read(partial(_some_sessions, last=last))
            for row in rows:
                yield Entry(*row[1:])
            if len(rows) < _LISTED_AT_ONCE:
                return
            last = rows[-1][0]

    async def entry(self, session: SessionName) -> Entry:
        sql = "SELECT name, version, bytes, used_at, changed_at FROM sessions WHERE name = ?"
        rows = self.execute(sql, (session,))
        if not rows:
            raise Missing("there is no such session")
        return Entry(*rows[0])

    async def collections(self, session: SessionName) -> list[Collection]:
        known = self._there(session)
        return await self.read(lambda connection: _collections(connection, known.id))

    async def total_bytes(self) -> int:
        return self.writer.total

    async def settings(self, session: SessionName) -> dict[str, Any]:
        with files.failures():
            return self._settings(session)

    def _settings(self, session: SessionName) -> dict[str, Any]:
        """Raises sqlite3.Error."""
        sql = "SELECT settings FROM sessions WHERE name = ?"
        row = self._connection.execute(sql, (session,)).fetchone()
        settings: dict[str, Any] = {} if row is None else json.loads(row[0])
        return settings

    async def change_settings(
        self,
        session: SessionName,
        changes: dict[str, Any],
        *,
        expected: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        found = await self.settings(session)
        if any(found.get(name) != value for name, value in (expected or {}).items()):
            return found
        changed = {name: value for name, value in {**found, **changes}.items() if value is not None}
        if changed == found:
            return found
        text = json.dumps(changed)
        if len(text) > MOST_SETTINGS_BYTES:
            raise Invalid(f"a session's settings would take more than {MOST_SETTINGS_BYTES} bytes")
        with self._operation():
            if self.writer.known(session) is None:
                self.writer.make(session, time.time())
            self._connection.execute("UPDATE sessions SET settings = ? WHERE name = ?", (text, session))
        return changed

    def _copy_settings(self, names: tuple[SessionName, SessionName], *, own_stay: bool) -> None:
        theirs, own = (self._settings(name) for name in names)
        text = json.dumps({**theirs, **own} if own_stay else theirs)
        self._connection.execute("UPDATE sessions SET settings = ? WHERE name = ?", (text, names[1]))

    # History

    def _past(self, known: Known) -> Past:
        """As the open transaction of the writer has it."""
        return Past(self._connection, known.id, known.version, known.last_commit)

    def _seen(self, session: SessionName, connection: sqlite3.Connection) -> tuple[Head, Past]:
        """As a reader's transaction sees it: what the writer knows is ahead of that. Raises Missing."""
        sql = "SELECT id, version, batch, last_commit FROM sessions WHERE name = ?"
        row = connection.execute(sql, (session,)).fetchone()
        if row is None:
            raise Missing(_NO_SESSION)
        number, version, batch, last_commit = row
        return Head(self.identity, version, batch), Past(connection, number, version, last_commit)

    async def log(self, session: SessionName, *, most: int, before: int | None = None) -> list[LogEntry]:
        return await self.read(
            lambda connection: self._seen(session, connection)[1].log(most=most, before=before)
        )

    async def changes(self, session: SessionName, *, since: int, most: int) -> tuple[Head, list[Changes]]:
        def find(connection: sqlite3.Connection) -> tuple[Head, list[Changes]]:
            head, past = self._seen(session, connection)
            return head, past.changes(since, most)

        return await self.read(find)

    async def steps(self, session: SessionName, *, since: int) -> list[Step]:
        return await self.read(lambda connection: self._seen(session, connection)[1].steps(since))

    async def differences(
        self, session: SessionName, at: Moment, *, most: int
    ) -> tuple[int, list[Difference]]:
        def find(connection: sqlite3.Connection) -> tuple[int, list[Difference]]:
            _, past = self._seen(session, connection)
            version = past.version_at(at)
            return version, past.differences(version, most)

        return await self.read(find)

    async def record_history(
        self, session: SessionName, collection: str, id_: str, *, most: int, before: int | None = None
    ) -> tuple[list[RecordVersion], bool]:
        self._there(session)
        sought = Sought.of(id_)
        if sought is None:
            return [], False
        return await self.read(
            lambda connection: self._seen(session, connection)[1].record_history(
                collection, sought, most=most, before=before
            )
        )

    async def rewind(self, session: SessionName, to: Moment) -> Head:
        known, now = self._there(session), time.time()
        with self._operation():
            version = self._past(known).version_at(to)
            change = self.writer.change(known)
            change.apply(self._back(known, version))
            change.forget_answers()
            route = f"rewind to version {version}"
            return self.writer.finish(known, _part(session, known, route, now), change, now)

    def _back(self, known: Known, version: int) -> ChangeSet:
        """What makes a session's rows those of a version again."""
        entries, puts = self._superseded(known, version)
        kept = {(put.number, put.row) for put in puts}
        now = {entry.number: (entry, made) for entry, made in self._entries(known)}
        then = {
            **{number: entry for number, (entry, made) in now.items() if made <= version},
            **{entry.number: entry for entry in entries},
        }
        back = [
            entry._replace(next_id=max(entry.next_id, now[entry.number][0].next_id))
            if entry.number in now
            else entry
            for entry in entries
        ]
        # A collection that was not there yet stays, empty: its next id would go back with it.
        back += [
            entry._replace(schema="{}", indexes="[]")
            for number, (entry, _) in now.items()
            if number not in then
        ]
        since = self._connection.execute(
            "SELECT collection, row FROM records WHERE session = ? AND version > ?", (known.id, version)
        ).fetchall()
        gone = tuple(place for place in since if place not in kept)
        back = self._with_next_ids(known, version, {e.number: e for e in back}, now)
        return ChangeSet(entries=tuple(back), deletes=gone, puts=tuple(puts))

    def _with_next_ids(
        self,
        known: Known,
        version: int,
        back: dict[int, EntryRow],
        now: dict[int, tuple[EntryRow, int]],
    ) -> list[EntryRow]:
        """The next id never goes back, and only the highest record may tell it: it is written down."""
        sql = "SELECT collection, max(row) FROM records WHERE session = ? AND version > ? AND row < ? GROUP BY collection"  # noqa: E501
        highest = self._connection.execute(sql, (known.id, version, 2**60)).fetchall()
        for number, row in highest:
            entry = back.get(number, now[number][0])
            back[number] = entry._replace(next_id=max(entry.next_id, min(row + 1, 2**53)))
        return list(back.values())

    def _state(self, known: Known, version: int) -> ChangeSet:
        """All rows of a version."""
        entries, puts = self._superseded(known, version)
        replaced = {entry.number for entry in entries}
        entries += [
            entry for entry, made in self._entries(known) if made <= version and entry.number not in replaced
        ]
        rows = self._connection.execute(
            "SELECT collection, row, doc, crc FROM records WHERE session = ? AND version <= ?",
            (known.id, version),
        )
        for number, row, doc, crc in rows:
            if sums.of_record(number, row, doc.encode()) != crc:
                raise Damaged("a record is not what was written")
            puts.append(RecordRow(number, row, doc))
        return ChangeSet(entries=tuple(entries), puts=tuple(puts))

    def _superseded(self, known: Known, version: int) -> tuple[list[EntryRow], list[RecordRow]]:
        rows = list(checked_rows(self._past(known).superseded_since(version)))
        entries = [row for row in rows if isinstance(row, EntryRow)]
        return entries, [row for row in rows if isinstance(row, RecordRow)]

    def _entries(self, known: Known) -> list[tuple[EntryRow, int]]:
        sql = "SELECT name, number, next_id, updated_at, schema, indexes, version FROM collections WHERE session = ?"  # noqa: E501
        return [(EntryRow(*row[:-1]), row[-1]) for row in self._connection.execute(sql, (known.id,))]

    # Beside the sessions

    async def note_names(self, names: Sequence[tuple[str, str, str]]) -> None:
        with self.writer.transaction():
            for name in names:
                self._connection.execute("INSERT OR REPLACE INTO names VALUES (?, ?, ?)", tuple(name))

    async def names(self) -> dict[str, tuple[str, str]]:
        rows = self.execute("SELECT directory, owner, label FROM names")
        return {directory: (owner, label) for directory, owner, label in rows}

    async def forget_name(self, session: SessionName) -> None:
        self.execute("DELETE FROM names WHERE directory = ?", (session,))

    async def keep_document(self, digest: str, data: bytes) -> None:
        self.execute("INSERT OR IGNORE INTO documents VALUES (?, ?)", (digest, data))

    async def document(self, digest: str) -> bytes | None:
        rows = self.execute("SELECT bytes FROM documents WHERE digest = ?", (digest,))
        return bytes(rows[0][0]) if rows else None

    async def take_place(
        self, session: SessionName, token: str, most: int, *, has_data: bool = False
    ) -> bool:
        with self._operation():
            return places.take(self._connection, session, token, most, has_data=has_data)

    async def places(self) -> dict[SessionName, str]:
        return dict(self.execute("SELECT session, token FROM places"))

    async def take_files(self) -> list[tuple[Closed, int]]:
        rows = self.execute(
            "SELECT session, identity, version, batch, size, inode, mtime_ns, ctime_ns FROM caches"
        )
        self.execute("DELETE FROM caches")
        return [(Closed(row[0], Head(*row[1:4]), *row[4:7]), row[7]) for row in rows]

    async def keep_files(self, kept: Iterable[tuple[Closed, int]]) -> None:
        with self.writer.transaction():
            for closed, ctime_ns in kept:
                self._connection.execute(
                    "INSERT OR REPLACE INTO caches VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (closed.session, *closed.head, closed.size, closed.inode, closed.mtime_ns, ctime_ns),
                )

    # Upkeep

    @property
    def limits(self) -> Limits:
        return self.writer.limits

    @property
    def total(self) -> int:
        return self.writer.total

    @property
    def pending_bytes(self) -> int:
        """To copy the log into the file."""
        return self.checkpoints.pending_bytes

    async def can_write(self) -> bool:
        """A quota, for one, does not show in what is free."""
        try:
            self.execute("INSERT OR REPLACE INTO meta VALUES ('tried', ?)", (str(time.time()),))
        except RecordError:
            return False
        return True

    async def stats(self) -> dict[str, Any]:
        return {
            "sessions": self.execute("SELECT count(*) FROM sessions")[0][0],
            "total_bytes": self.total,
            "history_bytes": self.history.size if self.history.on else 0,
            "log_pages": self.checkpoints.log_pages,
            "log_bytes": self.checkpoints.log_pages * files.PAGE_BYTES,
            "log_left": self.checkpoints.pages - self.checkpoints.copied,
        }

    async def backup(self, path: Path) -> dict[str, Any]:
        return await self._in_thread(lambda: backup.make(self.path.parent, path))

    async def verify(self) -> dict[str, Any]:
        return await self._in_thread(lambda: backup.verify(self.path))

    async def _in_thread(self, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        with files.failures():
            return await asyncio.to_thread(work)

    def execute(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """For what is kept beside the sessions; a statement is a transaction. Raises RecordError."""
        with files.failures():
            return self._connection.execute(sql, params).fetchall()

    async def prune_history(self) -> bool:
        if not self.history.on:
            return False
        with self._operation():
            return self.history.prune()

    async def close(self) -> None:
        """Copy the log into the file, and close it."""
        self._threads.shutdown()
        for reader in (self._near, *self._readers):
            reader.close()
        self.checkpoints.close()
        self._connection.close()
        self.checkpoints.closed()
        self._probe.close()


def _some_sessions(connection: sqlite3.Connection, *, last: int) -> list[tuple[Any, ...]]:
    columns = "id, name, version, bytes, used_at, changed_at"
    sql = f"SELECT {columns} FROM sessions WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608  constants
    return connection.execute(sql, (last, _LISTED_AT_ONCE)).fetchall()


def _part(session: SessionName, known: Known, route: str, now: float) -> Part:
    """An operator's change, as it stands in the session's log."""
    return Part(session, known.version, secrets.token_hex(16), now, "", route, "", "")


def _collections(connection: sqlite3.Connection, session: int) -> list[Collection]:
    sql = """\
    SELECT name, (SELECT count(*) FROM records AS r WHERE r.session = c.session AND r.collection = c.number),
      max(next_id, 1 + coalesce((SELECT max(row) FROM records AS r
        WHERE r.session = c.session AND r.collection = c.number AND row < ?), 0)), schema, updated_at
    FROM collections AS c WHERE session = ? GROUP BY number ORDER BY name"""
    return [Collection(*row) for row in connection.execute(sql, (2**60, session))]


def _chunks(connection: sqlite3.Connection, session: int) -> Iterator[ChangeSet]:
    sql = "SELECT name, number, next_id, updated_at, schema, indexes FROM collections WHERE session = ? ORDER BY number"  # noqa: E501
    entries = [EntryRow(*row) for row in connection.execute(sql, (session,)).fetchall()]
    if not entries:
        return iter(())
    records = connection.execute(
        "SELECT collection, row, doc FROM records WHERE session = ? ORDER BY collection, row", (session,)
    )
    answers = connection.execute(
        """\
        SELECT seq, name, fingerprint, made, start, size, answer
        FROM answers WHERE session = ? ORDER BY seq""",
        (session,),
    )
    return dump.chunks_of(entries, (RecordRow(*row) for row in records), (AnswerRow(*row) for row in answers))
