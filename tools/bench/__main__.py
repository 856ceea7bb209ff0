"""The command line: ``python -m tools.bench [--quick] [--only NAME,...] [--out DIR]``."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from tools import processes
from tools.bench import charts, clusters, costs, load, machine, ours, races, report, targets
from tools.bench.arena import CONTESTANTS, arena
from tools.bench.contestant import BenchError
from tools.bench.results import Results
from tools.bench.sandboxes import RIVALS, sandboxes
from tools.bench.scale import FULL, QUICK, Scale

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from tools.bench.arena import Arena
    from tools.bench.load import Generator

#: In the order in which they run: what matters most first.
SECTIONS: dict[str, Callable[[Arena], None]] = {
    "side-by-side": races.side_by_side,
    "remembered": races.remembered,
    "sessions": races.sessions,
    "records": races.records,
    "connections": races.connections,
    "workers": races.workers,
    "dialects": races.dialects,
    "contract": races.contract,
    "sandboxes": sandboxes,
    "memory": costs.memory,
    "start-up": costs.starts,
    "stages": costs.stages,
    "cluster": clusters.cluster,
}
#: The quick run has all but these.
_FULL_ONLY = frozenset({"connections", "dialects", "contract", "cluster"})
#: All that the machines this is for have; a larger one is kept to as many.
_CORES = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, save. The status is 0 whatever the figures are, 1 when it cannot run."""
    options = _parser().parse_args(arguments)
    scale = QUICK if options.quick else FULL
    given = {"rounds": options.rounds, "curve_rounds": options.rounds, "seconds": options.seconds}
    scale = evolve(scale, **{name: value for name, value in given.items() if value})
    sections = options.only or [name for name in SECTIONS if not (options.quick and name in _FULL_ONLY)]
    try:
        run(load.choose(options.load), scale, sections, frozenset(options.contestants), options.out)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


def run(
    generator: Generator, scale: Scale, sections: Sequence[str], contestants: frozenset[str], out: Path
) -> Results:
    """Measure these sections, and leave `results.json`, `results.txt` and the charts in `out`."""
    started = time.monotonic()
    ours.guest()  # no start pays for building it
    with ExitStack() as stack:
        cores = stack.enter_context(processes.share_cores(_CORES))
        results = Results(machine.describe(cores, generator.name))
        everybody = stack.enter_context(arena(generator, scale, results, contestants))
        for section in sections:
            print(f"{section} ({time.monotonic() - started:.0f} s so far)", flush=True)
            SECTIONS[section](everybody)
    _write(results, out)
    print(f"{time.monotonic() - started:.0f} s; figures and charts are in {out}")
    return results


def _write(results: Results, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    machine_lines = "\n".join(f"{name}: {value}" for name, value in results.machine.items())
    texts = [machine_lines, *report.tables(results), "== the bar\n" + "\n".join(targets.lines(results))]
    text = "\n\n".join(texts) + "\n"
    (out / "results.txt").write_text(text)
    results.save(out / "results.json")
    charts.draw(results, out)
    print(f"\n{text}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything: under two minutes")
    parser.add_argument(
        "--only",
        type=_some_of(SECTIONS),
        default=(),
        metavar="NAME,...",
        help=f"these sections, of {', '.join(SECTIONS)}",
    )
    parser.add_argument(
        "--contestants",
        type=_some_of([*CONTESTANTS, "cluster", *(rival.name for rival in RIVALS)]),
        default=(),
        metavar="NAME,...",
        help="these alone (default: all)",
    )
    parser.add_argument("--rounds", type=int, help="rounds of each race")
    parser.add_argument("--seconds", type=float, help="seconds of each turn")
    parser.add_argument("--load", choices=("wrk", "python", "any"), default="wrk", help="what makes the load")
    parser.add_argument("--out", type=Path, default=Path("bench/results"), help="where results are written")
    return parser


def _some_of(known: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    """Reads a list of these names; of any other argparse says what there is."""

    def read(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
        return names

    return read


if __name__ == "__main__":
    sys.exit(main())
