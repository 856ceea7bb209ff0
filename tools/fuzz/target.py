"""A fuzz target: inputs, and what must hold of each of them."""

from __future__ import annotations

import hashlib
import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

#: The modules in `targets/`; each has one TARGET, and its docstring's first line is what it shows.
NAMES = ("policy", "guest", "codec", "frames", "strict_json", "query")
#: Inputs that once broke something, one file each, by target. The tests run them all.
FOUND = Path(__file__).parents[2] / "tests" / "data" / "fuzz"


@frozen
class Target:
    """`hold` raises AssertionError, or whatever the code under test lets out, where the invariant is broken.

    Inputs are JSON: text, numbers, lists, objects. Bytes are text of the same code points (Latin-1), so that
    an input can be kept in a file that can be read.
    """

    name: str
    invariant: str
    inputs: SearchStrategy[Any]
    hold: Callable[[Any], None]


def load(name: str) -> Target:
    """The target in the module of this name, which is imported only now, so that it can be instrumented."""
    module = importlib.import_module(f"tools.fuzz.targets.{name}")
    return Target(name, (module.__doc__ or "").partition("\n")[0], module.INPUTS, module.hold)


def keep(name: str, value: Any, directory: Path = FOUND) -> Path:
    """Write an input down, under a name made of its content."""
    text = json.dumps(value, indent=1, sort_keys=True) + "\n"
    path = directory / name / f"{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "ascii")
    return path


def kept(name: str, directory: Path = FOUND) -> list[Path]:
    return sorted((directory / name).glob("*.json"))


def read(path: Path) -> Any:
    return json.loads(path.read_text("ascii"))
