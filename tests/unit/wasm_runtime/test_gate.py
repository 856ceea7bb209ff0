"""The gate: no answer leaves before what it has seen is durable, whatever becomes of the keeper."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from store import keeper_wire as wire
from tests.clock import Clock
from wasm_runtime.gate import PATIENCE_SECONDS, Gate, Report, Waiting
from wasm_runtime.outcome import StackExhausted
from wasm_runtime.runner import Job
from wasm_runtime.verdict import Answer

if TYPE_CHECKING:
    from store.keeper_wire import Message

BEGIN = wire.Head("record", 3, "ab")


def report(number: int, *, fixed: str = "", version: int | None = None, **looked: str) -> Report:
    """With `reads` or `touched` of what a plan has answered; else of a run that has ended otherwise."""
    job = Job(number, "plan", "", "reads" in looked, "", request_id=f"r{number}", route="/x", fixed=fixed)
    answer = Answer(200, (), b"1", True, 0, "", (), **looked) if looked else StackExhausted()
    return Report(job, answer, version=version)


class Told:
    """A gate, and what it has sent, released and given up."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.sent: list[Message] = []
        self.released: list[int] = []
        self.versions: dict[int, int | None] = {}
        self.failed: list[tuple[list[int | None], str]] = []
        self.gate = Gate(self.sent.append, self._release, self._failed, self.clock)
        self.gate.opened("s1", BEGIN)

    def _release(self, report: Report, _waited: bool) -> None:
        self.released.append(report.job.id)
        self.versions[report.job.id] = report.version

    def _failed(self, _session: str, lost: list[Waiting], refusal: wire.Refusal) -> None:
        ids = [waiting.report.job.id if waiting.report else None for waiting in lost]
        self.failed.append((ids, refusal.trouble))

    def parts(self) -> list[wire.Part]:
        """Of the last message that had any."""
        self.gate.send()
        return list(next(m for m in reversed(self.sent) if isinstance(m, wire.Commit)).parts)

    def answer(self, *refusals: wire.Refusal | None) -> None:
        last = next(m for m in reversed(self.sent) if isinstance(m, wire.Commit))
        self.gate.committed(wire.Committed(last.n, refusals))


@pytest.fixture
def told() -> Told:
    return Told()


def test_an_answer_leaves_at_once_where_nothing_is_staged(told: Told) -> None:
    told.gate.tell("s1", report(1))
    told.gate.tell("unknown", report(2))

    assert told.released == [1, 2]


def test_answers_leave_in_order_when_what_they_have_seen_is_durable(told: Told) -> None:
    """Reads behind the versions that they have seen; another session's are not held up."""
    told.gate.opened("s2", BEGIN)
    told.gate.stage("s1", "D 1", report(1))
    told.gate.tell("s1", report(2))
    told.gate.stage("s1", "D 2", report(3))
    told.gate.tell("s1", report(4))
    told.gate.tell("s2", report(5))
    assert told.released == [5]
    first, second = told.parts()

    assert (first.base, second.base) == (3, 4)
    assert first.batch != second.batch
    assert (first.request, first.route, first.plan, first.changes) == ("r1", "/x", "plan", "D 1")
    told.answer(None)
    assert told.released == [5, 1, 2]
    told.gate.tell("s1", report(6))
    told.gate.committed(wire.Committed(1000, (None,)))
    assert told.released == [5, 1, 2]


@pytest.mark.parametrize(
    ("reads", "waits"),
    [
        ('{"things":[1]}', False),
        ('{"things":[2]}', True),
        ('{"things":[1,"a"]}', True),
        ('{"things":[1,"b"],"others":null}', False),
        ('{"things":null}', True),
        ('{"*":null}', False),
        ("null", True),
        ("", True),
    ],
)
def test_a_read_waits_for_what_has_touched_it(told: Told, reads: str, *, waits: bool) -> None:
    """Else it is the durable version's answer: what is staged may yet be refused, and be another."""
    told.gate.stage("s1", "D 1", report(1, touched='{"things":[2]}'))
    told.gate.stage("s1", "x 1 name")
    told.gate.stage("s1", "D 2", report(2, touched='{"things":["a"]}'))

    told.gate.tell("s1", report(3, reads=reads, version=6))

    assert told.released == ([] if waits else [3])
    if not waits:
        assert told.versions[3] == BEGIN.version


@pytest.mark.parametrize(
    ("touched", "waits"), [('{"*":null,"new":[1]}', True), ('{"things":[1]}', False), ("null", True)]
)
def test_a_read_of_names_waits_for_those_of_collections(told: Told, touched: str, *, waits: bool) -> None:
    told.gate.stage("s1", "D 1", report(1, touched=touched))
    told.gate.tell("s1", report(2, reads='{"*":null}'))

    assert told.released == ([] if waits else [2])


