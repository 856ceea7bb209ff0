"""The results as tables for people: throughput beside the baseline's, latencies, processor time, facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.bench.results import Cell, Results, distinct, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.bench.results import Fact

#: What a section varies, in words.
VARIES = {
    "side-by-side": "connections",
    "remembered": "connections",
    "connections": "connections",
    "sessions": "sessions",
    "records": "records",
    "workers": "connections",
    "dialects": "connections",
    "contract": "connections",
    "engines": "sessions",
    "nodes": "sessions",
}


def tables(results: Results) -> Iterator[str]:
    """Each a text of several lines."""
    for section in distinct(cell.section for cell in results.cells):
        cells = [cell for cell in results.cells if cell.section == section]
        head = f"== {section}: requests/s; ratio to {cells[0].contestant}, median of rounds (least-most)"
        yield f"{head}\n{_rates(cells)}"
        yield f"== {section}: latency in ms, processor time in us a request\n" + _details(cells)
    for section in distinct(fact.section for fact in results.facts):
        facts = [fact for fact in results.facts if fact.section == section]
        yield f"== {section}\n" + _facts(facts)
    if results.notes:
        yield "== notes\n" + "\n".join(results.notes)


def _rates(cells: Sequence[Cell]) -> str:
    names = distinct(cell.contestant for cell in cells)
    rows = [["workload", VARIES[cells[0].section], *names]]
    for workload, at in distinct((cell.workload, cell.at) for cell in cells):
        here = {cell.contestant: cell for cell in cells if (cell.workload, cell.at) == (workload, at)}
        rows.append([workload, f"{at:,}", *(_rate(here, name) for name in names)])
    return _table(rows)


def _rate(here: dict[str, Cell], name: str) -> str:
    cell = here.get(name)
    if cell is None:
        return "-"
    baseline = next(iter(here.values()))
    rate = f"{cell.rate:,.0f}"
    return rate if cell is baseline else f"{rate} = {ratio(cell, baseline)}"


def _details(cells: Sequence[Cell]) -> str:
    rows = [["workload", VARIES[cells[0].section], "contestant", "p50", "p95", "p99", "p99/p50", "cpu"]]
    for cell in cells:
        latencies = [
            f"{cell.median(lambda one: one.p50):.2f}",
            f"{cell.median(lambda one: one.p95):.2f}",
            f"{cell.median(lambda one: one.p99):.2f}",
            f"{cell.tail:.1f}",
        ]
        rows.append([cell.workload, f"{cell.at:,}", cell.contestant, *latencies, _cpu(cell)])
    return _table(rows)


def _cpu(cell: Cell) -> str:
    roles = cell.rounds[0].cpu_us
    return ", ".join(f"{role} {cell.cpu(role):.0f}" for role in roles)


def _facts(facts: Sequence[Fact]) -> str:
    rows = [["what", "", "median", "from", "to", "unit"]]
    for fact in facts:
        figures = (fact.median, min(fact.values), max(fact.values))
        rows.append([fact.what, fact.contestant, *(f"{figure:,.3f}" for figure in figures), fact.unit])
    return _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
