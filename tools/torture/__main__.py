"""The command line: one part or all of them, with a seed; exit status 1 where something did not hold."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import time
from typing import TYPE_CHECKING

from tools.torture import (
    cluster,
    faults,
    full,
    history,
    hostile,
    http_loop,
    kill,
    loris,
    names,
    power,
    providers,
    sessions,
    soak,
    watchers,
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
    "watchers": 60,
    "watched": 6,
    "watch_seconds": 3.0,
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
    "watchers": 1_000,
    "watched": 100,
    "watch_seconds": 60.0,
}
#: Of a part alone.
_LONG_OF = {"cluster": {"kills": 200, "histories": 500, "operations": 200}}
_SHORT_OF = {"cluster": {"kills": 6, "histories": 3, "operations": 120}}

_PARTS: dict[str, Callable[[int, argparse.Namespace], Awaitable[Report]]] = {
    "kill": lambda seed, options: kill.torture(seed, options.kills),
    "full": lambda seed, _options: full.torture(seed),
    "power": lambda seed, options: power.torture(seed, options.points),
    "faults": lambda seed, options: faults.torture(seed, short=options.short),
    "history": lambda seed, options: history.torture(seed, options.histories, options.operations),
    "cluster": lambda seed, options: cluster.torture(
        seed, options.kills, options.histories, options.operations
    ),
    "hostile": lambda seed, options: hostile.torture(seed, short=options.short),
    "providers": lambda seed, options: providers.torture(seed, short=options.short),
    "soak": lambda seed, options: soak.torture(seed, options.minutes * 60, options.every),
    "http": lambda seed, options: http_loop.torture(seed, options.mutants),
    "names": lambda seed, options: names.torture(seed, rounds=options.rounds),
    "loris": lambda seed, options: loris.torture(seed, options.loris_seconds, timed=not options.short),
    "sessions": lambda seed, options: sessions.torture(seed, options.count),
    "watchers": lambda seed, options: watchers.torture(
        seed,
        options.watchers,
        options.watched,
        options.writes,
        options.watch_seconds,
        timed=not options.short,
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    chosen = _PARTS if options.part == "all" else {options.part: _PARTS[options.part]}
    violations, started, rounds = 0, time.monotonic(), 0
    while rounds == 0 or time.monotonic() - started < options.seconds:
        for part, run in chosen.items():
            report = asyncio.run(_run(run, options.seed + rounds, _sized(options, part)))
            print(report.text(), flush=True)
            violations += len(report.violations)
        rounds += 1
    return 1 if violations else 0


def _sized(options: argparse.Namespace, part: str) -> argparse.Namespace:
    """With the size of everything that was not said."""
    sizes = (_SHORT | _SHORT_OF.get(part, {})) if options.short else (_LONG | _LONG_OF.get(part, {}))
    said = {name: value for name, value in vars(options).items() if value is not None}
    return argparse.Namespace(**(vars(options) | sizes | said))


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
    parser.add_argument("--watchers", type=int, help="who watch")
    parser.add_argument("--watched", type=int, help="sessions that they watch")
    parser.add_argument("--writes", type=float, default=50.0, help="a second, in all that are watched")
    parser.add_argument("--watch-seconds", type=float, help="for which is written")
    parser.add_argument("--minutes", type=float, help="of the soak")
    parser.add_argument("--every", type=float, help="seconds between two faults of the soak")
    parser.add_argument(
        "--seconds", type=float, default=0, help="begin again, with the next seed, until so many have passed"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
