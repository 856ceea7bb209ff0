"""What reads a session's files outside a guest is confined as a worker is: felt from inside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from wasm_runtime.confined import Confinement

if TYPE_CHECKING:
    from pathlib import Path

#: A module as `store.transfer` is one: its `main` says of each attempt how it ended.
_PRISONER = """
import json, os, resource, signal, socket, subprocess, sys

def outcome(attempt):
    try:
        attempt()
    except OSError as error:
        return error.strerror
    return "done"

def main(arguments):
    readable, writable, outside = arguments
    attempts = {
        "read": lambda: open(readable + "/file").read(),
        "write where it reads": lambda: open(readable + "/new", "w"),
        "write": lambda: open(writable + "/new", "w").write("x"),
        "write too much": lambda: os.truncate(writable + "/new", 10_001),
        "read outside": lambda: open(outside).read(),
        "read passwords": lambda: open("/etc/passwd").read(),
        "start a program": lambda: subprocess.run(["/bin/true"]),
        "fork": os.fork,
        "connect": lambda: socket.create_connection(("127.0.0.1", 9)),
        "signal its parent": lambda: os.kill(os.getppid(), 0),
    }
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = [resource.getrlimit(which)[0] for which in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE)]
    print(json.dumps({"limits": limits, **{name: outcome(one) for name, one in attempts.items()}}))
    return 3
"""


@pytest.fixture
def found(tmp_path: Path) -> dict[str, Any]:
    for name in ("readable", "writable", "code"):
        (tmp_path / name).mkdir()
    (tmp_path / "readable" / "file").write_text("text")
    (tmp_path / "outside").write_text("text")
    (tmp_path / "code" / "prisoner.py").write_text(_PRISONER)
    paths = [str(tmp_path / name) for name in ("readable", "writable", "outside")]
    confinement = Confinement((paths[1],), (paths[0],), 10_000, os.getpid())
    command = confinement.command("prisoner", *paths)
    # Its own module is found by a path, which `-I` would leave out.
    command.remove("-I")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "code")}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 3, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_it_does_what_it_is_for_and_nothing_else(found: dict[str, Any]) -> None:
    """Landlock, the system calls and the limits are those of a worker."""
    assert found == {
        "limits": [64, 0],
        "read": "done",
        "write where it reads": "Permission denied",
        "write": "done",
        "write too much": "File too large",
        "read outside": "Permission denied",
        "read passwords": "Permission denied",
        "start a program": "Operation not permitted",
        "fork": "Operation not permitted",
        "connect": "Operation not permitted",
        "signal its parent": "Operation not permitted",
    }


def test_it_is_our_own_interpreter_with_nothing_from_outside() -> None:
    """No variable and no directory of whoever starts the service changes what runs."""
    command = Confinement((), (), 1, 1).command("store.transfer", "describe", "x")

    assert command[:4] == [sys.executable, "-I", "-X", "utf8"]
    assert command[-3:] == ["store.transfer", "describe", "x"]
