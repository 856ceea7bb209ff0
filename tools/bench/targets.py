"""The bar: what the project promises of its speed, beside what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attrs import frozen

from tools.bench.arena import BASELINE
from tools.bench.results import Results, ratio
from tools.bench.scale import FULL
from tools.bench.workloads import DIALECTS

if TYPE_CHECKING:
    from collections.abc import Callable


@frozen
class Target:
    """`measured` is None where the run had not what it takes."""

    what: str
    side: Literal["at least", "at most"]
    bar: float
    measured: Callable[[Results], float | None]
    unit: str = "x"

    def line(self, results: Results) -> str:
        figure = self.measured(results)
        wanted = f"{self.side} {self.bar} {self.unit}"
        if figure is None:
            return f"{'not measured':12} {self.what}: {wanted}"
        met = figure >= self.bar if self.side == "at least" else figure <= self.bar
        return f"{'met' if met else 'NOT MET':12} {self.what}: {figure:.2f} {self.unit} ({wanted})"


def _throughput(
    section: str, workload: str, at: int | None = None, ours: str = "learned"
) -> Callable[[Results], float | None]:
    """The learned route's to hand-written aiohttp's."""

    def measured(results: Results) -> float | None:
        cell = results.cell(section, workload, ours, at)
        baseline = results.cell(section, workload, BASELINE, at)
        return None if cell is None or baseline is None else ratio(cell, baseline).median

    return measured


def _tail(results: Results) -> float | None:
    """The worst of the learned routes."""
    tails = [
        cell.tail
        for cell in results.cells
        if (cell.section, cell.contestant) == ("side-by-side", "learned") and cell.workload != "mixed"
    ]
    return max(tails, default=None)


def _fresh(name: str) -> Callable[[Results], float | None]:
    def measured(results: Results) -> float | None:
        ours = results.fact("sandboxes", "fresh run", name)
        theirs = results.fact("sandboxes", "fresh run", "pyeryx")
        return None if ours is None or theirs is None else ours.median / theirs.median

    return measured


def _growth(results: Results) -> float | None:
    """Time a request, among the most records to among the fewest."""
    cells = [
        cell
        for cell in results.cells
        if (cell.section, cell.workload, cell.contestant) == ("records", "get", "learned")
    ]
    return cells[0].rate / cells[-1].rate if len(cells) > 1 else None


def _in_dialect(name: str, workload: str) -> Callable[[Results], float | None]:
    """Requests in a dialect to those in the service's own words."""

    def measured(results: Results) -> float | None:
        cell, native = (results.cell("dialects", workload, each) for each in (name, "conventions"))
        return None if cell is None or native is None else ratio(cell, native).median

    return measured


def _second_worker(results: Results) -> float | None:
    one, two = (results.cell("workers", "compute", name) for name in ("learned", "2 workers"))
    return None if one is None or two is None else ratio(two, one).median


def _session_memory(results: Results) -> float | None:
    """In the worker and in the process that answers."""
    facts = [fact for fact in results.facts if fact.what == "private, a live session"]
    return sum(fact.median for fact in facts) if facts else None


def _fact(section: str, what: str, contestant: str) -> Callable[[Results], float | None]:
    def measured(results: Results) -> float | None:
        fact = results.fact(section, what, contestant)
        return None if fact is None else fact.median

    return measured


TARGETS = (
    *(
        Target(f"{workload}, learned to aiohttp", "at least", 1.0, _throughput("side-by-side", workload))
        for workload in ("get", "list", "search", "post", "patch")
    ),
    *(
        Target(
            f"{workload}, {count:,} sessions, {name}",
            "at least",
            1.0,
            _throughput("sessions", workload, count, ours),
        )
        for workload in ("post", "patch")
        for count in FULL.sessions
        for name, ours in (("1 worker", "learned"), ("2 workers", "2 workers"))
    ),
    Target("p99 / p50 at 16 connections, the worst", "at most", 4.0, _tail),
    Target(
        "fresh guest to pyeryx's fresh sandbox, from the spare ones",
        "at most",
        0.5,
        _fresh("ours, spare ready"),
    ),
    Target("fresh guest to pyeryx's fresh sandbox, with none ready", "at most", 0.5, _fresh("ours")),
    Target("get by id, most records to fewest", "at most", 1.2, _growth),
    Target("2 workers to 1, bound by the worker", "at least", 1.7, _second_worker),
    *(
        Target(f"{workload} in {name}, to native", "at least", 0.9, _in_dialect(name, workload))
        for name in DIALECTS
        for workload in ("get", "list")
    ),
    Target("a live session", "at most", 1.5, _session_memory, "MiB"),
    Target("idle with one worker", "at most", 150, _fact("memory", "idle Pss", "learned"), "MiB"),
    Target("cached start to first reply", "at most", 0.7, _fact("start-up", "cached", "conventions"), "s"),
)


def lines(results: Results) -> list[str]:
    return [target.line(results) for target in TARGETS]
