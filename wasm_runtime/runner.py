"""Runs the jobs of one session: alone, or several in one call of the guest.

1. A job runs alone while its plan is new to its session, or if it has been slow there: so that a plan that
   is likely to trap or to take long costs nobody else anything.
2. Jobs that queue for one session otherwise run one after the other in one call of the guest. Each write is
   kept or undone by its own answer, which tells what was kept; the host looks at every answer before it hands
   any on (wasm_runtime/verdict.py).
3. A group that cannot be had whole leaves nothing: a job traps, or an answer is refused. The guest goes, and
   with it all that was not handed on; the jobs go back and run alone, so that only the one whose fault it is
   has the harm.
4. What was kept is handed to the gate, which has it written to the record and lets the answers go when it is
   there. Meanwhile the next jobs run, of this session and of others.
5. A run that its session's file has failed is tried once more, in another guest, with a file made anew. So
   are runs that have seen what the record then has refused.
6. A session with a sequence in the place of random numbers runs its jobs alone: what a job draws goes by the
   version that it sees.
7. A group that has taken its time gives the rest back: other sessions wait for one run at most, not for a
   queue of them.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from wasm_runtime.gate import Report
from wasm_runtime.live_guest import DRY_RUN, READ, UNHEARD, WRITE, Call, LiveGuest
from wasm_runtime.outcome import (
    Completed,
    GuestFailed,
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

    from store.keeper_wire import Refusal
    from wasm_runtime.gate import Gate, Waiting
    from wasm_runtime.guests import Guests
    from wasm_runtime.schemas import Rules
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
    #: Its writes are undone whatever it answers.
    dry_run: bool = False
    #: Its session's file has failed it once, or the record has refused what it has seen.
    tried: bool = False
    #: On the monotonic clock: as if it had come then, and found the worker free to read it.
    waits_since_ns: int = 0
    #: Whose it is, and what it asked for: for the session's log.
    request_id: str = ""
    route: str = ""
    #: See `frames.JobFrame`.
    fixed: str = ""
    #: What its contract says of the reply.
    rules: Rules | None = None
    #: Nobody wants to know what its reply was made of.
    unheard: bool = False

    @property
    def mode(self) -> int:
        if self.read_only:
            return UNHEARD if self.unheard else READ
        return DRY_RUN if self.dry_run else WRITE


class Runner:
    """Runs jobs, and hands the gate what they come to. `report` tells what nothing needs to be kept for."""

    def __init__(
        self, guests: Guests, gate: Gate, cell: StatusCell, report: Callable[[int, Outcome], None]
    ) -> None:
        self._guests = guests
        self._gate = gate
        self._cell = cell
        self._report = report
        #: By session and plan, whether it was quick when it last ran.
        self._quick: OrderedDict[tuple[str, str], bool] = OrderedDict()
        self._searches = _SearchCounts()
        #: What the record is full of, if it is: nothing is written then.
        self.full: StorageFull | None = None

    def is_slow(self, session: str, job: Job) -> bool:
        """Whether the plan took long in the session when it last ran."""
        return self._quick.get((session, job.plan_id)) is False

    def may_join(self, session: str, job: Job) -> bool:
        """Whether a job may run in one call with others of its session."""
        return not job.alone and not job.fixed and self._quick.get((session, job.plan_id), False)

    def run(self, session: str, jobs: Sequence[Job]) -> list[Job]:
        """Run jobs of one session, whose guest is there: one, or up to MAX_GROUP that all may join.

        Those given back have left no trace, and are to run first when it is the session's turn again.
        """
        left = self._attempt(session, self._allowed(self._wanted(jobs)))
        if left:
            self._cell.returned([job.id for job in left])
        return left

    def _wanted(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs that somebody still waits for; from here on, nobody withdraws one of them."""
        begun = self._cell.begin([job.id for job in jobs])
        if len(begun) == len(jobs):
            return list(jobs)
        self.report_all([job for job in jobs if job.id not in begun], Overloaded(WITHDRAWN))
        return [job for job in jobs if job.id in begun]

    def _allowed(self, jobs: list[Job]) -> list[Job]:
        """The jobs that may run while there is no room."""
        if self.full is None:
            return jobs
        self.report_all([job for job in jobs if not job.read_only], self.full)
        return [job for job in jobs if job.read_only]

    def maintain(self) -> bool:
        """Make one index that searches have asked for. Whether there was one to make."""
        wanted = self._searches.take()
        if wanted is None:
            return False
        session, collection, field = wanted
        guest = self._guests.live(session)
        if guest is not None and self.full is None:
            changes = guest.ensure_index(collection, field)
            if isinstance(changes, str) and changes:
                self._gate.stage(session, changes)
            self._guests.release(session)
        return True

    def let_go(self, session: str) -> None:
        """Close the session's files, and do not open them again for an index that was wanted."""
        self._searches.forget(session)
        self._guests.drop(session)

    def failed(self, session: str, lost: Sequence[Waiting], refusal: Refusal) -> list[Job]:
        """The record has not got what these have written or seen; those of them that are to run again."""
        self._guests.spoil(session)
        again: list[Job] = []
        for place, waiting in enumerate(lost):
            if waiting.report is None:
                continue
            outcome = _refused(waiting, refusal, first=place == 0)
            if outcome is None and not waiting.report.job.tried:
                again.append(evolve(waiting.report.job, tried=True))
            else:
                self._report(waiting.report.job.id, outcome or StorageFailed(refusal.reason))
        self._cell.returned([job.id for job in again])
        self._cell.answered([job.id for job in again])
        return again

    def _attempt(self, session: str, jobs: list[Job]) -> list[Job]:
        """Run the jobs in one guest; what has to run again, or has not run."""
        if not jobs:
            return []
        guest = self._guests.get(session)
        if not isinstance(guest, LiveGuest):
            return self._without_guest(jobs, guest)
        if len(jobs) > 1:
            return self._run_group(session, guest, jobs)
        return self._run_alone(session, guest, jobs[0])

    def _without_guest(self, jobs: list[Job], why: Outcome) -> list[Job]:
        """One failure of the disk may pass, and a file that is damaged is made anew."""
        once_more = isinstance(why, SessionDamaged | StorageFailed)
        self.report_all([job for job in jobs if job.tried or not once_more], why)
        return [evolve(job, tried=True) for job in jobs if once_more and not job.tried]

    def _run_alone(self, session: str, guest: LiveGuest, job: Job) -> list[Job]:
        self._cell.running(job.id)
        started = time.monotonic_ns()
        beside_writes = not self._gate.is_settled(session)
        answer = guest.run(_call(job, self._fixed(session, job), beside_writes=beside_writes))
        fuel, ran = guest.fuel_used(), time.monotonic_ns()
        if not guest.dead:
            answer = self._guests.audit(guest) or answer
        micros = (ran - started) // 1000
        self._note_speed(session, job, quick=not guest.dead and micros <= SLOW_MICROS)
        if guest.dead:
            self._guests.drop(session)
            if isinstance(answer, SessionDamaged | StorageFailed) and not job.tried:
                return [evolve(job, tried=True)]
            answer = self._guests.explained(answer)
        waited = max(started - job.waits_since_ns, 0) // 1000
        self._hand_on(session, Report(job, answer, fuel, micros, waited, ran, self._version(session, answer)))
        return []

    def _fixed(self, session: str, job: Job) -> str:
        """The line with a clock and a place in a sequence; the place moves with the version."""
        if not job.fixed:
            return ""
        told = json.loads(job.fixed)
        steps = self._gate.head(session).version - told["from"]
        place = f"{told['seed']}:{steps}" if told["seed"] else ""
        return f"!{json.dumps({'clock': told['clock'], 'place': place})}\n"

    def _run_group(self, session: str, guest: LiveGuest, jobs: list[Job]) -> list[Job]:
        started = time.monotonic_ns()
        beside_writes = not self._gate.is_settled(session) or not all(job.read_only for job in jobs)
        answers = guest.run_group([_call(job, beside_writes=beside_writes) for job in jobs])
        if answers is None or self._guests.audit(guest) is not None:
            self._guests.drop(session)
            return [evolve(job, alone=True) for job in jobs]
        fuel, ran = guest.fuel_used(), time.monotonic_ns()
        # Nobody but the guest knows which of them took how much: equal shares.
        fuel, micros = fuel // len(answers), (ran - started) // 1000 // len(answers)
        others_ns = ran - started - micros * 1000
        for job, answer in zip(jobs, answers, strict=False):
            waited = max(started - job.waits_since_ns + others_ns, 0) // 1000
            self._note_speed(session, job, quick=micros <= SLOW_MICROS)
            self._hand_on(
                session, Report(job, answer, fuel, micros, waited, ran, self._version(session, answer))
            )
        return jobs[len(answers) :]

    def _version(self, session: str, answer: Answer | Outcome) -> int | None:
        """The one that the answer has seen, or makes."""
        version = self._gate.version(session)
        makes_one = isinstance(answer, Answer) and bool(answer.changes)
        return version if version is None else version + makes_one

    def _hand_on(self, session: str, report: Report) -> None:
        answer = report.answer
        if not isinstance(answer, Answer):
            self._gate.tell(session, report)
            return
        for collection, field in answer.unindexed:
            self._searches.note(session, collection, field)
        if answer.changes:
            self._cell.stage(report.job.id, self._gate.next_version(session))
            self._gate.stage(session, answer.changes, report)
        else:
            self._gate.tell(session, report)

    def report_all(self, jobs: Sequence[Job], outcome: Outcome) -> None:
        for job in jobs:
            self._report(job.id, outcome)

    def _note_speed(self, session: str, job: Job, *, quick: bool) -> None:
        key = (session, job.plan_id)
        self._quick[key] = quick
        if len(self._quick) > _MAX_REMEMBERED:
            self._quick.popitem(last=False)


