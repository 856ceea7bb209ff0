"""How hostile plan code ends, seen from outside: each way has its status, and nobody else notices.

The code has got past the policy already; what holds it is what stands behind the policy.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

from tests.e2e.inprocess import Served, serving
from tests.sandbox.programs import BYPASS
from wasm_runtime.limits import MIB

if TYPE_CHECKING:
    from pathlib import Path

    from tests.http.client import Answer
    from wasm_runtime.artifact import Artifact

OK = "REPLY = make_response(200, 1)"
DEEP = "x = []\nfor _ in range(200000):\n    x = [x]\n"
SLEEP = f'{BYPASS}load("time").sleep(60)\n{OK}'
#: Fuel that lasts for a small part of a second, and a clock that never comes into it.
LIMITS = {"fuel": 10**9, "wall_ms": 10_000, "memory_bytes": 128 * MIB}
#: A clock that is shorter than the fuel lasts, for what spends none.
CLOCK = {"fuel": 10**15, "wall_ms": 500, "kill_grace_ms": 250}


@frozen
class Ending:
    """A program, and the status and the problem type by which a client hears of its end."""

    name: str
    code: str
    status: int
    slug: str
    limits: dict[str, int] = LIMITS


ENDINGS = [
    Ending("loop", "while True:\n    pass", 504, "out-of-fuel"),
    Ending("clock", "while True:\n    pass", 504, "out-of-time", CLOCK),
    Ending("text", f'x = "x" * 10 ** 9\n{OK}', 500, "out-of-memory"),
    Ending("deep", f"{DEEP}REPLY = make_response(200, x == [x])", 500, "stack-exhausted"),
    Ending("deep-reply", f"{DEEP}REPLY = make_response(200, x)", 500, "stack-exhausted"),
    Ending("power", f"x = 10 ** 10 ** 8\n{OK}", 504, "out-of-fuel"),
    Ending("flood", 'while True:\n    print("x" * 1000)', 504, "out-of-fuel"),
    Ending("sleep", SLEEP, 504, "out-of-time", CLOCK),
    Ending("exit", f'{BYPASS}load("os")._exit(0)\n{OK}', 500, "guest-failed"),
    Ending("crash", "1 / 0", 500, "plan-failed"),
    Ending("no-reply", "x = 1", 500, "bad-reply"),
    Ending("large", 'REPLY = make_response(200, "x" * 2 * 10 ** 6)', 422, "reply-too-large"),
    Ending(
        "full",
        'while True:\n    store.insert({"x": "x" * 10 ** 5})',
        507,
        "storage-full",
        {**LIMITS, "session_disk_bytes": MIB},
    ),
]


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.name)
async def test_an_ending_is_its_own(guest_artifact: Artifact, tmp_path: Path, ending: Ending) -> None:
    """Its status and problem type, nothing of it stored, and the session's next request works.

    Meanwhile the health page says that all is well, and other sessions are served.
    """
    programs = {"attack": 'store.insert({"n": "lost"})\n' + ending.code}
    async with serving(tmp_path, programs, workers=2, **ending.limits) as served:
        await served.ask("POST", "/members", body=b'{"n": "kept"}')
        ended = asyncio.create_task(served.run("attack"))
        asked, others = await asyncio.gather(_healthy_until(served, ended), _others_are_served(served, ended))

        answer = ended.result()
        assert (answer.status, answer.json["type"]) == (ending.status, f"/_meta/problems/{ending.slug}")
        assert answer.headers["content-type"] == "application/problem+json"
        assert "lost" not in answer.body.decode()
        assert asked > 0
        assert others > 0
        assert await served.records() == [{"id": 1, "n": "kept"}]
        again = await served.ask("POST", "/members", body=b'{"n": "next"}')
        assert (again.status, again.json) == (201, {"id": 2, "n": "next"})


async def _healthy_until(served: Served, task: asyncio.Task[Answer]) -> int:
    """Ask for the health page until the task is done; how often it was 200, which is always."""
    times = 0
    while not task.done():
        answer = await served.ask("GET", "/healthz")
        assert (answer.status, answer.json["status"]) == (200, "ok")
        times += 1
    return times


async def _others_are_served(served: Served, task: asyncio.Task[Answer]) -> int:
    """A dozen sessions, on both workers, write and read while the task runs and after it."""
    sessions = [f"other-{number}" for number in range(12)]
    written = await asyncio.gather(*(served.ask("POST", "/members", at, b'{"n": 1}') for at in sessions))
    await asyncio.wait([task])
    assert {answer.status for answer in written} == {201}
    for session in sessions:
        assert await served.records(session) == [{"id": 1, "n": 1}]
    return len(sessions)


async def test_printing_is_cut_and_costs_nothing(guest_artifact: Artifact, tmp_path: Path) -> None:
    """A flood that ends is a success."""
    code = 'for _ in range(2000):\n    print("x" * 1000)\n' + OK
    async with serving(tmp_path, {"flood": code}, workers=1) as served:
        answer = await served.run("flood")

        assert (answer.status, answer.json) == (200, 1)


async def test_many_at_once_do_not_take_the_service_down(guest_artifact: Artifact, tmp_path: Path) -> None:
    """Every attack at the same time, each in its own session, three times over: all end, all else works."""
    programs = {ending.name: ending.code for ending in ENDINGS}
    limits = {"fuel": 3 * 10**8, "wall_ms": 1_000, "memory_bytes": 128 * MIB}
    async with serving(tmp_path, programs, workers=2, **limits) as served:
        await served.ask("POST", "/members", "good", b'{"n": 1}')
        for _ in range(3):
            endings = await asyncio.gather(*(served.run(name, f"bad-{name}") for name in programs))
            assert all(answer.status in {422, 500, 503, 504} for answer in endings), endings
            assert (await served.ask("GET", "/healthz")).status == 200
            assert await served.records("good") == [{"id": 1, "n": 1}]
        for name in programs:
            assert await served.records(f"bad-{name}") == []


async def test_what_a_plan_printed_or_raised_stays_inside(guest_artifact: Artifact, tmp_path: Path) -> None:
    """The text of an exception and what was printed reach no client."""
    code = 'print("secret-1")\nx = int("secret-2")'
    async with serving(tmp_path, {"talks": code}, workers=1) as served:
        answer = await served.run("talks")

        assert answer.status in {422, 500}
        assert b"secret" not in answer.body


@pytest.mark.parametrize("attack", ["sleep", "loop"])
async def test_a_killed_worker_s_other_sessions_keep_their_data(
    guest_artifact: Artifact, tmp_path: Path, attack: str
) -> None:
    """Sessions of the worker that had to be killed, before, meanwhile and after."""
    programs = {"sleep": SLEEP, "loop": "while True:\n    pass"}
    async with serving(tmp_path, programs, workers=1, **CLOCK) as served:
        await served.ask("POST", "/members", "other", b'{"n": 1}')
        (before,) = served.workers
        ended = asyncio.create_task(served.run(attack))
        assert await served.busy_worker() == before
        meanwhile = await served.ask("POST", "/members", "other", b'{"n": 2}')

        assert meanwhile.status == 201
        assert (await ended).status == 504
        assert [record["n"] for record in await served.records("other")] == [1, 2]
        (after,) = served.workers
        # The clock inside the worker ends a loop, if it is in time; a sleep ends with the worker alone.
        assert attack == "loop" or before != after
