"""The API process's side of the workers: spawn them, route jobs, time out, kill, respawn.

1. A session always goes to the same slot (rendezvous hash), so its one live guest is always there. One whose
   runs are long may move to a second worker of its slot, and back (`lanes.py`).
2. A run that outlives its deadline by the grace costs its worker: nothing else stops a guest that waits in
   a host call.
3. When a worker dies, its status cell says what it was doing. The job it was running is lost (503, or 504 if
   it was killed for time); so are those whose writes were on their way to the record, because nobody can know
   whether they are there; every other job had not taken effect, and runs again on the next worker.
4. While a session is held, nothing runs in it and no guest has its files open: its jobs wait.
5. Jobs wait a limited time, less for a worker that is being replaced, in queues of limited length.
6. A job whose caller has left, or that has waited too long, is withdrawn: it does not begin. It counts as
   waiting until its worker has let go of it. One that has begun ends as if nothing had happened.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from attrs import define, field

from store.placement import slot_of
from wasm_runtime.lanes import Lanes
from wasm_runtime.outcome import Outcome, Overloaded, SessionDamaged
from wasm_runtime.slot import START_SECONDS, Job, Pending, Slot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from wasm_runtime.worker_process import PoolConfig

log = structlog.get_logger()

_WATCH_SECONDS = 0.05
_DRAIN_SECONDS = 0.002
#: Between two looks at the workers, something has held up the event loop.
_HELD_UP_NS = 500_000_000
_CLIENT_LEFT = "its client has left"


class Executor(Protocol):
    """Runs jobs. Every way a run can end is an `Outcome`; nothing is raised."""

    async def start(self) -> None: ...

    async def run(self, job: Job) -> Outcome: ...

    def health(self) -> dict[str, Any]: ...

    async def close(self) -> None: ...


class Holder(Protocol):
    """Keeps everybody out of a session's files for a while."""

    def hold(self, session: str) -> AbstractAsyncContextManager[None]: ...


@define(eq=False)
class _Hold:
    """A session that is held, and how many jobs wait for it."""

    over: asyncio.Event = field(factory=asyncio.Event)
    waiting: int = 0


class PoolError(Exception):
    """The workers cannot be started."""


