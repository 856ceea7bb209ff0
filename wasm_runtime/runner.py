"""Runs the jobs of one session: alone, or several in one transaction (group commit).

1. A job runs alone while its plan is new to its session, or if it has been slow there: so that a plan that
   is likely to trap or to take long costs nobody else anything.
2. Jobs that queue for one session otherwise run one after the other in one call of the guest and inside one
   transaction, each write in its own savepoint, kept or undone by its own answer. The host looks at every
   answer before the one commit, and only then are the answers given.
3. A group that cannot be had whole leaves nothing: a job traps, an answer is refused, the commit fails. Its
   jobs go back and run alone, so that only the one whose fault it is has the harm.
4. A commit that is in doubt is told so to each of its jobs, and none runs again: it may be on disk.
5. A run that its session's file has failed is tried once more, in another guest, which opens the file anew.
   One failure of the disk may pass; SQLite calls a failed read corruption (SQLITE_IOERR_CORRUPTFS), and
   a file that could once not be opened for writing stays read-only to its guest.
6. A group that has taken its time commits what is done and gives the rest back: other sessions wait for one
   run at most, not for a queue of them.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, NamedTuple

from attrs import evolve, frozen

from wasm_runtime.live_guest import GROUPED_WRITE, READ, WRITE, Call, LiveGuest
from wasm_runtime.outcome import (
    BadReply,
    Completed,
    NotConfirmed,
    Outcome,
    Overloaded,
    Raised,
    SessionDamaged,
    StorageFailed,
    StorageFull,
)
from wasm_runtime.verdict import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wasm_runtime.guests import Guests
    from wasm_runtime.status_cell import StatusCell

#: A plan that took longer than this runs alone the next time.
SLOW_MICROS = 5_000
#: Searches without an index on one field before the field gets one.
SEARCHES_BEFORE_INDEX = 8
_MAX_REMEMBERED = 16_384
#: Why a job was not begun: its client has left, or it has waited too long and was told so.
WITHDRAWN = "nobody waits for it any more"


@frozen
class Job:
    """What the runner needs of a request; `document` is the plan's, already looked up."""

    id: int
    plan_id: str
    document: str
    read_only: bool
    request: str
    #: It was part of a group, or of a worker's work, that came to nothing: it is not to join another.
    alone: bool = False
    #: Its writes are undone whatever it answers. In a group the guest decides that, so it joins none.
    dry_run: bool = False
    #: Its session's file has failed it once.
    tried: bool = False
    #: On the monotonic clock: as if it had come then, and found the worker free to read it.
    waits_since_ns: int = 0


