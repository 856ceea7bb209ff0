"""What was measured: figures of loads, and facts; plain values that become JSON as they are."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Any

import attrs
from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


@frozen
class Round:
    """One load on one contestant. Latencies in milliseconds, processor time in microseconds a request."""

    rate: float
    p50: float
    p95: float
    p99: float
    errors: int
    #: By process: ours has `api` and `workers`, a rival `server`; and `load`, the generator.
    cpu_us: dict[str, float]


@frozen
class Cell:
    """One contestant under one workload. `at` is what the section varies: connections, records, workers."""

    section: str
    workload: str
    at: int
    contestant: str
    rounds: tuple[Round, ...]

    def median(self, what: Callable[[Round], float]) -> float:
        return statistics.median(map(what, self.rounds))

    @property
    def errors(self) -> int:
        """Of all rounds: replies from 400 up, and none at all."""
        return sum(one.errors for one in self.rounds)

    def cpu(self, role: str) -> float:
        """Microseconds a request."""
        return self.median(lambda one: one.cpu_us[role])

    @property
    def rate(self) -> float:
        return self.median(lambda one: one.rate)

    @property
    def tail(self) -> float:
        """p99 / p50."""
        return self.median(lambda one: one.p99 / one.p50)


@frozen
class Fact:
    """Something measured that is no load: `values` are one a try, in `unit`."""

    section: str
    what: str
    contestant: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@frozen
class Ratio:
    """One contestant to another, round by round, so that what disturbs a round disturbs both."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f}-{self.most:.2f})"


def ratio(cell: Cell, baseline: Cell) -> Ratio:
    """Of their throughputs."""
    each = [ours.rate / theirs.rate for ours, theirs in zip(cell.rounds, baseline.rounds, strict=True)]
    return Ratio(statistics.median(each), min(each), max(each))


@define
class Results:
    machine: dict[str, Any]
    cells: list[Cell] = field(factory=list)
    facts: list[Fact] = field(factory=list)
    #: What was left out, and why.
    notes: list[str] = field(factory=list)

    def cell(self, section: str, workload: str, contestant: str, at: int | None = None) -> Cell | None:
        found = (
            cell
            for cell in self.cells
            if (cell.section, cell.workload, cell.contestant) == (section, workload, contestant)
            and at in (None, cell.at)
        )
        return next(found, None)

    def fact(self, section: str, what: str, contestant: str) -> Fact | None:
        found = (
            fact
            for fact in self.facts
            if (fact.section, fact.what, fact.contestant) == (section, what, contestant)
        )
        return next(found, None)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(attrs.asdict(self), indent=1) + "\n")


def distinct(values: Iterable[Any]) -> list[Any]:
    """Each once, in the order they first come in."""
    return list(dict.fromkeys(values))
