"""The tested versions: one list, in the two places where the two installers look."""

from __future__ import annotations

import tomllib

import pytest

from tools.pin import ROOT, locked_versions, with_constraints

LOCK = """
[[package]]
name = "zeta"
version = "2.0"
[[package]]
name = "alpha"
version = "1.0"
[[package]]
name = "metaservice"
version = "0.1.0"
"""


def test_both_places_hold_the_same_list() -> None:
    """What pip is told is what uv is told."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()

    assert pyproject["tool"]["uv"]["constraint-dependencies"] == [
        line for line in lines if not line.startswith("#")
    ]


def test_every_dependency_is_pinned_and_nothing_names_a_host() -> None:
    """A fresh machine gets what was tested; the list holds names and versions alone."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    pinned = {pin.split("==")[0] for pin in pyproject["tool"]["uv"]["constraint-dependencies"]}
    wanted = {
        text.split(";")[0].split(">")[0].split("=")[0].strip()
        for text in (*pyproject["project"]["dependencies"], *pyproject["dependency-groups"]["dev"])
    }

    assert wanted <= pinned
    assert "://" not in (ROOT / "constraints.txt").read_text("utf-8")


def test_a_lock_becomes_sorted_pins() -> None:
    """Our own package is no constraint on itself."""
    assert locked_versions(LOCK) == ["alpha==1.0", "zeta==2.0"]


def test_versions_for_some_pythons_say_for_which() -> None:
    """The lock may hold two versions of one package."""
    lock = """
[[package]]
name = "numpy"
version = "2.4"
resolution-markers = ["python_full_version < '3.12'"]
"""

    assert locked_versions(lock) == ["numpy==2.4 ; (python_full_version < '3.12')"]


def test_the_block_is_replaced_whole() -> None:
    """Everything around it stays; without a block there is an error that says what is missing."""
    text = '[tool.uv]\nconstraint-dependencies = [\n  "old==1",\n]\n[x]\n'

    assert with_constraints(text, ["new==2"]) == text.replace("old==1", "new==2")
    with pytest.raises(ValueError, match="constraint-dependencies"):
        with_constraints("[tool.uv]\n", [])