class WorkerPool:
    """An `Executor` over worker processes."""

    def __init__(self, config: PoolConfig) -> None:
        self._config = config
        self._slots = [Slot(index, config) for index in range(config.workers)]
        self._lanes = Lanes(config)
        self._moves: set[asyncio.Task[None]] = set()
        self._waiting: Counter[str] = Counter()
        self._in_all = 0
        self._held: dict[str, _Hold] = {}
        self._next_id = 1
        self._waited = f"it has waited for {config.queue_seconds:g} seconds"
        self._watchdog: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Spawn every worker and wait until all can take jobs. Raises PoolError."""
        for slot in self._slots:
            slot.start()
        try:
            async with asyncio.timeout(START_SECONDS):
                await asyncio.gather(*(slot.ready.wait() for slot in self._slots))
        except TimeoutError:
            last_words = "; ".join(slot.last_words for slot in self._slots if slot.last_words)
            await self.close()
            raise PoolError(f"the sandbox workers did not start: {last_words or 'no reason given'}") from None
        self._watchdog = asyncio.create_task(self._watch())
        log_confinement(self.health()["enforced"])

    async def run(self, job: Job) -> Outcome:
        home = self._home(job.session)
        wanted = self._lanes.wanted(job, home)
        if wanted is not self._lanes.now(job.session, home) and job.session not in self._held:
            self._move(job.session, wanted)
        while self._held and (hold := self._held.get(job.session)) is not None:
            refused = await self._wait_for(hold)
            if refused is not None:
                return refused
        waiting = self._waiting
        if waiting[job.session] >= self._config.queue_per_session:
            return Overloaded("too many requests wait for this session")
        if self._in_all >= self._config.queue_total:
            return Overloaded("too many requests are waiting")
        future = asyncio.get_running_loop().create_future()
        pending = Pending(self._next_id, job, future, self._ended, time.monotonic_ns())
        self._next_id += 1
        waiting[job.session] += 1
        self._in_all += 1
        slot = self._lanes.now(job.session, home)
        slot.submit(pending)
        try:
            outcome: Outcome = await future
        except asyncio.CancelledError:
            slot.withdraw(pending, _CLIENT_LEFT)
            raise
        if type(outcome) is SessionDamaged:
            log.error("session damaged", session=job.session, reason=outcome.reason)
        return outcome

    def _ended(self, session: str, outcome: Outcome) -> None:
        """A job of the session is in no queue and no worker any more."""
        self._lanes.ran(session, outcome)
        self._in_all -= 1
        self._waiting[session] -= 1
        if not self._waiting[session]:
            del self._waiting[session]

    @asynccontextmanager
    async def hold(self, session: str) -> AsyncIterator[None]:
        """Within it, nothing runs in the session and none of its files are open in a worker.

        Begins when the jobs that were there before have ended; further ones wait, up to `queue_per_session`.
        """
        while (other := self._held.get(session)) is not None:
            await other.over.wait()
        async with self._holding(session, self._begin_hold(session)):
            yield

    def _begin_hold(self, session: str) -> _Hold:
        hold = self._held[session] = _Hold()
        return hold

    @asynccontextmanager
    async def _holding(self, session: str, hold: _Hold) -> AsyncIterator[None]:
        try:
            while self._waiting[session]:  # noqa: ASYNC110 - no request is to pay for an event
                await asyncio.sleep(_DRAIN_SECONDS)
            await self._slot(session).drop(session)
            yield
        finally:
            del self._held[session]
            hold.over.set()

    def _move(self, session: str, to: Slot) -> None:
        """Have another worker serve the session; its jobs wait until it is there."""
        task = asyncio.get_running_loop().create_task(self._moved(session, to, self._begin_hold(session)))
        self._moves.add(task)
        task.add_done_callback(self._moves.discard)

    async def _moved(self, session: str, to: Slot, hold: _Hold) -> None:
        async with self._holding(session, hold):
            self._lanes.moved(session, to)

    async def _wait_for(self, hold: _Hold) -> Outcome | None:
        """Until the hold is over. An outcome: there was no room to wait, or it has gone on for too long."""
        if hold.waiting >= self._config.queue_per_session:
            return Overloaded("too many requests wait for this session")
        hold.waiting += 1
        try:
            async with asyncio.timeout(self._config.queue_seconds):
                await hold.over.wait()
        except TimeoutError:
            return Overloaded(self._waited)
        finally:
            hold.waiting -= 1
        return None

    def reconnect(self) -> None:
        """There is another keeper: have the workers speak to that one."""
        for slot in self._all():
            slot.reconnect()

    def _slot(self, session: str) -> Slot:
        """Where its files are."""
        return self._lanes.now(session, self._home(session))

    def _home(self, session: str) -> Slot:
        return self._slots[slot_of(session, len(self._slots))]

    def _all(self) -> list[Slot]:
        """Those of lanes, too."""
        return [*self._slots, *self._lanes.slots]

    def health(self) -> dict[str, Any]:
        """Workers that can take jobs, of how many; jobs under way; what confinement each could enforce.

        `ready` and `configured` are without lanes, of which there are `lanes`; `pids` are of all workers.
        Also `lost`, those that had to be replaced, and `live_guests` and `spare_guests` of those there are.
        """
        every = self._all()
        guests = [slot.guests for slot in every]
        ready = [slot for slot in self._slots if slot.ready.is_set()]
        return {
            "ready": len(ready),
            "configured": len(self._slots),
            "lanes": len(self._lanes.slots),
            "pids": [slot.pid for slot in every if slot.ready.is_set()],
            "jobs": sum(len(slot.pending) for slot in every),
            "enforced": ready[0].enforced if ready else {},
            "lost": sum(slot.lost for slot in every),
            "live_guests": sum(live for live, _ in guests),
            "spare_guests": sum(spare for _, spare in guests),
        }

    async def close(self) -> None:
        """Let what is queued finish, then end the workers; kill those that do not."""
        if self._watchdog is not None:
            self._watchdog.cancel()
        for task in self._moves:
            task.cancel()
        await asyncio.gather(*(slot.close() for slot in self._slots), self._lanes.close())

    async def _watch(self) -> None:
        limits = self._config.limits
        longest_ns = (limits.wall_ms + limits.kill_grace_ms) * 1_000_000
        most_ns = int(self._config.queue_seconds * 1e9)
        while True:
            looked_ns = time.monotonic_ns()
            await asyncio.sleep(_WATCH_SECONDS)
            now_ns = time.monotonic_ns()
            overdue_ns, held_up = now_ns - most_ns, now_ns - looked_ns > _HELD_UP_NS
            for slot in self._all():
                if held_up:
                    slot.listen_anew()
                slot.kill_if_stuck(longest_ns)
                slot.withdraw_overdue(overdue_ns, self._waited)
            for session in self._lanes.calm(self._held):
                self._move(session, self._home(session))


def log_confinement(enforced: dict[str, bool]) -> None:
    """Say at the start what workers could take from themselves, and what this kernel has no means for."""
    missing = [name for name, holds in enforced.items() if not holds]
    say = log.warning if missing else log.info
    say("workers confined", enforced=[name for name in enforced if name not in missing], missing=missing)
