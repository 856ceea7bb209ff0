"""No text makes a regular expression of the project slow: its time grows as the text does.

The one test that is about time: 8 KiB of what a pattern is slowest with take at most three times as long as
4 do. Tools of development are left out: they read what we wrote ourselves.
"""

from __future__ import annotations

import gc
import heapq
import math
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from time import thread_time
from typing import TYPE_CHECKING

import pytest

from server.eject.sources import shared_files
from tests.architecture.patterns import Found, found_in

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("server", "wasm_runtime", "guest", "store", "tools/ejected")
KIB = 1_024
RATIO = 3.0
#: Of the texts that a pattern is slowest with.
TRIED = 3
#: Times that a ratio is measured at most.
MEASURED = 10
#: For all texts of a pattern together, which take a tenth of a second.
HANGS_SECONDS = 30


@pytest.fixture(scope="module")
def patterns() -> list[Found]:
    """Looked for when they are asked for: the whole source is read for them."""
    return found_in(ROOT, ROOMS)


@contextmanager
def no_longer_than(seconds: float) -> Iterator[None]:
    """What backtracks for ever can be interrupted: `re` looks for signals."""

    def hangs(*_: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def seconds(found: Found, text: str) -> float:
    started = thread_time()
    found.meet(text)
    return thread_time() - started


def slowest(found: Found) -> list[int]:
    """The numbers of the texts that take longest."""
    taken = ((seconds(found, text), number) for number, text in enumerate(found.texts(4 * KIB)))
    return [number for _, number in heapq.nlargest(TRIED, taken)]


def ratio(found: Found, number: int) -> float:
    """Best of five. Below some microseconds it would be that of the clock's own steps.

    A pause of the machine may be longer than all five, so a ratio that is too high is measured again: four,
    which is what a quadratic pattern has, stays four.
    """
    four, eight = ([*found.texts(n * KIB)][number] for n in (4, 8))
    measured = math.inf
    for _ in range(MEASURED):
        best = [min(seconds(found, text) for _ in range(5)) for text in (four, eight)]
        measured = min(measured, best[1] / max(best[0], 5e-6))
        if measured <= RATIO:
            break
    return measured


def worst_ratio(found: Found) -> float:
    gc.disable()
    try:
        with no_longer_than(HANGS_SECONDS):
            return max(ratio(found, number) for number in slowest(found))
    finally:
        gc.enable()


@pytest.mark.long
def test_time_grows_as_the_text_does(patterns: list[Found]) -> None:
    """With each pattern's own worst repeats: blanks, separators, quotes, its own literals, and a bad end."""
    ratios = {f"{found}: {found.pattern.pattern!r}": worst_ratio(found) for found in patterns}

    assert len(ratios) > 100
    assert {where: each for where, each in ratios.items() if each > RATIO} == {}


@pytest.mark.long
def test_what_is_ejected_has_no_others(
    patterns: list[Found], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The patterns of a project's runtime and store are those that are tried here."""
    for name, text in shared_files(frozenset({"app.runtime.helpers", "app.runtime.pages"})).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (tmp_path / "app" / "__init__.py").write_text("", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        ejected = {each.pattern for each in found_in(tmp_path, ("app",))}
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "app"]:
            del sys.modules[name]

    assert len(ejected) > 10
    assert ejected <= {each.pattern for each in patterns}
