"""What goes on to its end though its client leaves."""

from __future__ import annotations

import asyncio

import pytest

from server.concurrency.uninterrupted import uninterrupted


async def work(gate: asyncio.Event, done: list[str], error: Exception | None = None) -> str:
    await gate.wait()
    done.append("done")
    if error is not None:
        raise error
    return "result"


async def test_its_result_is_the_work_s() -> None:
    """Or what it raises."""
    gate = asyncio.Event()
    gate.set()

    assert await uninterrupted(work(gate, [])) == "result"
    with pytest.raises(ValueError, match="wrong"):
        await uninterrupted(work(gate, [], ValueError("wrong")))


@pytest.mark.parametrize("error", [None, ValueError("nobody hears of it")])
async def test_it_goes_on_when_its_caller_leaves(error: Exception | None) -> None:
    """The caller is cancelled at once, and nothing is said of how it ended."""
    gate, done = asyncio.Event(), list[str]()
    caller = asyncio.create_task(uninterrupted(work(gate, done, error)))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    gate.set()
    await asyncio.sleep(0.01)

    assert done == ["done"]
