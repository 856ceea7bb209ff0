"""How many of a session's jobs a worker takes at a time."""

from __future__ import annotations

import pytest

from wasm_runtime.runner import Job, Runner
from wasm_runtime.worker import Queues


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
