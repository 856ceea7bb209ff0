"""The last requests, in memory: what the log's lines say of them, and no more. No body, no value, no token.

1. A request costs that its line is put into a list of fixed length. What pages show of it is worked out when
   somebody looks.
2. Of a line nothing is kept that the log does not have: not what the reply was remembered as, nor its path.
3. Who looks on is told of each line as it comes (`listen`). While nobody does, nobody is.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from server.telemetry.request_line import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from server.telemetry.request_line import RequestLine

#: Requests that are remembered: some minutes of a person's work, a second of a load test. About 1 MiB.
MOST_REQUESTS: Final = 1_000


@frozen
class Seen:
    """A request that has been answered; `at` is in seconds since 1970."""

    at: float
    line: RequestLine

    @property
    def total_ms(self) -> float:
        return self.line.ms.get("total", 0.0)

    @property
    def stages(self) -> list[tuple[str, float, float]]:
        """(name, milliseconds before it, its milliseconds) of each stage that it went through."""
        found: list[tuple[str, float, float]] = []
        before = 0.0
        for name in STAGES:
            if name in self.line.ms:
                found.append((name, before, self.line.ms[name]))
                before += self.line.ms[name]
        return found


@frozen
class Use:
    """What the remembered requests of a route took."""

    count: int
    failures: int
    p50_ms: float
    fuel: int


@define
class Tail:
    """`clock` tells the time of day, `ticks` what lines take their times by."""

    clock: Callable[[], float] = time.time
    ticks: Callable[[], float] = time.perf_counter
    _lines: deque[RequestLine] = field(factory=lambda: deque(maxlen=MOST_REQUESTS), init=False)
    _ears: tuple[Callable[[RequestLine], None], ...] = field(default=(), init=False)

    def note(self, line: RequestLine) -> None:
        """Pages of the service itself, the console's among them, are no traffic, unless they failed."""
        if not (line.session or line.problem):
            return
        line.entry = line.reads = line.contract = None
        self._lines.append(line)
        for ear in self._ears:
            ear(line)

    def listen(self, ear: Callable[[RequestLine], None]) -> Callable[[], None]:
        """Have it told of each line from now on; what is given back ends that. It may not wait."""
        self._ears += (ear,)

        def deaf() -> None:
            self._ears = tuple(each for each in self._ears if each is not ear)

        return deaf

    def seen(self, line: RequestLine) -> Seen:
        return Seen(self.clock() - (self.ticks() - line.ended), line)

    def last(self, most: int, wanted: Callable[[Seen], bool] = lambda _seen: True) -> list[Seen]:
        """The newest first."""
        found: list[Seen] = []
        for each in self._all():
            if len(found) == most:
                break
            if wanted(each):
                found.append(each)
        return found

    def of(self, request_id: str) -> Seen | None:
        return next((each for each in self._all() if each.line.request_id == request_id), None)

    def of_plan(self, plan: str) -> Iterator[Seen]:
        """The requests that a plan answered, the newest first."""
        return (each for each in self._all() if each.line.plan_id == plan)

    def uses(self) -> dict[str, Use]:
        """By a plan's id."""
        by_plan: dict[str, list[Seen]] = defaultdict(list)
        for each in self._all():
            if each.line.plan_id:
                by_plan[each.line.plan_id].append(each)
        return {plan: _use(seen) for plan, seen in by_plan.items()}

    def since(self, second: float) -> list[Seen]:
        """Those of a time and after it, the oldest first; as far as they are remembered."""
        found: list[Seen] = []
        for each in self._all():
            if each.at < second:
                break
            found.append(each)
        return found[::-1]

    @property
    def reach(self) -> float:
        """Of which time on all requests are remembered; 0: since the start."""
        full = len(self._lines) == MOST_REQUESTS
        return self.seen(self._lines[0]).at if full else 0.0

    def _all(self) -> Iterator[Seen]:
        """The newest first."""
        now = self.clock() - self.ticks()
        return (Seen(now + line.ended, line) for line in reversed(tuple(self._lines)))


def _use(seen: list[Seen]) -> Use:
    return Use(
        len(seen),
        sum(each.line.status >= 500 for each in seen),
        median([each.total_ms for each in seen]),
        max(each.line.fuel for each in seen),
    )


def median(times: list[float]) -> float:
    """The lower one of two in the middle."""
    return sorted(times)[(len(times) - 1) // 2]
