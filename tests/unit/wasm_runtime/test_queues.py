"""How many of a session's jobs a worker takes at a time, and whose turn it is."""

from __future__ import annotations

from itertools import pairwise

import pytest

from wasm_runtime.queues import QUANTUM_NS, Queues
from wasm_runtime.runner import Job, Runner


class Joining(Runner):
    """Lets every job join that is not to be alone, as if each plan had been quick before."""

    def __init__(self) -> None:
        pass

    def may_join(self, session: str, job: Job) -> bool:
        return not job.alone


def taken(kinds: str, **reads: int) -> int:
    """How many go first of these: r reads, w writes, R and W the same alone."""
    queues = Queues(**reads)
    for number, kind in enumerate(kinds):
        queues.add("s1", Job(number, kind, "", kind in "rR", "", alone=kind.isupper()))
    turn = queues.take(Joining())
    assert turn is not None
    assert [job.id for job in turn[1]] == list(range(len(turn[1])))
    return len(turn[1])


@pytest.mark.parametrize(
    ("kinds", "first"),
    [
        ("r" * 5, 5),
        ("r" * 7, 6),
        ("rw" + "r" * 14, 16),
        ("rw" + "r" * 15, 16),
        ("w" * 17, 16),
        ("rrWr", 2),
        ("Wr", 1),
    ],
)
def test_reads_go_in_small_groups(kinds: str, first: int) -> None:
    """Six, so that answers are on their way while the next ones run; with a write among them sixteen."""
    assert taken(kinds) == first


def test_reads_go_together_where_each_turn_costs_a_guest() -> None:
    """Sixteen of them."""
    assert taken("r" * 17, reads_at_once=16) == 16


class Worker:
    """Runs what the queues give it on a clock of its own; a job's plan says how many quanta it takes."""

    def __init__(self) -> None:
        self.queues = Queues()
        self.now = 0
        self.served: list[str] = []
        self._ids = 0

    def add(self, session: str, quanta: float, times: int = 1) -> None:
        for _ in range(times):
            self._ids += 1
            job = Job(self._ids, str(quanta), "", True, "", alone=True, waits_since_ns=self.now)
            self.queues.add(session, job)

    def turns(self, most: int = 1_000, *, deadly: str = "") -> list[str]:
        """Whose turns come next; a `deadly` session's end with its guest."""
        served: list[str] = []
        while len(served) < most and (turn := self.queues.take(Joining())) is not None:
            session, (job,) = turn
            took = int(float(job.plan_id) * QUANTUM_NS)
            self.now += took
            self.queues.charge(session, took, self.now, died=session == deadly)
            served.append(session)
        return served


def test_who_is_slow_waits() -> None:
    """A session whose jobs take ten quanta has one turn while another one has ten."""
    worker = Worker()
    worker.add("slow", 10, 3)
    worker.add("quick", 0.5, 20)

    assert worker.turns() == ["slow", *["quick"] * 10, "slow", *["quick"] * 10, "slow"]


def test_nobody_waits_for_nobody() -> None:
    """Where all that wait owe much, the one that owes least goes on; each has its share of the time."""
    worker = Worker()
    worker.add("a", 4_000, 4)
    worker.add("b", 12_000, 2)

    assert worker.turns() == ["a", "b", "a", "a", "b", "a"]


@pytest.mark.parametrize(("away", "next_turns"), [(0, ["quick"] * 9 + ["slow"]), (10, ["slow"])])
def test_one_slow_request_at_a_time_is_no_way_around(away: int, next_turns: list[str]) -> None:
    """A session that comes back owes what it did, less the time that it was away."""
    worker = Worker()
    worker.add("slow", 10)
    worker.turns()
    worker.now += away * QUANTUM_NS
    worker.add("slow", 10)
    worker.add("quick", 0.5, 20)

    assert worker.turns(len(next_turns)) == next_turns


def test_debts_outlive_what_is_withdrawn() -> None:
    """To take one's jobs back is no way around it either. What is withdrawn is gone, the rest is there."""
    worker = Worker()
    worker.add("slow", 10, 4)
    worker.add("quick", 0.5, 20)
    worker.turns(1)

    assert worker.queues.drop(lambda job: job <= 4, worker.now) == [2, 3, 4]
    assert "slow" not in worker.queues
    worker.add("slow", 10)
    assert worker.turns(11) == ["quick"] * 10 + ["slow"]
    assert worker.queues.drop(lambda job: job % 2 == 0, worker.now) == [16, 18, 20, 22, 24]
    assert worker.turns() == ["quick"] * 5


def test_a_session_that_brings_its_guest_down_again_and_again_is_served_last() -> None:
    """Each time in a row costs it twice the turns of others; alone it waits for nobody."""
    worker = Worker()
    worker.add("deadly", 0.1, times=8)
    worker.add("quiet", 0.1, times=300)
    served = worker.turns(deadly="deadly")
    places = [place for place, session in enumerate(served) if session == "deadly"]
    between = [after - before for before, after in pairwise(places)]

    assert between == sorted(between)
    assert between[-1] > 30
    worker.add("deadly", 0.1, times=3)
    assert worker.turns(deadly="deadly") == ["deadly"] * 3


def test_one_turn_that_ends_well_is_forgiveness() -> None:
    """What has to be paid is for times in a row."""
    worker = Worker()
    worker.add("deadly", 0.1, times=6)
    worker.turns(deadly="deadly")
    worker.add("deadly", 0.1)
    worker.now += 10**12
    worker.turns()
    worker.add("deadly", 0.1, times=2)
    worker.add("quiet", 0.1, times=4)

    assert worker.turns(deadly="deadly") == ["deadly", "quiet", "quiet", "deadly", "quiet", "quiet"]
