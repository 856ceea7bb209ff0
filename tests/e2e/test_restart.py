"""What is acknowledged is there: after a stop, after a kill of the server, after a kill of a worker."""

from __future__ import annotations

import asyncio
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import TYPE_CHECKING

import pytest

from tests.e2e.inprocess import Served, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.client import Client
    from tests.e2e.conftest import StartService
    from wasm_runtime.artifact import Artifact

LONG = 'store.insert({"n": "long"})\nfor i in range(10 ** 9):\n    pass\nREPLY = make_response(201)'
SHORT = 'REPLY = make_response(201, store.insert({"n": "short"}))'


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_data_survives_the_server(start_service: StartService, end: str) -> None:
    """After SIGTERM or SIGKILL, a new start on the same data has every record, and the ids go on."""
    service = start_service()
    first = service.client("s1")
    first.create("/members", [{"name": "Alice"}, {"name": "Bob"}])
    first.delete("/members/2")
    service.client("s2").create("/members", {"id": "x", "deep": {"a": [1, None]}})
    getattr(service, end)()

    again = start_service()
    assert again.client("s1").read("/members")["items"] == [{"id": 1, "name": "Alice"}]
    assert again.client("s1").create("/members", {"name": "Eve"}) == {"id": 3, "name": "Eve"}
    assert again.client("s2").read("/members/x") == {"id": "x", "deep": {"a": [1, None]}}
    again.stop()


def test_what_was_acknowledged_survives_a_kill_under_load(start_service: StartService) -> None:
    """SIGKILL amid inserts of pairs: every acknowledged pair is there, and no half of any other."""
    service = start_service()
    with ThreadPoolExecutor(4) as threads:
        writers = [threads.submit(_insert_pairs, service.client(f"s{number}")) for number in range(4)]
        _wait_for_records(service.client("s0"), 20)
        service.kill()
    acknowledged = [writer.result() for writer in writers]

    again = start_service()
    for number, pairs in enumerate(acknowledged):
        stored = [record["pair"] for record in again.client(f"s{number}").read("/members")["items"]]
        # The one that was under way when the kill came may be there, unacknowledged.
        assert stored in ([n for n in range(count) for _ in "ab"] for count in (pairs, pairs + 1))
    again.stop()


def _insert_pairs(client: Client) -> int:
    """Insert pairs until the service is gone; how many were acknowledged."""
    number = 0
    while True:
        try:
            client.create("/members", [{"pair": number}, {"pair": number}])
        except (OSError, HTTPException):
            return number
        number += 1


def _wait_for_records(client: Client, count: int) -> None:
    while client.read("/members?limit=0")["page"]["total"] < count:
        pass


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_killed_worker_costs_its_request_and_nothing_else(
    guest_artifact: Artifact, tmp_path: Path, workers: int
) -> None:
    """The request under way is a 503 and undone; those that wait, in its session and in others, succeed."""
    async with serving(tmp_path, {"long": LONG, "short": SHORT}, workers=workers, wall_ms=60_000) as served:
        sessions = ["s1", "s1", "s2", "s3", "s4"]
        for session in sessions:
            assert (await served.run("short", session)).status == 201
        under_way = asyncio.create_task(served.run("long"))
        await served.busy_worker()
        waiting = [asyncio.create_task(served.run("short", session)) for session in sessions]
        await asyncio.sleep(0.05)
        for worker in served.workers:
            os.kill(worker, signal.SIGKILL)

        lost = await under_way
        assert (lost.status, lost.json["type"]) == (503, "/_meta/problems/worker-lost")
        assert lost.headers["retry-after"] == "1"
        assert [answer.status for answer in await asyncio.gather(*waiting)] == [201] * len(sessions)
        assert (await served.run("short")).status == 201
        assert [record["n"] for record in await served.records()] == ["short"] * 5
        for session in ("s2", "s3", "s4"):
            assert [record["n"] for record in await served.records(session)] == ["short"] * 2
        await served.all_are_ready()
        assert len(served.workers) == workers


async def test_a_request_under_way_is_answered_at_the_end(guest_artifact: Artifact, tmp_path: Path) -> None:
    """A service that is told to stop takes nothing new, but finishes what it has begun, and keeps it."""
    while_long = 'store.insert({"n": "long"})\nfor i in range(10 ** 7):\n    pass\nREPLY = make_response(201)'
    async with serving(tmp_path, {"long": while_long}, workers=1) as served:
        under_way = asyncio.create_task(served.run("long"))
        await served.busy_worker()
        await served.service.close()

        assert (await under_way).status == 201
        assert served.workers == []
    async with serving(tmp_path, {}, workers=1) as served:
        assert await served.records() == [{"id": 1, "n": "long"}]


async def test_an_insert_is_there_once_or_not_at_all(guest_artifact: Artifact, tmp_path: Path) -> None:
    """Workers killed again and again amid inserts: 201 means once, 503 means at most once."""
    async with serving(tmp_path, {}, workers=2) as served:
        killing = asyncio.create_task(_kill_workers(served, times=6))
        statuses: dict[tuple[str, int], int] = {}
        writers = [_insert(served, f"s{number % 4}", number, killing, statuses) for number in range(12)]
        await asyncio.gather(killing, *writers)

        # What was not being committed has run again: only a commit that was cut short is in doubt.
        assert {201} <= set(statuses.values()) <= {201, 503}
        for session in ("s0", "s1", "s2", "s3"):
            stored = [record["key"] for record in await served.records(session)]
            sent = {key: status for (at, key), status in statuses.items() if at == session}
            assert len(stored) == len(set(stored))
            assert {key for key, status in sent.items() if status == 201} <= set(stored) <= set(sent)


async def _kill_workers(served: Served, *, times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0.4)
        os.kill(await served.busy_worker(), signal.SIGKILL)


async def _insert(
    served: Served,
    session: str,
    first: int,
    until: asyncio.Task[None],
    statuses: dict[tuple[str, int], int],
) -> None:
    """Insert records with keys of one's own until a task is done, and note each status."""
    key = first
    while not until.done():
        answer = await served.ask("POST", "/members", session, b'{"key": %d}' % key)
        statuses[session, key] = answer.status
        key += 1_000
