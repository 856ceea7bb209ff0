"""Which processors the service's processes keep to, and who goes first there.

1. A worker keeps to one. Wasmtime makes each operation on a file in a thread of its own while the one that
   runs the guest waits: two threads that never have anything to do at the same time. On two processors each
   operation wakes one of them from its sleep and lets the other fall into it, which takes longer than most
   operations; on one, the kernel merely switches between them.
2. Whoever talks to workers keeps off their processors, if there are others. The kernel likes to wake a
   process where the one that wakes it runs, and a worker cannot move away: the two then take turns on one
   processor, with another one idle.

Where the system does not let a process choose, nothing happens: it is a matter of speed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path


@cache
def usable() -> tuple[int, ...]:
    """The processors that this process was left when it first asked, in the order in which workers take them.

    Most interrupts go to the first one of a machine: it comes last.
    """
    return tuple(sorted(os.sched_getaffinity(0), reverse=True)) if _can_choose() else ()


def keep_to_one(slot: int, processors: tuple[int, ...]) -> None:
    """Have this thread, and those it starts from now on, run on the processor of a worker's slot."""
    if _can_choose() and processors:
        _keep_to(0, {processors[slot % len(processors)]})


def keep_off(workers: int, process: int = 0) -> None:
    """Have a process's main thread (0: this one), and what it starts, leave workers alone on theirs."""
    others = usable()[workers:]
    if others:
        _keep_to(process, set(others))


def _can_choose() -> bool:
    return hasattr(os, "sched_setaffinity")


def _keep_to(process: int, processors: set[int]) -> None:
    with suppress(OSError):
        os.sched_setaffinity(process, processors)


def give_way(niceness: int) -> None:
    """Have this process wait for others that want its processor, the more the higher the niceness (sched(7)).

    A process with a session of its own (setsid(2)) is a group of its own to Linux's autogroups, and competes
    as a group: that has a niceness, too.
    """
    if not niceness:
        return
    os.nice(niceness)
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(niceness))
