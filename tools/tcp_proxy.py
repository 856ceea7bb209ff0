"""A TCP proxy that fails on purpose: between a node and its database, or between two nodes.

    async with TcpProxy("127.0.0.1", 5432) as proxy: ...   proxy.port is where it listens

`cut` ends all connections, `refuse` also those that come; `hold` keeps all bytes back, `slow` each piece of
them for a while; `go_on` ends all three.
`when_sent` cuts a connection as soon as its client sends certain bytes: before they are passed on, or after,
so that the answer is lost.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from types import TracebackType

_READ_BYTES = 65_536


class TcpProxy:
    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._refusing = False
        self._delay_seconds = 0.0
        self._trap: tuple[tuple[bytes, ...], Literal["before", "after"]] | None = None
        #: Connections that a trap has cut.
        self.trapped = 0
        self.port = 0

    def aim(self, port: int) -> None:
        """Where connections lead from now on."""
        self._target = (self._target[0], port)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.go_on()
        self.cut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """End all connections there are, as a network does: with a reset."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    def refuse(self) -> None:
        self._refusing = True
        self.cut()

    def hold(self) -> None:
        """From now on nothing arrives, and nobody is told."""
        self._flows.clear()

    def slow(self, seconds: float) -> None:
        self._delay_seconds = seconds

    def go_on(self) -> None:
        self._refusing = False
        self._delay_seconds = 0.0
        self._flows.set()

    def when_sent(self, *marks: bytes, when: Literal["before", "after"]) -> None:
        """Once, at the first of these."""
        self._trap = (marks, when)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(asyncio.CancelledError):  # which asyncio's streams would tell of as an error
            await self._served(reader, writer)

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        pumps = [
            asyncio.ensure_future(self._pump(reader, back, (writer, back), asked=True)),
            asyncio.ensure_future(self._pump(there, writer, (writer, back), asked=False)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (*pumps,):
                each.cancel()
            for end in (writer, back):
                self._writers.discard(end)
                end.transport.abort()

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        ends: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        *,
        asked: bool,
    ) -> None:
        with suppress(OSError):
            while data := await source.read(_READ_BYTES):
                if self._delay_seconds:
                    await asyncio.sleep(self._delay_seconds)
                await self._flows.wait()
                trap = self._trap if asked else None
                if trap is not None and any(mark in data for mark in trap[0]):
                    self._trap = None
                    self.trapped += 1
                    if trap[1] == "after":
                        sink.write(data)
                        await sink.drain()
                        await asyncio.sleep(0)
                        ends[0].transport.abort()
                        await source.read()  # until the other end has gone, too
                    return
                sink.write(data)
                await sink.drain()
