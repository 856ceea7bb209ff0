"""The clock: it ticks through the longest run, rests when there is none, and misses no beginning."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from wasm_runtime.clock import TICK_MS, Clock

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE_SECONDS = 20.0


class _Ticks:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def _wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_it_ticks_through_the_longest_run_and_then_rests() -> None:
    """As many ticks as the longest run has, and more, from the last winding on."""
    ticks = _Ticks()
    clock = Clock(ticks, longest_ms=200)
    clock.wind()
    clock.start()

    _wait_until(lambda: clock.resting)
    rested_at = ticks.count
    time.sleep(5 * TICK_MS / 1_000)

    assert rested_at > 200 // TICK_MS
    assert ticks.count == rested_at


def test_winding_wakes_it() -> None:
    """Whoever begins a run while the clock rests has a clock that ticks."""
    ticks = _Ticks()
    clock = Clock(ticks, longest_ms=0)
    clock.start()
    for _ in range(3):
        _wait_until(lambda: clock.resting)
        before = ticks.count
        clock.wind()
        _wait_until(lambda: ticks.count > before)  # noqa: B023  waited for within the round


def test_no_winding_is_missed() -> None:
    """Also one that comes while the clock lies down to rest."""
    clock = Clock(lambda: None, longest_ms=0)
    missed = threading.Event()

    for _ in range(2_000):
        clock.wind()
        resting = threading.Thread(target=clock._rest)
        resting.start()
        clock.wind()
        resting.join(_PATIENCE_SECONDS)
        if resting.is_alive():
            missed.set()
            break

    assert not missed.is_set()
