"""Work in proportion to what a client sends or has stored, one piece at a time, beside the event loop.

One thread, because more of them would not get more done: the interpreter's lock is one, and each further
thread that wants it is another turn for which the event loop waits.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

#: Of JSON it takes some half a millisecond to read as much. A way to the thread and back takes a tenth.
INLINE_BYTES = 65_536
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="aside")


async def aside(work: Callable[[], _T]) -> _T:
    """What `work` gives, or raises. It is not begun when nobody waits for it any more."""
    return await asyncio.get_running_loop().run_in_executor(_thread, work)
