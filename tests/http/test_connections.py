"""When a connection ends, whatever its client does: fields after chunks, and replies that nobody reads."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from server.http.connection import Server
from tests.fakes import FakeExecutor, completed
from tests.http.client import Wire, request_bytes

if TYPE_CHECKING:
    from aiohttp import web

    from server.service import Service
    from tests.http.conftest import Start

SESSION = [("X-Session-ID", "s1")]
CHUNKED = [*SESSION, ("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")]
#: Read by nobody but plans, and harmless.
FIELD = b"Accept-Language: tlh\r\n"


@pytest.mark.parametrize("announced", [[], [("Trailer", "Accept-Language")]])
@pytest.mark.parametrize("at_once", [True, False])
async def test_fields_after_the_last_chunk_reach_no_other_request(
    announced: list[tuple[str, str]], at_once: bool, start: Start
) -> None:
    """The connection ends with a request in chunks, so no later one on it has them for headers."""
    executor = FakeExecutor()
    service = await start(executor=executor)
    first = request_bytes("POST", "/members", [*CHUNKED, *announced]) + b"2\r\n{}\r\n0\r\n" + FIELD + b"\r\n"
    second = request_bytes("GET", "/members", SESSION)
    async with await Wire.to(service.address) as wire:
        await wire.send(first + second if at_once else first)
        answer = await wire.answer()
        if not at_once:
            await wire.send(second)

        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert await wire.closed()
    assert [job.read_only for job in executor.jobs] == [False]
    assert "tlh" not in executor.jobs[0].request


async def test_fields_after_the_chunks_of_a_refused_request(start: Start) -> None:
    """Also where it is answered before its body is looked at, and by a page of the service's own."""
    executor = FakeExecutor()
    service = await start(executor=executor)
    for method, target in (("GET", "/healthz"), ("POST", "/.env"), ("POST", "/openapi.json")):
        async with await Wire.to(service.address) as wire:
            body = b"2\r\n{}\r\n0\r\n" + FIELD + b"\r\n"
            await wire.send(request_bytes(method, target, CHUNKED) + body)
            await wire.send(request_bytes("GET", "/members", SESSION))
            assert (await wire.answer()).headers["connection"] == "close"
            assert await wire.closed()
    assert not executor.jobs


async def test_a_client_that_pipelines_and_never_reads(start: Start) -> None:
    """It is cut off when its replies have lain for as long as a body may take, however small each is."""
    executor = FakeExecutor(lambda job: completed("x" * 8_000))
    service = await start(executor=executor, body_seconds=0.3)
    requests = 4_000
    with capture_logs() as logs:
        async with await narrow_wire(service) as wire:
            wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
            wire.writer.write(request_bytes("GET", "/members", SESSION) * requests)
            await no_connections(service)

    assert 0 < len(executor.jobs) < requests
    assert logs[-1]["reason"] == "response not read"


async def test_a_client_that_reads_late_is_served(start: Start) -> None:
    """Both sides of the limit: within it, all replies come."""
    executor = FakeExecutor(lambda job: completed("x" * 8_000))
    service = await start(executor=executor, body_seconds=60)
    requests = 1_000
    async with await narrow_wire(service) as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        wire.writer.write(request_bytes("GET", "/members", SESSION) * requests)
        await executor.entered.wait()
        wire.writer.transport.resume_reading()  # type: ignore[attr-defined]

        assert {(await wire.answer()).status for _ in range(requests)} == {200}


async def test_what_is_left_when_the_connection_is_to_be_closed() -> None:
    """asyncio closes when all is sent, so a client that reads nothing would keep it open."""

    async def never(_request: web.BaseRequest) -> web.StreamResponse:
        raise AssertionError

    server = Server(never, max_connections=1, idle_seconds=0.01, read_seconds=0.01, target_bytes=100)
    full, empty = Transport(unsent=10), Transport(unsent=0)
    for transport in (full, empty):
        server().connection_made(transport)
    await asyncio.wait_for(full.aborted.wait(), 10)

    assert full.is_closing()
    assert empty.is_closing()
    assert not empty.aborted.is_set()


class Transport(asyncio.Transport):
    """Sends nothing."""

    def __init__(self, unsent: int) -> None:
        super().__init__()
        self.unsent = unsent
        self.aborted = asyncio.Event()
        self._closing = False

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    def abort(self) -> None:
        self.aborted.set()


async def narrow_wire(service: Service) -> Wire:
    """A client whose own buffer holds little."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, service.address)
    return Wire(*await asyncio.open_connection(sock=connection))


async def no_connections(service: Service) -> None:
    """Wait until the service has none; within ten seconds."""
    runner = service._runner
    assert runner is not None
    assert runner.server is not None
    async with asyncio.timeout(10):
        while runner.server.connections:
            await asyncio.sleep(0.05)