def test_a_place_in_a_sequence_is_the_version_s(told: Told) -> None:
    told.gate.stage("s1", "D 1", report(1, touched='{"things":[2]}'))
    told.gate.tell("s1", report(2, reads='{"things":[1]}', fixed='{"seed":"s"}'))

    assert told.released == []


def test_what_was_refused_takes_those_behind_it_along(told: Told) -> None:
    """They have seen what is not there; what comes later begins at what is."""
    told.gate.stage("s1", "D 1", report(1))
    told.gate.stage("s1", "D 2", report(2))
    told.gate.stage("s1", "D 3")
    told.gate.tell("s1", report(3))
    settled: list[str] = []
    told.gate.when_settled("s1", lambda: settled.append("now"))
    assert settled == []
    told.gate.send()
    full = wire.Refusal("full", "session", 7)
    fenced = wire.Refusal("fenced", "")
    told.answer(None, full, fenced)

    assert told.released == [1]
    assert told.failed == [([2, None, 3], "full")]
    assert settled == ["now"]
    assert not told.gate
    assert told.gate.head("s1").version == 4
    told.gate.stage("s1", "D 4", report(4))
    assert told.parts()[0].base == 4


def test_after_a_keeper_s_end_the_head_tells_what_is_there(told: Told) -> None:
    """What it covers is durable; the rest is sent again, and nothing twice."""
    for number in (1, 2, 3):
        told.gate.stage("s1", f"D {number}", report(number))
    parts = told.parts()
    told.gate.reconnected()
    told.gate.stage("s1", "D 4", report(4))
    told.gate.send()
    assert isinstance(told.sent[-1], wire.Outcome)
    told.gate.head_is(wire.HeadIs(told.sent[-1].n, "s1", wire.Head("record", 5, parts[1].batch)))

    assert told.released == [1, 2]
    assert [part.changes for part in told.parts()] == ["D 3", "D 4"]
    assert told.parts()[0] == parts[2]
    told.answer(None, None)
    assert told.released == [1, 2, 3, 4]
    assert not told.gate


@pytest.mark.parametrize(("version", "trouble"), [(0, "fenced"), (4, "unknown")])
def test_a_head_that_is_none_of_ours_fails_what_was_staged(told: Told, version: int, trouble: str) -> None:
    """Somebody else has written the session: perhaps upon what was staged, if its version is higher."""
    told.gate.stage("s1", "D 1", report(1))
    told.gate.send()
    told.gate.reconnected()
    told.gate.head_is(wire.HeadIs(0, "s1", wire.Head("record", version, "another")))

    assert told.failed == [([1], trouble)]
    assert told.released == []


def test_an_unknown_end_is_asked_for(told: Told) -> None:
    """The disk has failed in the sync: only the record itself knows."""
    told.gate.stage("s1", "D 1", report(1))
    told.gate.stage("s1", "D 2", report(2))
    part = told.parts()[0]
    unknown = wire.Refusal("unknown", "EIO")
    told.answer(unknown, unknown)
    assert (told.released, told.failed) == ([], [])
    assert [type(message).__name__ for message in told.sent].count("Outcome") == 1
    told.gate.head_is(wire.HeadIs(0, "s1", wire.Head("record", 4, part.batch)))

    assert told.released == [1]
    assert [part.changes for part in told.parts()] == ["D 2"]


def test_it_is_sent_so_often_and_waited_for_so_long(told: Told) -> None:
    """A record that never takes it, and one that says nothing."""
    told.gate.stage("s1", "D 1", report(1))
    for _ in range(3):
        told.gate.send()
        told.gate.reconnected()
        told.gate.head_is(wire.HeadIs(0, "s1", BEGIN))
    assert told.failed == [([1], "unavailable")]

    told.gate.stage("s1", "D 1", report(2))
    told.gate.send()
    told.clock.advance(PATIENCE_SECONDS - 0.1)
    told.gate.give_up()
    assert len(told.failed) == 1
    told.clock.advance(0.2)
    told.gate.give_up()
    assert told.failed[1:] == [([2], "unknown")]
    assert told.released == []


def test_a_record_that_cannot_say(told: Told) -> None:
    told.gate.stage("s1", "D 1", report(1))
    told.gate.untold("s1", wire.Refusal("unavailable", "not in doubt"))
    assert told.failed == []
    told.gate.reconnected()
    told.gate.untold("s1", wire.Refusal("damaged", "row 7"))

    assert told.failed == [([1], "damaged")]


def test_much_text_is_sent_in_several_messages(told: Told) -> None:
    """As many as are few enough to be read at once."""
    for number in range(3):
        told.gate.stage("s1", f"p 1 1 {'x' * 3_000_000}", report(number))
    told.gate.send()
    sizes = [len(message.parts) for message in told.sent if isinstance(message, wire.Commit)]

    assert sizes == [2, 1]


