"""The threat model speaks of this repository: its files and tests are there, and no threat is left out."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.docs.markdown import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "THREAT_MODEL.md"
_CODE = re.compile(r"`([^`\n]+)`")
_ROW = re.compile(r"^\| (T\d\d) \|(.*)\|$", re.MULTILINE)
_PATH = re.compile(r"[a-z_./]+\.(py|toml|txt|jsonl)")
THREATS = [f"T{number:02}" for number in range(1, 82)]


def named(text: str) -> tuple[list[str], list[str]]:
    """The files and the tests that a text names between backticks."""
    words = _CODE.findall(text)
    tests = [word for word in words if "::" in word]
    return [word for word in words if _PATH.fullmatch(word)], tests


@cache
def collected(file: Path) -> frozenset[str]:
    """The names of the tests that pytest collects from a file: `test_a`, and `TestB::test_c` in a class."""
    if not file.name.startswith("test_") or not file.is_file():
        return frozenset()
    body = ast.parse(file.read_text("utf-8")).body
    found = _functions(body)
    for node in body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            found |= {f"{node.name}::{name}" for name in _functions(node.body)}
    return frozenset(found)


def _functions(body: list[ast.stmt]) -> set[str]:
    functions = (node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name for node in functions if node.name.startswith("test_")}


def missing(text: str) -> list[str]:
    """What a text names that is not there."""
    files, tests = named(text)
    gone = [file for file in files if not (ROOT / file).is_file()]
    for test in tests:
        file, _, name = test.partition("::")
        if name not in collected(ROOT / file):
            gone.append(test)
    return gone


def test_every_file_and_test_is_there() -> None:
    """A test that is renamed takes its line here along."""
    assert missing(PAGE.read_text("utf-8")) == []


def test_every_threat_has_its_row() -> None:
    """In their order, each once."""
    assert [row[0] for row in _ROW.findall(PAGE.read_text("utf-8"))] == THREATS


@pytest.mark.parametrize("threat", THREATS)
def test_every_threat_has_a_defence_and_a_test(threat: str) -> None:
    """A file where the defence stands, and a test that shows it."""
    row = dict(_ROW.findall(PAGE.read_text("utf-8")))[threat]
    _attack, defence, shown, _open = row.split(" | ")

    assert named(defence)[0], defence
    assert named(shown)[1], shown


def test_what_is_not_there_is_found() -> None:
    """The checks above can fail."""
    page = "`server/gone.py` `server/app.py` `gone.toml` `tests/gone.py::test_a`"
    own = "tests/docs/test_threat_model.py::test_"

    assert missing(page) == ["server/gone.py", "gone.toml", "tests/gone.py::test_a"]
    assert missing(f"`{own}gone` `{own}what_is_not_there_is_found`") == [f"{own}gone"]
