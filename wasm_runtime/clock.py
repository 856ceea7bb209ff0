"""The clock that guests' deadlines are counted on: it ticks while there may be a run, and then rests.

A worker with nothing to do would otherwise wake a hundred times a second, which took 1.5 % of a core.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: How fine the clock is.
TICK_MS = 10
#: Beyond the longest run, before the clock rests.
_AFTER_MS = 1_000


class Clock:
    """`tick` is called every `TICK_MS` from `start` on, as long as a run that `wind` announced may take."""

    def __init__(self, tick: Callable[[], None], longest_ms: int) -> None:
        self._tick = tick
        self._most_idle = (longest_ms + _AFTER_MS) // TICK_MS
        self._wound = False
        self._resting = False
        self._wake = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True, name="epoch").start()

    @property
    def resting(self) -> bool:
        return self._resting

    def wind(self) -> None:
        """A run begins, which takes `longest_ms` at most."""
        self._wound = True
        if self._resting:
            self._wake.set()

    def _run(self) -> None:
        pause, idle = threading.Event(), 0
        while not pause.wait(TICK_MS / 1_000):
            self._tick()
            idle += 1
            if self._wound:
                self._wound, idle = False, 0
            elif idle > self._most_idle:
                self._rest()
                idle = 0

    def _rest(self) -> None:
        """In this order, so that whoever winds the clock meanwhile is not missed."""
        self._wake.clear()
        self._resting = True
        if not self._wound:
            self._wake.wait()
        self._resting = False
