"""`serve --dev`, as somebody starts it who wants to see what this is."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.e2e.client import Client
from tools.processes import environment

if TYPE_CHECKING:
    from pathlib import Path

    from wasm_runtime.artifact import Artifact


def test_dev(guest_artifact: Artifact, tmp_path: Path) -> None:
    """A link that logs in once, a session for requests that name none, CORS for pages of this machine."""
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "serve", "--dev"],
        env=environment({"SANDBOX_DATA_ROOT": str(tmp_path / "data"), "LARS_PORT": "0"}),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]
        assert "Open for development, to this machine alone" in process.stdout.readline()
        link = re.search(r"http\S+", process.stdout.readline())
        assert link is not None
        assert _status(link[0], "HEAD") == (200, None)  # who only looks does not use it up
        assert _status(link[0]) == (303, "/_meta/console/sessions")
        assert _status(link[0])[0] == 401

        client = Client(url, None)
        client.create("/lamps", {"n": 1})
        page = client.request("GET", "/lamps", Origin="http://localhost:5173")
        assert page.headers["access-control-allow-origin"] == "http://localhost:5173"
        assert (
            "access-control-allow-origin"
            not in client.request("GET", "/lamps", Origin="http://a.example").headers
        )
        assert client.delete("/lamps?n=1").status < 300
    finally:
        process.terminate()
        process.communicate(timeout=40)


def _status(link: str, method: str = "GET") -> tuple[int, str | None]:
    parts = urlsplit(link)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    try:
        connection.request(method, f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location")
    finally:
        connection.close()
