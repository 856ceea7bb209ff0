"""What the keeper does for workers and for the API process; `process.py` has the sockets.

1. Commits that have come while the last group was being synced are the next group. A frame is answered when
   all its parts have been decided.
2. Whoever opens a session, or asks for its head, is answered when all commits that came before are decided.
3. A session that a worker has open is nobody else's: its file is not touched, and it does not expire.
4. When the disk is full, files of sessions that nobody has open make room. What then is still refused is told
   to all workers and to the API process, and tried again until it works. What a copy of the log will take is
   not free.
5. A file that is needed to read its session gets the room of any other: when nobody's is left, the workers
   close the guests that were used the longest ago.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter, deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from server.record.files import failures
from server.record.record import Damaged, Fenced, Full, Head, RecordError, Unknown
from server.record.shelf import SCRATCH, Shelf
from store.keeper_wire import Closed, Committed, HeadIs, Opened, Refusal, Refused, Room, Spare

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.record.adoption import Adoption
    from server.record.postgres.membership import Membership
    from server.record.record import Engine, Part
    from store.keeper_wire import Commit, Message, Spared

#: With less on the disk than this it is full: the rest is for sessions' files, so that they can be read.
LEAST_FREE_BYTES: Final = 4 * 1024 * 1024
#: And with so much it is not any more.
_ENOUGH_FREE_BYTES: Final = 2 * LEAST_FREE_BYTES
_WATCH_SECONDS: Final = 0.5
_UPKEEP_SECONDS: Final = 30.0
_EXPIRED_AT_ONCE: Final = 50
#: In a cluster: how old a session must be that was to be there for a moment.
_SCRATCH_SECONDS: Final = 3_600.0
#: A session's file is no larger than so many times its rows, and what the smallest has.
_FILE_TO_ROWS: Final = 2
#: So long workers have for closing a guest: one may be in the middle of a run.
_SPARING_SECONDS: Final = 2.0


class Keeper:
    """`tell` goes to all workers, and says how many there are; `report` to the API process.

    Times in seconds; 0: without end.
    """

    def __init__(
        self,
        record: Engine,
        shelf: Shelf,
        adoption: Adoption,
        *,
        template: str = "",
        expire_seconds: float = 0.0,
        cache_seconds: float = 0.0,
        tell: Callable[[Message], int],
        report: Callable[[dict[str, Any]], None],
        membership: Membership | None = None,
    ) -> None:
        self.record = record
        self.shelf = shelf
        self.adoption = adoption
        self._template = template
        self._expire_seconds = expire_seconds
        self._cache_seconds = cache_seconds
        self._tell = tell
        self._report = report
        #: None: the record is this service's alone.
        self._membership = membership
        self.room = Room("")
        self._open: set[str] = set()
        self._used: set[str] = set()
        self._opening: Counter[str] = Counter()
        self._turns: dict[str, asyncio.Lock] = {}
        self._waiting: list[tuple[Commit, Callable[[Message], None]]] = []
        #: Commits that have come, and how many of them are decided; who waits for how many to be.
        self._come = self._decided = 0
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._group = asyncio.Event()
        #: Workers that were asked to close a guest: those that have not answered, and who waits for one.
        self._sparing: dict[int, _Sparing] = {}
        self._sparings = 0
        #: Commit groups, their parts, and the seconds they took; files that were made.
        #: What a sync has failed for may still be in the log: a crash now would bring it back.
        self._in_doubt = False
        self.groups = self.parts = self.loads = self.fenced = 0
        self.seconds = 0.0

    async def begin(self) -> None:
        """Remove the sessions that were there for a moment when the last keeper ended.

        In a cluster the young ones may be another node's.
        """
        before = None if self._membership is None else time.time() - _SCRATCH_SECONDS
        left = [
            each.name
            async for each in self.record.sessions()
            if each.name.startswith(SCRATCH) and (before is None or each.used_at < before)
        ]
        if left:
            await self.record.remove(left, unused_since=before)

    # Commits

    def commit(self, asked: Commit, answer: Callable[[Message], None]) -> None:
        """Put it into the next group."""
        self._open.update(part.session for part in asked.parts)
        self._waiting.append((asked, answer))
        self._come += 1
        self._group.set()

    async def commit_groups(self) -> None:
        """For ever: a group after the other."""
        while True:
            await self._group.wait()
            await self.commit_waiting()

    async def commit_waiting(self) -> None:
        """Decide all that waits."""
        waiting, self._waiting = self._waiting, []
        self._group.clear()
        if waiting:
            await self._commit(waiting)
        self._decided += len(waiting)
        while self._waiters and self._waiters[0][0] <= self._decided:
            waiter = self._waiters.popleft()[1]
            if not waiter.done():
                waiter.set_result(None)

    async def _commit(self, waiting: list[tuple[Commit, Callable[[Message], None]]]) -> None:
        group = [part for asked, _ in waiting for part in asked.parts]
        started = time.monotonic()
        results = await self.record.commit(group)
        if any(isinstance(each, Full) and each.reason == "disk" for each in results) and self._make_room():
            results = await self._again(group, results)
        results = [self.record.explained(each) if isinstance(each, RecordError) else each for each in results]
        if any(isinstance(each, Unknown) for each in results):
            if not self._in_doubt:
                self._report({"event": "doubt"})
            self._in_doubt = True
        elif any(isinstance(each, Head) for each in results):
            self._in_doubt = False
        self.groups += 1
        self.parts += len(group)
        self.fenced += sum(isinstance(each, Fenced) for each in results)
        self.seconds += time.monotonic() - started
        decided = iter(results)
        for asked, answer in waiting:
            answer(Committed(asked.n, tuple(_refusal(next(decided)) for _ in asked.parts)))
        await self._look_for_room(results)

    async def _again(self, group: list[Part], results: list[Head | RecordError]) -> list[Head | RecordError]:
        """There is room now: what was refused for want of it, and what came after it in its session."""
        failed = [place for place, each in enumerate(results) if isinstance(each, RecordError)]
        for place, each in zip(failed, await self.record.commit([group[i] for i in failed]), strict=True):
            results[place] = each
        return results

    async def settled(self) -> None:
        """Until everything that has come before is decided; what comes meanwhile is not waited for."""
        if self._come == self._decided:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((self._come, waiter))
        await waiter

    # Sessions

    async def _end_doubt(self) -> None:
        """Write over what may be in the log and nobody knows of. Raises Unknown while that cannot be done."""
        if self._in_doubt and not await self.record.can_write():
            raise Unknown("the disk fails: what was to be written last may be there, or not")
        self._in_doubt = False

    async def head(self, n: int, session: str) -> Message:
        """An answer to Outcome."""
        await self.settled()
        try:
            await self._end_doubt()
            if not self._is_mine(session):
                # What was sent of it may be there, and another node may have gone on since.
                raise Unknown("this node does not have the session any more")
            return HeadIs(n, session, await self.record.certain_head(session))
        except RecordError as error:
            return _refused(n, session, self.record.explained(error))

    async def versions(self, sessions: list[str]) -> dict[str, int]:
        """Of each, when all that has come is decided. Raises RecordError."""
        await self._end_doubt()
        return {session: (await self.record.head(session)).version for session in sessions}

    async def open(self, n: int, session: str) -> Message:
        """Have the session's file be the record's.

        Whoever asks twice is answered twice, one after the other: after the last answer nobody puts another
        file in the place of the one that was told of.
        """
        await self.settled()
        self._opening[session] += 1
        try:
            async with self._turns.setdefault(session, asyncio.Lock()):
                return await self._opened(n, session)
        except RecordError as error:
            return _refused(n, session, self.record.explained(error))
        finally:
            self._opening[session] -= 1
            if not self._opening[session]:
                del self._opening[session], self._turns[session]

    async def _opened(self, n: int, session: str) -> Message:
        await self._end_doubt()
        if not self._is_mine(session):
            raise Fenced("this node does not have the session")
        if self._membership is not None:
            # A keeper of this node that is dead may have sent a COMMIT that the engine is still about to do.
            await self.record.certain_head(session)
        head = await self.ensure(session)
        new = head.version == 0
        while True:
            try:
                with failures():
                    head = await self._have_file(session, head)
            except Full:
                if not self.shelf.free_oldest() and not await self._spared_for(session):
                    raise
            else:
                break
        self._open.add(session)
        return Opened(n, session, head, await self.record.used_bytes(session), new)

    def _is_mine(self, session: str) -> bool:
        return self._membership is None or self._membership.has(session)

    async def _have_file(self, session: str, head: Head) -> Head:
        """What the file is of, which is later than `head` at most. Raises RecordError, OSError."""
        if head.version == 0:
            self.shelf.clear(session)
            self.shelf.directory(session)
        elif not self.shelf.take(session, head):
            return await self._load(session)
        return head

    async def ensure(self, session: str) -> Head:
        """Its head, when it was adopted or forked from the template if that is what it begins with."""
        await self.adoption.adopt(session)
        if self._template:
            await self.adoption.adopt(self._template)
        head = await self.record.head(session)
        if head.version == 0 and self.adoption.is_set_aside(session):
            raise Damaged("it was set aside, and waits to be salvaged")
        template = self.template_of(session)
        if head.version == 0 and template:
            head = await self.record.copy(template, session, missing_ok=True)
        return head

    def template_of(self, session: str) -> str:
        """The session that this one begins as; empty where it begins with nothing."""
        begins = session != self._template and not session.startswith(SCRATCH)
        return self._template if begins else ""

    async def _load(self, session: str) -> Head:
        """Make its file; what it is of. Raises RecordError, OSError."""
        self.loads += 1
        made = self.shelf.scratch()
        try:
            head = await self.record.load(session, made)
            self.shelf.put(made, session)
        finally:
            with suppress(OSError):
                made.unlink(missing_ok=True)
        return head

    async def _spared_for(self, session: str) -> bool:
        """Have each worker close the guest that was used the longest ago; whether one has.

        Not if there seems to be room: what a quota, or a disk that fails, refuses to one is not to cost the
        others theirs.
        """
        if self._free_bytes() >= _ENOUGH_FREE_BYTES + _FILE_TO_ROWS * await self.record.used_bytes(session):
            return False
        self._sparings += 1
        n = self._sparings
        sparing = self._sparing[n] = _Sparing(self._tell(Spare(n)))
        try:
            async with asyncio.timeout(_SPARING_SECONDS):
                while sparing.asked and not sparing.closed:
                    await sparing.heard.wait()
                    sparing.heard.clear()
        except TimeoutError:
            pass  # each of them is in the middle of a run
        finally:
            del self._sparing[n]
        return sparing.closed

    def spared(self, spared: Spared) -> None:
        """What a worker says to that."""
        sparing = self._sparing.get(spared.n)
        if sparing is not None:
            sparing.asked -= 1
            sparing.closed = sparing.closed or spared.closed
            sparing.heard.set()

    def closed(self, closed: Closed) -> None:
        self._open.discard(closed.session)
        self.shelf.keep(closed)

    def used(self, session: str) -> None:
        """Somebody has read it. That is written down before long, and not synced for."""
        self._open.add(session)
        self._used.add(session)

    async def _note_used(self) -> None:
        used, self._used = self._used, set()
        if used:
            await self.record.use(used)

    def lost(self, sessions: set[str]) -> None:
        """A worker has ended, with these sessions open: their files are worth nothing, and go."""
        for session in sessions & self._open:
            self.shelf.clear(session)
        self._open -= sessions

    def is_open(self, session: str) -> bool:
        return session in self._open or session in self._opening

    @property
    def open_count(self) -> int:
        return len(self._open)

    # Room

    def _make_room(self) -> bool:
        """Free the oldest files until there is enough; whether any was freed."""
        freed = False
        while self._free_bytes() < _ENOUGH_FREE_BYTES and self.shelf.free_oldest():
            freed = True
        return freed

    def _free_bytes(self) -> int:
        """What is left when all that is in the log is in the file, too.

        Where that cannot be told, as when the record is being closed, nobody's file has to go for it.
        """
        try:
            disk = os.statvfs(self.shelf.root)
            return disk.f_bavail * disk.f_frsize - self.record.pending_bytes
        except OSError:
            return sys.maxsize

    async def _look_for_room(self, results: list[Head | RecordError]) -> None:
        """After a group: see whether there is room for another."""
        if any(isinstance(each, Full) and each.reason == "disk" for each in results):
            self._set_room(Room("disk"))
        elif not self.room.full and self._free_bytes() < LEAST_FREE_BYTES:
            await self.look_at_disk()
        else:
            self.look_at_total()

    def look_at_total(self) -> None:
        """See whether all sessions together have reached their limit."""
        total = self.record.limits.total_bytes
        if self.room.full == "disk":
            return
        if total and self.record.total >= total:
            self._set_room(Room("total", total))
        elif self.room.full == "total":
            self._set_room(Room(""))

    def _set_room(self, room: Room) -> None:
        if room != self.room:
            self.room = room
            self._tell(room)
            self._report({"event": "room", "full": room.full, "limit": room.limit_bytes})

    async def watch(self) -> None:
        """For ever: see whether the disk is full, and whether it still is."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            await self.look_at_disk()

    async def look_at_disk(self) -> None:
        free = self._free_bytes()
        if free < LEAST_FREE_BYTES:
            self._make_room()
            free = self._free_bytes()
        if free < LEAST_FREE_BYTES:
            self._set_room(Room("disk"))
        elif self.room.full == "disk" and free >= _ENOUGH_FREE_BYTES and await self.record.can_write():
            self._set_room(Room(""))
            self.look_at_total()

    # Upkeep

    async def upkeep(self) -> None:
        """For ever: what nobody waits for."""
        while True:
            await asyncio.sleep(_UPKEEP_SECONDS)
            with suppress(RecordError, OSError):
                await self.tidy()

    async def tidy(self) -> list[str]:
        """Remove what has expired, files that nobody asks for, and old history; the sessions that went."""
        now = time.time()
        await self._note_used()
        if self._cache_seconds:
            self.shelf.expire(now - self._cache_seconds)
        while await self.record.prune_history():  # noqa: ASYNC110  a step; and others have their turn
            await asyncio.sleep(0)
        return await self._expire(now) if self._expire_seconds else []

    async def _expire(self, now: float) -> list[str]:
        before = now - self._expire_seconds
        old = [
            entry.name
            async for entry in self.record.sessions()
            if entry.used_at < before and not self.is_open(entry.name)
        ]
        gone: list[str] = []
        for start in range(0, len(old), _EXPIRED_AT_ONCE):
            batch = [each for each in old[start : start + _EXPIRED_AT_ONCE] if not self.is_open(each)]
            if self._membership is not None:
                batch = await self._membership.take_free(batch)
            batch = await self.record.remove(batch, unused_since=before)
            for session in batch:
                self.shelf.remove(session)
            if batch:
                self._report({"event": "expired", "sessions": batch})
            gone += batch
            await asyncio.sleep(0)
        return gone + self.adoption.expire(before)


@define
class _Sparing:
    asked: int
    closed: bool = False
    heard: asyncio.Event = field(factory=asyncio.Event)


def _refusal(result: Head | RecordError) -> Refusal | None:
    if isinstance(result, RecordError):
        return Refusal(result.trouble, result.reason, result.limit_bytes)
    return None


def _refused(n: int, session: str, error: RecordError) -> Refused:
    return Refused(n, session, error.trouble, error.reason, error.limit_bytes)
