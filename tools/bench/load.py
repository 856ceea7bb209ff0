"""Load: so many connections that send a workload's requests over and over for so long.

wrk makes it: one thread, and Lua that only hands out requests made beforehand. What a machine without wrk
can do is send them from Python, which is enough to see that the harness works and for nothing else: the
generator is then the slowest part of the chain.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from attrs import frozen

from tools.bench.contestant import BenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.bench.workloads import Request

_SCRIPT = Path(__file__).with_name("replay.lua")
#: Beyond the time that the load is to last.
_GRACE_SECONDS = 60
MISSING = (
    "wrk is not installed, and makes the load: `apt-get install wrk` (Debian, Ubuntu), `brew install wrk` "
    "(macOS). To see the harness work without it, add --load=python; its figures compare nothing."
)


@frozen
class Load:
    requests: Sequence[Request]
    connections: int
    seconds: float


@frozen
class Sent:
    """What the generator saw. Latencies in milliseconds; `errors`: replies from 400 up, and none at all."""

    requests: int
    seconds: float
    errors: int
    p50: float
    p95: float
    p99: float
    #: Seconds of processor time that the generator itself took.
    cpu: float


class Generator(Protocol):
    @property
    def name(self) -> str: ...

    def send(self, port: int, load: Load, scratch: Path) -> Sent: ...


@frozen
class Wrk:
    executable: str

    @property
    def name(self) -> str:
        return "wrk"

    def send(self, port: int, load: Load, scratch: Path) -> Sent:
        seconds = max(round(load.seconds), 1)  # wrk knows whole seconds alone
        command = (self.executable, "-t1", f"-c{load.connections}", f"-d{seconds}s", "--timeout=20s")
        where = (f"--script={_SCRIPT}", f"http://127.0.0.1:{port}", "--", str(_lua_file(port, load, scratch)))
        return _sent(_run((*command, *where), seconds))


@frozen
class FromPython:
    @property
    def name(self) -> str:
        return "python (the harness's own; its figures compare nothing)"

    def send(self, port: int, load: Load, scratch: Path) -> Sent:
        raw = scratch / "requests.json"
        raw.write_text(json.dumps([request.raw(port).decode() for request in load.requests]))
        numbers = (str(port), str(load.connections), str(load.seconds))
        command = (sys.executable, "-m", "tools.bench.replay", *numbers, str(raw))
        return _sent(_run(command, load.seconds))


def choose(wanted: str) -> Generator:
    """`wrk`, `python`, or `any`: wrk where there is one. Raises BenchError when there is no wrk."""
    executable = shutil.which("wrk")
    if wanted == "python" or (wanted == "any" and executable is None):
        return FromPython()
    if executable is None:
        raise BenchError(MISSING)
    return Wrk(executable)


def _run(command: Sequence[str], seconds: float) -> tuple[dict[str, Any], float]:
    """The report on its last line, and its processor time in seconds."""
    before = _children_seconds()
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=seconds + _GRACE_SECONDS
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise BenchError(f"the load generator failed:\n{(done.stderr or done.stdout)[-1000:]}")
    report: dict[str, Any] = json.loads(lines[-1])
    return report, _children_seconds() - before


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _sent(report_and_cpu: tuple[dict[str, Any], float]) -> Sent:
    report, cpu = report_and_cpu
    return Sent(**report, cpu=cpu)


def _lua_file(port: int, load: Load, scratch: Path) -> Path:
    path = scratch / "requests.lua"
    texts = ",\n".join(_lua_text(request.raw(port).decode()) for request in load.requests)
    path.write_text(f"return {{\n{texts}\n}}\n")
    return path


def _lua_text(text: str) -> str:
    for character, escape in (("\\", "\\\\"), ('"', '\\"'), ("\r", "\\r"), ("\n", "\\n")):
        text = text.replace(character, escape)
    return f'"{text}"'
