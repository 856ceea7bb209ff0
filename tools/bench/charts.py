"""The results as pictures: bars for what stands side by side, lines for what grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("agg")  # files alone: no window, no display

from matplotlib import pyplot as plt

from tools.bench.report import VARIES
from tools.bench.results import distinct

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tools.bench.results import Cell, Fact, Results

_LINE_SECTIONS = frozenset({"connections", "records", "sessions"})
_DPI = 120


def draw(results: Results, directory: Path) -> list[Path]:
    """A PNG for each section of loads, and one for the sandboxes; which they are."""
    drawn = []
    for section in distinct(cell.section for cell in results.cells):
        cells = [cell for cell in results.cells if cell.section == section]
        drawn.append(_section(cells, directory / f"{section}.png"))
    runs = [fact for fact in results.facts if fact.section == "sandboxes"]
    if runs:
        drawn.append(_sandboxes(runs, directory / "sandboxes.png"))
    return drawn


def _section(cells: Sequence[Cell], path: Path) -> Path:
    """A plot for each workload, side by side, with axes of their own."""
    section = cells[0].section
    workloads = distinct(cell.workload for cell in cells)
    columns = min(len(workloads), 3)
    height = -(-len(workloads) // columns)
    figure, grid = plt.subplots(
        height, columns, figsize=(4.2 * columns, 3.4 * height), squeeze=False, layout="constrained"
    )
    for axes, workload in zip(grid.flat, workloads, strict=False):
        here = [cell for cell in cells if cell.workload == workload]
        (_lines if section in _LINE_SECTIONS else _bars)(axes, here)
        axes.set_title(workload)
        axes.set_ylim(bottom=0)
    for empty in grid.flat[len(workloads) :]:
        empty.remove()
    grid[0, 0].set_ylabel("requests/s")
    if section in _LINE_SECTIONS:
        grid[0, 0].legend()
    figure.suptitle(f"{section}: more is better; median of rounds, and how far they spread")
    return _saved(figure, path)


def _bars(axes: Axes, cells: Sequence[Cell]) -> None:
    names = [cell.contestant for cell in cells]
    rates = [cell.rate for cell in cells]
    axes.bar(names, rates, yerr=_spread(cells), capsize=3, color=[_colour(name) for name in names])
    axes.tick_params("x", rotation=30)


def _lines(axes: Axes, cells: Sequence[Cell]) -> None:
    for name in distinct(cell.contestant for cell in cells):
        here = [cell for cell in cells if cell.contestant == name]
        at, rates = [cell.at for cell in here], [cell.rate for cell in here]
        axes.errorbar(at, rates, yerr=_spread(here), marker="o", capsize=3, label=name, color=_colour(name))
    axes.set_xscale("log")
    points = distinct(cell.at for cell in cells)
    axes.set_xticks(points, [f"{at:,}" for at in points])
    axes.minorticks_off()
    axes.set_xlabel(VARIES[cells[0].section])


def _sandboxes(facts: Sequence[Fact], path: Path) -> Path:
    figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    names = [fact.contestant for fact in facts]
    bars = axes.barh(names, [fact.median for fact in facts])
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.set_xscale("log")
    axes.margins(x=0.1)  # for the labels
    axes.set_xlabel("ms, median of fresh runs; less is better")
    axes.invert_yaxis()
    return _saved(figure, path)


def _spread(cells: Sequence[Cell]) -> list[list[float]]:
    """Below and above the median."""
    rates = [(cell.rate, [one.rate for one in cell.rounds]) for cell in cells]
    below = [median - min(each) for median, each in rates]
    return [below, [max(each) - median for median, each in rates]]


def _colour(name: str) -> str:
    """Ours in one family of colours, in every chart the same."""
    ours = {"learned": "tab:green", "2 workers": "darkgreen", "conventions": "yellowgreen", "never": "khaki"}
    by_hand = {"aiohttp": "tab:blue", "aiohttp tuned": "lightskyblue", "fastapi": "tab:purple"}
    return (ours | by_hand).get(name, "tab:grey")


def _saved(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)
    return path
