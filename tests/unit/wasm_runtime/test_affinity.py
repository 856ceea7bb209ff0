"""Which processor a worker keeps to."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from wasm_runtime import affinity


def in_a_thread(slot: int) -> set[int]:
    """The processors left to a thread that has chosen for itself, and so for nobody else."""

    def choose() -> set[int]:
        affinity.keep_to_one(slot, affinity.usable())
        return os.sched_getaffinity(0)

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(choose).result()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process cannot choose")
def test_slots_take_turns_over_what_may_be_used() -> None:
    usable = set(affinity.usable())
    chosen = [in_a_thread(slot) for slot in range(2 * len(usable))]

    assert {len(each) for each in chosen} == {1}
    assert set().union(*chosen[: len(usable)]) == usable
    assert chosen[: len(usable)] == chosen[len(usable) :]


def test_a_system_that_refuses_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: int, _processors: set[int]) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refuse, raising=False)
    affinity.keep_to_one(1, (0, 1))
    affinity.keep_off(1)


def test_who_talks_to_workers_keeps_off_their_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are others: with as many workers as processors, everybody uses all."""
    chosen: list[tuple[int, set[int]]] = []
    monkeypatch.setattr(affinity, "usable", lambda: (3, 2, 1, 0))
    monkeypatch.setattr(os, "sched_setaffinity", lambda *call: chosen.append(call), raising=False)
    for workers in (1, 3, 4, 9):
        affinity.keep_off(workers, process=7)

    assert chosen == [(7, {2, 1, 0}), (7, {0})]


def test_a_system_without_the_call_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    affinity.keep_to_one(1, (0, 1))
