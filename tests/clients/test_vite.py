"""The recipe of docs/http.md for Vite's development server."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.docs.markdown import ROOT, blocks
from tests.e2e.client import Client
from tests.proxies.test_proxies import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clients.conftest import Node
    from tests.e2e.conftest import StartService

pytestmark = pytest.mark.clients
_SECONDS = 60.0


@contextmanager
def vite(node: Node, port: int) -> Iterator[str]:
    """The server, from when it answers."""
    program = node.directory / "node_modules" / ".bin" / "vite"
    command = [str(program), "--host", "127.0.0.1", "--port", str(port), "--strictPort"]
    process = subprocess.Popen(command, cwd=node.directory, stdout=subprocess.DEVNULL)
    try:
        give_up = time.monotonic() + _SECONDS
        while True:
            assert process.poll() is None, "vite has ended"
            try:
                Client(f"http://127.0.0.1:{port}").get("/")
                break
            except OSError:
                assert time.monotonic() < give_up, "vite does not listen"
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def test_the_recipe_for_vite(node: Node, start_service: StartService) -> None:
    """A page's requests below /api are the service's, in the session that the recipe names."""
    service = start_service()
    page = (ROOT / "docs" / "http.md").read_text("utf-8")
    (shown,) = [block.text for block in blocks(page) if block.language == "js"]
    (node.directory / "vite.config.js").write_text(shown.replace("http://127.0.0.1:8000", service.url))
    (node.directory / "index.html").write_text("<!doctype html><title>page</title>")
    port = free_port()
    with vite(node, port) as url:
        client = Client(url, None, {"Origin": url, "Host": f"localhost:{port}"})
        made = client.create("/api/members", {"name": "Ann"})

    assert service.client("dev").read("/members/1") == made == {"id": 1, "name": "Ann"}
