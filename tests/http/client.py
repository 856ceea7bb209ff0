"""A client that sends exactly the bytes it is told to, and reads what comes back."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Self

from tests.answer import Answer
from tools.http_corpus import request_bytes

CLOSED = Answer(0, {}, b"")


class Wire:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, address: tuple[str, int]) -> Self:
        return cls(*await asyncio.open_connection(*address))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *, head: bool = False) -> Answer:
        """The next response, within ten seconds."""
        async with asyncio.timeout(10):
            try:
                return await self._answer(head=head)
            except (ConnectionError, asyncio.IncompleteReadError):
                return CLOSED

    async def _answer(self, *, head: bool) -> Answer:
        raw = await self.reader.readuntil(b"\r\n\r\n")
        start, *lines = raw.decode("latin-1").split("\r\n")[:-2]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = 0 if head else int(headers.get("content-length", 0))
        return Answer(int(start.split()[1]), headers, await self.reader.readexactly(length))

    async def closed(self) -> bool:
        """Whether the server closes the connection, within ten seconds and without a further word."""
        async with asyncio.timeout(10):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True

    def reset(self) -> None:
        """Leave with RST instead of FIN."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


async def ask(
    address: tuple[str, int],
    method: str,
    target: str,
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
    *,
    session: str | None = "s1",
) -> Answer:
    """One request on a connection of its own; headers come before `session`, None is none."""
    sent = {**({} if session is None else {"X-Session-ID": session}), **(headers or {})}
    async with await Wire.to(address) as wire:
        await wire.send(request_bytes(method, target, list(sent.items()), body))
        return await wire.answer(head=method == "HEAD")
