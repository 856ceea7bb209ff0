"""The first start takes a while: whoever waits sees what is being done, for how long, and that it is done."""

from __future__ import annotations

import io
import time

from server.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_file_gets_whole_lines() -> None:
    """In a log each step is a line when it begins and a line when it ends."""
    stream = io.StringIO()
    progress = Progress(stream)
    progress("Building", None)
    progress("Building", 6.04)

    assert stream.getvalue() == "Building ...\nBuilding: done in 6.0 s\n"


def test_a_terminal_counts_the_seconds() -> None:
    """On a terminal the line is written over while the step runs, and ends with its time."""
    stream = Terminal()
    progress = Progress(stream, tick_seconds=0.01)
    progress("Building", None)
    while stream.getvalue().count("\r") < 3:
        time.sleep(0.01)
    progress("Building", 6.04)
    progress("Compiling", None)
    progress("Compiling", 7)

    assert stream.getvalue().startswith("Building ... 0 s\rBuilding ... 0 s")
    assert "\rBuilding: done in 6.0 s\nCompiling ... 0 s" in stream.getvalue()
    assert stream.getvalue().endswith("\rCompiling: done in 7.0 s\n")
