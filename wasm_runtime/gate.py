"""What has run and may not be told yet, as the record has not got it: the answers wait, the worker does not.

1. A write is staged: its change set waits to be sent, and then for the record's word. It makes the session's
   next version. Whatever runs in that session meanwhile has seen the version, reads included, so its answer
   stands in line behind. Where nothing is staged an answer leaves at once. So does a read of what no staged
   version has touched: it is what the durable version answers, too, and counts as that one's.
2. A version that is durable lets go of its own answer and of those behind it, up to the next one.
3. A version that the record refuses takes all that stand behind it along: they have seen what is not there.
4. Of a version nobody may know whether it is there: the keeper has ended before it said so. Then the record
   is asked for the session's head. What it covers is durable; the rest was never written, and is sent again.
5. A file is closed, opened, or let go of when nothing of its session is staged any more.
"""

from __future__ import annotations

import os
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from attrs import define, evolve, field, frozen

from store import keeper_wire
from store.keeper_wire import Commit, Committed, Head, HeadIs, Part, Refusal
from wasm_runtime.read_set import are_apart
from wasm_runtime.verdict import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from store.keeper_wire import Message, Trouble
    from wasm_runtime.outcome import Outcome
    from wasm_runtime.runner import Job

#: Change sets that are sent together at most, and how long the first of them waits for others.
_AT_ONCE = 16
_WAITS_NS = 1_000_000
#: Characters of change sets after which a message is large enough.
_MOST_TEXT = 4 * 1024 * 1024
#: After so long without a word the record is out of reach.
PATIENCE_SECONDS = 5.0
#: Times that a part is sent: no keeper has answered for the ones before.
_MOST_TRIES = 3


@frozen
class Report:
    """What a job has come to, told as soon as it may be. `ran_ns`: when it had run, monotonic.

    `version`: the session's that it has seen, or has made; None: not known.
    """

    job: Job
    answer: Answer | Outcome
    fuel: int = 0
    micros: int = 0
    queue_micros: int = 0
    ran_ns: int = 0
    version: int | None = None


@define(eq=False)
class Waiting:
    """A place in a session's line: a version that is staged, or an answer that has seen one.

    `report` is None for what no job has asked for, such as an index. `tries`: how often the part was sent.
    """

    report: Report | None
    part: Part | None = None
    tries: int = 0


class _Sent(NamedTuple):
    session: str
    waiting: Waiting
    #: Which of its tries this was.
    tries: int


@define(eq=False)
class _Line:
    """A session: the head that is durable, the version its guest has, and who waits."""

    durable: Head
    version: int
    batch: str
    waiting: deque[Waiting] = field(factory=deque)
    #: When the record last said anything of it, or the first part was staged; monotonic seconds.
    since: float = 0.0
    in_doubt: bool = False
    then: list[Callable[[], None]] = field(factory=list)


