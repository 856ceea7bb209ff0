"""Requests that wait for a worker that is busy: whose clients leave, and how long they may."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.e2e.inprocess import Served, serving
from tests.http.client import Wire
from tools.http_corpus import request_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from wasm_runtime.artifact import Artifact

SPIN = {"spin": "while True:\n    pass"}
#: The clock ends it, after all that a test does meanwhile.
LONG = {"workers": 1, "fuel": 10**13, "wall_ms": 4_000}


def waiting(served: Served) -> int:
    executor: Any = served.service._executor
    return int(executor._in_all)


async def posts(served: Served, number: int, session: str) -> list[Wire]:
    """So many clients that have sent a record, and whose requests wait."""
    before = waiting(served)
    headers = [("X-Session-ID", session), ("Content-Type", "application/json")]
    wires = [await Wire.to(served.service.address) for _ in range(number)]
    for wire in wires:
        await wire.send(request_bytes("POST", "/members", headers, b'{"n":1}'))
    async with asyncio.timeout(3):
        while waiting(served) < before + number:
            await asyncio.sleep(0.005)
    return wires


async def test_abandoned_requests_are_not_run(guest_artifact: Artifact, tmp_path: Path) -> None:
    """Forty clients leave, in sessions of their own and in one; of what they sent, nothing is written."""
    async with serving(tmp_path, SPIN, **LONG) as served:
        spinning = asyncio.create_task(served.run("spin", "busy"))
        await served.busy_worker()
        left = [*await posts(served, 20, "s1"), *await posts(served, 20, "s2")]
        kept = await posts(served, 1, "s1")
        for wire in left:
            wire.reset()
        await asyncio.sleep(0.1)
        still_spinning = not spinning.done()
        answers = [await kept[0].answer(), await spinning]
        kept[0].reset()
        records = [await served.records(session) for session in ("s1", "s2")]

    assert still_spinning
    assert [answer.status for answer in answers] == [201, 504]
    assert records == [[{"id": 1, "n": 1}], []]


async def test_a_request_waits_only_so_long(guest_artifact: Artifact, tmp_path: Path) -> None:
    """It is told while the worker is still in another's run, with when to come again; it is not run later."""
    async with serving(tmp_path, SPIN, **LONG, queue_seconds=1) as served:
        spinning = asyncio.create_task(served.run("spin", "busy"))
        await served.busy_worker()
        refused = await served.ask("POST", "/members", "s1", b"{}")
        still_spinning = not spinning.done()
        await spinning
        records = await served.records("s1")

    assert still_spinning
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert refused.json["type"] == "/_meta/problems/overloaded"
    assert refused.json["detail"] == "The request was not started: it has waited for 1 seconds."
    assert records == []
