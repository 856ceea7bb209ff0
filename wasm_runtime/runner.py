"""Runs the jobs of one session: alone, or several in one transaction (group commit).

1. A job runs alone while its plan is new to its session, or if it has been slow there: so that a plan that
   is likely to trap or to take long costs nobody else anything.
2. Jobs that queue for one session otherwise run one after the other inside one transaction, each write in its
   own savepoint, kept or undone on its own verdict. One commit, and only then are the answers given.
3. Reads before the group's first write, or after its last, are answered without waiting for the commit.
4. A job that ends its guest (a trap, a limit) undoes the group: it gets its outcome and never runs again,
   the others go back to their queue.
5. A commit that fails undoes the group; its jobs go back to be run alone, so that only the one that fails
   it fails.
6. A group that has taken its time commits what is done and gives the rest back: other sessions wait for one
   run at most, not for a queue of them.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from wasm_runtime.live_guest import GROUPED_WRITE, READ, WRITE, LiveGuest
from wasm_runtime.outcome import Completed, Outcome, Raised
from wasm_runtime.verdict import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wasm_runtime.guests import Guests
    from wasm_runtime.status_cell import StatusCell

#: A plan that took longer than this runs alone the next time.
SLOW_MICROS = 5_000
#: What a group may take before it makes way for other sessions.
TURN_MICROS = 50_000
#: Searches without an index on one field before the field gets one.
SEARCHES_BEFORE_INDEX = 8
_MAX_REMEMBERED = 16_384


@frozen
class Job:
    """What the runner needs of a request; `document` is the plan's, already looked up."""

    id: int
    plan_id: str
    document: str
    read_only: bool
    request: str
    #: Its group could not be committed: it is not to join another.
    alone: bool = False


class Runner:
    """Runs jobs and reports each outcome once, through `report`, when it is final."""

    def __init__(self, guests: Guests, cell: StatusCell, report: Callable[[int, Outcome], None]) -> None:
        self._guests = guests
        self._cell = cell
        self._report = report
        self._quick: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._searches = _SearchCounts()

    def may_join(self, session: str, job: Job) -> bool:
        """Whether a job may share a transaction with others of its session."""
        return not job.alone and (session, job.plan_id) in self._quick

    def run(self, session: str, jobs: Sequence[Job]) -> list[Job]:
        """Run jobs of one session, in order: one, or up to MAX_GROUP that all may join.

        Those given back have left no trace, and are to run first when it is the session's turn again.
        """
        self._cell.group([job.id for job in jobs])
        left = self._attempt(session, list(jobs))
        self._guests.release(session)
        return left

    def maintain(self) -> bool:
        """Make one index that searches have asked for. Whether there was one to make."""
        wanted = self._searches.take()
        if wanted is None:
            return False
        session, collection, field = wanted
        guest = self._guests.get(session)
        if isinstance(guest, LiveGuest):
            guest.ensure_index(collection, field)
            self._guests.release(session)
        return True

    def _attempt(self, session: str, jobs: list[Job]) -> list[Job]:
        """Run the jobs in one guest; what has to run again, or has not run."""
        guest = self._guests.get(session)
        if not isinstance(guest, LiveGuest):
            self._report_all([(job, guest) for job in jobs])
            return []
        writes = [at for at, job in enumerate(jobs) if not job.read_only]
        waiting: list[tuple[Job, Outcome]] = []
        spent = 0
        for at, job in enumerate(jobs):
            outcome, micros = self._execute(session, guest, job, grouped=len(writes) > 1)
            if guest.dead:
                self._guests.drop(session)
                self._report(job.id, outcome)
                return [*(other for other, _ in waiting), *jobs[at + 1 :]]
            waiting.append((job, outcome))
            spent += micros
            last = at == len(jobs) - 1 or spent > TURN_MICROS
            open_writes = [place for place in writes if place <= at]
            commit = bool(open_writes) and (last or at == writes[-1])
            if commit or not job.read_only:
                problem = self._settle(guest, job, outcome, commit=commit)
                if problem is not None:
                    self._guests.drop(session)
                    return self._not_committed(waiting, problem) + jobs[at + 1 :]
            if commit or not open_writes or at > writes[-1]:
                self._report_all(waiting)
                waiting = []
            if last:
                return jobs[at + 1 :]
        return []

    def _execute(self, session: str, guest: LiveGuest, job: Job, *, grouped: bool) -> tuple[Outcome, int]:
        """The outcome, not committed yet, and the microseconds it took."""
        self._cell.running(job.id)
        mode = READ if job.read_only else GROUPED_WRITE if grouped else WRITE
        started = time.perf_counter_ns()
        answer = guest.run(job.plan_id, job.document, mode, job.request)
        if not guest.dead:
            answer = self._guests.audit(session, guest, read_only=job.read_only) or answer
        micros = (time.perf_counter_ns() - started) // 1000
        self._note_speed(session, job, micros, dead=guest.dead)
        if isinstance(answer, Answer):
            for collection, field in answer.unindexed:
                self._searches.note(session, collection, field)
        return _outcome(answer, guest.fuel_used(), micros, read_only=job.read_only), micros

    def _settle(self, guest: LiveGuest, job: Job, outcome: Outcome, *, commit: bool) -> Outcome | None:
        if commit:
            self._cell.committing()
        # A read has nothing to keep or to undo; it may be the one after which its group is committed.
        keep = job.read_only or (isinstance(outcome, Completed) and outcome.committed)
        return guest.settle(keep=keep, commit=commit)

    def _not_committed(self, waiting: list[tuple[Job, Outcome]], problem: Outcome) -> list[Job]:
        if len(waiting) == 1:
            self._report(waiting[0][0].id, problem)
            return []
        return [evolve(job, alone=True) for job, _ in waiting]

    def _report_all(self, outcomes: list[tuple[Job, Outcome]]) -> None:
        for job, outcome in outcomes:
            self._report(job.id, outcome)

    def _note_speed(self, session: str, job: Job, micros: int, *, dead: bool) -> None:
        key = (session, job.plan_id)
        if dead or micros > SLOW_MICROS:
            self._quick.pop(key, None)
            return
        self._quick[key] = None
        if len(self._quick) > _MAX_REMEMBERED:
            self._quick.popitem(last=False)


def _outcome(answer: Answer | Outcome, fuel: int, micros: int, *, read_only: bool) -> Outcome:
    if isinstance(answer, Raised):
        return evolve(answer, fuel=fuel, micros=micros)
    if not isinstance(answer, Answer):
        return answer
    committed = answer.keep and not read_only
    return Completed(
        status=answer.status,
        headers=answer.headers,
        body=answer.body,
        committed=committed,
        changed=answer.changed if committed else 0,
        fuel=fuel,
        micros=micros,
        stdout=answer.stdout,
    )


class _SearchCounts:
    """How often each field was searched without an index, for as many fields as are worth remembering."""

    def __init__(self) -> None:
        self._counts: OrderedDict[tuple[str, str, str], int] = OrderedDict()
        self._due: deque[tuple[str, str, str]] = deque()

    def note(self, session: str, collection: str, field: str) -> None:
        key = (session, collection, field)
        count = self._counts.pop(key, 0) + 1
        if count >= SEARCHES_BEFORE_INDEX:
            self._due.append(key)
            count = 0  # if no index comes of it, after as many searches it is tried again
        self._counts[key] = count
        if len(self._counts) > _MAX_REMEMBERED:
            self._counts.popitem(last=False)

    def take(self) -> tuple[str, str, str] | None:
        return self._due.popleft() if self._due else None
