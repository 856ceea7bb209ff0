"""Single flight: one piece of work a key, whoever comes, leaves or fails meanwhile."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.concurrency.single_flight import SingleFlight


class Refused(Exception):
    pass


class Work:
    """Waits for its gate, then answers or raises; counts what became of it.

    `slow_end`: the time its clean-up takes when it is cancelled, as an event.
    """

    def __init__(self, outcome: Any = "done", *, slow_end: asyncio.Event | None = None) -> None:
        self.outcome = outcome
        self.gate = asyncio.Event()
        self.slow_end = slow_end
        self.started = self.running = self.cancelled = self.most = 0

    async def __call__(self) -> Any:
        self.started += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            if self.slow_end is not None:
                # The limit is for a test that fails before it sets the event: it should fail, not hang.
                async with asyncio.timeout(1):
                    await self.slow_end.wait()
            raise
        finally:
            self.running -= 1
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


async def turns(count: int = 5) -> None:
    """Let everything that can run do so."""
    for _ in range(count):
        await asyncio.sleep(0)


async def waiters(flights: SingleFlight[str, Any], work: Work, count: int) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.create_task(flights.run("k", work)) for _ in range(count)]
    await turns()
    return tasks


async def test_one_work_for_all_who_ask_meanwhile() -> None:
    """A hundred requests of a shape never seen cost one call, and all get its plan."""
    flights, work = SingleFlight[str, Any](), Work()
    tasks = await waiters(flights, work, 100)
    work.gate.set()

    assert await asyncio.gather(*tasks) == ["done"] * 100
    assert work.started == 1
    assert len(flights) == 0


async def test_keys_do_not_wait_for_each_other() -> None:
    """Another fingerprint has its own call at once."""
    flights, stuck, free = SingleFlight[str, Any](), Work(), Work("free")
    [waiter] = await waiters(flights, stuck, 1)
    free.gate.set()

    assert await flights.run("other", free) == "free"
    stuck.gate.set()
    assert await waiter == "done"


async def test_nothing_is_remembered() -> None:
    """Who asks after the end has the work done again."""
    flights, work = SingleFlight[str, Any](), Work()
    work.gate.set()
    for _ in range(3):
        assert await flights.run("k", work) == "done"

    assert work.started == 3


async def test_an_exception_goes_to_all_who_waited() -> None:
    """And the next who asks starts anew."""
    flights, work = SingleFlight[str, Any](), Work(Refused("no"))
    tasks = await waiters(flights, work, 3)
    work.gate.set()

    assert await asyncio.gather(*tasks, return_exceptions=True) == [work.outcome] * 3
    assert work.started == 1
    with pytest.raises(Refused):
        await flights.run("k", work)
    assert work.started == 2


@pytest.mark.parametrize("leaver", [0, 1, 2], ids=["leader", "second", "last"])
async def test_one_who_leaves_cancels_nothing_for_the_others(leaver: int) -> None:
    """The work goes on for those who stay, also when the client that caused it has gone (T55)."""
    flights, work = SingleFlight[str, Any](), Work()
    tasks = await waiters(flights, work, 3)
    tasks[leaver].cancel()
    await turns()
    assert tasks[leaver].cancelled()
    work.gate.set()

    stayed = [task for number, task in enumerate(tasks) if number != leaver]
    assert await asyncio.gather(*stayed) == ["done", "done"]
    assert (work.started, work.cancelled) == (1, 0)


async def test_when_nobody_waits_the_work_ends() -> None:
    """The last to leave turns off the light."""
    flights, work = SingleFlight[str, Any](), Work()
    tasks = await waiters(flights, work, 3)
    for task in tasks:
        task.cancel()
        assert work.cancelled == 0
        await turns()

    assert (work.started, work.cancelled, work.running) == (1, 1, 0)
    assert len(flights) == 0


async def test_one_who_comes_after_the_last_left_has_new_work() -> None:
    """And never a cancellation that was meant for others."""
    flights, first, second = SingleFlight[str, Any](), Work("first"), Work("second")
    [leaver] = await waiters(flights, first, 1)
    second.gate.set()
    leaver.cancel()
    newcomer = asyncio.create_task(flights.run("k", second))

    assert await newcomer == "second"
    assert leaver.cancelled()
    assert first.cancelled == 1


async def test_one_at_a_time_also_while_work_winds_up() -> None:
    """New work waits for the end of what was cancelled, also if others gave up waiting for that before."""
    end = asyncio.Event()
    flights, work = SingleFlight[str, Any](), Work(slow_end=end)
    [first] = await waiters(flights, work, 1)
    first.cancel()
    await turns()
    [impatient] = await waiters(flights, work, 1)
    impatient.cancel()
    await turns()
    [patient] = await waiters(flights, work, 1)
    assert (work.started, work.running) == (1, 1)
    end.set()
    work.gate.set()

    assert await patient == "done"
    assert (work.started, work.most) == (2, 1)


@pytest.mark.parametrize("turns_before", [0, 1, 2])
async def test_a_caller_that_is_gone_at_once_leaves_nothing(turns_before: int) -> None:
    """However early it goes, no work runs on and no coroutine is left behind unawaited."""
    flights, work = SingleFlight[str, Any](), Work()
    task = asyncio.create_task(flights.run("k", work))
    await turns(turns_before)
    task.cancel()
    await turns()

    assert task.cancelled()
    assert (work.running, len(flights), len(flights._tasks)) == (0, 0, 0)


async def test_work_that_has_ended_is_not_joined() -> None:
    """Who asks after the end has new work, even in the turn of the end, before anybody is told of it."""
    flights = SingleFlight[str, Any]()
    first, second = Work("first"), Work("second")
    second.gate.set()
    [waiter] = await waiters(flights, first, 1)

    async def come_late() -> Any:
        await first.gate.wait()
        return await flights.run("k", second)

    # Wakes right after the work itself, and so before the work's own callbacks.
    newcomer = asyncio.create_task(come_late())
    await turns()
    first.gate.set()

    assert await waiter == "first"
    assert await newcomer == "second"


async def test_a_time_limit_of_one_is_not_the_others() -> None:
    """A caller with a deadline of its own leaves like any other."""
    flights, work = SingleFlight[str, Any](), Work()

    async def hurried() -> None:
        async with asyncio.timeout(0):
            await flights.run("k", work)

    [patient] = await waiters(flights, work, 1)
    with pytest.raises(TimeoutError):
        await hurried()
    work.gate.set()

    assert await patient == "done"


async def test_a_failure_that_nobody_took_is_not_logged_as_lost() -> None:
    """Work that raises while it winds up for want of callers is nobody's concern."""
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reports.append(context))
    flights = SingleFlight[str, Any]()
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
            raise Refused

    task = asyncio.create_task(flights.run("k", work))
    await turns()
    task.cancel()
    await turns()
    del task
    gc.collect()

    assert ended.is_set()
    assert reports == []


