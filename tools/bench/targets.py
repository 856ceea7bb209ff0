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
    section: str, workload: str, at: int | None = None, ours: str = "learned", to: str = BASELINE
) -> Callable[[Results], float | None]:
    """The learned route's to another's, which is hand-written aiohttp unless it is named."""

    def measured(results: Results) -> float | None:
        cell = results.cell(section, workload, ours, at)
        baseline = results.cell(section, workload, to, at)
        return None if cell is None or baseline is None else ratio(cell, baseline).median

    return measured


def _tail(section: str, ours: str) -> Callable[[Results], float | None]:
    """The worst of the learned routes."""

    def measured(results: Results) -> float | None:
        tails = [
            cell.tail
            for cell in results.cells
            if (cell.section, cell.contestant) == (section, ours) and cell.workload != "mixed"
        ]
        return max(tails, default=None)

    return measured


def _kept(workload: str, bar: float, to: str = BASELINE) -> Target:
    """Of replies that are remembered."""
    measured = _throughput("remembered", workload, ours="remembered", to=to)
    return Target(f"{workload}, remembered to {to}", "at least", bar, measured)


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


def _forwarded(results: Results) -> float | None:
    local, forwarded = (results.fact("forwarding", "GET p50", name) for name in ("local", "forwarded"))
    return None if local is None or forwarded is None else forwarded.median / local.median


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
    *(
        _kept(workload, bar)
        for workload, bar in (("get", 1.8), ("search", 1.8), ("list", 3.0), ("mixed", 1.0))
    ),
    *(_kept(workload, 1.3, "aiohttp tuned") for workload in ("get", "search", "list")),
    Target(
        "what is never remembered, with memory to without",
        "at least",
        0.95,
        _throughput("remembered", "never hits", ours="little room", to="learned"),
    ),
    Target("p99 / p50 at 16 connections, the worst", "at most", 4.0, _tail("side-by-side", "learned")),
    Target("the same of what is remembered", "at most", 4.0, _tail("remembered", "remembered")),
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
    *(
        Target(
            f"{workload} by a contract, to conventions",
            "at least",
            0.9,
            _throughput("contract", workload, ours="contract", to="conventions"),
        )
        for workload in ("get", "list")
    ),
    Target(
        "post, PostgreSQL to embedded",
        "at least",
        0.6,
        _throughput("engines", "post", ours="PostgreSQL", to="embedded"),
    ),
    *(
        Target(
            f"{workload}, 3 nodes to 1",
            "at least",
            bar,
            _throughput("nodes", workload, ours="3 nodes", to="1 node"),
        )
        for workload, bar in (("post", 0.6), ("get", 0.5))
    ),
    Target("a forwarded GET to a local one, p50", "at most", 2.0, _forwarded),
    Target("a live session", "at most", 1.5, _session_memory, "MiB"),
    Target("idle with one worker", "at most", 150, _fact("memory", "idle Pss", "learned"), "MiB"),
    Target("cached start to first reply", "at most", 0.7, _fact("start-up", "cached", "conventions"), "s"),
)


def lines(results: Results) -> list[str]:
    return [target.line(results) for target in TARGETS]
