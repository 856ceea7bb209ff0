"""The command line: one part or all of them, with a seed; exit status 1 where something did not hold."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import time
from typing import TYPE_CHECKING

from tools.torture import (
    faults,
    full,
    history,
    hostile,
    http_loop,
    kill,
    loris,
    names,
    nodes,
    power,
    providers,
    sessions,
    soak,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tools.torture.report import Report

#: How much of each part fits CI, and how much is to be shown.
_SHORT = {
    "kills": 8,
    "points": 25,
    "histories": 1,
    "operations": 400,
    "mutants": 400,
    "count": 200,
    "rounds": 2,
    "loris_seconds": 5.0,
    "minutes": 0.2,
    "every": 2.0,
}
_LONG = {
    "kills": 500,
    "points": 200,
    "histories": 50,
    "operations": 2_000,
    "mutants": 20_000,
    "count": 10_000,
    "rounds": 60,
    "loris_seconds": 60.0,
    "minutes": 10.0,
    "every": 10.0,
}

_PARTS: dict[str, Callable[[int, argparse.Namespace], Awaitable[Report]]] = {
    "kill": lambda seed, options: kill.torture(seed, options.kills),
    "full": lambda seed, _options: full.torture(seed),
    "power": lambda seed, options: power.torture(seed, options.points),
    "faults": lambda seed, options: faults.torture(seed, short=options.short),
    "history": lambda seed, options: history.torture(seed, options.histories, options.operations),
    "nodes": lambda seed, options: nodes.torture(seed, options.histories, options.operations),
    "hostile": lambda seed, options: hostile.torture(seed, short=options.short),
    "providers": lambda seed, options: providers.torture(seed, short=options.short),
    "soak": lambda seed, options: soak.torture(seed, options.minutes * 60, options.every),
    "http": lambda seed, options: http_loop.torture(seed, options.mutants),
    "names": lambda seed, options: names.torture(seed, rounds=options.rounds),
    "loris": lambda seed, options: loris.torture(seed, options.loris_seconds, timed=not options.short),
    "sessions": lambda seed, options: sessions.torture(seed, options.count),
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    for name, size in (_SHORT if options.short else _LONG).items():
        if getattr(options, name) is None:
            setattr(options, name, size)
    chosen = _PARTS if options.part == "all" else {options.part: _PARTS[options.part]}
    violations, started, rounds = 0, time.monotonic(), 0
    while rounds == 0 or time.monotonic() - started < options.seconds:
        for run in chosen.values():
            report = asyncio.run(_run(run, options.seed + rounds, options))
            print(report.text(), flush=True)
            violations += len(report.violations)
        rounds += 1
    return 1 if violations else 0


async def _run(
    part: Callable[[int, argparse.Namespace], Awaitable[Report]], seed: int, options: argparse.Namespace
) -> Report:
    return await part(seed, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.torture", description="Torture the service.")
    parser.add_argument("part", choices=[*_PARTS, "all"], nargs="?", default="all")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="default: a new one")
    parser.add_argument("--short", action="store_true", help="what fits into CI")
    parser.add_argument("--kills", type=int, help="of the kill loop")
    parser.add_argument("--points", type=int, help="at which the power fails")
    parser.add_argument("--histories", type=int)
    parser.add_argument("--operations", type=int, help="of each history")
    parser.add_argument("--mutants", type=int, help="of the HTTP corpus")
    parser.add_argument("--count", type=int, help="of sessions")
    parser.add_argument("--rounds", type=int, help="of attacks by names")
    parser.add_argument("--loris-seconds", type=float, help="of the clients nobody would like to have")
    parser.add_argument("--minutes", type=float, help="of the soak")
    parser.add_argument("--every", type=float, help="seconds between two faults of the soak")
    parser.add_argument(
        "--seconds", type=float, default=0, help="begin again, with the next seed, until so many have passed"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
