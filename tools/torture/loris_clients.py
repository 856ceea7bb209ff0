"""The clients that nobody would like to have: `python -m tools.torture.loris_clients HOST PORT SECONDS SEED`.

A process of its own, so that what it costs is not taken for the service's doing. Five kinds, all at once:

- slow: heads and bodies that arrive a byte at a time;
- abandoned: requests with work in them, from which the client leaves;
- pipelined: many requests at once, whose answers nobody reads;
- huge: bodies as large as they may be, also of characters that take four bytes;
- wide: bodies of many values, objects of many names, patches that double themselves.

When the time is over it prints, as JSON, how often each was answered with which status.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

import orjson

from tools.http_corpus import request_bytes
from tools.torture import wire
from tools.torture.wire import Gone, Hung, exchange
from wasm_runtime.affinity import give_way

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tools.torture.wire import Address

MIB = 1024 * 1024
_PAUSE_SECONDS = 0.05
#: How many clients of each kind.
_SLOW, _ABANDONED, _PIPELINED, _HUGE, _WIDE = 40, 8, 8, 3, 2
_PIPELINE = 48
_HELD_SECONDS = 3.0
_BATCH = orjson.dumps([{"name": f"N{n}", "n": n, "tags": ["a", "b"]} for n in range(400)])
_DOUBLING = orjson.dumps(
    [{"op": "add", "path": "/a", "value": {"x": 1}}]
    + [{"op": "copy", "from": "/a", "path": f"/a/{n}"} for n in range(40)]
)
#: Around the mebibyte that a body may have.
_HUGE_BODIES = (
    orjson.dumps({"text": "x" * (MIB - 100)}),
    '{"text":"\U0001f980'.encode() + b"x" * (MIB - 100) + b'"}',
    orjson.dumps({"text": "x" * (MIB // 2), "list": list(range(30_000))}),
)
_WIDE_BODIES = (
    ("POST", "application/json", orjson.dumps({f"name-{n}": n for n in range(5_000)})),
    ("POST", "application/json", b'{"list":[' + b"[]," * 20_000 + b"[]]}"),
    ("POST", "application/json", orjson.dumps([{f"name-{n}-{m}": 1 for m in range(50)} for n in range(200)])),
    ("PATCH", "application/json-patch+json", _DOUBLING),
)


class Clients:
    def __init__(self, address: Address, seconds: float, seed: int) -> None:
        self._address = address
        self._ends = time.monotonic() + seconds
        self._random = Random(f"loris:{seed}")
        self.seen: Counter[str] = Counter()

    async def run(self) -> None:
        kinds: list[tuple[int, Callable[[int], Awaitable[None]]]] = [
            (_SLOW, self._slow),
            (_ABANDONED, self._abandoned),
            (_PIPELINED, self._pipelined),
            (_HUGE, self._huge),
            (_WIDE, self._wide),
        ]
        await asyncio.gather(*(self._again(kind, n) for count, kind in kinds for n in range(count)))

    async def _again(self, kind: Callable[[int], Awaitable[None]], number: int) -> None:
        while time.monotonic() < self._ends:
            with suppress(OSError, Gone, Hung):
                await kind(number)
            await asyncio.sleep(_PAUSE_SECONDS * (0.5 + self._random.random()))

    def _post(self, session: str, body: bytes, target: str = "/things") -> bytes:
        headers = [("X-Session-ID", session), ("Content-Type", "application/json")]
        return request_bytes("POST", target, headers, body)

    async def _slow(self, number: int) -> None:
        """Half of them stop within the head, half within a body of which most has come."""
        data = self._post(f"slow-{number % 8}", _BATCH)
        at = 40 if number % 2 else len(data) - 50
        _, writer = await asyncio.open_connection(*self._address)
        try:
            writer.write(data[:at])
            for byte in data[at : at + 49]:
                if time.monotonic() > self._ends or writer.transport.is_closing():
                    break
                writer.write(bytes([byte]))
                await asyncio.sleep(0.5)
        finally:
            writer.transport.abort()
        self.seen["slow"] += 1

    async def _abandoned(self, number: int) -> None:
        await wire.reset(self._address, self._post(f"abandoned-{number % 4}", _BATCH))
        self.seen["abandoned"] += 1

    async def _pipelined(self, number: int) -> None:
        """They are sent, and nothing is read for seconds."""
        one = request_bytes("GET", "/things?limit=50", [("X-Session-ID", f"abandoned-{number % 4}")])
        reader, writer = await asyncio.open_connection(*self._address, limit=1024)
        try:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(one * _PIPELINE)
            await asyncio.sleep(min(_HELD_SECONDS, max(self._ends - time.monotonic(), 0)))
        finally:
            reader.feed_eof()
            writer.transport.abort()
        self.seen["pipelined"] += 1

    async def _huge(self, number: int) -> None:
        body = self._random.choice(_HUGE_BODIES)
        await self._asked("huge", self._post(f"huge-{number % 2}", body, "/texts"))

    async def _wide(self, number: int) -> None:
        method, content_type, body = self._random.choice(_WIDE_BODIES)
        target = "/things/1" if method == "PATCH" else "/things"
        headers = [
            ("X-Session-ID", f"wide-{number}"),
            ("Content-Type", content_type),
            ("Connection", "close"),
        ]
        await self._asked("wide", request_bytes(method, target, headers, body))

    async def _asked(self, kind: str, data: bytes) -> None:
        head, _, rest = data.partition(b"\r\n")
        closing = data if b"Connection: close" in data else head + b"\r\nConnection: close\r\n" + rest
        for answer in await exchange(self._address, closing):
            self.seen[f"{kind} {answer.status}"] += 1


async def main() -> None:
    host, port, seconds, seed = sys.argv[1:]
    give_way(5)  # in earnest these would be other machines
    clients = Clients((host, int(port)), float(seconds), int(seed))
    await clients.run()
    sys.stdout.write(orjson.dumps(clients.seen).decode())


if __name__ == "__main__":
    asyncio.run(main())
