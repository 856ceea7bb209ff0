"""A worker's jobs by session, and whose turn it is: a deficit round robin over time used.

1. Sessions take turns; a turn is one job, or as many as may share a transaction.
2. What a turn took is its session's debt. Each time the round comes to a session it pays a quantum of that,
   and it has a turn when nothing is owed. So of two sessions that both have jobs waiting, the one whose jobs
   take ten quanta has one turn in ten of the other's. Where nobody else waits, nobody is made to wait.
3. A session that comes back still owes what it did, less the time it was away: to send one slow request at a
   time is no way around the rule.
4. Nothing is saved up: time that a session has not used gives it no turn later.
5. A turn in which the guest has died costs more than its time: others' next ones are slower for it, and so
   is the session's, whose file is made anew. Each such turn in a row costs twice the one before, so a
   session that brings its guest down again and again is served when all others have been.

Source: M. Shreedhar and G. Varghese, "Efficient Fair Queuing using Deficit Round Robin", SIGCOMM 1995; here
with the cost known only afterwards, so that it is owed and not saved for.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, NamedTuple

from wasm_runtime.status_cell import MAX_GROUP

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasm_runtime.runner import Job, Runner

#: Reads share a call of the guest and nothing else. Few enough that their answers are on their way while the
#: next ones run: with 16 at once, lists and searches were some 5 to 10 % slower.
READS_AT_ONCE = 6
#: What a session pays each time the round comes to it: more than most turns take.
QUANTUM_NS = 2_000_000
#: The first time in a row costs a quantum; each time doubles that, so often at most: a second.
_MOST_DOUBLED = 9
#: Debts of sessions that are away; of more than these the oldest is forgiven.
_MAX_AWAY = 4_096


class _Away(NamedTuple):
    """What a session owed when its last job was taken, and when that had ended."""

    owed_ns: int
    since_ns: int


class Queues:
    """Jobs by session, in the order of the round."""

    def __init__(self, reads_at_once: int = READS_AT_ONCE) -> None:
        self._sessions: OrderedDict[str, deque[Job]] = OrderedDict()
        #: Of sessions with jobs here; in nanoseconds, absent where nothing is owed.
        self._owed: dict[str, int] = {}
        self._away: OrderedDict[str, _Away] = OrderedDict()
        #: How often in a row a session's guest has died.
        self._deaths: OrderedDict[str, int] = OrderedDict()
        self.reads_at_once = reads_at_once

    def __bool__(self) -> bool:
        return bool(self._sessions)

    def __contains__(self, session: object) -> bool:
        return session in self._sessions

    def add(self, session: str, job: Job) -> None:
        queue = self._sessions.get(session)
        if queue is None:
            queue = self._sessions[session] = deque()
            if session in self._away:
                self._return(session, job.waits_since_ns)
        queue.append(job)

    def _return(self, session: str, now_ns: int) -> None:
        away = self._away.pop(session)
        owed = away.owed_ns - max(now_ns - away.since_ns, 0)
        if owed > 0:
            self._owed[session] = owed

    def give_back(self, session: str, jobs: list[Job]) -> None:
        """Jobs that a turn did not get to: the session's first ones when its turn comes again."""
        if jobs:
            self._sessions.setdefault(session, deque()).extendleft(reversed(jobs))

    def charge(self, session: str, took_ns: int, now_ns: int, *, died: bool = False) -> None:
        """A session's turn has taken so long, and ended now; `died`: its guest with it."""
        if died:
            took_ns += self._price_of_death(session)
        elif self._deaths:
            self._deaths.pop(session, None)
        if took_ns <= QUANTUM_NS:
            return  # paid by the time the round is at it again
        if session in self._sessions:
            self._owed[session] = took_ns
        else:
            self._leave(session, took_ns, now_ns)

    def _price_of_death(self, session: str) -> int:
        before = self._deaths.pop(session, 0)
        self._deaths[session] = before + 1
        if len(self._deaths) > _MAX_AWAY:
            self._deaths.popitem(last=False)
        return QUANTUM_NS << min(before, _MOST_DOUBLED)

    def drop(self, unwanted: Callable[[int], bool], now_ns: int) -> list[int]:
        """Take out the jobs with unwanted ids, and say which there were."""
        dropped: list[int] = []
        for session, queue in tuple(self._sessions.items()):
            found = {job.id for job in queue if unwanted(job.id)}
            if not found:
                continue
            dropped += sorted(found)
            kept = deque(job for job in queue if job.id not in found)
            if kept:
                self._sessions[session] = kept
            else:
                del self._sessions[session]
                self._leave(session, self._owed.pop(session, 0), now_ns)
        return dropped

    def _leave(self, session: str, owed_ns: int, now_ns: int) -> None:
        if owed_ns <= 0:
            return
        self._away[session] = _Away(owed_ns, now_ns)
        if len(self._away) > _MAX_AWAY:
            self._away.popitem(last=False)

    def take(self, runner: Runner) -> tuple[str, list[Job]] | None:
        """The next session's turn: one job, or as many as may share a transaction."""
        if not self._sessions:
            return None
        session = self._next()
        queue = self._sessions.pop(session)
        group = [queue.popleft()]
        if runner.may_join(session, group[0]):
            most = self.reads_at_once if group[0].read_only else MAX_GROUP
            while queue and len(group) < most and runner.may_join(session, queue[0]):
                group.append(queue.popleft())
                if not group[-1].read_only:
                    most = MAX_GROUP
        if queue:
            self._sessions[session] = queue
        return session, group

    def _next(self) -> str:
        """The first in the round that owes nothing after it has paid."""
        if self._owed and len(self._owed) == len(self._sessions):
            self._pass_rounds(min(self._owed.values()) // QUANTUM_NS)
        while True:
            session = next(iter(self._sessions))
            owed = self._owed.pop(session, 0) - QUANTUM_NS
            if owed <= 0:
                return session
            self._owed[session] = owed
            self._sessions.move_to_end(session)

    def _pass_rounds(self, rounds: int) -> None:
        """Everybody owes for so many rounds: they come to the same all at once."""
        for session, owed in self._owed.items():
            self._owed[session] = owed - rounds * QUANTUM_NS
