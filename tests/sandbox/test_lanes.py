"""Sessions whose runs are long have a worker of their own: real ones, of one slot."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from tests.sandbox.test_pool import COUNT, INSERT, SLEEP, count, job, make_pool  # noqa: F401
from wasm_runtime import lanes
from wasm_runtime.limits import Limits
from wasm_runtime.outcome import Completed, OutOfTime, WorkerLost

if TYPE_CHECKING:
    from wasm_runtime.pool import WorkerPool
    from wasm_runtime.slot import Job, Slot

#: More fuel than a short run takes, and a write.
WORK = "n = 0\nfor i in range(1_000_000):\n    n += i\n" + INSERT


def lane_of(pool: WorkerPool) -> Slot | None:
    """The lane there is, when its worker is."""
    slots = [slot for slot in pool._lanes.slots if slot.ready.is_set()]
    return slots[0] if slots else None


async def until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def long(session: str = "long") -> Job:
    return job(WORK, session, body={"n": 1})


def quick(session: str = "quick") -> Job:
    return job(INSERT, session, body={"n": 1})


async def with_lane(pool: WorkerPool) -> Slot:
    """One that has the session `long`, as `quick` uses the slot, too."""
    home = pool._slots[0]
    async with asyncio.timeout(30):
        while pool._lanes.now("long", home) is home:
            for each in (quick(), long()):
                assert isinstance(await pool.run(each), Completed)
    lane = lane_of(pool)
    assert lane is not None
    return lane


async def test_others_do_not_wait_for_a_long_run(make_pool: Any) -> None:  # noqa: F811
    """It goes on until it is killed; they are served meanwhile, by the slot's own worker."""
    pool = await make_pool(Limits(wall_ms=60_000, fuel=10**12))
    lane = await with_lane(pool)
    endless = asyncio.ensure_future(pool.run(job(SLEEP, "long")))
    worker = lane._worker
    assert worker is not None
    await until(lambda: worker.cell.read().current)

    written = count(await pool.run(job(COUNT, "quick", read_only=True)))
    for _ in range(20):
        assert isinstance(await pool.run(quick()), Completed)

    assert count(await pool.run(job(COUNT, "quick", read_only=True))) == written + 20
    assert not endless.done()
    os.kill(worker.process.pid, signal.SIGKILL)
    assert await endless == WorkerLost(written=False)


