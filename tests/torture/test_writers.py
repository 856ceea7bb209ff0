"""The gate that keeps the kill loop's writers away while it looks."""

from __future__ import annotations

import asyncio

from tools.torture.writers import Gate


async def test_a_gate_that_is_shut_again_at_once_lets_nobody_count_as_parked_who_is_not() -> None:
    """Whoever has been told to go on has to come back before the check may begin."""
    gate = Gate()
    passed = []

    async def writer(number: int) -> None:
        while True:
            await gate.passing()
            passed.append(number)
            await asyncio.sleep(0)

    writers = [asyncio.create_task(writer(number)) for number in range(3)]
    await gate.all_parked(3)
    gate.open()
    gate.shut()
    await gate.all_parked(3)

    seen = len(passed)
    await asyncio.sleep(0.01)
    assert len(passed) == seen
    gate.open()
    while len(passed) < seen + 3:
        await asyncio.sleep(0)
    for task in writers:
        task.cancel()
    await asyncio.gather(*writers, return_exceptions=True)
