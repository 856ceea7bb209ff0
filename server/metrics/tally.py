"""Counts requests, from the one line that each leaves in the log.

1. It is counted on the event loop alone, so there are no locks; a request costs a look-up, a few additions
   and a bucket for each of its stages. prometheus-client's own counters would cost several times as much.
2. What is counted apart has a bound, whatever clients and plans do: methods and statuses are those there are,
   routes have an upper number, and everything beyond is `other`. No session, no id, no value is a label.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from attrs import define, field

from server.values.model import METHODS

if TYPE_CHECKING:
    from server.telemetry.request_line import RequestLine

#: Upper bounds of a stage's time in milliseconds, each inclusive; the last bucket has no bound.
BUCKETS_MS: Final = (
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    25,
    50,
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    30_000,
)
#: A request that no plan was found for, or that is for one of the service's own pages.
NO_ROUTE: Final = "none"
OTHER: Final = "other"

_METHODS: Final = frozenset(METHODS)
#: 499 is for a client that has left (`server.http.handler`).
_STATUSES: Final = frozenset({*map(int, HTTPStatus), 499})


@define
class Row:
    """Requests with the same labels: how many, how long in all, and how much fuel they took."""

    count: int = 0
    ms: float = 0.0
    fuel: int = 0


@define
class Histogram:
    """Times in milliseconds: `counts` by bucket, one more than `BUCKETS_MS`, and their sum."""

    counts: list[int] = field(factory=lambda: [0] * (len(BUCKETS_MS) + 1))
    sum_ms: float = 0.0


class Tally:
    def __init__(self, *, routes: int) -> None:
        """`routes`: how many routes are counted each by itself."""
        self._most_routes = routes
        self._routes: set[str] = set()
        #: By method, route and status; as they are in a request's line wherever that is how they are counted.
        self.rows: dict[tuple[str, str, int | str], Row] = {}
        #: By the name that a stage has in the code.
        self.stages: dict[str, Histogram] = {}
        self.sources: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.problems: Counter[str] = Counter()

    def note(self, line: RequestLine) -> None:
        """Count a request that has been answered."""
        row = self.rows.get((line.method, line.route, line.status)) or self._row(line)
        times = line.ms
        row.count += 1
        row.ms += times["total"]
        row.fuel += line.fuel
        stages = self.stages
        for stage, ms in times.items():
            histogram = stages.get(stage) or stages.setdefault(stage, Histogram())
            histogram.counts[bisect_left(BUCKETS_MS, ms)] += 1
            histogram.sum_ms += ms
        if line.plan_source:
            self.sources[line.plan_source] += 1
            self.outcomes[line.outcome or "Completed"] += 1
        if line.problem:
            self.problems[line.problem] += 1

    def _row(self, line: RequestLine) -> Row:
        """The row for a line that has none of exactly its own labels, or not yet."""
        method = line.method if line.method in _METHODS else OTHER
        status = line.status if line.status in _STATUSES else OTHER
        return self.rows.setdefault((method, self._label(line.route), status), Row())

    def _label(self, route: str) -> str:
        if not route:
            return NO_ROUTE
        if route not in self._routes:
            if len(self._routes) >= self._most_routes:
                return OTHER
            self._routes.add(route)
        return route