class Runner:
    """Runs jobs and reports each outcome once, through `report`, when it is final.

    `answer` is called when a turn has reported all it will: before the guest is put away, for which
    nobody is to wait.
    """

    def __init__(
        self,
        guests: Guests,
        cell: StatusCell,
        report: Callable[[int, Outcome], None],
        answer: Callable[[], None] = lambda: None,
        *,
        total_bytes: int = 0,
    ) -> None:
        self._guests = guests
        self._cell = cell
        self._report = report
        self._answer = answer
        self._quick: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._searches = _SearchCounts()
        self._suspect = False
        self._total_bytes = total_bytes
        #: All sessions together have reached `total_bytes`: nothing is written, and no session made.
        self.full = False

    def may_join(self, session: str, job: Job) -> bool:
        """Whether a job may share a transaction with others of its session."""
        return not (job.alone or job.dry_run) and (session, job.plan_id) in self._quick

    def run(self, session: str, jobs: Sequence[Job]) -> list[Job]:
        """Run jobs of one session, in order: one, or up to MAX_GROUP that all may join.

        Those given back have left no trace, and are to run first when it is the session's turn again.
        """
        jobs = self._wanted(jobs)
        if not jobs:
            self._answer()
            return []
        left = self._attempt(session, self._allowed(session, jobs) if self.full else list(jobs))
        if self._suspect:
            self._inspect(session, jobs[0])
        self._answer()
        self._guests.release(session)
        return left

    def _wanted(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """The jobs that somebody still waits for; from here on, nobody withdraws one of them."""
        begun = self._cell.begin([job.id for job in jobs])
        if len(begun) == len(jobs):
            return jobs
        self._report_all([(job, Overloaded(WITHDRAWN)) for job in jobs if job.id not in begun])
        return [job for job in jobs if job.id in begun]

    def _allowed(self, session: str, jobs: Sequence[Job]) -> list[Job]:
        """The jobs that may run while there is no room: reads of sessions that there are."""
        known = self._guests.exists(session)
        refused = [job for job in jobs if not (job.read_only and known)]
        self._report_all([(job, StorageFull(self._total_bytes, whole=True)) for job in refused])
        return [job for job in jobs if job not in refused]

    def _inspect(self, session: str, job: Job) -> None:
        """A run met damage: see whether it is in the file, on a clock of its own."""
        self._suspect = False
        self._cell.running(job.id)
        self._guests.inspect(session)

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

    def let_go(self, session: str) -> None:
        """Close the session's files, and do not open them again for an index that was wanted."""
        self._searches.forget(session)
        self._guests.drop(session)

    def _attempt(self, session: str, jobs: list[Job]) -> list[Job]:
        """Run the jobs in one guest; what has to run again, or has not run."""
        if not jobs:
            return []
        guest = self._guests.get(session)
        if not isinstance(guest, LiveGuest):
            self._report_all([(job, guest) for job in jobs])
            return []
        if len(jobs) > 1:
            return self._run_group(session, guest, jobs)
        self._run_alone(session, guest, jobs[0])
        return []

    def _run_alone(self, session: str, guest: LiveGuest, job: Job) -> None:
        self._cell.running(job.id)
        started = time.monotonic_ns()
        answer = guest.run(_call(job, READ if job.read_only else WRITE))
        if not guest.dead:
            answer = self._guests.audit(session, guest, read_only=job.read_only) or answer
        if job.read_only and isinstance(answer, Answer) and answer.changed:
            guest.dead = True  # an honest one refuses each write before it is one
            answer = BadReply("a request that may only read says that it has written")
        fuel, ran = guest.fuel_used(), time.monotonic_ns()
        micros = (ran - started) // 1000
        self._note_speed(session, job, quick=not guest.dead and micros <= SLOW_MICROS)
        self._note_searches(session, answer)
        writes = not (job.read_only or job.dry_run)
        problem, settled = None, ran
        if not guest.dead and not job.read_only:
            keep = writes and isinstance(answer, Answer) and answer.keep
            problem, settled = self._commit(session, guest, keep=keep), time.monotonic_ns()
        waited = max(started - job.waits_since_ns, 0) // 1000
        spent = _Spent(fuel, micros, waited, (settled - ran) // 1000)
        outcome = problem or _outcome(answer, spent, writes=writes)
        if guest.dead:
            self._guests.drop(session)
            if isinstance(outcome, SessionDamaged | StorageFailed) and not job.tried:
                self._attempt(session, [evolve(job, tried=True)])
                return
            outcome = self._guests.explained(session, outcome)
        self._suspect = isinstance(outcome, SessionDamaged)
        self._report(job.id, outcome)

    def _run_group(self, session: str, guest: LiveGuest, jobs: list[Job]) -> list[Job]:
        started = time.monotonic_ns()
        answers = guest.run_group([_call(job, READ if job.read_only else GROUPED_WRITE) for job in jobs])
        if answers is None:
            self._guests.drop(session)
            return [evolve(job, alone=True) for job in jobs]
        done = jobs[: len(answers)]
        fuel, ran = guest.fuel_used(), time.monotonic_ns()
        problem = self._commit_group(session, guest, done)
        if problem is not None:
            self._guests.drop(session)
        if isinstance(problem, NotConfirmed):
            self._report_all([(job, problem) for job in done])
            return jobs[len(done) :]
        if problem is not None:
            return [evolve(job, alone=True) for job in jobs]
        settle_micros = (time.monotonic_ns() - ran) // 1000
        # Nobody but the guest knows which of them took how much: equal shares.
        fuel, micros = fuel // len(answers), (ran - started) // 1000 // len(answers)
        others_ns = ran - started - micros * 1000
        for job, answer in zip(jobs, answers, strict=False):
            waited = max(started - job.waits_since_ns + others_ns, 0) // 1000
            self._note_speed(session, job, quick=micros <= SLOW_MICROS)
            self._note_searches(session, answer)
            spent = _Spent(fuel, micros, waited, settle_micros)
            self._report(job.id, _outcome(answer, spent, writes=not job.read_only))
        return jobs[len(answers) :]

    def _commit_group(self, session: str, guest: LiveGuest, jobs: list[Job]) -> Outcome | None:
        """Commit what the group has written. What keeps it from that, or leaves it in doubt."""
        read_only = all(job.read_only for job in jobs)
        refused = self._guests.audit(session, guest, read_only=read_only)
        if refused is not None or read_only:
            return refused
        return self._commit(session, guest, keep=True)

    def _commit(self, session: str, guest: LiveGuest, *, keep: bool) -> Outcome | None:
        self._cell.committing()
        return guest.settle(keep=keep, commit=True) or self._guests.sync_names(session, guest)

    def _report_all(self, outcomes: list[tuple[Job, Outcome]]) -> None:
        for job, outcome in outcomes:
            self._report(job.id, outcome)

    def _note_speed(self, session: str, job: Job, *, quick: bool) -> None:
        key = (session, job.plan_id)
        if not quick:
            self._quick.pop(key, None)
            return
        self._quick[key] = None
        if len(self._quick) > _MAX_REMEMBERED:
            self._quick.popitem(last=False)

    def _note_searches(self, session: str, answer: Answer | Outcome) -> None:
        if isinstance(answer, Answer):
            for collection, field in answer.unindexed:
                self._searches.note(session, collection, field)


def _call(job: Job, mode: int) -> Call:
    return Call(job.plan_id, job.document, mode, job.request)


class _Spent(NamedTuple):
    """What a run took: of fuel, and of time as an outcome has it."""

    fuel: int
    micros: int
    queue_micros: int
    settle_micros: int


def _outcome(answer: Answer | Outcome, spent: _Spent, *, writes: bool) -> Outcome:
    if isinstance(answer, Raised):
        return evolve(answer, **spent._asdict())
    if not isinstance(answer, Answer):
        return answer
    committed = answer.keep and writes
    return Completed(
        status=answer.status,
        headers=answer.headers,
        body=answer.body,
        committed=committed,
        changed=answer.changed if committed else 0,
        fuel=spent.fuel,
        micros=spent.micros,
        stdout=answer.stdout,
        record=answer.record,
        replayed=answer.replayed,
        queue_micros=spent.queue_micros,
        settle_micros=spent.settle_micros,
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

    def forget(self, session: str) -> None:
        for key in [key for key in self._counts if key[0] == session]:
            del self._counts[key]
        self._due = deque(key for key in self._due if key[0] != session)

    def take(self) -> tuple[str, str, str] | None:
        return self._due.popleft() if self._due else None
