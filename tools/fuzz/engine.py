"""Two ways to look for an input that breaks a target: hypothesis, and atheris led by coverage.

Hypothesis runs everywhere and makes what it finds small. Atheris (libFuzzer) keeps inputs that reach new
code, so it is the one for hours; it is in the dependency group `fuzz`, with wheels for Linux on x86-64 alone.
Both draw the same inputs: atheris's bytes are the choices that hypothesis makes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from attrs import frozen
from hypothesis import HealthCheck, Phase, given, seed, settings

from tools.fuzz import target as targets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools.fuzz.target import Target

#: Examples between two looks at the clock.
_ROUND = 500


@frozen
class Broken:
    """An input of which the target's invariant does not hold, as small as it could be made."""

    seed: int
    value: Any
    error: BaseException


class _Watched:
    """`hold`, which remembers the last input that it failed for: hypothesis shows the smallest one last."""

    def __init__(self, hold: Callable[[Any], None]) -> None:
        self._hold = hold
        self.runs = 0
        self.failed: list[Any] = []

    def __call__(self, value: Any) -> None:
        self.runs += 1
        try:
            self._hold(value)
        except Exception:
            self.failed = [value]
            raise


def search(target: Target, *, first_seed: int, seconds: float) -> tuple[int, Broken | None]:
    """How many inputs were tried, and the first that breaks the target. Each round has the next seed."""
    watched = _Watched(target.hold)
    ends = time.monotonic() + seconds
    round_ = first_seed
    while True:
        try:
            _property(target, watched, round_)()
        except Exception as error:
            if not watched.failed:
                raise
            return watched.runs, Broken(round_, watched.failed[0], error)
        round_ += 1
        if time.monotonic() >= ends:
            return watched.runs, None


def _property(target: Target, hold: Callable[[Any], None], number: int) -> Callable[[], None]:
    def holds(value: Any) -> None:
        hold(value)

    limits = settings(
        max_examples=_ROUND,
        deadline=None,
        database=None,
        derandomize=False,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    made: Callable[[], None] = seed(number)(limits(given(target.inputs)(holds)))
    return made


def search_guided(name: str, *, seed: int, seconds: float, corpus: Path) -> None:
    """Atheris, until the time is up or something breaks; it ends the process itself, with 77 for a find.

    Raises ModuleNotFoundError where it is not installed.
    """
    import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]  # noqa: PLC0415  an option

    with atheris.instrument_imports(include=["server", "store", "wasm_runtime"]):
        target = targets.load(name)

    def hold(value: Any) -> None:
        try:
            target.hold(value)
        except Exception:
            print(f"{name}: broken; kept as {targets.keep(name, value)}", flush=True)
            raise

    one_input = given(target.inputs)(hold).hypothesis.fuzz_one_input  # type: ignore[attr-defined]
    corpus.mkdir(parents=True, exist_ok=True)
    options = [
        f"-seed={seed}",
        f"-max_total_time={int(seconds)}",
        "-max_len=8192",
        f"-artifact_prefix={corpus}/",
    ]
    atheris.Setup(["fuzz", *options, str(corpus)], one_input)
    atheris.Fuzz()