async def test_a_session_takes_along_what_it_has(
    make_pool: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There and back, with writes under way all the time: each is there once, and reads see those before."""
    pool = await make_pool()
    home = pool._slots[0]
    written = 0

    async def write(first: Job) -> None:
        nonlocal written
        outcomes = await asyncio.gather(*(pool.run(one) for one in (first, quick("long"), quick())))
        assert all(isinstance(outcome, Completed) for outcome in outcomes)
        written += 2
        assert count(await pool.run(job(COUNT, "long", read_only=True))) == written

    async with asyncio.timeout(60):
        while pool._lanes.now("long", home) is home:
            await write(long())
        monkeypatch.setattr(lanes, "BACK_SECONDS", 0.3)
        while pool._lanes.now("long", home) is not home:
            await write(quick("long"))

    await write(quick("long"))


async def test_alone_it_keeps_its_place(make_pool: Any) -> None:  # noqa: F811
    pool = await make_pool()
    for _ in range(5):
        assert isinstance(await pool.run(long()), Completed)
    assert pool._lanes.slots == []
    assert pool.health()["pids"] == [pool._slots[0].pid]


async def test_a_large_request_is_long_and_one_below_is_not(make_pool: Any) -> None:  # noqa: F811
    pool = await make_pool()
    home = pool._slots[0]
    assert isinstance(await pool.run(quick()), Completed)
    assert isinstance(await pool.run(quick("other")), Completed)
    padded = job(COUNT, "large", read_only=True)

    def with_size(size: int) -> Job:
        return evolve(padded, request=padded.request, body=" " * (size - padded.size))

    assert pool._lanes.wanted(with_size(lanes.LONG_REQUEST), home) is home
    assert pool._lanes.slots == []
    assert pool._lanes.wanted(with_size(lanes.LONG_REQUEST + 1), home) is home  # its lane is still starting
    await until(lambda: lane_of(pool) is not None)
    assert pool._lanes.wanted(padded, home) is lane_of(pool)


@pytest.mark.parametrize("more", [0, 1])
async def test_fuel_says_who_is_long(make_pool: Any, more: int, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    pool = await make_pool()
    first = await pool.run(long())
    assert isinstance(first, Completed)
    monkeypatch.setattr(lanes, "LONG_FUEL", first.fuel - more)
    pool._lanes._long.clear()

    pool._lanes.ran("long", first)

    assert ("long" in pool._lanes._long) == bool(more)


async def test_a_session_that_runs_out_of_time_is_long(make_pool: Any) -> None:  # noqa: F811
    pool = await make_pool(Limits(wall_ms=200, kill_grace_ms=2_000))
    endless = job("while True:\n    pass", "long")
    assert isinstance(await pool.run(endless), OutOfTime)
    assert "long" in pool._lanes._long


async def test_a_lane_ends_when_nobody_is_long(make_pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """And there is another one when it is needed again."""
    pool = await make_pool()
    lane = await with_lane(pool)
    assert len(pool.health()["pids"]) == 2
    assert pool.health()["ready"] == pool.health()["configured"] == 1
    worker = lane._worker
    assert worker is not None

    with monkeypatch.context() as soon:
        soon.setattr(lanes, "BACK_SECONDS", 0.1)
        soon.setattr(lanes, "IDLE_SECONDS", 0.2)
        await until(worker.gone.is_set)
        await until(lambda: not pool._lanes._ending)

    assert pool.health()["pids"] == [pool._slots[0].pid]
    assert pool.health()["lost"] == 0
    assert await with_lane(pool) is not lane


async def test_without_lanes_nobody_moves(make_pool: Any) -> None:  # noqa: F811
    pool = await make_pool(lanes=False)
    for _ in range(5):
        for each in (quick(), long()):
            assert isinstance(await pool.run(each), Completed)
    assert pool._lanes.slots == []


async def test_a_lane_has_a_lower_priority_on_the_same_processor(make_pool: Any) -> None:  # noqa: F811
    pool = await make_pool()
    lane = await with_lane(pool)
    home = pool._slots[0]
    assert os.getpriority(os.PRIO_PROCESS, lane.pid) == os.getpriority(os.PRIO_PROCESS, home.pid) + 10
    assert os.sched_getaffinity(lane.pid) == os.sched_getaffinity(home.pid)
    groups = [Path(f"/proc/{slot.pid}/autogroup") for slot in (home, lane)]
    if all(group.exists() for group in groups):  # a kernel may be built without them
        assert [group.read_text().split()[-1] for group in groups] == ["0", "10"]


async def test_a_session_can_be_held_in_a_lane(make_pool: Any) -> None:  # noqa: F811
    """Nobody has its file open then, and it is still there afterwards."""
    pool = await make_pool()
    await with_lane(pool)
    before = count(await pool.run(job(COUNT, "long", read_only=True)))
    async with pool.hold("long"):
        waiting = asyncio.ensure_future(pool.run(long()))
        await pool.run(quick())
        assert not waiting.done()
    assert isinstance(await waiting, Completed)
    assert count(await pool.run(job(COUNT, "long", read_only=True))) == before + 1


async def test_a_worker_that_dies_takes_nothing_from_a_session_that_has_moved(make_pool: Any) -> None:  # noqa: F811
    """The slot's own worker had it before; the lane has it now."""
    pool = await make_pool()
    await with_lane(pool)
    before = count(await pool.run(job(COUNT, "long", read_only=True)))
    os.kill(pool._slots[0].pid, signal.SIGKILL)

    assert isinstance(await pool.run(quick()), Completed)
    for _ in range(3):
        assert isinstance(await pool.run(long()), Completed)

    assert count(await pool.run(job(COUNT, "long", read_only=True))) == before + 3


async def test_a_session_whose_client_leaves_meanwhile_is_served_on(make_pool: Any) -> None:  # noqa: F811
    pool = await make_pool()
    await with_lane(pool)
    assert isinstance(await pool.run(quick("leaves")), Completed)
    work = job(WORK, "leaves", body={"n": 1})
    pool._lanes._note("leaves")
    leaving = asyncio.ensure_future(pool.run(work))
    await asyncio.sleep(0)
    assert "leaves" in pool._held
    leaving.cancel()

    assert isinstance(await pool.run(quick("leaves")), Completed)
    assert count(await pool.run(job(COUNT, "leaves", read_only=True))) == 2
