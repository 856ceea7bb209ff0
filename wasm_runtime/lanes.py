"""Sessions whose runs are long have a worker of their own, so that others need not wait for them.

A worker runs one job at a time, to its end. So a session whose runs take 50 ms each makes everybody else of
its slot wait for 50 ms, however fair the turns are.

1. A lane is a second worker of a slot. It starts when it is first needed, and ends when it has had no session
   for a while. It shares the slot's processor at a lower priority: the kernel takes that from it in the
   middle of a run, which no order of turns can do.
2. A session moves there when it is long: a run of its took much fuel, or a request is large. It moves only
   if others use its slot: alone it is nobody's burden.
3. It moves back when it has not been long for some seconds.
4. Whoever moves is held meanwhile (`pool.py`): its jobs there have ended, and its file is closed, before the
   other worker opens it.

Fuel and bytes decide, not time: time is longer on a busy machine, for all.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from attrs import define, evolve, field

from wasm_runtime.outcome import (
    BadReply,
    Completed,
    GuestFailed,
    OutOfFuel,
    OutOfMemory,
    OutOfTime,
    OutputTooLarge,
    Raised,
    StackExhausted,
)
from wasm_runtime.slot import Slot

if TYPE_CHECKING:
    from collections.abc import Container

    from wasm_runtime.outcome import Outcome
    from wasm_runtime.slot import Job
    from wasm_runtime.worker_process import PoolConfig

#: A run that takes more is long: some 5 ms.
LONG_FUEL = 50_000_000
#: A request of more characters is: its records are read, checked and written.
LONG_REQUEST = 8_192
#: So long after its last long run a session moves back.
BACK_SECONDS = 5.0
#: So long a lane has no session before it ends.
IDLE_SECONDS = 30.0
#: What a lane's worker has of guests: few, as few sessions are long at a time.
_LIVE_GUESTS, _SPARE_GUESTS = 16, 1
#: Ends that say nothing of their fuel, and come of runs that may have been long.
_CUT_OFF = (OutOfFuel, OutOfTime, OutOfMemory, StackExhausted, OutputTooLarge, BadReply, GuestFailed)


@define(eq=False)
class Lane:
    """A second worker of a slot, and the sessions that it has."""

    slot: Slot
    sessions: set[str] = field(factory=set)
    idle_since: float = field(factory=time.monotonic)


class Lanes:
    """Who is long, and where those are that have moved. Of one pool; its slots are the homes of sessions."""

    def __init__(self, config: PoolConfig) -> None:
        self._enabled = config.lanes
        self._config = evolve(
            config,
            reuse=evolve(
                config.reuse,
                live_guests=min(config.reuse.live_guests, _LIVE_GUESTS),
                spare_guests=min(config.reuse.spare_guests, _SPARE_GUESTS),
            ),
        )
        #: By the index of their homes.
        self._lanes: dict[int, Lane] = {}
        self._ending: dict[int, asyncio.Task[None]] = {}
        self._moved: dict[str, Lane] = {}
        #: When each was long last, the oldest first; monotonic seconds.
        self._long: OrderedDict[str, float] = OrderedDict()

    @property
    def slots(self) -> list[Slot]:
        """Of the lanes there are."""
        return [lane.slot for lane in self._lanes.values()]

    def now(self, session: str, home: Slot) -> Slot:
        """Where a session's files are."""
        lane = self._moved.get(session)
        return home if lane is None else lane.slot

    def wanted(self, job: Job, home: Slot) -> Slot:
        """Where a job's session belongs. A lane that is missing starts, and until it is ready it stays."""
        session = job.session
        if job.size > LONG_REQUEST:
            self._note(session)
        lane = self._moved.get(session)
        if lane is not None:
            return lane.slot
        if session not in self._long or not home.is_shared(session):
            return home
        lane = self._lanes.get(home.index)
        if lane is None:
            self._start(home.index)
        return home if lane is None or not lane.slot.ready.is_set() else lane.slot

    def ran(self, session: str, outcome: Outcome) -> None:
        """A job has come to its end."""
        if isinstance(outcome, Completed | Raised):
            if outcome.fuel > LONG_FUEL:
                self._note(session)
        elif isinstance(outcome, _CUT_OFF):
            self._note(session)

    def _note(self, session: str) -> None:
        if self._enabled:
            self._long[session] = time.monotonic()
            self._long.move_to_end(session)

    def moved(self, session: str, to: Slot) -> None:
        """No worker has a file of the session open, and the next one to open it is that slot's."""
        before = self._moved.pop(session, None)
        if before is not None:
            before.sessions.discard(session)
            before.idle_since = time.monotonic()
        for lane in self._lanes.values():
            if lane.slot is to:
                lane.sessions.add(session)
                self._moved[session] = lane

    def calm(self, held: Container[str]) -> list[str]:
        """Sessions in lanes that are not long any more, and are to move back. To be asked for now and then.

        Those that are held are told another time.
        """
        before, back = time.monotonic() - BACK_SECONDS, []
        while self._long and next(iter(self._long.values())) < before:
            session, _ = self._long.popitem(last=False)
            if session not in self._moved:
                continue
            if session in held:
                self._note(session)
            else:
                back.append(session)
        self._end_idle()
        return back

    def _start(self, home: int) -> None:
        if home in self._ending:
            return
        slot = Slot(home + self._config.workers, self._config)
        self._lanes[home] = Lane(slot)
        slot.start()

    def _end_idle(self) -> None:
        before = time.monotonic() - IDLE_SECONDS
        for home, lane in tuple(self._lanes.items()):
            if not lane.sessions and lane.idle_since < before:
                del self._lanes[home]
                self._ending[home] = asyncio.get_running_loop().create_task(self._end(home, lane.slot))

    async def _end(self, home: int, slot: Slot) -> None:
        await slot.close()
        del self._ending[home]

    async def close(self) -> None:
        """End them all; what they have to do is done first."""
        await asyncio.gather(*(slot.close() for slot in self.slots), *self._ending.values())
