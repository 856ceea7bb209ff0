"""docs/architecture.md: the files it names are there, and its floors are those that lint holds."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
NAMED = sorted(
    {name for name in re.findall(r"`([^`\s]+)`", PAGE) if "/" in name and not name.startswith(("/", "POST"))}
)


def test_there_are_names_to_look_for() -> None:
    assert len(NAMED) > 40


@pytest.mark.parametrize("name", NAMED)
def test_what_it_names_is_there(name: str) -> None:
    """From the root, from `server/`, or from `server/planning/`, whose rooms it draws."""
    places = [ROOT, ROOT / "server", ROOT / "server" / "planning"]

    assert any((place / name).exists() for place in places), name


def test_its_floors_are_those_of_the_lint() -> None:
    """Each room of the layers is on the page, in the order of the layers."""
    contracts = ConfigParser()
    contracts.read(ROOT / ".importlinter")
    layers = contracts["importlinter:contract:server-layers"]["layers"].split()
    rooms = [layer.removeprefix("server.") for layer in layers if layer.startswith("server.")]
    table = PAGE.partition("## The floors of `server/`")[2].partition("The floors of `planning/`")[0]
    places = [
        min(place for place in (table.find(f"`{room}/`"), table.find(f"`{room}.py`")) if place >= 0)
        for room in rooms
    ]

    assert places == sorted(places)
