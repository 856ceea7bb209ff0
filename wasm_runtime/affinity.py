"""A worker keeps to one processor.

Wasmtime makes each operation on a file in a thread of its own while the one that runs the guest waits: two
threads that never have anything to do at the same time. On two processors each operation wakes one of them
from its sleep and lets the other fall into it, which takes longer than most operations; on one, the kernel
merely switches between them. Durable writes are a third to a half more a second for it (docs/performance.md).
"""

from __future__ import annotations

import os


def keep_to_one(slot: int) -> None:
    """Have this thread, and those it starts from now on, run on one of the processors it may use.

    Which one follows from the worker's slot, so that workers are spread. Where the system does not let
    a process choose, nothing happens: it is a matter of speed.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    usable = sorted(os.sched_getaffinity(0), reverse=True)  # the first is the one that most interrupts go to
    try:
        os.sched_setaffinity(0, {usable[slot % len(usable)]})
    except OSError:
        return
