"""An ejected project's edge has the service's guards, too: names, connections, bodies."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from server.requests.hosts import Hosts
from tests.http.client import Wire, request_bytes
from tools.ejected.serving import make_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def project(data: Path) -> AsyncIterator[tuple[str, int]]:
    """Where a project without routes listens."""
    runner = web.AppRunner(make_app([], data, session="s1", hosts=Hosts(local_only=True)))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][:2]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("host", "status"), [("localhost", 404), ("127.0.0.1:1", 404), ("evil.example", 421)]
)
async def test_names(host: str, status: int, tmp_path: Path) -> None:
    async with project(tmp_path) as address, await Wire.to(address) as wire:
        await wire.send(request_bytes("GET", "/members").replace(b"localhost", host.encode()))

        assert (await wire.answer()).status == status


async def test_a_connection_ends_with_a_request_in_chunks(tmp_path: Path) -> None:
    """So that no field after the last chunk becomes a header of the next request."""
    async with project(tmp_path) as address, await Wire.to(address) as wire:
        raw = request_bytes("POST", "/members", [("Transfer-Encoding", "chunked")])
        await wire.send(
            raw + b"2\r\n{}\r\n0\r\nAccept-Language: tlh\r\n\r\n" + request_bytes("GET", "/members")
        )
        answer = await wire.answer()

        assert (answer.status, answer.headers["connection"]) == (404, "close")
        assert await wire.closed()
