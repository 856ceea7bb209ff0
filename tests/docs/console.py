"""Runs the `console` and `bash` blocks of a page, and says what the page shows and what was printed.

In a `console` block ``$ `` begins a command and ``> `` continues it; the lines up to the next command are its
output. A `bash` block can be pasted whole: lines that begin with ``#`` are the output of those before them.
The commands of a page share their variables.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from tests.docs.markdown import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.docs.markdown import Block

#: The address that the pages write, which the running service's takes the place of.
WRITTEN: Final = "localhost:8000"
_MARK: Final = "--- end of the output ---"
_SECONDS: Final = 300

#: What differs from run to run, and what stands for it.
_CHANGING: Final = (
    (re.compile(r'"request_id":( ?)"[0-9a-f]{16}"'), r'"request_id":\1"..."'),
    (re.compile(r"^X-Request-ID: [0-9a-f]{16}$", re.MULTILINE), "X-Request-ID: ..."),
    (re.compile(r"^X-Plan-ID: [0-9a-f]{24}$", re.MULTILINE), "X-Plan-ID: ..."),
    (re.compile(r"^X-Fuel-Used: \d+$", re.MULTILINE), "X-Fuel-Used: ..."),
    (re.compile(r"(?<=;dur=)\d+\.\d{3}"), "..."),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"), "2026-01-01 00:00:00Z"),
    (re.compile(r"\b\d+\.\d ms\b"), "... ms"),
    (re.compile(r" +$", re.MULTILINE), ""),
    (re.compile(r"^Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$", re.MULTILINE), "Date: ..."),
)


@frozen
class Step:
    """A command, and the output that the page shows for it."""

    command: str
    shown: str


def steps(block: Block) -> list[Step]:
    """Take a block apart."""
    return _pasted(block) if block.language == "bash" else _typed(block)


def _pasted(block: Block) -> list[Step]:
    parts = groupby(block.text.splitlines(), lambda line: line.startswith("#"))
    texts = [(is_output, list(lines)) for is_output, lines in parts]
    assert not texts[0][0], "a block begins with a command"
    found = []
    for (_, command), (_, output) in zip_longest(texts[::2], texts[1::2], fillvalue=(True, [])):
        shown = [line.removeprefix("#").removeprefix(" ") for line in output]
        found.append(Step("\n".join(command), "\n".join(shown)))
    return found


def _typed(block: Block) -> list[Step]:
    found: list[tuple[list[str], list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif line.startswith("> ") and not found[-1][1]:
            found[-1][0].append(line[2:])
        else:
            found[-1][1].append(line)
    return [Step("\n".join(command), "\n".join(output)) for command, output in found]


def console(blocks: Iterable[Block]) -> list[Step]:
    return [step for block in blocks if block.language in ("console", "bash") for step in steps(block)]


def settled(output: str) -> str:
    """Output without what differs from run to run."""
    text = output.replace("\r\n", "\n").strip("\n")
    for pattern, instead in _CHANGING:
        text = pattern.sub(instead, text)
    return text


@frozen
class Shell:
    """A directory to work in, with a `curl` that needs nothing but this Python, and our `metaservice`.

    The machine's own is not used: a fresh one may have none, and its version would be one more thing that
    the outputs depend on.
    """

    directory: Path
    #: Commands that every further run begins with: assignments have to outlive their `sh`.
    _before: list[str] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        (self.directory / "bin").mkdir()
        self._program("curl", f'"{sys.executable}" -I "{ROOT / "tests/docs/curl.py"}"')
        # As in a terminal of 80 columns, but for the colours. Rich believes COLUMNS only where LINES is, too.
        self._program(
            "metaservice",
            f'env TTY_COMPATIBLE=1 TERM=dumb COLUMNS=80 LINES=25 "{sys.executable}" -m server',
        )

    def _program(self, name: str, command: str) -> None:
        file = self.directory / "bin" / name
        file.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        file.chmod(0o755)

    def run(self, commands: list[str], address: str) -> list[str]:
        """The output of each command, standard error included. `address` is the service's host and port."""
        script = [f"{command.replace(WRITTEN, address)}\necho\necho '{_MARK}'" for command in commands]
        ended = subprocess.run(
            ["sh", "-c", "\n".join([*self._before, *script])],
            cwd=self.directory,
            env={**os.environ, "COLUMNS": "80", "PATH": f"{self.directory / 'bin'}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
        lines = [line for command in commands for line in command.splitlines()]
        self._before.extend(line for line in lines if re.match(r"\w+=", line))
        outputs = ended.stdout.split(f"{_MARK}\n")
        assert outputs.pop() == ""
        return outputs
