"""The record in PostgreSQL, shared by the nodes of a cluster.

1. A group is one transaction: the sessions' rows are locked, what it touches is read, worked out in memory
   (`changing.py`) and written, a statement a kind. The statement that raises the versions compares them.
   Most groups are of sessions that this keeper has written before, and are one statement (`quick.py`).
2. On a node of a cluster what is locked is who owns each session (`owners`), and a part is written only while
   that is this node, with this lease's epoch. Whoever takes a session over changes that row, so it waits for
   the commit under way, and the next commit finds another owner: it is fenced, whatever the old one's clock
   says.
3. Of a COMMIT without an answer the sessions' rows tell: they are read under their locks, so not before the
   server has ended that transaction, and the batch says whether it was done. What was not is done again.
4. The total of all sessions is read now and then, and counted between: over several nodes its limit can be
   passed by what the others write in that time.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attrs import define, field, frozen

from server.record.files import failures
from server.record.lives import Sought
from server.record.postgres import loading, places, quick, statements, tables
from server.record.postgres.changing import Change, There, Writes
from server.record.postgres.connecting import Lost, Pool, prepare
from server.record.postgres.past import Past
from server.record.record import (
    MOST_SETTINGS_BYTES,
    Changes,
    Collection,
    Damaged,
    Difference,
    Entry,
    Exists,
    Fenced,
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
    Unknown,
)
from server.record.writer import Limits
from store import dump
from store.change_set import ChangeSet, ChangeSetError, RecordRow, decode
from store.keeper_wire import Closed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from server.record.postgres.connecting import Connection
    from server.record.postgres.nodes import Lease

T = TypeVar("T")

_LISTED_AT_ONCE: Final = 500
_PRUNED_AT_ONCE: Final = 500
#: So often the total of all sessions is read.
_TOTAL_SECONDS: Final = 1.0
_MOST_ROUNDS: Final = 5
#: Sessions that are there for a moment, each known to the node that made it alone.
_NOBODYS: Final = "scratch-"


@frozen
class Options:
    """`seconds` bounds a transaction; history as in the embedded engine."""

    limits: Limits = field(factory=Limits)
    history_seconds: float = 0.0
    history_bytes: int = 0
    seconds: float = 10.0


@define
class _Total:
    """What all sessions come to, as it was read last, and what was added since."""

    size: int = 0
    read_at: float = float("-inf")


class _Rolled(RecordError):
    """The transaction is to end without anything written; these are the results."""

    def __init__(self, results: list[Head | RecordError]) -> None:
        super().__init__("nothing of the group was written")
        self.results = results


class PostgresRecord:
    """See `Record`. Made by `open_record`."""

    def __init__(self, pool: Pool, identity: str, options: Options, kept: Path | None = None) -> None:
        """`kept`: where this node's files are listed from an orderly stop to the next start."""
        self.pool = pool
        self._kept = kept
        self._identity = identity
        self.limits = options.limits
        self._history = options.history_seconds > 0 and options.history_bytes > 0
        self._options = options
        self._total = _Total()
        self._remembered = quick.Remembered()
        #: This node's; None: no cluster, so sessions have no owners.
        self.lease: Lease | None = None

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def total(self) -> int:
        return self._total.size

    # Transactions

    async def _do(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """One that is a session's whole act. Raises RecordError."""
        try:
            return await self.pool.transaction(work)
        except Lost as error:
            raise Unknown("the record's database has not said whether it was done") from error

    async def _locked(self, connection: Connection, sessions: Sequence[SessionName]) -> dict[str, There]:
        """Those that there are, theirs until the end of the transaction. Raises Fenced.

        On a node of a cluster their owner is this one.
        """
        fenced = await self._not_mine(connection, sessions)
        if fenced:
            raise Fenced("the session is another node's")
        return await statements.lock(connection, sessions)

    async def _not_mine(self, connection: Connection, sessions: Iterable[SessionName]) -> set[str]:
        """Those of another node, or of nobody; the others stay this node's until the transaction ends."""
        if self.lease is None:
            return set()
        owned = sorted({each for each in sessions if not each.startswith(_NOBODYS)})
        if not owned:
            return set()
        rows = await connection.fetch(
            """\
            SELECT session FROM owners WHERE session = ANY($1::text[]) AND node = $2 AND epoch = $3
            ORDER BY session FOR UPDATE""",
            owned,
            self.lease.node,
            self.lease.epoch,
        )
        return set(owned) - {row[0] for row in rows}

    async def _there(self, connection: Connection, session: SessionName) -> There:
        """Its row, without a lock. Raises Missing."""
        sql = "SELECT id, name, version, batch, bytes FROM sessions WHERE name = $1"
        row = await connection.fetchrow(sql, session)
        if row is None:
            raise Missing("there is no such session")
        return There(*row)

    # Heads and commits

    async def head(self, session: SessionName) -> Head:
        rows = await self.pool.fetch("SELECT version, batch FROM sessions WHERE name = $1", session)
        return Head(self._identity, *rows[0]) if rows else Head(self._identity, 0, "")

    async def certain_head(self, session: SessionName) -> Head:
        """Under the locks that every commit takes first."""

        async def look(connection: Connection) -> Head:
            await connection.fetch("SELECT 1 FROM owners WHERE session = $1 FOR UPDATE", session)
            there = (await statements.lock(connection, [session])).get(session)
            return Head(self._identity, 0, "") if there is None else there.head(self._identity)

        return await self._do(look)

    async def used_bytes(self, session: SessionName) -> int:
        rows = await self.pool.fetch("SELECT bytes FROM sessions WHERE name = $1", session)
        return int(rows[0][0]) if rows else 0

    async def commit(self, group: Sequence[Part]) -> list[Head | RecordError]:
        read = [_read(part) for part in group]
        try:
            await self._look_at_total()
            return await self._certain(group, read)
        except RecordError as error:
            if len(group) == 1 or not isinstance(error, Invalid):
                return [error] * len(group)
        return [(await self.commit([part]))[0] for part in group]

    async def _certain(self, group: Sequence[Part], read: Sequence[ChangeSet | Invalid]) -> list[Any]:
        """Again, where the first COMMIT had no answer, as far as it was not done. Raises RecordError."""
        done = await self._quickly(group, read)
        for _ in range(_MOST_ROUNDS):
            left = [place for place, part in enumerate(group) if part.batch not in done]
            parts = [group[place] for place in left]
            changes = [read[place] for place in left]
            found: dict[int, Head | RecordError] = {}
            try:
                if parts:
                    found = dict(zip(left, await self._slowly(parts, changes), strict=True))
            except Lost:
                done |= await self._done(parts)
                continue
            return [found.get(place, done.get(part.batch)) for place, part in enumerate(group)]
        raise Unknown("the record's database has not said whether it was done")

    async def _slowly(
        self, group: Sequence[Part], read: Sequence[ChangeSet | Invalid]
    ) -> list[Head | RecordError]:
        """In a transaction that reads what there is. Raises RecordError, Lost."""
        there: dict[str, There] = {}
        try:
            results = await self.pool.transaction(lambda c: self._group(c, group, read, there))
        except _Rolled as rolled:
            return rolled.results
        for each in there.values():
            if each.version:
                self._remembered.keep(each)
        return results

    async def _quickly(self, group: Sequence[Part], read: Sequence[ChangeSet | Invalid]) -> dict[str, Head]:
        """Heads by batch, of what could be written by what is remembered. Raises RecordError."""
        drafts = self._drafts(group, read)
        if drafts is None:
            return {}
        writes, heads = Writes(), {}
        before = {each.id: each.size for each in drafts.values()}

        async def run(connection: Connection) -> set[int]:
            touched = [
                (drafts[part.session], rows)
                for part, rows in zip(group, read, strict=True)
                if isinstance(rows, ChangeSet)
            ]
            await statements.read_touched(connection, touched)
            size = self._total.size
            for part, (there, rows) in zip(group, touched, strict=True):
                grown = sum(each.size - before[each.id] for each in drafts.values())
                change = Change(there, history=self._history)
                head = self._laid(change, part, rows, writes, size + grown)
                if isinstance(head, RecordError):
                    raise head  # the long way says what it is
                heads[part.batch] = head
            return await quick.write(connection, writes, self.lease, time.time())

        for part in group:
            self._remembered.forget(part.session)
        try:
            written = await self.pool.at_once(run)
        except RecordError:
            return {}
        except Lost:
            return await self._done(group)
        for there in drafts.values():
            if there.id in written:
                self._total.size += there.size - before[there.id]
                self._remembered.keep(there)
        return {part.batch: heads[part.batch] for part in group if drafts[part.session].id in written}

    def _drafts(self, group: Sequence[Part], read: Sequence[ChangeSet | Invalid]) -> dict[str, There] | None:
        """The group's sessions as they are remembered; None where the long way is to be gone."""
        drafts: dict[str, There] = {}
        bases: dict[str, int] = {}
        for part, rows in zip(group, read, strict=True):
            if not isinstance(rows, ChangeSet) or not quick.fits(rows) or part.session.startswith(_NOBODYS):
                return None
            there = drafts.get(part.session) or self._remembered.draft(part.session)
            if there is None or part.base != bases.get(part.session, there.version):
                return None
            drafts[part.session] = there
            bases[part.session] = part.base + 1
            quick.note_absent(there, rows)
        return drafts

    async def _done(self, parts: Sequence[Part]) -> dict[str, Head]:
        """Which parts a transaction has written that may be under way still. Raises RecordError."""

        async def look(connection: Connection) -> dict[str, There]:
            names = [part.session for part in parts]
            if self.lease is not None:
                # Whoever has the session now: this waits for what holds it.
                await connection.fetch(
                    "SELECT 1 FROM owners WHERE session = ANY($1::text[]) ORDER BY session FOR UPDATE", names
                )
            return await statements.lock(connection, names)

        try:
            now = await self.pool.transaction(look)
        except RecordError as error:
            raise Unknown("the record's database has not said whether it was done") from error
        except Lost as error:
            raise Unknown("the record's database has not said whether it was done") from error
        written: dict[str, Head] = {}
        for session in {part.session for part in parts}:
            own = [part for part in parts if part.session == session]
            batches = [part.batch for part in own]
            found = now.get(session)
            if found is not None and found.batch in batches:
                through = own[: batches.index(found.batch) + 1]
                written |= {each.batch: Head(self._identity, each.base + 1, each.batch) for each in through}
            elif found is not None and found.version > own[0].base:
                raise Unknown("another node has written since, upon this or not")
        return written

    async def _group(
        self,
        connection: Connection,
        group: Sequence[Part],
        read: Sequence[ChangeSet | Invalid],
        written: dict[str, There],
    ) -> list[Head | RecordError]:
        """`written` has the group's sessions, as they are when it is committed."""
        now = time.time()
        fenced = await self._not_mine(connection, [part.session for part in group])
        names = [part.session for part in group if part.session not in fenced]
        there = await statements.lock(connection, names)
        new = [part.session for part in group if part.base == 0 and part.session not in {*there, *fenced}]
        if new:
            await statements.make(connection, new, now)
            there |= await statements.lock(connection, new)
        await statements.read_entries(connection, there.values())
        results: list[Head | RecordError] = []
        writes, size = Writes(), self._total.size
        before = {each.id: each.size for each in there.values()}
        for run in _runs(read):
            parts = [(group[place], read[place]) for place in run]
            touched = [
                (there[part.session], rows)
                for part, rows in parts
                if part.session in there and isinstance(rows, ChangeSet)
            ]
            await statements.read_touched(connection, touched)
            for part, rows in parts:
                grown = sum(each.size - before[each.id] for each in there.values())
                results.append(await self._part(connection, there, part, rows, writes, size + grown))
        if not any(isinstance(each, Head) for each in results):
            raise _Rolled(results)  # the sessions that were made for it go, too
        await self._finished(connection, writes, now)
        await self._drop_unborn(connection, there, new)
        self._total.size = size + sum(each.size - before[each.id] for each in there.values())
        written.clear()
        written |= there
        return results

    async def _drop_unborn(self, connection: Connection, there: dict[str, There], new: list[str]) -> None:
        unborn = [there[name].id for name in set(new) if name in there and there[name].version == 0]
        if unborn:
            await connection.execute(
                "DELETE FROM sessions WHERE id = ANY($1::bigint[]) AND version = 0", unborn
            )

    async def _finished(self, connection: Connection, writes: Writes, now: float) -> None:
        """Raises Fenced, where somebody has written who had no right to."""
        if writes.raised and not await statements.write(connection, writes, now):
            raise Fenced("the session has gone on without it")

    async def _part(  # noqa: PLR0917  a step of `_group`
        self,
        connection: Connection,
        there: dict[str, There],
        part: Part,
        rows: ChangeSet | Invalid,
        writes: Writes,
        total: int,
    ) -> Head | RecordError:
        if isinstance(rows, Invalid):
            return rows
        session = there.get(part.session)
        if session is None or session.version != part.base:
            return Fenced("the session has gone on without it")
        change = Change(session, history=self._history)
        if not rows.cleared:
            return self._laid(change, part, rows, writes, total)
        # What it clears is removed by statements of its own, so whatever came before has to be written.
        await self._finished(connection, writes, time.time())
        _forget(writes)
        savepoint = connection.transaction()
        await savepoint.start()
        try:
            for number in rows.cleared:
                cleared = await statements.clear(connection, session, number, history=self._history)
                change.note_cleared(number, *cleared)
        except Invalid as error:
            await savepoint.rollback()
            return error
        result = self._laid(change, part, rows, writes, total)
        await (savepoint.commit() if isinstance(result, Head) else savepoint.rollback())
        return result

    def _laid(
        self, change: Change, part: Part, rows: ChangeSet, writes: Writes, total: int
    ) -> Head | RecordError:
        try:
            change.apply(rows)
            change.require_room(self.limits, total)
        except RecordError as error:
            return error
        change.finish(part, writes)
        return change.there.head(self._identity)

    async def _look_at_total(self) -> None:
        if time.monotonic() - self._total.read_at > _TOTAL_SECONDS:
            await self.read_total()

    async def read_total(self) -> None:
        """Raises RecordError."""
        rows = await self.pool.fetch("SELECT coalesce(sum(bytes), 0)::bigint FROM sessions")
        self._total = _Total(rows[0][0], time.monotonic())

    def explained(self, error: RecordError) -> RecordError:
        return error

    # Files

    async def load(self, session: SessionName, into: Path) -> Head:
        async def make(connection: Connection) -> Head:
            there = await self._there(connection, session)
            await loading.make_file(connection, there.id, into)
            return there.head(self._identity)

        return await self.pool.read(make)

    async def dump(self, session: SessionName, into: Path) -> Head:
        """Write the session's rows as text (`store/dump.py`). Raises Missing."""

        async def write(connection: Connection) -> Head:
            there = await self._there(connection, session)
            entries = await loading.entries_of(connection, there.id)
            records: list[RecordRow] = []
            for entry in entries:
                async for rows in loading.records_of(connection, there.id, entry.number):
                    records += rows
            answers = await loading.answers_of(connection, there.id)
            dump.write(into, dump.chunks_of(entries, records, answers) if entries else ())
            return there.head(self._identity)

        return await self.pool.read(write)

    # Whole sessions

    async def adopt(
        self,
        session: SessionName,
        rows: Iterable[ChangeSet],
        *,
        replace: bool = False,
        route: str = "import",
    ) -> Head:
        chunks = list(rows)

        async def adopted(connection: Connection, there: There, change: Change) -> None:
            if there.entries and not replace:
                raise Exists("the session has data already")
            await self._empty(connection, change)
            for each in chunks:
                change.apply(each)

        return await self._changed(session, adopted, route, make=True)

    async def _empty(self, connection: Connection, change: Change) -> None:
        """Remove all rows there are."""
        there = change.there
        for number in tuple(there.entries):
            cleared = await statements.clear(connection, there, number, history=self._history)
            change.note_cleared(number, *cleared)
            change.drop(number)
        change.forget_answers(await statements.forget_answers(connection, there))

    async def _changed(
        self,
        session: SessionName,
        work: Callable[[Connection, There, Change], Awaitable[str | None]],
        route: str,
        *,
        make: bool = False,
    ) -> Head:
        """An operator's change of one session, which is its next version. Raises RecordError.

        What `work` returns is what the session's log says it was; None: `route`.
        """
        part = Part(session, 0, secrets.token_hex(16), time.time(), "", route, "", "")
        await self._look_at_total()

        async def run(connection: Connection) -> tuple[Head, int]:
            found = await self._locked(connection, [session])
            if session not in found and make:
                await statements.make(connection, [session], part.at)
                found = await statements.lock(connection, [session])
            if session not in found:
                raise Missing("there is no such session")
            there, writes = found[session], Writes()
            await statements.read_entries(connection, [there])
            change = Change(there, history=self._history)
            told = await work(connection, there, change)
            change.require_room(self.limits, self._total.size)
            change.finish(part._replace(route=told or route), writes)
            await self._finished(connection, writes, part.at)
            return there.head(self._identity), change.grown

        head, grown = await self._do(run)
        self._total.size += grown
        return head

    async def copy(
        self,
        source: SessionName,
        target: SessionName,
        *,
        at: Moment | None = None,
        missing_ok: bool = False,
    ) -> Head:
        async def copied(connection: Connection, there: There, change: Change) -> None:
            if there.entries:
                raise Exists("the session has data already")
            origin = await self._there(connection, source)
            past = Past(connection, origin.id, origin.version)
            change.apply(await self._rows_at(past, at))
            theirs, own = [await _settings(connection, name) for name in (source, target)]
            text = json.dumps({**theirs, **own} if missing_ok else theirs)
            await connection.execute("UPDATE sessions SET settings = $1 WHERE id = $2", text, there.id)

        try:
            return await self._changed(target, copied, f"fork of {source}", make=True)
        except Missing:
            if missing_ok and (await self.head(source)).version == 0:
                return await self.head(target)
            raise

    async def _rows_at(self, past: Past, at: Moment | None) -> ChangeSet:
        version = past.version if at is None else await past.version_at(at)
        if version != past.version:
            return await past.state(version)
        entries = await loading.entries_of(past.connection, past.session)
        puts: list[RecordRow] = []
        for entry in entries:
            async for rows in loading.records_of(past.connection, past.session, entry.number):
                puts += rows
        answers = await loading.answers_of(past.connection, past.session)
        return ChangeSet(entries=tuple(entries), puts=tuple(puts), answers=tuple(answers))

    async def reset(self, session: SessionName) -> Head:
        async def emptied(connection: Connection, _there: There, change: Change) -> None:
            await self._empty(connection, change)

        return await self._changed(session, emptied, "reset")

    async def remove(
        self, sessions: Sequence[SessionName], *, unused_since: float | None = None
    ) -> list[SessionName]:
        async def run(connection: Connection) -> list[tuple[str, int]]:
            found = await self._locked(connection, sessions)
            gone: list[tuple[str, int]] = []
            for session in dict.fromkeys(sessions):
                there = found.get(session)
                if there is None or (
                    unused_since is not None and await _used(connection, there, unused_since)
                ):
                    continue
                for table in ("records", "collections", "answers", "superseded", "commits"):
                    await connection.execute(f"DELETE FROM {table} WHERE session = $1", there.id)  # noqa: S608
                await connection.execute("DELETE FROM sessions WHERE id = $1", there.id)
                gone.append((session, there.size))
            left = sessions if unused_since is None else [session for session, _ in gone]
            await places.give_back(connection, left)
            return gone

        gone = await self._do(run)
        self._total.size -= sum(size for _, size in gone)
        return [session for session, _ in gone]

    async def use(self, sessions: Iterable[SessionName]) -> None:
        await self.pool.fetch(
            "UPDATE sessions SET used_at = $1 WHERE name = ANY($2::text[])", time.time(), sorted(sessions)
        )

    # What there is

    async def sessions(self) -> AsyncIterator[Entry]:
        last = 0
        while True:
            rows = await self.pool.fetch(
                """\
                SELECT id, name, version, bytes, used_at, changed_at FROM sessions
                WHERE id > $1 ORDER BY id LIMIT $2""",
                last,
                _LISTED_AT_ONCE,
            )
            for row in rows:
                yield Entry(*row[1:])
            if len(rows) < _LISTED_AT_ONCE:
                return
            last = rows[-1][0]

    async def entry(self, session: SessionName) -> Entry:
        """Raises Missing."""
        rows = await self.pool.fetch(
            "SELECT name, version, bytes, used_at, changed_at FROM sessions WHERE name = $1", session
        )
        if not rows:
            raise Missing("there is no such session")
        return Entry(*rows[0])

    async def collections(self, session: SessionName) -> list[Collection]:
        async def find(connection: Connection) -> list[Collection]:
            there = await self._there(connection, session)
            return [Collection(*row) for row in await connection.fetch(_COLLECTIONS, there.id, 2**60)]

        return await self.pool.read(find)

    async def total_bytes(self) -> int:
        await self.read_total()
        return self.total

    async def settings(self, session: SessionName) -> dict[str, Any]:
        rows = await self.pool.fetch("SELECT settings FROM sessions WHERE name = $1", session)
        settings: dict[str, Any] = json.loads(rows[0][0]) if rows else {}
        return settings

    async def change_settings(
        self,
        session: SessionName,
        changes: dict[str, Any],
        *,
        expected: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        async def run(connection: Connection) -> dict[str, Any]:
            found = await _settings(connection, session, lock=True)
            if any(found.get(name) != value for name, value in (expected or {}).items()):
                return found
            changed = {name: value for name, value in {**found, **changes}.items() if value is not None}
            text = json.dumps(changed)
            if len(text) > MOST_SETTINGS_BYTES:
                raise Invalid(f"a session's settings would take more than {MOST_SETTINGS_BYTES} bytes")
            if changed != found:
                await statements.make(connection, [session], time.time())
                sql = "UPDATE sessions SET settings = $1 WHERE name = $2"
                await connection.execute(sql, text, session)
            return changed

        return await self._do(run)

    # History

    async def log(self, session: SessionName, *, most: int, before: int | None = None) -> list[LogEntry]:
        return await self._past(session, lambda past: past.log(most=most, before=before))

    async def changes(self, session: SessionName, *, since: int, most: int) -> tuple[Head, list[Changes]]:
        async def run(connection: Connection) -> tuple[Head, list[Changes]]:
            there = await self._there(connection, session)
            found = await Past(connection, there.id, there.version).changes(since, most)
            return Head(self.identity, there.version, there.batch), found

        return await self.pool.read(run)

    async def steps(self, session: SessionName, *, since: int) -> list[Step]:
        return await self._past(session, lambda past: past.steps(since))

    async def differences(
        self, session: SessionName, at: Moment, *, most: int
    ) -> tuple[int, list[Difference]]:
        async def find(past: Past) -> tuple[int, list[Difference]]:
            version = await past.version_at(at)
            return version, await past.differences(version, most)

        return await self._past(session, find)

    async def record_history(
        self, session: SessionName, collection: str, id_: str, *, most: int, before: int | None = None
    ) -> tuple[list[RecordVersion], bool]:
        sought = Sought.of(id_)

        async def find(past: Past) -> tuple[list[RecordVersion], bool]:
            if sought is None:
                return [], False
            return await past.record_history(collection, sought, most=most, before=before)

        return await self._past(session, find)

    async def _past(self, session: SessionName, work: Callable[[Past], Awaitable[T]]) -> T:
        async def run(connection: Connection) -> T:
            there = await self._there(connection, session)
            return await work(Past(connection, there.id, there.version))

        return await self.pool.read(run)

    async def rewind(self, session: SessionName, to: Moment) -> Head:
        async def rewound(connection: Connection, there: There, change: Change) -> str:
            past = Past(connection, there.id, there.version)
            version = await past.version_at(to)
            rows = await past.back(version)
            await statements.read_touched(connection, [(there, rows)])
            change.apply(rows)
            change.forget_answers(await statements.forget_answers(connection, there))
            return f"rewind to version {version}"

        return await self._changed(session, rewound, "rewind")

    # Beside the sessions

    async def note_names(self, names: Sequence[tuple[str, str, str]]) -> None:
        rows = {name[0]: name for name in names}
        columns = [list(column) for column in zip(*rows.values(), strict=True)]
        if columns:
            await self.pool.fetch(
                """\
                INSERT INTO names SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
                ON CONFLICT (directory) DO UPDATE SET owner = excluded.owner, label = excluded.label""",
                *columns,
            )

    async def names(self) -> dict[str, tuple[str, str]]:
        rows = await self.pool.fetch("SELECT directory, owner, label FROM names")
        return {directory: (owner, label) for directory, owner, label in rows}

    async def forget_name(self, session: SessionName) -> None:
        await self.pool.fetch("DELETE FROM names WHERE directory = $1", session)

    async def take_place(
        self, session: SessionName, token: str, most: int, *, has_data: bool = False
    ) -> bool:
        return await self._do(lambda c: places.take(c, session, token, most, has_data=has_data))

    async def places(self) -> dict[SessionName, str]:
        rows = await self.pool.fetch("SELECT session, token FROM places")
        return {session: token for session, token in rows}  # noqa: C416  rows are tuples of any length

    async def keep_document(self, digest: str, data: bytes) -> None:
        await self.pool.fetch(
            "INSERT INTO documents VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING", digest, data
        )

    async def document(self, digest: str) -> bytes | None:
        rows = await self.pool.fetch("SELECT bytes FROM documents WHERE digest = $1", digest)
        return bytes(rows[0][0]) if rows else None

    async def take_files(self) -> list[tuple[Closed, int]]:
        """From a file of this node: after any other end than an orderly one there is none."""
        if self._kept is None:
            return []
        with failures():
            try:
                text = self._kept.read_text("utf-8")
            except FileNotFoundError:
                return []
            self._kept.unlink()
        try:
            rows = json.loads(text)
        except ValueError:
            return []
        return [(Closed(row[0], Head(*row[1]), *row[2:5]), row[5]) for row in rows]

    async def keep_files(self, kept: Iterable[tuple[Closed, int]]) -> None:
        if self._kept is not None:
            rows = [[*closed, ctime_ns] for closed, ctime_ns in kept]
            with failures():
                self._kept.write_text(json.dumps(rows), "utf-8")

    # Upkeep

    @property
    def pending_bytes(self) -> int:
        return 0

    async def can_write(self) -> bool:
        try:
            await self.pool.fetch(
                """\
                INSERT INTO meta VALUES ('tried', $1)
                ON CONFLICT (key) DO UPDATE SET value = excluded.value""",
                str(time.time()),
            )
        except RecordError:
            return False
        return True

    async def prune_history(self) -> bool:
        """A step of removing old history; whether there is more."""
        if not self._history:
            return False
        return await self._do(self._pruned)

    async def _pruned(self, connection: Connection) -> bool:
        before = time.time() - self._options.history_seconds
        gone: list[Any] = await connection.fetch(
            "SELECT id, session, version FROM commits WHERE at < $2 ORDER BY id LIMIT $1 "
            "FOR UPDATE SKIP LOCKED",
            _PRUNED_AT_ONCE,
            before,
        )
        more = len(gone) == _PRUNED_AT_ONCE
        if not gone:
            gone, more = await self._too_much(connection)
        if gone:
            sessions, versions = [row["session"] for row in gone], [row["version"] for row in gone]
            await connection.execute(
                """\
                DELETE FROM superseded AS s
                USING unnest($1::bigint[], $2::bigint[]) AS gone (session, version)
                WHERE s.session = gone.session AND s.until = gone.version""",
                sessions,
                versions,
            )
            await connection.execute(
                "DELETE FROM commits WHERE id = ANY($1::bigint[])", [row["id"] for row in gone]
            )
        return more

    async def _too_much(self, connection: Connection) -> tuple[list[Any], bool]:
        """The oldest of the session that has most, down to what the next one has; whether there is more."""
        sizes = await connection.fetch(
            "SELECT session, sum(bytes)::bigint AS bytes FROM commits GROUP BY session ORDER BY 2 DESC"
        )
        over = sum(row["bytes"] for row in sizes) - self._options.history_bytes
        if over <= 0:
            return [], False
        most, others = sizes[0]["bytes"], sizes[1]["bytes"] if len(sizes) > 1 else 0
        too_much = max(min(over, most - others), 1)
        rows = await connection.fetch(
            "SELECT id, session, version, bytes FROM commits WHERE session = $2 ORDER BY id LIMIT $1 "
            "FOR UPDATE SKIP LOCKED",
            _PRUNED_AT_ONCE,
            sizes[0]["session"],
        )
        gone: list[Any] = []
        freed = 0
        for row in rows:
            if freed >= too_much:
                break
            freed += row["bytes"]
            gone.append(row)
        return gone, bool(gone) and freed < over

    async def prepare_history(self) -> None:
        """What was not kept for a while is no history: it would tell of a past that never was."""
        if not self._history:
            await self.pool.fetch("DELETE FROM superseded")
            await self.pool.fetch("DELETE FROM commits")

    async def stats(self) -> dict[str, Any]:
        rows = await self.pool.fetch("SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM sessions")
        [(history,)] = await self.pool.fetch("SELECT coalesce(sum(bytes), 0)::bigint FROM commits")
        return {
            "sessions": rows[0][0],
            "total_bytes": rows[0][1],
            "history_bytes": history,
            "log_pages": 0,
            "log_bytes": 0,
            "log_left": 0,
        }

    async def backup(self, _path: Path) -> dict[str, Any]:
        raise Invalid("the record is in PostgreSQL: back it up with pg_dump, or copy it with `record copy`")

    async def verify(self) -> dict[str, Any]:
        """Read all rows, and their sums."""
        damaged: list[str] = []
        sessions = records = 0
        async for entry in self.sessions():
            sessions += 1
            try:
                records += await self.pool.read(lambda c, name=entry.name: self._count(c, name))  # type: ignore[misc]
            except (Damaged, Missing) as error:
                damaged.append(f"session {entry.name}: {error}")
        return {"sessions": sessions, "records": records, "damaged": damaged[:20]}

    async def _count(self, connection: Connection, session: str) -> int:
        there, count = await self._there(connection, session), 0
        for entry in await loading.entries_of(connection, there.id):
            async for rows in loading.records_of(connection, there.id, entry.number):
                count += len(rows)
        await loading.answers_of(connection, there.id)
        return count

    async def close(self) -> None:
        await self.pool.close()


async def open_record(url: str, options: Options = Options(), *, kept: Path | None = None) -> PostgresRecord:
    """The record in a database, with its tables as they are today. Raises RecordError."""
    pool = Pool(url, options.seconds)
    try:
        identity = await prepare(pool, tables.VERSIONS, secrets.token_hex(8))
        record = PostgresRecord(pool, identity, options, kept)
        await record.prepare_history()
        await record.read_total()
    except BaseException:
        await pool.close()
        raise
    return record


_COLLECTIONS: Final = """\
SELECT c.name,
  (SELECT count(*) FROM records AS r WHERE r.session = c.session AND r.collection = c.number),
  greatest(c.next_id, 1 + coalesce((SELECT max(r."row") FROM records AS r
    WHERE r.session = c.session AND r.collection = c.number AND r."row" < $2), 0)),
  c.schema, c.updated_at
FROM collections AS c WHERE c.session = $1 ORDER BY c.name COLLATE "C\""""


async def _settings(connection: Connection, session: SessionName, *, lock: bool = False) -> dict[str, Any]:
    sql = f"SELECT settings FROM sessions WHERE name = $1{' FOR UPDATE' if lock else ''}"  # noqa: S608
    settings: dict[str, Any] = json.loads(await connection.fetchval(sql, session) or "{}")
    return settings


async def _used(connection: Connection, there: There, since: float) -> bool:
    return bool(
        await connection.fetchval("SELECT used_at >= $1 FROM sessions WHERE id = $2", since, there.id)
    )


def _read(part: Part) -> ChangeSet | Invalid:
    try:
        return decode(part.changes)
    except ChangeSetError as error:
        return Invalid(f"no change set: {error}")


def _runs(read: Sequence[ChangeSet | Invalid]) -> Iterator[range]:
    """Parts that can be worked out together: one that clears a collection stands alone."""
    start = 0
    for place, rows in enumerate(read):
        if isinstance(rows, ChangeSet) and rows.cleared:
            if start < place:
                yield range(start, place)
            yield range(place, place + 1)
            start = place + 1
    if start < len(read):
        yield range(start, len(read))


def _forget(writes: Writes) -> None:
    """They are written; the sessions are raised from where they are now."""
    for kind in (writes.records, writes.entries, writes.answers, writes.raised):
        kind.clear()
    writes.superseded.clear()
    writes.commits.clear()
