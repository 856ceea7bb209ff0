"""Work that goes on to its end though its client leaves.

A request's handler is cancelled when its client has gone. What only waits is to end then; what is half-way
through a change is not.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

#: The loop itself keeps tasks by weak references only.
_under_way: set[asyncio.Task[Any]] = set()


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """The work's result. Raises what it raises, and CancelledError when the caller is cancelled meanwhile."""
    task = asyncio.get_running_loop().create_task(work)
    _under_way.add(task)
    task.add_done_callback(_done)
    return await asyncio.shield(task)


def _done(task: asyncio.Task[Any]) -> None:
    _under_way.discard(task)
    if not task.cancelled():
        task.exception()  # if the caller has gone, the loop would otherwise log that nobody took it
