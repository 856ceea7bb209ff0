"""The first start after an upgrade: the port answers while the guest is being built.

Nothing is built here: a lock stands for who builds, and what would have been built is put in its place.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.client import Client
from tools.processes import environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

    from wasm_runtime.artifact import Artifact

#: Far more than anything here takes; a test that waits so long has failed.
_SECONDS = 120
#: Who started the tests may have had SIGINT ignored, as a shell does for what runs in the background.
_HEEDS_SIGNALS = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, "-m", "server", "serve"])
"""
ORIGIN = "https://app.example.com"
ASKED = [("GET", "/members"), ("POST", "/members"), ("GET", "/docs"), ("GET", "/_meta/plans")]


class Start:
    """A service that cannot get its guest until `finish`; its port is known beforehand."""

    def __init__(self, scratch: Path, guest: Artifact, lock: TextIO) -> None:
        self.guest = guest
        self.cache = scratch / "cache"
        self.lock = lock
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        variables = {
            "SANDBOX_DATA_ROOT": str(scratch / "data"),
            "LARS_CACHE_DIR": str(self.cache),
            "LARS_PORT": str(port),
        }
        (scratch / "metaservice.toml").write_text(f'[cors]\norigins = ["{ORIGIN}"]\n')
        self.process = subprocess.Popen(
            [sys.executable, "-c", _HEEDS_SIGNALS],
            cwd=scratch,
            env=environment(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, method: str = "GET", target: str = "/healthz", **headers: str) -> tuple[int, Any, Any]:
        """Status, headers, JSON; asked again while nobody listens yet."""
        until = time.monotonic() + _SECONDS
        while True:
            assert self.process.poll() is None
            try:
                answer = Client(self.url, "s1", headers).request(method, target)
            except ConnectionRefusedError:
                assert time.monotonic() < until
                time.sleep(0.05)
            else:
                return answer.status, answer.headers, json.loads(answer.body)

    def finish(self) -> str:
        """Have the guest built; the line that says that the service runs."""
        for suffix in (".cwasm", ".json"):
            shutil.copyfile(
                self.guest.path.with_suffix(suffix), self.cache / f"guest-{self.guest.digest}{suffix}"
            )
        fcntl.flock(self.lock, fcntl.LOCK_UN)
        assert self.process.stdout is not None
        return self.process.stdout.readline()


@pytest.fixture
def start(tmp_path: Path, guest_artifact: Artifact) -> Iterator[Start]:
    (tmp_path / "cache").mkdir()
    with (tmp_path / "cache" / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        starting = Start(tmp_path, guest_artifact, lock)
        yield starting
        starting.process.kill()
        starting.process.communicate()


def test_the_port_answers_while_the_guest_is_built(start: Start) -> None:
    """503 with a reason and Retry-After, whatever is asked; then, on the same port, the service."""
    status, headers, health = start.ask()
    assert (status, headers["retry-after"], health["status"]) == (503, "5", "starting")
    assert "sandboxed Python" in health["detail"]
    for method, target in ASKED:
        status, headers, problem = start.ask(method, target, Origin=ORIGIN)
        assert (status, headers["retry-after"]) == (503, "5")
        assert headers["content-type"] == "application/problem+json"
        assert headers["access-control-allow-origin"] == ORIGIN
        assert (problem["type"], problem["status"]) == ("/_meta/problems/starting", 503)
        assert (problem["seconds"] >= 0, len(problem["request_id"])) == (True, 16)

    stream = Client(start.url, "s1", {}).request("GET", "/members", Accept="text/event-stream")

    banner = start.finish()

    assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
    lines = stream.body.decode().splitlines()
    assert int(lines[0].removeprefix("retry: ")) >= 1_000
    assert lines[1] == "event: problem"
    assert json.loads(lines[3].removeprefix("data: "))["body"]["type"] == "/_meta/problems/starting"
    assert banner.startswith(f"metaservice: {start.url} ")
    assert start.ask()[0] == 200
    assert Client(start.url, "s1", {}).create("/members", {"name": "Ada"})["id"] == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_start(start: Start, number: signal.Signals) -> None:
    """Nobody waits for what is being built."""
    assert start.ask()[0] == 503

    start.process.send_signal(number)

    assert start.process.wait(_SECONDS) in (-signal.SIGTERM, 130)


def test_the_guest_is_built_beforehand(start: Start, guest_artifact: Artifact) -> None:
    """Beside a service that runs, in the cache that the next one looks into."""
    command = [sys.executable, "-m", "server", "build"]
    variables = {"LARS_CACHE_DIR": str(start.cache)}
    start.finish()
    built = subprocess.run(command, env=environment(variables), capture_output=True, text=True, check=True)

    assert built.stdout == (
        f"metaservice: the sandboxed Python is built: {start.cache}/guest-{guest_artifact.digest}.cwasm\n"
    )
    (start.cache / "file").touch()
    variables["LARS_CACHE_DIR"] = str(start.cache / "file" / "x")
    failed = subprocess.run(command, env=environment(variables), capture_output=True, text=True, check=False)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == f"metaservice: {start.cache}/file/x: Not a directory\n"