class Ledger:
    """A record of one session, whose keeper may end at any time: what was sent and not read is lost."""

    def __init__(self) -> None:
        self.head = BEGIN
        self.applied: list[str] = []
        self.inbox: deque[Message] = deque()
        self.outbox: deque[Message] = deque()

    def read(self) -> None:
        match self.inbox.popleft():
            case wire.Commit(n, parts):
                self.outbox.append(wire.Committed(n, tuple(self._apply(part) for part in parts)))
            case wire.Outcome(n, session):
                self.outbox.append(wire.HeadIs(n, session, self.head))

    def _apply(self, part: wire.Part) -> wire.Refusal | None:
        if part.base != self.head.version:
            return wire.Refusal("fenced", "")
        self.head = wire.Head("record", part.base + 1, part.batch)
        self.applied.append(part.request)
        return None

    def end(self) -> None:
        self.inbox.clear()
        self.outbox.clear()


class Life(RuleBasedStateMachine):
    """A worker's session and its record, with keepers that end between any two messages."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.gate = Gate(self.ledger.inbox.append, self._release, self._failed, Clock())
        self.gate.opened("s1", BEGIN)
        self.number = 0
        #: Of each job under way: how many writes it has seen of its record, its own included.
        self.seen: dict[int, int] = {}
        self.writes: list[str] = []
        #: The record of each.
        self.places: dict[str, int] = {}
        self.lost = 0

    def _release(self, report: Report, _waited: bool) -> None:
        seen = self.seen.pop(report.job.id)
        assert len(self.ledger.applied) >= seen, "an answer has left before what it has seen is there"

    def _failed(self, _session: str, lost: list[Waiting], refusal: wire.Refusal) -> None:
        assert refusal.trouble == "unavailable", "nobody else writes here"
        for waiting in lost:
            if waiting.report is not None:
                del self.seen[waiting.report.job.id]
                assert waiting.part is None or waiting.report.job.request_id not in self.ledger.applied
        self.writes = list(self.ledger.applied)
        self.lost += len(lost)

    @rule(place=st.sampled_from([1, 2, 3]))
    def write(self, place: int) -> None:
        self.number += 1
        job = report(self.number, touched=f'{{"things":[{place}]}}')
        self.writes.append(job.job.request_id)
        self.places[job.job.request_id] = place
        self.seen[self.number] = len(self.writes)
        self.gate.stage("s1", "D 1", job)

    @rule(place=st.sampled_from([1, 2, 3]))
    def read(self, place: int) -> None:
        self.number += 1
        of_place = [n for n, write in enumerate(self.writes, 1) if self.places[write] == place]
        self.seen[self.number] = of_place[-1] if of_place else 0
        self.gate.tell("s1", report(self.number, reads=f'{{"things":[{place}]}}'))

    @rule()
    def send(self) -> None:
        self.gate.send()

    @precondition(lambda self: self.ledger.inbox)
    @rule()
    def keeper_reads(self) -> None:
        self.ledger.read()

    @precondition(lambda self: self.ledger.outbox)
    @rule()
    def worker_hears(self) -> None:
        match self.ledger.outbox.popleft():
            case wire.Committed() as said:
                self.gate.committed(said)
            case wire.HeadIs() as said:
                self.gate.head_is(said)

    @rule(words=st.booleans())
    def keeper_ends(self, words: bool) -> None:
        """With or without what it had answered still in the stream."""
        if words:
            while self.ledger.outbox:
                self.worker_hears()
        self.ledger.end()
        self.gate.reconnected()

    @invariant()
    def nothing_is_applied_twice(self) -> None:
        assert len(set(self.ledger.applied)) == len(self.ledger.applied)

    def teardown(self) -> None:
        """In the end all is told."""
        for _ in range(100):
            self.gate.send()
            while self.ledger.inbox:
                self.ledger.read()
            while self.ledger.outbox:
                self.worker_hears()
        assert not self.gate
        assert self.gate.size == 0
        assert self.seen == {}
        assert self.ledger.applied == self.writes


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


class OpenGate(Gate):
    """A build with the gate taken out: an answer leaves when it is there."""

    def stage(self, session: str, changes: str, report: Report | None = None) -> None:
        super().stage(session, changes, report)
        self._lines[session].waiting[-1].report = None
        if report is not None:
            self._release(report, False)

    def tell(self, session: str, report: Report) -> None:
        self._release(report, False)


def test_a_build_without_the_gate_is_found_out() -> None:
    """The same life, in which answers leave at once."""

    class Open(Life):
        def __init__(self) -> None:
            super().__init__()
            self.gate = OpenGate(self.ledger.inbox.append, self._release, self._failed, Clock())
            self.gate.opened("s1", BEGIN)

    case: Any = Open.TestCase
    case.settings = settings(TestLife.settings, database=None)
    with pytest.raises(AssertionError, match="before what it has seen is there"):
        case("runTest").runTest()
