"""Writes down the versions that were tested: `python -m tools.pin`, after `uv lock`.

uv reads constraints from pyproject.toml only, pip from a file only, so the same list stands in both;
a test compares them. `uv.lock` itself stays out of the repository, because it names package hosts.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OWN_NAME = "metaservice"
_BLOCK = re.compile(r"(?ms)^constraint-dependencies = \[\n.*?^\]\n")
_HEADER = "# Tested versions, for `pip install -c constraints.txt`. Made by `just pin`.\n"


def locked_versions(lock: str) -> list[str]:
    """`name==version` of every package in the text of a uv.lock, sorted, ours left out.

    A package that has another version for another Python has the marker that says for which.
    """
    packages = tomllib.loads(lock)["package"]
    return sorted(_pin(each) for each in packages if each["name"] != OWN_NAME)


def _pin(package: dict[str, Any]) -> str:
    pin = f"{package['name']}=={package['version']}"
    markers = " or ".join(f"({marker})" for marker in package.get("resolution-markers", ()))
    return f"{pin} ; {markers}" if markers else pin


def with_constraints(pyproject: str, pins: list[str]) -> str:
    """The text of pyproject.toml with its list of constraints replaced. Raises ValueError without one."""
    lines = "".join(f'  "{pin}",\n' for pin in pins)
    replaced, count = _BLOCK.subn(f"constraint-dependencies = [\n{lines}]\n", pyproject)
    if count != 1:
        raise ValueError("pyproject.toml needs one `constraint-dependencies = [` block under [tool.uv]")
    return replaced


def main() -> None:
    pins = locked_versions((ROOT / "uv.lock").read_text("utf-8"))
    pyproject = ROOT / "pyproject.toml"
    pyproject.write_text(with_constraints(pyproject.read_text("utf-8"), pins), "utf-8")
    (ROOT / "constraints.txt").write_text(_HEADER + "".join(f"{pin}\n" for pin in pins), "utf-8")
    print(f"{len(pins)} versions pinned")


if __name__ == "__main__":
    main()