class Gate:
    """Of one worker. `release` is told of each report that may leave, in order, and whether it had to wait.

    `failed` is told of a session whose versions are not in the record, of all that stood in its line, and
    why.
    """

    def __init__(
        self,
        send: Callable[[Message], None],
        release: Callable[[Report, bool], None],
        failed: Callable[[str, list[Waiting], Refusal], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self._release = release
        self._failed = failed
        self._clock = clock
        self._lines: dict[str, _Line] = {}
        #: Sessions with a staged version.
        self._busy: set[str] = set()
        #: Characters of all change sets that are staged.
        self.size = 0
        self._unsent: deque[tuple[str, Waiting]] = deque()
        self._first_ns = 0
        self._in_flight: dict[int, list[_Sent]] = {}
        #: Even: sessions that are opened are asked for by odd numbers.
        self._n = 0

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._busy)

    def opened(self, session: str, head: Head) -> None:
        """A guest is about to have the session as the record has it."""
        self._lines[session] = _Line(head, head.version, head.batch)

    def head(self, session: str) -> Head:
        """The version that the session's guest has, staged or not."""
        line = self._lines[session]
        return Head(line.durable.identity, line.version, line.batch)

    def version(self, session: str) -> int | None:
        """The version that the session's guest has, staged or not; None: it has none."""
        line = self._lines.get(session)
        return None if line is None else line.version

    def next_version(self, session: str) -> int:
        """The one that the next change set of the session makes."""
        return self._lines[session].version + 1

    def stage(self, session: str, changes: str, report: Report | None = None) -> None:
        """A change set is the session's next version."""
        line = self._lines[session]
        job = None if report is None else report.job
        part = Part(
            session,
            line.version,
            os.urandom(16).hex(),
            time.time(),
            "" if job is None else job.request_id,
            "" if job is None else job.route,
            "" if job is None else job.plan_id,
            changes,
        )
        line.version, line.batch = line.version + 1, part.batch
        if not line.waiting:
            line.since = self._clock()
            self._busy.add(session)
        waiting = Waiting(report, part)
        self.size += len(changes)
        line.waiting.append(waiting)
        if not line.in_doubt:
            self._to_send(session, waiting)

    def _to_send(self, session: str, waiting: Waiting) -> None:
        if not self._unsent:
            self._first_ns = time.monotonic_ns()
        self._unsent.append((session, waiting))

    def tell(self, session: str, report: Report) -> None:
        """An answer that has written nothing leaves now, or behind the versions that it has seen."""
        line = self._lines.get(session)
        if line is None or not line.waiting:
            self._release(report, False)  # noqa: FBT003  see the class
        elif _is_of_durable(report, line.waiting):
            self._release(evolve(report, version=line.durable.version), False)  # noqa: FBT003  see the class
        else:
            line.waiting.append(Waiting(report))

    def is_settled(self, session: str) -> bool:
        return session not in self._busy

    def when_settled(self, session: str, then: Callable[[], None]) -> None:
        """Call it when nothing of the session is staged: now, or when the record has said its word."""
        if self.is_settled(session):
            then()
        else:
            self._lines[session].then.append(then)

    # To the record

    def is_due(self) -> bool:
        """Whether what is staged is not to wait for more."""
        return bool(self._unsent) and (
            len(self._unsent) >= _AT_ONCE or time.monotonic_ns() - self._first_ns >= _WAITS_NS
        )

    def send(self) -> None:
        """Send what is staged."""
        while self._unsent:
            sent: list[_Sent] = []
            parts: list[Part] = []
            size = 0
            while self._unsent and size < _MOST_TEXT:
                session, waiting = self._unsent.popleft()
                waiting.tries += 1
                sent.append(_Sent(session, waiting, waiting.tries))
                if waiting.part is not None:
                    parts.append(waiting.part)
                    size += len(waiting.part.changes)
            self._n += 2
            self._in_flight[self._n] = sent
            self._send(Commit(self._n, tuple(parts)))

    def reconnected(self) -> None:
        """There is another keeper, which has heard of nothing that the one before has not written."""
        self._in_flight.clear()
        self._unsent.clear()
        for session in tuple(self._busy):
            self._doubt(session)

    def _doubt(self, session: str) -> None:
        self._lines[session].in_doubt = True
        self._unsent = deque(each for each in self._unsent if each[0] != session)
        self._n += 2
        self._send(keeper_wire.Outcome(self._n, session))

    # From the record

    def committed(self, said: Committed) -> None:
        """The record's word on parts that were sent together."""
        sent = self._in_flight.pop(said.n, [])
        for (session, waiting, tries), refusal in zip(sent, said.refusals, strict=False):
            line = self._lines.get(session)
            if line is None or not line.waiting or line.waiting[0] is not waiting:
                continue  # a refusal of what came before has decided this one
            if line.in_doubt or waiting.tries != tries:
                continue  # the session's head decides it, or has
            if refusal is None:
                self._advance(session, line)
            elif refusal.trouble == "unknown":
                self._doubt(session)
            else:
                self._fail(session, refusal)

    def head_is(self, said: HeadIs) -> None:
        """The record's word on a session that is in doubt."""
        line = self._lines.get(said.session)
        if line is None or not line.in_doubt:
            return
        if not _is_in_line(line, said.head):
            # It may be upon ours that somebody has gone on.
            on = said.head.version > line.durable.version
            trouble: Trouble = "unknown" if on else "fenced"
            self._fail(said.session, Refusal(trouble, "the record has another version"))
            return
        line.in_doubt, line.since = False, self._clock()
        while line.waiting and line.durable.version < said.head.version:
            self._advance(said.session, line)
        staged = [waiting for waiting in line.waiting if waiting.part is not None]
        if any(waiting.tries >= _MOST_TRIES for waiting in staged):
            self._fail(said.session, Refusal("unavailable", "the record cannot be written"))
            return
        for waiting in staged:
            self._to_send(said.session, waiting)

    def untold(self, session: str, refusal: Refusal) -> None:
        """The record cannot say which head the session has."""
        if session in self._busy and self._lines[session].in_doubt:
            self._fail(session, refusal)

    def give_up(self) -> None:
        """Those that have waited too long for a word have waited enough."""
        before = self._clock() - PATIENCE_SECONDS
        for session in tuple(self._busy):
            if self._lines[session].since < before:
                self._fail(session, Refusal("unknown", "the record does not answer"))

    def _advance(self, session: str, line: _Line) -> None:
        """The first version in line is durable."""
        first = line.waiting.popleft()
        if first.part is not None:
            self.size -= len(first.part.changes)
            line.durable = Head(line.durable.identity, first.part.base + 1, first.part.batch)
        line.since = self._clock()
        released = [first, *_answers(line.waiting)]
        for waiting in released:
            if waiting.report is not None:
                self._release(waiting.report, True)  # noqa: FBT003  see the class
        if not line.waiting:
            self._settle(session, line)

    def _fail(self, session: str, refusal: Refusal) -> None:
        line = self._lines[session]
        lost = list(line.waiting)
        self.size -= sum(len(waiting.part.changes) for waiting in lost if waiting.part is not None)
        line.waiting.clear()
        line.in_doubt = False
        line.version, line.batch = line.durable.version, line.durable.batch
        self._unsent = deque(each for each in self._unsent if each[0] != session)
        self._failed(session, lost, refusal)
        self._settle(session, line)

    def _settle(self, session: str, line: _Line) -> None:
        self._busy.discard(session)
        then, line.then = line.then, []
        for each in then:
            each()

    def forget(self, session: str) -> None:
        """Its guest is gone; what it has staged still waits."""
        if self.is_settled(session):
            self._lines.pop(session, None)
        else:
            self._lines[session].then.append(lambda: self._forget_again(session))

    def _forget_again(self, session: str) -> None:
        self._lines.pop(session, None)


def _is_of_durable(report: Report, waiting: Iterable[Waiting]) -> bool:
    """Whether a read has looked at nothing that a staged version has touched, as far as the guest says.

    A draw of a sequence goes by the version, whatever else was looked at.
    """
    answer = report.answer
    if not isinstance(answer, Answer) or not answer.reads or report.job.fixed:
        return False
    return are_apart(answer.reads, (_touched(each) for each in waiting if each.part is not None))


def _touched(staged: Waiting) -> str:
    """What no job has asked for, such as an index, no plan can read."""
    answer = None if staged.report is None else staged.report.answer
    return answer.touched if isinstance(answer, Answer) else ""


def _answers(waiting: deque[Waiting]) -> Iterator[Waiting]:
    """Those that stand before the next version, taken out of line."""
    while waiting and waiting[0].part is None:
        yield waiting.popleft()


def _is_in_line(line: _Line, head: Head) -> bool:
    """Whether a head is the durable one, or one of those that are staged."""
    if (head.version, head.batch) == (line.durable.version, line.durable.batch):
        return True
    staged = (waiting.part for waiting in line.waiting if waiting.part is not None)
    return any((part.base + 1, part.batch) == (head.version, head.batch) for part in staged)
