"""One piece of work per key at a time; who asks for the same meanwhile waits for its result.

The rule for callers that leave (T55):
1. The work belongs to all who wait for it, not to whoever came first. It runs in a task of its own, so a
   caller that is cancelled cancels nothing for the others, whoever it is.
2. It is cancelled when nobody waits any more.
3. Whoever asks after that gets work of its own, which starts when the cancelled one has ended: also while
   work winds up there is only one per key.
4. An outcome goes to those who waited for it, an exception as much as a result. Nothing is remembered.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakValueDictionary

from attrs import define

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


@define(eq=False)
class _Flight(Generic[V]):
    task: asyncio.Task[V]
    waiting: int = 0


class SingleFlight(Generic[K, V]):
    """For one event loop. Work that asks for its own key waits for itself, for ever."""

    def __init__(self) -> None:
        self._flights: dict[K, _Flight[V]] = {}
        #: Held by the work under way, and gone when no work of that key is left.
        self._locks: WeakValueDictionary[K, asyncio.Lock] = WeakValueDictionary()
        #: The loop itself keeps tasks by weak references only.
        self._tasks: set[asyncio.Task[V]] = set()

    async def run(self, key: K, work: Callable[[], Awaitable[V]]) -> V:
        """The outcome of `work`, or of the work already under way for this key.

        Raises what the work raised: the same exception object for all who waited.
        """
        flight = self._flights.get(key)
        if flight is None or flight.task.done():
            flight = self._start(key, work)
        flight.waiting += 1
        try:
            # Unlike awaiting the task, this leaves the task alone when the caller is cancelled.
            await asyncio.wait((flight.task,))
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                self._abandon(key, flight)
        return flight.task.result()

    def __len__(self) -> int:
        """How many keys have work that somebody waits for."""
        return len(self._flights)

    def _start(self, key: K, work: Callable[[], Awaitable[V]]) -> _Flight[V]:
        lock = self._locks.setdefault(key, asyncio.Lock())
        flight = _Flight(asyncio.get_running_loop().create_task(_alone(lock, work)))
        self._flights[key] = flight
        self._tasks.add(flight.task)
        flight.task.add_done_callback(lambda task: self._landed(key, flight, task))
        return flight

    def _abandon(self, key: K, flight: _Flight[V]) -> None:
        """Nobody waits for this flight: end it, unless it has ended."""
        if not flight.task.done():
            flight.task.cancel()
            self._remove(key, flight)

    def _landed(self, key: K, flight: _Flight[V], task: asyncio.Task[V]) -> None:
        self._tasks.discard(task)
        self._remove(key, flight)
        if not task.cancelled():
            # If nobody waits, the loop would otherwise log an exception that nobody took.
            task.exception()

    def _remove(self, key: K, flight: _Flight[V]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


async def _alone(lock: asyncio.Lock, work: Callable[[], Awaitable[V]]) -> V:
    async with lock:
        return await work()