def _call(job: Job, fixed: str = "", *, beside_writes: bool) -> Call:
    """`beside_writes`: the gate wants to know what a read looks at, though nobody else does."""
    mode = READ if beside_writes and job.mode == UNHEARD else job.mode
    return Call(job.plan_id, job.document, mode, fixed + job.request, job.rules)


def _refused(waiting: Waiting, refusal: Refusal, *, first: bool) -> Outcome | None:
    """What the record's refusal is to a job that stood in line; None: it was not written, and may run again.

    `first`: the refusal is about this one, and the others stood behind it.
    """
    if waiting.part is None:
        return None
    if first and refusal.trouble == "full":
        return full(refusal.reason, refusal.limit_bytes)
    if first and refusal.trouble == "refused":
        return GuestFailed("what it tells of its changes contradicts the record")
    if refusal.trouble == "unknown" and waiting.tries:
        return NotConfirmed(refusal.reason)
    return None


def full(what: str, limit_bytes: int) -> StorageFull:
    """As the record says it."""
    return StorageFull(limit_bytes, whole=what == "total")


def outcome_of(report: Report, *, waited: bool) -> Outcome:
    """As it leaves: what it has written is in the record. `waited`: for the record's word, until now."""
    settle_micros = (time.monotonic_ns() - report.ran_ns) // 1000 if waited else 0
    answer = report.answer
    if isinstance(answer, Raised):
        return evolve(
            answer,
            fuel=report.fuel,
            micros=report.micros,
            queue_micros=report.queue_micros,
            settle_micros=settle_micros,
        )
    if not isinstance(answer, Answer):
        return answer
    committed = answer.keep and report.job.mode == WRITE
    return Completed(
        status=answer.status,
        headers=answer.headers,
        body=answer.body,
        committed=committed,
        changed=answer.changed if committed else 0,
        fuel=report.fuel,
        micros=report.micros,
        stdout=answer.stdout,
        record=answer.record,
        replayed=answer.replayed,
        queue_micros=report.queue_micros,
        settle_micros=settle_micros,
        version=report.version or 0,
        reads=answer.reads if report.version is not None and report.job.mode == READ else "",
        touched=answer.touched if committed else "",
        violations=tuple((each.pointer, each.keyword, each.detail) for each in answer.violations),
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
