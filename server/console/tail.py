"""The last requests, in memory: what the log's lines say of them, and no more. No body, no value, no token.

A request costs an entry in a list of fixed length. What pages show of it is worked out when somebody looks.
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
    """A request that has been answered. `number` grows; `at` is in seconds since 1970."""

    number: int
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
    clock: Callable[[], float] = time.time
    _seen: deque[Seen] = field(factory=lambda: deque(maxlen=MOST_REQUESTS), init=False)
    _number: int = field(default=0, init=False)

    def note(self, line: RequestLine) -> None:
        """Pages of the service itself, the console's among them, are no traffic, unless they failed."""
        if not (line.session or line.problem):
            return
        self._number += 1
        self._seen.append(Seen(self._number, self.clock(), line))

    def last(self, most: int, wanted: Callable[[Seen], bool] = lambda _seen: True) -> list[Seen]:
        """The newest first."""
        found: list[Seen] = []
        for each in reversed(self._seen):
            if len(found) == most:
                break
            if wanted(each):
                found.append(each)
        return found

    def of(self, request_id: str) -> Seen | None:
        return next((each for each in reversed(self._seen) if each.line.request_id == request_id), None)

    def uses(self) -> dict[str, Use]:
        """By a plan's id."""
        by_plan: dict[str, list[Seen]] = defaultdict(list)
        for each in self._seen:
            if each.line.plan_id:
                by_plan[each.line.plan_id].append(each)
        return {plan: _use(seen) for plan, seen in by_plan.items()}

    def sources(self) -> list[tuple[str, int, float]]:
        """(plan source, requests, median milliseconds), the commonest first."""
        by_source: dict[str, list[float]] = defaultdict(list)
        for each in self._seen:
            by_source[each.line.plan_source or "no plan"].append(each.total_ms)
        found = [(source, len(times), _median(times)) for source, times in by_source.items()]
        return sorted(found, key=lambda row: -row[1])

    def a_second(self, seconds: int) -> list[tuple[int, int]]:
        """(answered, failed) in each of the last seconds, the oldest first."""
        now = int(self.clock())
        counts = [[0, 0] for _ in range(seconds)]
        for each in self._since(now - seconds + 1):
            row = counts[int(each.at) - (now - seconds + 1)] if int(each.at) <= now else counts[-1]
            row[0] += 1
            row[1] += each.line.status >= 500
        return [(answered, failed) for answered, failed in counts]

    def _since(self, second: int) -> Iterator[Seen]:
        for each in reversed(self._seen):
            if each.at < second:
                return
            yield each


def _use(seen: list[Seen]) -> Use:
    return Use(
        len(seen),
        sum(each.line.status >= 500 for each in seen),
        _median([each.total_ms for each in seen]),
        max(each.line.fuel for each in seen),
    )


def _median(times: list[float]) -> float:
    """The lower one of two in the middle."""
    return sorted(times)[(len(times) - 1) // 2]
