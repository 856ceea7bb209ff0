"""Sessions that are opened: asked for once, after what they have staged, and again where nobody answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.keeper_wire import Commit, Committed, Head, Open
from tests.clock import Clock
from wasm_runtime.gate import PATIENCE_SECONDS, Gate
from wasm_runtime.openings import Openings
from wasm_runtime.runner import Job

if TYPE_CHECKING:
    from store.keeper_wire import Message


def job(number: int) -> Job:
    return Job(number, "plan", "", False, "")


class Opened:
    def __init__(self) -> None:
        self.clock = Clock()
        self.sent: list[Message] = []
        self.gate = Gate(self.sent.append, lambda *_: None, lambda *_: None, self.clock)
        self.openings = Openings(self.gate, self.sent.append, self.clock)

    def asked(self) -> list[Open]:
        return [message for message in self.sent if isinstance(message, Open)]


def test_a_session_is_asked_for_once_and_its_jobs_wait() -> None:
    """However many turns of it come; an answer to another question is none."""
    opened = Opened()
    opened.openings.park("s1", [job(1)])
    opened.openings.park("s1", [job(2), job(3)])
    opened.openings.park("s2", [job(4)])
    first, second = opened.asked()

    assert (first.session, second.session) == ("s1", "s2")
    assert opened.openings.take("s1", second.n) is None
    assert opened.openings.take("s1", first.n) == [job(1), job(2), job(3)]
    assert opened.openings.take("s1", first.n) is None
    assert opened.openings


def test_what_is_staged_comes_first() -> None:
    """The file would be without it."""
    opened = Opened()
    opened.gate.opened("s1", Head("record", 0, ""))
    opened.gate.stage("s1", "D 1")
    opened.openings.park("s1", [job(1)])
    opened.gate.send()
    assert opened.asked() == []
    (commit,) = (message for message in opened.sent if isinstance(message, Commit))
    opened.gate.committed(Committed(commit.n, (None,)))

    assert len(opened.asked()) == 1


def test_another_keeper_is_asked_again() -> None:
    """By another number: what the one before may still have said is not taken for an answer."""
    opened = Opened()
    opened.openings.park("s1", [job(1)])
    opened.openings.reconnected()
    first, second = opened.asked()

    assert opened.openings.take("s1", first.n) is None
    assert opened.openings.take("s1", second.n) == [job(1)]
    assert not opened.openings


def test_waiting_has_an_end() -> None:
    opened = Opened()
    opened.openings.park("s1", [job(1)])
    opened.clock.advance(PATIENCE_SECONDS - 0.1)
    opened.openings.park("s2", [job(2)])
    assert opened.openings.overdue() == []
    opened.clock.advance(0.2)

    assert opened.openings.overdue() == [("s1", [job(1)])]
    assert opened.openings.take("s1", opened.asked()[0].n) is None
    assert opened.openings