async def test_nothing_is_kept_of_keys_that_are_done() -> None:
    """A service that sees a million fingerprints holds none of them."""
    flights, work = SingleFlight[str, Any](), Work()
    work.gate.set()
    for number in range(50):
        await flights.run(f"k{number}", work)
    await turns()
    gc.collect()

    assert (len(flights), len(flights._locks), len(flights._tasks)) == (0, 0, 0)


STEPS = st.lists(
    st.sampled_from(["come", "leave first", "leave last", "finish", "fail", "turn"]), min_size=1, max_size=30
)


@given(steps=STEPS)
def test_any_history(steps: list[str]) -> None:
    """Never two at once, nobody who stays is cancelled, and all who stay are answered."""
    asyncio.run(_any_history(steps))


async def _any_history(steps: list[str]) -> None:
    flights, work = SingleFlight[str, Any](), Work()
    here: list[asyncio.Task[Any]] = []
    for step in steps:
        match step:
            case "come":
                here.append(asyncio.create_task(flights.run("k", work)))
            case "leave first" | "leave last" if here:
                here.pop(0 if step == "leave first" else -1).cancel()
            case "finish" | "fail":
                work.outcome = "done" if step == "finish" else Refused()
                work.gate.set()
                await asyncio.sleep(0)
                work.gate.clear()
            case _:
                await turns(2)
        assert work.most <= 1
    await turns()
    work.outcome = "done"
    work.gate.set()

    outcomes = await asyncio.gather(*here, return_exceptions=True)
    await turns()
    assert all(outcome == "done" or isinstance(outcome, Refused) for outcome in outcomes)
    assert work.most <= 1
    assert (work.running, len(flights), len(flights._tasks)) == (0, 0, 0)
