"""Work in proportion to what a client sends or has stored, one piece at a time, beside the event loop.

One thread, because more of them would not get more done: the interpreter's lock is one, and each further
thread that wants it is another turn for which the event loop waits.

Python's search for reference cycles holds that lock, too, and goes through all that a large body consists of,
again and again while it is made: up to a fifth of a second each time for 1 MiB of brackets. What is read here
has no cycles, so the search waits.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

#: Of JSON it takes some half a millisecond to read as much. A way to the thread and back takes a tenth.
INLINE_BYTES = 65_536
_SWITCH_SECONDS = 0.001
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="aside")


async def aside(work: Callable[[], _T]) -> _T:
    """What `work` gives, or raises. It is not begun when nobody waits for it any more."""
    return await asyncio.get_running_loop().run_in_executor(_thread, partial(_without_search, work))


def _without_search(work: Callable[[], _T]) -> _T:
    searches = gc.isenabled()
    gc.disable()
    try:
        return work()
    finally:
        if searches:
            gc.enable()


def prepare_process() -> None:
    """Have this process's event loop wait less for whatever else it does.

    1. It gets the interpreter's lock from the thread beside it after 1 ms, not after 5.
    2. All objects are looked through for cycles a hundredth as often as Python does. That is when there are a
       quarter more than before, which a few large bodies are. The young are looked through as ever, what a
       service has from its start on no more at all.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    young, middle, old = gc.get_threshold()
    gc.set_threshold(young, middle, old * 100)
