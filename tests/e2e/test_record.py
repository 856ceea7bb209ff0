"""Writes go to the record: through its keeper's end, and with nothing written on the way."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tests.e2e.inprocess import Served, serving
from tools.processes import workers_of
from tools.torture.at_rest import untrue_files

if TYPE_CHECKING:
    from tests.http.client import Answer

pytestmark = pytest.mark.usefixtures("guest_artifact")


async def send(served: Served, method: str, target: str, body: Any = None, session: str = "s1") -> Answer:
    return await served.ask(method, target, session, None if body is None else orjson.dumps(body))


def keeper(served: Served) -> int:
    return served.service._keeper.pid


async def test_the_keepers_end_costs_no_request_anything(tmp_path: Path) -> None:
    """kill -9, again and again, under writers of several sessions: all are answered, and written once."""
    async with serving(tmp_path, {}, workers=2) as served:
        sessions = [f"s{n}" for n in range(4)]

        written = 0

        async def write(session: str) -> None:
            nonlocal written
            for n in range(40):
                answer = await send(served, "POST", "/members", {"n": n}, session)
                assert (answer.status, answer.json) == (201, {"id": n + 1, "n": n})
                written += 1
                if written in {10, 60, 110}:  # the others' are on their way
                    os.kill(keeper(served), signal.SIGKILL)

        await asyncio.gather(*map(write, sessions))
        assert served.service._keeper.lost == 3
        for session in sessions:
            assert len(await served.records(session)) == 40
    assert await untrue_files(tmp_path) == (4, [])


async def test_a_keeper_that_says_nothing_leaves_a_write_in_doubt(tmp_path: Path) -> None:
    """After some seconds the client is told so; what was written is there afterwards, once."""
    async with serving(tmp_path, {}, workers=1) as served:
        assert (await send(served, "POST", "/members", {"n": 0})).status == 201
        pid = keeper(served)
        os.kill(pid, signal.SIGSTOP)
        doubtful = await send(served, "POST", "/members", {"n": 1})
        os.kill(pid, signal.SIGCONT)
        after = await send(served, "POST", "/members", {"n": 2})

        assert (doubtful.status, doubtful.json["type"]) == (503, "/_meta/problems/not-confirmed")
        assert after.status == 201
        assert [record["n"] for record in await served.records()] in ([0, 1, 2], [0, 2])


async def test_reads_go_on_without_a_keeper(tmp_path: Path) -> None:
    """Of sessions that a guest has: nothing that they see waits for the record."""
    async with serving(tmp_path, {}, workers=1) as served:
        await send(served, "POST", "/members", {"n": 0})
        pid = keeper(served)
        os.kill(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(3):
                for _ in range(10):
                    assert (await send(served, "GET", "/members/1")).status == 200
        finally:
            os.kill(pid, signal.SIGCONT)


async def test_a_hot_guest_writes_nothing(tmp_path: Path) -> None:
    """What its session writes goes over a socket to the keeper: no write call of the worker's is for it."""
    async with serving(tmp_path, {}, workers=1, spare_guests=0) as served:
        for n in range(50):
            await send(served, "POST", "/members", {"n": n})
        (pid,) = workers_of(os.getpid())
        before = _write_calls(pid)
        for n in range(100):
            await send(served, "POST", "/members", {"n": n})
            await send(served, "PATCH", f"/members/{n + 1}", {"n": n + 1})
            await send(served, "DELETE", f"/members/{n + 1}")
            await send(served, "GET", f"/members/{n + 2}")

        assert _write_calls(pid) == before


async def test_what_a_keeper_dies_over_is_asked_of_the_next(tmp_path: Path) -> None:
    """What the service itself asks for a session's first request: nothing was written, nobody is refused."""
    async with serving(tmp_path, {}, workers=1) as served:
        pid = keeper(served)
        os.kill(pid, signal.SIGSTOP)
        asking = asyncio.ensure_future(send(served, "GET", "/members", session="new"))
        while not served.service._keeper._asked:
            await asyncio.sleep(0.001)
        os.kill(pid, signal.SIGKILL)

        assert (await asking).status == 200


async def until_handed_over(served: Served) -> int:
    """Until the one worker has sent what it wrote to the keeper, which does not read it; the worker."""
    (slot,) = served.service._executor._slots  # type: ignore[attr-defined]
    while not slot._worker.cell.read().staged or _state(slot.pid) != "S":
        await asyncio.sleep(0.001)
    return int(slot.pid)


def _state(pid: int) -> str:
    """Of a process: S where it waits (proc(5), stat)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def test_what_a_dead_worker_has_got_into_the_record_is_told(tmp_path: Path) -> None:
    """Its answer is gone with it; that it was written is known."""
    async with serving(tmp_path, {}, workers=1) as served:
        assert (await send(served, "POST", "/members", {"n": 0})).status == 201
        pid = keeper(served)
        os.kill(pid, signal.SIGSTOP)
        writing = asyncio.ensure_future(send(served, "POST", "/members", {"n": 1}))
        os.kill(await until_handed_over(served), signal.SIGKILL)
        os.kill(pid, signal.SIGCONT)
        answer = await writing

        assert (answer.status, answer.json["type"]) == (503, "/_meta/problems/worker-lost")
        assert "it was written" in answer.json["detail"]
        assert [record["n"] for record in await served.records()] == [0, 1]


async def test_what_a_dead_worker_has_not_got_into_the_record_runs_again(tmp_path: Path) -> None:
    """The keeper dies with it, and has read nothing: the client is answered, and it is written once."""
    async with serving(tmp_path, {}, workers=1) as served:
        assert (await send(served, "POST", "/members", {"n": 0})).status == 201
        pid = keeper(served)
        os.kill(pid, signal.SIGSTOP)
        writing = asyncio.ensure_future(send(served, "POST", "/members", {"n": 1}))
        os.kill(await until_handed_over(served), signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        answer = await writing

        assert (answer.status, answer.json) == (201, {"id": 2, "n": 1})
        assert [record["n"] for record in await served.records()] == [0, 1]


def _write_calls(pid: int) -> int:
    """Of a process, to files of any kind; what is sent over a socket does not count (proc(5), io)."""
    found = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(found["syscw"])
