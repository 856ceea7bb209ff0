"""What replay.lua does, in Python: ``python -m tools.bench.replay PORT CONNECTIONS SECONDS FILE``.

For machines without wrk. FILE is a JSON list of raw requests.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from tools.bench.workloads import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator


class Report(TypedDict):
    """As in `load.Sent`."""

    requests: int
    seconds: float
    errors: int
    p50: float
    p95: float
    p99: float


async def replay(port: int, connections: int, seconds: float, requests: list[bytes]) -> Report:
    started = time.perf_counter()
    endless = numbered(itertools.cycle(requests))
    clients = [_client(port, started + seconds, endless) for _ in range(connections)]
    replies = [reply for client in await asyncio.gather(*clients) for reply in client]
    taken = [milliseconds for _, milliseconds in replies]
    cuts = statistics.quantiles(taken, n=100, method="inclusive") if len(taken) > 1 else taken * 99
    return Report(
        requests=len(replies),
        seconds=time.perf_counter() - started,
        errors=sum(status >= 400 for status, _ in replies),
        p50=cuts[49],
        p95=cuts[94],
        p99=cuts[98],
    )


async def _client(port: int, until: float, requests: Iterator[bytes]) -> list[tuple[int, float]]:
    """Status and milliseconds of each reply; one request at least."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    replies: list[tuple[int, float]] = []
    while not replies or time.perf_counter() < until:
        sent = time.perf_counter()
        writer.write(next(requests))
        status = await _reply(reader)
        replies.append((status, (time.perf_counter() - sent) * 1e3))
    writer.close()
    await writer.wait_closed()
    return replies


async def _reply(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    _, _, length = head.partition("content-length:")
    await reader.readexactly(int(length.partition("\r\n")[0] or 0))
    return int(head.split(maxsplit=2)[1])


def main() -> None:
    port, connections, seconds, path = sys.argv[1:]
    requests = [text.encode() for text in json.loads(Path(path).read_text())]
    report = asyncio.run(replay(int(port), int(connections), float(seconds), requests))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
