"""The command line: one target or all, with a seed; exit status 1 where an invariant does not hold."""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tools.fuzz import engine
from tools.fuzz import target as targets

if TYPE_CHECKING:
    from collections.abc import Sequence

_NO_ATHERIS = (
    "--guided needs atheris (wheels for Linux on x86-64): `uv run --group fuzz just fuzz TARGET --guided`."
    " Without it the same targets run on hypothesis."
)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.replay:
        return _replay(options.target, options.replay)
    if options.guided:
        return _guided(options)
    names = targets.NAMES if options.target == "all" else (options.target,)
    return max(_search(name, options) for name in names)


def _search(name: str, options: argparse.Namespace) -> int:
    target = targets.load(name)
    print(f"{name}: {target.invariant}", flush=True)
    runs, broken = engine.search(target, first_seed=options.seed, seconds=options.seconds)
    print(
        f"{name}: {runs} inputs, from seed {options.seed} on, {'BROKEN' if broken else 'it holds'}",
        flush=True,
    )
    if broken is None:
        return 0
    path = targets.keep(name, broken.value)
    print(f"  {type(broken.error).__name__}: {str(broken.error)[:2000]}")
    print(f"  input: {str(broken.value)[:2000]!r}")
    print(f"  again: just fuzz {name} --replay {path}")
    print(f"  found: just fuzz {name} --seed {broken.seed} --seconds 0")
    return 1


def _replay(name: str, path: Path) -> int:
    """Run one kept input, and let what it raises be seen."""
    targets.load(name).hold(targets.read(path))
    print(f"{name}: {path} holds")
    return 0


def _guided(options: argparse.Namespace) -> int:
    corpus = Path(tempfile.gettempdir()) / f"fuzz-corpus-{options.target}"
    try:
        engine.search_guided(options.target, seed=options.seed, seconds=options.seconds, corpus=corpus)
    except ModuleNotFoundError as error:
        if error.name != "atheris":
            raise
        print(_NO_ATHERIS, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.fuzz", description="Look for inputs that break a promise."
    )
    parser.add_argument("target", choices=[*targets.NAMES, "all"], nargs="?", default="all")
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="default: a new one")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run this one input of the target")
    parser.add_argument("--guided", action="store_true", help="led by coverage; needs atheris")
    return parser


if __name__ == "__main__":
    sys.exit(main())
