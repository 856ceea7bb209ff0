"""A client of event streams: what came over the wire, block by block, and nothing made better than it was."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: Nothing that is awaited takes so long, on a machine that does much else.
PATIENCE_SECONDS = 30


@frozen
class Event:
    name: str
    id: str
    data: Any

    @property
    def body(self) -> Any:
        return self.data["body"]


@define(eq=False)
class EventReader:
    """One stream. `lines`: all that came, without their ends; `retries` and `comments` as they were sent."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int = 0
    headers: dict[str, str] = field(factory=dict)
    lines: list[bytes] = field(factory=list)
    retries: list[int] = field(factory=list)
    comments: list[str] = field(factory=list)
    #: Whether the response came to its end, and not just the connection.
    complete: bool = False
    _rest: bytes = b""
    _fields: dict[str, str] = field(factory=dict)

    async def head(self) -> None:
        raw = await self.reader.readuntil(b"\r\n\r\n")
        start, *lines = raw.decode("latin-1").split("\r\n")[:-2]
        self.status = int(start.split()[1])
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    async def next(self) -> Event | None:
        """The next event; None at the end of the stream."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (line := await self._line()) is not None:
                    event = self._take(line)
                    if event is not None:
                        return event
        except TimeoutError:
            raise AssertionError(f"no event came after {self.lines}") from None
        return None

    async def event(self) -> Event:
        """The next event, which there must be."""
        found = await self.next()
        assert found is not None, self.lines
        return found

    async def until(self, wanted: Any) -> list[Event]:
        """Events until one whose body is this, which is the last."""
        found = [await self.event()]
        while found[-1].name != "reply" or found[-1].body != wanted:
            found.append(await self.event())
        return found

    async def comment(self) -> str:
        """The next comment; no event may come before it."""
        known = len(self.comments)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.comments) == known:
                line = await self._line()
                assert line is not None, self.lines
                assert self._take(line) is None, self.lines
        return self.comments[-1]

    async def rest(self) -> list[Event]:
        """All events until the end."""
        found: list[Event] = []
        while (event := await self.next()) is not None:
            found.append(event)
        return found

    def _take(self, line: bytes) -> Event | None:
        self.lines.append(line)
        text = line.decode("ascii")
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if not text:
            fields, self._fields = self._fields, {}
            assert fields.keys() == {"event", "id", "data"}, fields
            return Event(fields["event"], fields["id"], json.loads(fields["data"]))
        if not name:
            self.comments.append(value)
        elif name == "retry":
            self.retries.append(int(value))
        else:
            assert name not in self._fields, text
            self._fields[name] = value
        return None

    async def _line(self) -> bytes | None:
        while b"\n" not in self._rest:
            chunk = await self._chunk()
            if not chunk:
                assert not self._rest
                return None
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    async def _chunk(self) -> bytes:
        if self.complete:
            return b""
        size = await self.reader.readline()
        if not size:
            return b""
        length = int(size, 16)
        data = await self.reader.readexactly(length + 2)
        self.complete = length == 0
        return data[:-2]

    async def leave(self) -> None:
        """Until the other end can know."""
        self.writer.transport.abort()
        with suppress(OSError):
            await self.writer.wait_closed()


@asynccontextmanager
async def watching(
    address: tuple[str, int],
    target: str,
    session: str | None = "s1",
    *,
    receive_buffer: int = 0,
    accept: str = "text/event-stream",
    **headers: str,
) -> AsyncIterator[EventReader]:
    """A stream; `receive_buffer` is how many bytes the kernel takes for a client that does not read."""
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, address)
    limit = {"limit": receive_buffer} if receive_buffer else {"limit": 64 * 1024 * 1024}
    reader, writer = await asyncio.open_connection(sock=connection, **limit)  # type: ignore[arg-type]
    sent = {"Host": f"{address[0]}:{address[1]}", "Accept": accept}
    if session is not None:
        sent["X-Session-ID"] = session
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    writer.write(f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode())
    stream = EventReader(reader, writer)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await stream.head()
        yield stream
    finally:
        await stream.leave()
