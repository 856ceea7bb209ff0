"""Holding a session: nothing runs in it, nobody has its files open, and its requests come after."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.sandbox.test_pool import COUNT, INSERT, job, make_pool
from wasm_runtime.outcome import Completed, Overloaded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.keeper import ThreadKeeper
    from wasm_runtime.outcome import Outcome
    from wasm_runtime.pool import WorkerPool

__all__ = ["make_pool"]

SLOW = 'n = 0\nfor i in range(300_000):\n    n += i\nREPLY = make_response(201, store.insert({"n": n}))'
SEARCH = 'REPLY = make_response(200, len(store.search({"n": 5})))'
FILL = 'store.insert_many([{"n": n} for n in range(1_200)])\nREPLY = make_response(200, 1)'


def body(outcome: Outcome) -> bytes | None:
    assert isinstance(outcome, Completed), outcome
    return outcome.body


def open_files(pid: int, directory: Path) -> list[str]:
    """What a process has open below a directory."""
    found = (str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir())
    return [name for name in found if name.startswith(str(directory))]


async def test_a_held_session_is_closed_and_free_to_be_replaced(
    make_pool: Callable[..., Awaitable[WorkerPool]], keeper: ThreadKeeper
) -> None:
    """Jobs under way end first, no file is open within, and what comes after sees what was put in place."""
    pool = await make_pool()
    await pool.run(job(INSERT, body={"n": 1}))
    running = asyncio.create_task(pool.run(job(SLOW)))
    await asyncio.sleep(0)
    async with pool.hold("s1"):
        ended = running.done()
        (pid,) = pool.health()["pids"]
        left_open = open_files(pid, keeper.caches / "s1")
        after = asyncio.create_task(pool.run(job(COUNT, read_only=True)))
        other = await pool.run(job(COUNT, "s2", read_only=True))
        waits = not after.done()
        there = keeper.rows("s1").count("\np ") + keeper.rows("s1").startswith("p ")
        keeper.call("rewind", session="s1", to=1)

    assert body(await running) is not None
    assert ended
    assert left_open == []
    assert body(other) == b"0"
    assert waits
    assert there == 2
    assert body(await after) == b"1"


async def test_holds_of_one_session_come_one_after_the_other(
    make_pool: Callable[..., Awaitable[WorkerPool]],
) -> None:
    """Two who hold the same session are never in it together; another session is not waited for."""
    pool = await make_pool()
    inside: list[str] = []

    async def hold(session: str) -> None:
        async with pool.hold(session):
            assert session not in inside
            inside.append(session)
            await asyncio.sleep(0.01)
            inside.remove(session)

    await asyncio.gather(*(hold(session) for session in ("s1", "s1", "s2", "s1")))
    assert body(await pool.run(job(COUNT, read_only=True))) == b"0"


async def test_as_many_may_wait_as_the_settings_say(
    make_pool: Callable[..., Awaitable[WorkerPool]],
) -> None:
    """Requests of a held session wait up to `queue_per_session`; one more is refused at once."""
    pool = await make_pool(queue_per_session=2)
    async with pool.hold("s1"):
        waiting = [asyncio.create_task(pool.run(job(INSERT, body={"n": n}))) for n in range(2)]
        await asyncio.sleep(0)
        refused = await pool.run(job(INSERT, body={"n": 9}))

    assert isinstance(refused, Overloaded)
    assert [body(outcome) is not None for outcome in await asyncio.gather(*waiting)] == [True, True]
    assert body(await pool.run(job(COUNT, read_only=True))) == b"2"


async def test_a_worker_that_dies_has_let_go(make_pool: Callable[..., Awaitable[WorkerPool]]) -> None:
    """A hold does not hang on a worker that is killed while it is asked; the next one serves."""
    pool = await make_pool()
    await pool.run(job(INSERT, body={"n": 1}))
    (pid,) = pool.health()["pids"]
    os.kill(pid, signal.SIGSTOP)
    holding = asyncio.create_task(_held(pool))
    await asyncio.sleep(0.05)
    assert not holding.done()
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(20):
        await holding

    assert body(await pool.run(job(COUNT, read_only=True))) == b"1"


async def _held(pool: WorkerPool) -> None:
    async with pool.hold("s1"):
        pass


async def test_who_gives_up_leaves_nothing_held(make_pool: Callable[..., Awaitable[WorkerPool]]) -> None:
    """A hold that is cancelled, before or within, is over."""
    pool = await make_pool()
    running = asyncio.create_task(pool.run(job(SLOW)))
    await asyncio.sleep(0)
    holding = asyncio.create_task(_held(pool))
    await asyncio.sleep(0)
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding

    assert body(await running) is not None
    assert body(await pool.run(job(COUNT, read_only=True))) == b"1"


async def test_no_index_opens_a_held_session(
    make_pool: Callable[..., Awaitable[WorkerPool]], keeper: ThreadKeeper
) -> None:
    """Searches had asked for an index; the worker, idle now, does not make it in a session that is held."""
    pool = await make_pool()
    await pool.run(job(FILL))
    searches = [pool.run(job(SEARCH, read_only=True)) for _ in range(8)]
    await asyncio.gather(*searches)
    async with pool.hold("s1"):
        (pid,) = pool.health()["pids"]
        for _ in range(20):
            await pool.run(job(COUNT, "s2", read_only=True))
        assert open_files(pid, keeper.caches / "s1") == []
    assert body(await pool.run(job(SEARCH, read_only=True))) == b"1"


async def test_a_request_waits_only_so_long_for_the_end_of_a_hold(
    make_pool: Callable[..., Awaitable[WorkerPool]],
) -> None:
    """Beyond it, it is told so; the hold goes on."""
    pool = await make_pool(queue_seconds=0.1)
    async with pool.hold("s1"):
        assert await pool.run(job(COUNT, read_only=True)) == Overloaded("it has waited for 0.1 seconds")
