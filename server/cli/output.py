"""What a command prints: tables and colours for a terminal, plain lines for a pipe, JSON for a script.

`NO_COLOR` (https://no-color.org) and a narrow terminal are rich's to honour. In a pipe a table is one
line a row with tabs between the cells, whole, without a frame. Text that came from a client or a model is
shown with its control characters escaped: nothing in a plan drives a terminal.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

import orjson
from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_KEEP = frozenset("\n\t")
#: Words that a cell may begin with, and how a terminal shows it.
_STYLES = {
    "ok": "green",
    "warning": "yellow",
    "failed": "bold red",
    "unknown": "dim",
    "-": "dim",
    "pinned": "green",
    "stale": "yellow",
    "quarantined": "bold red",
    "damaged": "bold red",
}


def clean(value: object) -> str:
    """As text without control characters."""
    text = "-" if value is None or value == "" else str(value)
    return "".join(c if c.isprintable() or c in _KEEP else ascii(c)[1:-1] for c in text)


def moment(text: str | None) -> str:
    """An ISO 8601 time in UTC, for people: ``2026-11-23 13:27:13Z``."""
    return (text or "").replace("T", " ").replace("+00:00", "Z")


def shortened(plan_id: str) -> str:
    """As much of a plan's id as nobody has twice."""
    return plan_id[:12]


def counted(count: int, thing: str) -> str:
    """``1 plan``, ``2 plans``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _style(cell: str) -> str:
    word = cell.partition(",")[0].partition(" ")[0]
    return _STYLES.get(word, "")


class Output:
    """`as_json` prints documents and nothing else."""

    def __init__(self, *, as_json: bool, stream: TextIO | None = None) -> None:
        self.as_json = as_json
        self._stream = stream or sys.stdout
        self._console = Console(file=self._stream, highlight=False, soft_wrap=False)

    @property
    def rich(self) -> bool:
        return self._console.is_terminal

    def json(self, document: Any) -> None:
        options = orjson.OPT_INDENT_2 if self._console.is_terminal else 0
        self._stream.write(orjson.dumps(document, option=options).decode() + "\n")

    def line(self, text: str, style: str = "") -> None:
        if self.rich:
            self._console.print(Text(clean(text), style=style), soft_wrap=True)
        else:
            self._stream.write(clean(text) + "\n")

    def done(self, document: Any, text: str) -> None:
        """What was done: the document for a script, a sentence for a person."""
        if self.as_json:
            self.json(document)
        else:
            self.line(text, "green")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
        """Rows under their columns' names; `empty` where there is none. The first column is never cut."""
        cells = [[clean(cell) for cell in row] for row in rows]
        if not self.rich:
            for row in [list(columns), *cells] if cells else []:
                self._stream.write(
                    "\t".join(cell.replace("\n", " ").replace("\t", " ") for cell in row) + "\n"
                )
            return
        if not cells:
            self.line(empty, "dim")
            return
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        for number, column in enumerate(columns):
            right = all(row[number].replace(".", "").isdecimal() for row in cells)
            table.add_column(
                column,
                justify="right" if right else "left",
                no_wrap=number == 0 or right,
                overflow="fold",
                style="cyan" if number == 0 else None,
            )
        for row in cells:
            table.add_row(*(Text(cell, style=_style(cell)) for cell in row))
        self._console.print(table)

    def facts(self, facts: Mapping[str, object]) -> None:
        """Names and values, one a line."""
        if not self.rich:
            for name, value in facts.items():
                self._stream.write(f"{name}: {clean(value)}\n")
            return
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in facts.items():
            grid.add_row(name, Text(clean(value)))
        self._console.print(grid)

    def gap(self) -> None:
        self._stream.write("\n")

    def code(self, text: str) -> None:
        self._syntax(text, "python", numbers=True)

    def diff(self, lines: Iterable[str]) -> None:
        self._syntax("\n".join(lines), "diff", numbers=False)

    def _syntax(self, text: str, language: str, *, numbers: bool) -> None:
        """Colours of the terminal's own sixteen, so that they fit a light one as well as a dark one."""
        text = "\n".join(map(clean, text.splitlines())) if text else ""
        if not self.rich:
            self._stream.write(text + "\n")
            return
        syntax = Syntax(
            text,
            language,
            theme="ansi_dark",
            line_numbers=numbers,
            background_color="default",
            word_wrap=True,
        )
        self._console.print(syntax if numbers else Padding(syntax, (0, 0)))

    def violations(self, code: str, violations: Iterable[Mapping[str, Any]]) -> None:
        """Each with the line that it is about, and a mark below the place."""
        lines = code.splitlines()
        for each in violations:
            number, column = int(each["line"]), int(each["column"])
            self.line(f"line {number}, column {column}: {each['message']} ({each['rule']})", "bold red")
            if 1 <= number <= len(lines):
                margin = f"{number:>5} | "
                self.line(margin + lines[number - 1].expandtabs(1))
                self.line(" " * (len(margin) - 2) + "| " + " " * max(column - 1, 0) + "^", "red")
