"""Requests to other nodes, over connections that are kept: HTTP/1.1, one request at a time on each.

1. A request is bytes that were made once, and an answer's head is the bytes that came: what is handed on
   is not taken apart. aiohttp's client takes several times as long for one.
2. Where an answer ends its head says (RFC 9112 §6.3): by a length, in chunks, or with the connection.
   Whatever else comes ends the connection.
3. One that was left in the middle of an answer, or from which more has come than was asked for, is not used
   again. To a node that is no more all are cut: who waits for an answer there hears of it at once.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable

CONNECT_SECONDS: Final = 2.0
_HEAD_BYTES: Final = 65_536
_HEAD_END: Final = b"\r\n\r\n"
#: With so much of an answer waiting nothing more is read.
_WAITING_BYTES: Final = 262_144
_LONGEST_LINE: Final = 4_096
_START: Final = b"HTTP/1.1 "
_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,15}")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
#: Of a connection, not of a message (RFC 9110 §7.6.1), beside what frames the content.
OF_A_CONNECTION: Final = frozenset(
    {
        *(b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
        *(b"proxy-connection", b"proxy-authenticate", b"proxy-authorization"),
    }
)


class Broken(ConnectionError):
    """The connection has ended, or what came is no answer."""


class Target(NamedTuple):
    """Where a node is reached. `prefix`: of all its paths."""

    host: str
    port: int
    is_secure: bool
    prefix: str
    authority: str


@lru_cache(maxsize=256)
def target_of(url: str) -> Target:
    """Of a base URL, which the settings have checked. Raises ValueError."""
    parts = urlsplit(url)
    is_secure = parts.scheme == "https"
    port = parts.port or (443 if is_secure else 80)
    return Target(parts.hostname or "", port, is_secure, parts.path.rstrip("/"), parts.netloc)


class Answer:
    """A response whose head has come. Its content is read once, by `content` or by `pieces`."""

    def __init__(self, connection: Connection, head: bytes, *, bodiless: bool) -> None:
        """Raises Broken."""
        self._connection = connection
        self.head = head
        start, *lines = head[: -len(_HEAD_END)].split(b"\r\n")
        code = start[len(_START) : len(_START) + 3]
        if not start.startswith(_START) or not code.isdigit() or code < b"200":
            raise Broken("the node answers in no HTTP/1.1")
        self.status = int(code)
        self.reason = start[len(_START) + 4 :].decode("latin-1")
        self.fields = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
        found = {name.lower(): value for name, value in self.fields}
        #: Whether the head can be sent as it is to another client, whose connection stays.
        self.is_plain = found.keys().isdisjoint(OF_A_CONNECTION)
        self._closes = b"close" in found.get(b"connection", b"").lower()
        self._is_chunked = found.get(b"transfer-encoding", b"").lower() == b"chunked"
        length = found.get(b"content-length", b"")
        if bodiless or code in {b"204", b"304"}:
            length, self._is_chunked = b"0", False
        elif b"transfer-encoding" in found and not self._is_chunked:
            raise Broken("the node answers in another transfer coding")
        #: Bytes of its content; None: that is known at its end.
        self.length = int(length) if _LENGTH.fullmatch(length) and not self._is_chunked else None
        self.is_plain = self.is_plain and self.length is not None
        #: What the head says of the length, also where no content comes.
        told = found.get(b"content-length", b"")
        self.told_length = int(told) if _LENGTH.fullmatch(told) else None

    def is_whole(self, most: int) -> bool:
        """Whether it has an end that is known, after so many bytes at most."""
        return self.length is not None and self.length <= most

    def field(self, name: bytes) -> str | None:
        for each, value in self.fields:
            if each.lower() == name:
                return value.decode("latin-1")
        return None

    async def content(self) -> bytes:
        """All of it. Raises Broken."""
        if self.length == 0:
            self._connection.done(closes=self._closes)
            return b""
        if self.length is not None:
            data = await self._connection.exactly(self.length)
            self._connection.done(closes=self._closes)
            return data
        return b"".join([piece async for piece in self.pieces()])

    async def pieces(self) -> AsyncIterator[bytes]:
        """As it comes. Raises Broken."""
        connection, closes = self._connection, self._closes
        if self._is_chunked:
            while size := _chunk_size(await connection.line()):
                async for piece in _so_much(connection, size):
                    yield piece
                if await connection.exactly(2) != b"\r\n":
                    raise Broken("a chunk of another length")
            while await connection.line():
                pass  # fields behind the last chunk
        elif self.length is None:
            closes = True
            while piece := await connection.some(_WAITING_BYTES, at_end=True):
                yield piece
        else:
            async for piece in _so_much(connection, self.length):
                yield piece
        connection.done(closes=closes)


def _chunk_size(line: bytes) -> int:
    size = line.partition(b";")[0].strip()
    if not _SIZE.fullmatch(size):
        raise Broken("a chunk without a length")
    return int(size, 16)


async def _so_much(connection: Connection, left: int) -> AsyncIterator[bytes]:
    while left:
        piece = await connection.some(left)
        left -= len(piece)
        yield piece


class Connection(asyncio.Protocol):
    """To one node. Whoever has it from `Peers` ends with its answer's content, or with `abort`."""

    def __init__(self, peers: Peers, key: Hashable) -> None:
        self._peers = peers
        self.key = key
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._paused = self._ended = False
        self.is_lost = self.is_asked = False
        self.idle_since = 0.0

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if not self.is_asked:
            self.abort()  # nobody has asked for it
            return
        self._buffer += data
        if len(self._buffer) > _WAITING_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._ended = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = self._ended and exc is None
        self.is_lost = True
        self._peers.lost(self)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # The asking side

    async def ask(self, request: bytes, *, bodiless: bool = False) -> Answer:
        """Raises Broken: from then on some of it may have been sent. `bodiless`: the request is a HEAD."""
        assert self._transport is not None  # noqa: S101  it is connected
        self.is_asked = True
        self._transport.write(request)
        buffer = self._buffer
        while (end := buffer.find(_HEAD_END)) < 0:
            if len(buffer) > _HEAD_BYTES:
                raise Broken("the node's answer has no end of its head")
            await self._more()
        end += len(_HEAD_END)
        head = bytes(buffer[:end])
        del buffer[:end]
        return Answer(self, head, bodiless=bodiless)

    async def _more(self) -> None:
        if self.is_lost:
            raise Broken("the node has ended the connection")
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def some(self, most: int, *, at_end: bool = False) -> bytes:
        """What there is, as soon as there is any. `at_end`: b"" where the connection has ended well."""
        while not self._buffer:
            if at_end and self.is_lost and self._ended:
                return b""
            await self._more()
        piece = bytes(self._buffer[:most])
        del self._buffer[:most]
        return piece

    async def exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            await self._more()
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        return piece

    async def line(self) -> bytes:
        """Without its end."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _LONGEST_LINE:
                raise Broken("a line without an end")
            await self._more()
        found = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return found

    def done(self, *, closes: bool) -> None:
        """The answer has come to its end: the connection is there for another request, or it ends."""
        self.is_asked = False
        if closes or self._buffer or self.is_lost:
            self.abort()
        else:
            self._peers.give_back(self)

    def abort(self) -> None:
        """Further calls do nothing."""
        if self._transport is not None:
            self._transport.abort()


class Peers:
    """All connections of a node to the others, each of which has a key. `idle_seconds`: how long one is kept.

    Others close what is idle, too: who keeps it longer than they do asks into the void now and then.
    """

    def __init__(self, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._idle: dict[Hashable, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._tls: ssl.SSLContext | None = None

    async def connection(self, key: Hashable, target: Target) -> Connection:
        """One for oneself. Raises OSError (TimeoutError, too): nothing was sent."""
        idle = self._idle.get(key)
        while idle:
            found = idle.pop()
            if not found.is_lost and time.monotonic() - found.idle_since < self._idle_seconds:
                return found
            found.abort()
        async with asyncio.timeout(CONNECT_SECONDS):
            _, made = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self, key),
                target.host,
                target.port,
                ssl=self._context() if target.is_secure else None,
            )
        self._open.add(made)
        return made

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def give_back(self, connection: Connection) -> None:
        connection.idle_since = time.monotonic()
        self._idle.setdefault(connection.key, []).append(connection)

    def lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        idle = self._idle.get(connection.key, [])
        if connection in idle:
            idle.remove(connection)
        if not idle:
            self._idle.pop(connection.key, None)

    def cut(self, key: Hashable) -> None:
        """End all that there are to a node: it is no more."""
        for connection in tuple(self._open):
            if connection.key == key:
                connection.abort()

    def close(self) -> None:
        for connection in tuple(self._open):
            connection.abort()
