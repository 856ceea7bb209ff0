"""What the charts of Traffic show: a point a second, each made of the requests that were answered in it.

1. The points before somebody looks are made of the requests that are remembered. A second of which
   not all are remembered any more has no point, rather than one that is too low.
2. From then on every request is counted, as long as somebody looks. Of a second's times so many are kept.
3. What only a moment has (workers, guests, the model's counters) has no points from before.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from server.console.tail import Tail
    from server.telemetry.request_line import RequestLine

#: Seconds that charts show.
SECONDS: Final = 120
#: Of one stage in one second.
_MOST_TIMES: Final = 1_000
_TIMED: Final = ("total", "plan", "queue", "guest", "settle")
_SOURCES: Final = ("conventions", "learned", "planned", "other")


@frozen
class Chart:
    """`series` are what its lines are called, in the order of a point's values."""

    name: str
    title: str
    unit: str
    series: tuple[str, ...]


CHARTS: Final = (
    Chart("requests", "Requests", "a second", ("answered", "failed (5xx)")),
    Chart("p50", "Time of half of them (p50)", "ms", _TIMED),
    Chart("p95", "Time of 19 in 20 (p95)", "ms", _TIMED),
    Chart("sources", "Sources of plans", "a second", (*_SOURCES, "from memory")),
    Chart("model", "The model", "a second", ("calls", "tokens")),
    Chart("workers", "Workers and guests", "now", ("workers", "guests", "jobs")),
)
#: By a chart's name the values of its series; None where there is none.
Values: TypeAlias = "dict[str, list[float | None]]"


@frozen
class Gauges:
    """What only a moment has. `calls` and `tokens` since the start; `cost` None: no price is set."""

    workers: int = 0
    guests: int = 0
    jobs: int = 0
    calls: int = 0
    tokens: int = 0
    cost: float | None = None
    model: str = ""


@frozen
class Point:
    """`at`: the second, since 1970."""

    at: int
    values: Values

    @property
    def told(self) -> dict[str, Any]:
        return {"at": self.at, "values": self.values}


@define
class Second:
    """The requests that were answered in one second."""

    answered: int = 0
    failed: int = 0
    remembered: int = 0
    sources: dict[str, int] = field(factory=lambda: defaultdict(int))
    times: dict[str, list[float]] = field(factory=lambda: defaultdict(list))

    def note(self, line: RequestLine) -> None:
        self.answered += 1
        self.failed += line.status >= 500
        self.remembered += line.remembered
        self.sources[line.plan_source if line.plan_source in _SOURCES else "other"] += 1
        for stage in _TIMED:
            if stage in line.ms and len(self.times[stage]) < _MOST_TIMES:
                self.times[stage].append(line.ms[stage])

    def point(self, at: int, moment: Values) -> Point:
        times = [sorted(self.times[stage]) for stage in _TIMED]
        return Point(
            at,
            {
                "requests": [self.answered, self.failed],
                "p50": [share(each, 0.5) for each in times],
                "p95": [share(each, 0.95) for each in times],
                "sources": [*(self.sources[each] for each in _SOURCES), self.remembered],
                **moment,
            },
        )


def share(times: list[float], part: float) -> float | None:
    """The least of sorted times that so many of them are not above; None of none."""
    if not times:
        return None
    return round(times[max(-int(-part * len(times) // 1) - 1, 0)], 3)


_NO_MOMENT: Final[Values] = {"model": [None, None], "workers": [None, None, None]}


class Board:
    """The last seconds' points."""

    def __init__(self, tail: Tail, gauges: Gauges) -> None:
        """Made of the requests that are remembered."""
        now = int(tail.clock())
        first = max(now - SECONDS, int(tail.reach) + 1)
        seconds: dict[int, Second] = {at: Second() for at in range(first, now + 1)}
        for each in tail.since(first):
            seconds[min(int(each.at), now)].note(each.line)
        self._open = seconds.pop(now) if now in seconds else Second()
        self._gauges = gauges
        #: Of which time on each request is counted, in seconds since 1970. Before, as many as are remembered.
        self.counted_since = tail.clock()
        self.points = deque((each.point(at, _NO_MOMENT) for at, each in seconds.items()), maxlen=SECONDS)

    def note(self, line: RequestLine) -> None:
        self._open.note(line)

    def close(self, at: int, gauges: Gauges) -> Point:
        """The point of a second that is over; the next one begins."""
        before, self._gauges = self._gauges, gauges
        moment: Values = {
            "model": [gauges.calls - before.calls, gauges.tokens - before.tokens],
            "workers": [gauges.workers, gauges.guests, gauges.jobs],
        }
        point = self._open.point(at, moment)
        self.points.append(point)
        self._open = Second()
        return point


@frozen
class Row:
    """A series in words: its last value, the highest and the mean one of those there are."""

    name: str
    now: float | None
    highest: float | None
    mean: float | None


def rows_of(chart: Chart, points: Iterable[Point]) -> list[Row]:
    columns = zip(*(each.values[chart.name] for each in points), strict=True)
    found = [_row(name, list(values)) for name, values in zip(chart.series, columns, strict=False)]
    return found or [Row(name, None, None, None) for name in chart.series]


def _row(name: str, values: list[float | None]) -> Row:
    there = [each for each in values if each is not None]
    if not there:
        return Row(name, None, None, None)
    return Row(name, values[-1], max(there), sum(there) / len(there))


def told(points: Iterable[Point]) -> Mapping[str, Any]:
    """For the page's script: the seconds, and by chart the values of each series."""
    points = list(points)
    columns = {
        chart.name: [
            [each.values[chart.name][number] for each in points] for number in range(len(chart.series))
        ]
        for chart in CHARTS
    }
    return {"at": [each.at for each in points], "charts": columns}
