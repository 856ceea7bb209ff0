"""HTTP as bytes: one connection a request, or one for all, nothing repeated, nothing repaired.

A client library would send a request again when a kept connection turns out dead, and a write that is sent
twice behind the recorder's back is no record.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from typing import Any

import orjson
from attrs import field, frozen

ANSWER_SECONDS = 60.0
_BETWEEN_ANSWERS_SECONDS = 0.03
_CHUNK = 65_536
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

Address = tuple[str, int]


class Gone(Exception):
    """The connection ended before there was an answer: what became of the request is not known."""


class NotSent(Gone):
    """Nobody listens: it was not done."""


class Hung(Exception):
    """No answer, and no end of the connection, in the time there was."""


@frozen
class Answer:
    status: int
    body: bytes
    head: bytes = field(default=b"", eq=False, repr=False)

    @property
    def replayed(self) -> bool:
        """Whether it was given before, to a request with the same Idempotency-Key."""
        return b"\r\nidempotent-replayed: true" in self.head.lower()

    def header(self, name: str) -> str:
        """A header's value; empty where there is none. Names in the case they are sent in."""
        found = re.search(rb"\r\n%b: ([^\r]*)" % name.encode(), self.head)
        return found[1].decode("latin-1") if found else ""

    @property
    def json(self) -> Any:
        return orjson.loads(self.body) if self.body else None

    @property
    def problem(self) -> str:
        """The slug of a problem document's type; empty for one that has none."""
        kind = self.json.get("type", "") if self.status >= 400 and self.body else ""
        return str(kind).rpartition("/")[2]

    @property
    def said(self) -> str:
        """For people: the status, and what the problem is, or how the body begins."""
        return f"{self.status} {self.problem or self.body[:80]!r}"


async def ask(
    address: Address, method: str, target: str, session: str, body: Any = None, *, key: str = ""
) -> Answer:
    """One JSON request, with an Idempotency-Key unless it is empty. Raises Gone or Hung."""
    data = b"" if body is None else orjson.dumps(body)
    lines = [
        f"{method} {target} HTTP/1.1",
        "Host: localhost",
        f"X-Session-ID: {session}",
        "Connection: close",
    ]
    if key:
        lines.append(f"Idempotency-Key: {key}")
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    answers = await exchange(address, "\r\n".join([*lines, "", ""]).encode() + data)
    if not answers:
        raise Gone
    return answers[0]


class Kept:
    """One connection for one request after the other, as browsers and pools of clients have it.

    After a request without an answer there is another connection; the request is not sent again.
    """

    def __init__(self) -> None:
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, address: Address, method: str, target: str, session: str, body: Any = None) -> Answer:
        """Raises Gone or Hung."""
        data = b"" if body is None else orjson.dumps(body)
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", f"X-Session-ID: {session}"]
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._exchange(address, "\r\n".join([*lines, "", ""]).encode() + data)
        except TimeoutError:
            self.close()
            raise Hung from None
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            raise Gone from None

    async def _exchange(self, address: Address, data: bytes) -> Answer:
        if self._streams is None:
            try:
                self._streams = await asyncio.open_connection(*address)
            except OSError:
                raise NotSent from None
        reader, writer = self._streams
        writer.write(data)
        head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
        status, length = _STATUS.match(head), _LENGTH.search(head)
        if status is None:
            raise ConnectionError
        answer = Answer(int(status[1]), await reader.readexactly(int(length[1]) if length else 0), head)
        if answer.header("Connection").lower() == "close":
            self.close()
        return answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


async def exchange(
    address: Address, data: bytes, *, patience: float | None = None, seconds: float = ANSWER_SECONDS
) -> list[Answer]:
    """Send bytes, and read until the server closes. Raises Hung, or NotSent when nobody listens.

    `patience`: after so many seconds without a byte, close the sending half, so that the server has no reason
    to wait for more. (Not at once: aiohttp does not answer a client that has closed its half.)
    """
    try:
        async with asyncio.timeout(seconds):
            return parse(await _raw_exchange(address, data, patience))
    except TimeoutError:
        raise Hung from None


async def _raw_exchange(address: Address, data: bytes, patience: float | None) -> bytes:
    try:
        reader, writer = await asyncio.open_connection(*address)
    except OSError:
        raise NotSent from None
    received = bytearray()
    try:
        writer.write(data)
        if patience is not None:
            await _read_while_talking(reader, received, patience)
            writer.write_eof()
        while chunk := await reader.read(_CHUNK):
            received += chunk
    except OSError:
        # Reset: what came before it has still come.
        pass
    finally:
        writer.transport.abort()
    return bytes(received)


async def _read_while_talking(reader: asyncio.StreamReader, received: bytearray, patience: float) -> None:
    while True:
        try:
            chunk = await asyncio.wait_for(reader.read(_CHUNK), patience)
        except TimeoutError:
            return
        if not chunk:
            return
        received += chunk
        patience = _BETWEEN_ANSWERS_SECONDS


def parse(received: bytes) -> list[Answer]:
    """The whole responses in what was received; one that is cut off is none."""
    answers: list[Answer] = []
    while received:
        head, found, rest = received.partition(b"\r\n\r\n")
        status = _STATUS.match(head)
        if not found or status is None:
            break
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if len(rest) < size:
            # The answer to a HEAD has a length and no body; only the last one can be told apart so.
            if not rest:
                answers.append(Answer(int(status[1]), b"", head))
            break
        answers.append(Answer(int(status[1]), rest[:size], head))
        received = rest[size:]
    return answers


async def reset(address: Address, data: bytes) -> None:
    """Send bytes and leave with RST in place of FIN."""
    _, writer = await asyncio.open_connection(*address)
    writer.write(data)
    await writer.drain()
    await asyncio.sleep(0.02)
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
