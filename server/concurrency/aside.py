"""Work in proportion to what a client sends or has stored, one piece at a time, beside the event loop.

One thread, because more of them would not get more done: the interpreter's lock is one, and each further
thread that wants it is another turn for which the event loop waits.

Whose piece is next goes by time used, as in `wasm_runtime.queues`: a session whose bodies take half a second
each waits for those of others, and others wait for one of its pieces at most.

Python's search for reference cycles holds that lock, too, and goes through all that a large body consists of,
again and again while it is made: up to a fifth of a second each time for 1 MiB of brackets. What is read here
has no cycles, so the search waits.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import OrderedDict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from time import thread_time_ns
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

#: A way to the thread and back takes a tenth of a millisecond, and so does reading as much JSON: but looking
#: for a fault at its end, or decoding it as a form, takes up to two. With 64 KiB on the loop, 16 clients held
#: up everybody for half a second.
INLINE_BYTES = 8_192
#: Whose work it is that operators' pages take.
OPERATORS = "operators"
_SWITCH_SECONDS = 0.001
#: Owners whose use is remembered; of more than these the oldest is forgiven.
_MAX_OWNERS = 4_096


@frozen(eq=False)
class _Piece:
    work: Callable[[], Any]
    result: Future[Any]


class FairThread:
    """One thread, for which owners take turns: a start-time fair queue.

    1. Each owner has a clock of the time that the thread has spent on its pieces. The one whose clock shows
       least is next; its own pieces keep their order.
    2. Who comes back after a while is set to the present, which is the clock of the last turn: nothing is
       saved up, and who has just used much still waits.

    Source: P. Goyal, H. Vin and H. Cheng, "Start-time Fair Queueing", SIGCOMM 1996; here with the cost known
    only afterwards.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="aside")
        self._waiting: OrderedDict[str, deque[_Piece]] = OrderedDict()
        self._clocks: OrderedDict[str, int] = OrderedDict()
        self._present = 0

    def add(self, owner: str, work: Callable[[], _T]) -> Future[_T]:
        """Have it done when its turn comes; a result that is cancelled before is not worked for."""
        result: Future[_T] = Future()
        with self._lock:
            if owner not in self._waiting:
                self._waiting[owner] = deque()
                self._set(owner, max(self._clocks.get(owner, 0), self._present))
            self._waiting[owner].append(_Piece(work, result))
        self._thread.submit(self._turn)
        return result

    def _turn(self) -> None:
        owner, piece = self._take()
        if not piece.result.set_running_or_notify_cancel():
            return
        began = thread_time_ns()
        try:
            done = _without_search(piece.work)
        except BaseException as error:  # noqa: BLE001  whoever waits for the result gets it
            piece.result.set_exception(error)
        else:
            piece.result.set_result(done)
        with self._lock:
            self._set(owner, self._clocks.get(owner, self._present) + thread_time_ns() - began)

    def _take(self) -> tuple[str, _Piece]:
        with self._lock:
            owner = min(self._waiting, key=lambda each: self._clocks.get(each, 0))
            self._present = max(self._present, self._clocks.get(owner, 0))
            queue = self._waiting[owner]
            piece = queue.popleft()
            if not queue:
                del self._waiting[owner]
        return owner, piece

    def _set(self, owner: str, clock: int) -> None:
        self._clocks[owner] = clock
        self._clocks.move_to_end(owner)
        if len(self._clocks) > _MAX_OWNERS:
            self._clocks.popitem(last=False)


_thread = FairThread()


async def aside(work: Callable[[], _T], owner: str) -> _T:
    """What `work` gives, or raises; `owner` is the session that it is done for, or a word for nobody's.

    It is not begun when nobody waits for it any more.
    """
    return await asyncio.wrap_future(_thread.add(owner, work))


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
