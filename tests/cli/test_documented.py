"""Every command and every flag is in `--help` and on the page, and the page tells of no other."""

from __future__ import annotations

import argparse
import re
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from server.__main__ import _parser, main
from server.operations import api
from tests.docs.markdown import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (ROOT / "docs" / "command.md").read_text("utf-8")
TOUR = (ROOT / "docs" / "tour.md").read_text("utf-8")


def commands(parser: argparse.ArgumentParser, *words: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Each command that does something, with its parser."""
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner:
        yield " ".join(words), parser
    for action in inner:
        for name, sub in action.choices.items():
            yield from commands(sub, *words, name)


def flags(parser: argparse.ArgumentParser) -> set[str]:
    return {text for action in parser._actions for text in action.option_strings} - {"-h", "--help"}


COMMANDS = dict(commands(_parser()))
#: Below `/_meta` as well, and served by others than the interface.
ELSEWHERE = {
    ("GET", "/traffic"),
    ("GET", "/metrics"),
    ("POST", "/tickets"),
    ("GET", "/problems/{type}"),
    ("GET", "/console"),
}


def test_these_are_the_commands() -> None:
    """What was asked for is there."""
    plans = ("list", "show", "edit", "pin", "forget", "replay", "export", "import")
    sessions = (
        "list",
        "show",
        "export",
        "import",
        "fork",
        "set",
        "log",
        "rewind",
        "reset",
        "delete",
        "salvage",
    )

    assert list(COMMANDS) == [
        "serve",
        "build",
        *(f"plans {name}" for name in plans),
        *(f"sessions {name}" for name in sessions),
        *(f"contract {name}" for name in ("check", "set", "unset", "diff", "seed", "show")),
        *("backup", "restore", "verify", "downgrade"),
        *("nodes", "record copy"),
        "export",
        "learning",
        "usage",
        "explain",
        "doctor",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_each_flag_does(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` of each command ends well and names all its flags; none is without an explanation."""
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    said = capsys.readouterr().out

    assert ended.value.code == 0
    assert all(flag in said for flag in flags(COMMANDS[command]))
    actions = [action for action in COMMANDS[command]._actions if action.option_strings]
    assert all(action.help for action in actions)


def test_the_page_has_every_command_and_flag() -> None:
    """Each command by its name, each flag, and no flag that no command has."""
    known = {flag for parser in COMMANDS.values() for flag in flags(parser)} | {"--help", "--version"}
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", PAGE))

    assert told == known
    for command in COMMANDS:
        word = command.split()[-1]
        assert re.search(rf"\b{command}\b|`{word}`|\*\*{word}\*\*", PAGE), command


def test_the_tour_has_every_command() -> None:
    """In its list of what the command does."""
    listed = TOUR.partition("## See and steer what was learned")[2].partition("\n## ")[0]

    assert listed
    for command in COMMANDS:
        if command not in ("serve", "build"):
            assert command.split()[-1] in listed, command


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert (ended.value.code, capsys.readouterr().out) == (0, f"metaservice {version('metaservice')}\n")


def test_the_page_has_every_path() -> None:
    """The table of paths is the interface's own."""
    told = set(re.findall(r"^\| ([A-Z]+) \| `/_meta(/[^`]*)` \|", PAGE, re.MULTILINE))
    own = set(re.findall(r"^    ([A-Z]+) +(/\S*)", api.__doc__ or "", re.MULTILINE))
    made = api.Api.__new__(api.Api)
    parts = dict.fromkeys(("ejector", "records", "learning", "settings", "dialects", "contracts"))
    api.Api.__init__(made, *[None] * 5, **parts)  # type: ignore[arg-type]
    served = {
        (method, "/" + "/".join("{}" if part == "*" else part for part in path))
        for path, methods in made._table.items()
        for method in methods
    }

    assert told == own
    assert {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in own - ELSEWHERE} == served
