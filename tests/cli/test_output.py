"""What is printed: for a terminal, for a pipe, for a script; and nothing in it drives a terminal."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from server.cli.output import Output, clean, counted, moment
from server.cli.sessions import size

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = [("plan-1", 12, "pinned"), ("plan-2", 3, None)]
COLUMNS = ("PLAN", "IN USE", "STATE")
ESCAPE = "\x1b"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What a terminal of so many columns is sent."""

    def shown(columns: int, **environment: str) -> str:
        for name, value in {"TERM": "xterm-256color", "COLUMNS": str(columns), **environment}.items():
            monkeypatch.setenv(name, value)
        stream = Terminal()
        out = Output(as_json=False, stream=stream)
        out.table(COLUMNS, ROWS, empty="none")
        out.code("REPLY = make_response(200)")
        out.diff(["-a", "+b"])
        return stream.getvalue()

    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    return shown


def piped() -> tuple[Output, io.StringIO]:
    stream = io.StringIO()
    return Output(as_json=False, stream=stream), stream


def test_a_pipe_gets_whole_lines() -> None:
    """A row a line, tabs between the cells, nothing cut however long, no colours."""
    out, stream = piped()
    out.table(COLUMNS, [*ROWS, ("x" * 300, 1, "a\tb\nc")], empty="none")
    out.code("a = 1\nb = 2")

    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["PLAN\tIN USE\tSTATE", "plan-1\t12\tpinned"]
    assert lines[3] == f"{'x' * 300}\t1\ta b c"
    assert lines[4:] == ["a = 1", "b = 2"]


def test_nothing_is_no_line_in_a_pipe() -> None:
    """So that a loop over the lines does nothing; a terminal is told."""
    out, stream = piped()
    out.table(COLUMNS, [], empty="none yet")

    assert stream.getvalue() == ""


def test_a_terminal_has_aligned_columns(terminal: Callable[..., str]) -> None:
    """Numbers to the right, and no line is wider than the terminal."""
    plain = terminal(40, TERM="dumb", TTY_COMPATIBLE="1")
    lines = [line.rstrip() for line in plain.splitlines()]

    assert lines[:3] == [
        "PLAN    IN USE  STATE",
        "plan-1      12  pinned",
        "plan-2       3  -",
    ]


def test_colours_are_for_terminals_that_want_them(terminal: Callable[..., str]) -> None:
    """NO_COLOR takes them away (https://no-color.org); a terminal that has none gets none."""

    def coloured(text: str) -> bool:
        return any(f"{ESCAPE}[{code}" in text for code in ("3", "9", "4"))

    assert coloured(terminal(100))
    assert not coloured(terminal(100, NO_COLOR="1"))
    assert ESCAPE not in terminal(100, NO_COLOR="", TERM="dumb", TTY_COMPATIBLE="1")


@pytest.mark.parametrize("text", ["\x1b[2J", "\x07", "a\rb", "\u202eevil", "\x9b31m"])
def test_what_clients_wrote_drives_no_terminal(text: str) -> None:
    """Control characters are shown, not sent; in tables, facts, lines, code and violations alike."""
    stream = Terminal()
    out = Output(as_json=False, stream=stream)
    out.table(("A",), [(text,)], empty="")
    out.facts({"a": text})
    out.line(text)
    out.code(f"x = '{text}'")
    out.violations(text, [{"line": 1, "column": 1, "message": text, "rule": "r"}])

    assert clean(text).isprintable()
    assert text not in stream.getvalue()


def test_a_violation_is_marked_where_it_is() -> None:
    """The line, and a mark below the place; one about the whole text has no line."""
    out, stream = piped()
    code = 'a = 1\nb = "é" + eval("1")'
    said = {"message": "not available", "rule": "name"}
    out.violations(code, [{"line": 2, "column": 11, **said}, {"line": 0, "column": 0, **said}])

    assert stream.getvalue().splitlines() == [
        "line 2, column 11: not available (name)",
        '    2 | b = "é" + eval("1")',
        "      |           ^",
        "line 0, column 0: not available (name)",
    ]


def test_json_is_one_document() -> None:
    """In a pipe on one line."""
    stream = io.StringIO()
    Output(as_json=True, stream=stream).done({"id": "é"}, "ignored")

    assert json.loads(stream.getvalue()) == {"id": "é"}
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (1_023, "1023 B"), (1_024, "1.0 KiB"), (20_480, "20.0 KiB"), (2**31, "2.0 GiB")],
)
def test_sizes(count: int, words: str) -> None:
    """In binary units."""
    assert size(count) == words


def test_words() -> None:
    """One plan, two plans; times without a T."""
    assert (counted(1, "plan"), counted(2, "plan"), counted(0, "plan")) == ("1 plan", "2 plans", "0 plans")
    assert moment("2026-11-23T13:27:13+00:00") == "2026-11-23 13:27:13Z"
    assert clean(moment(None)) == "-"
