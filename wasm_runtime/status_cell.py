"""What a worker is doing right now, in memory that outlives it.

The worker writes, the pool reads: while the worker runs, to see whether a run has gone on too long;
after its death, to know which requests it took down and which it had not begun. It costs a worker
no system call.

Layout, little-endian: u64 monotonic nanoseconds when the current call began (0: idle), u32 phase,
u32 count of jobs in the current group, u64 current job, then the group's job ids; at 1,024 the u32 counts
of live and of spare guests.
"""

from __future__ import annotations

import mmap
import os
import struct
import time

from attrs import frozen

MAX_GROUP = 16
_HEAD = struct.Struct("<QIIQ")
_GUESTS = struct.Struct("<II")
_GUESTS_AT = 1_024
_SIZE = mmap.PAGESIZE

IDLE, RUNNING, COMMITTING = range(3)


@frozen
class Snapshot:
    """`started_ns` is CLOCK_MONOTONIC, which all processes of a machine share."""

    started_ns: int
    phase: int
    current: int
    group: tuple[int, ...]


def create() -> int:
    """A descriptor of a new cell, to be inherited by the worker."""
    fd = os.memfd_create("metaservice-worker")
    os.ftruncate(fd, _SIZE)
    return fd


class StatusCell:
    """The cell behind a descriptor, mapped."""

    def __init__(self, fd: int) -> None:
        self._memory = mmap.mmap(fd, _SIZE)

    def group(self, jobs: list[int]) -> None:
        """A group is about to run; nothing of it is committed."""
        struct.pack_into(f"<{len(jobs)}Q", self._memory, _HEAD.size, *jobs)
        _HEAD.pack_into(self._memory, 0, time.monotonic_ns(), RUNNING, len(jobs), 0)

    def running(self, job: int) -> None:
        struct.pack_into("<Q", self._memory, 16, job)
        struct.pack_into("<Q", self._memory, 0, time.monotonic_ns())

    def committing(self) -> None:
        """From here until `idle`, whether the group is on disk is not known from outside."""
        struct.pack_into("<QI", self._memory, 0, time.monotonic_ns(), COMMITTING)

    def idle(self) -> None:
        """Every answer of the group has been sent."""
        _HEAD.pack_into(self._memory, 0, 0, IDLE, 0, 0)

    def count_guests(self, live: int, spare: int) -> None:
        _GUESTS.pack_into(self._memory, _GUESTS_AT, live, spare)

    def guests(self) -> tuple[int, int]:
        """Live and spare guests, when the worker last had done something."""
        live, spare = _GUESTS.unpack_from(self._memory, _GUESTS_AT)
        return live, spare

    def read(self) -> Snapshot:
        started, phase, count, current = _HEAD.unpack_from(self._memory, 0)
        count = min(count, MAX_GROUP)
        group = struct.unpack_from(f"<{count}Q", self._memory, _HEAD.size)
        return Snapshot(started, phase, current, group)

    def close(self) -> None:
        self._memory.close()
