"""What a worker is doing right now, in memory that outlives it; and which of its jobs nobody wants any more.

The worker writes, the pool reads: while the worker runs, to see whether a run has gone on too long;
after its death, to know which requests it took down and which it had not begun. It costs a worker
no system call.

The pool writes which jobs it has withdrawn. In the stream of frames that word would stand behind all that
was sent before, and a worker that is in a run reads nothing. So it is here, and both ends agree on who was
first: the worker says what it is about to run and then looks whether it is withdrawn; the pool says what is
withdrawn and then looks whether it is run. At least one of them sees the other.

A job whose writes are on their way to the record is staged, with the version that they make of its session:
only the record can tell whether they are there, until its answer has been sent.

Layout, little-endian: u64 monotonic nanoseconds when the current call began (0: idle), u32 not used, u32
count of jobs in the current group, u64 current job, then the group's job ids; at 1,024 the u32 counts of
live and of spare guests; at 1,032 the u64 count of withdrawals. After the first page three tables of u64 job
ids: those withdrawn and those that have begun, each in the place that its remainder gives, and those staged,
each followed by its version.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_GROUP = 16
_HEAD = struct.Struct("<QIIQ")
_GUESTS = struct.Struct("<II")
_GUESTS_AT = 1_024
_WITHDRAWN = struct.Struct("<Q")
_WITHDRAWALS_AT = 1_032
_PLACES_AT = mmap.PAGESIZE
#: Jobs have ascending ids, so two that wait at the same time hardly ever share a place.
_PLACES = 65_536
_BEGUN_AT = _PLACES_AT + _PLACES * _WITHDRAWN.size
#: More than there ever are between the first that has begun and has no answer yet, and the last.
_BEGUN = 4_096
_STAGED_AT = _BEGUN_AT + _BEGUN * _WITHDRAWN.size
MAX_STAGED = 1_024
_STAGED = struct.Struct("<QQ")
#: Pages that nobody has written to take no memory.
_SIZE = _STAGED_AT + MAX_STAGED * _STAGED.size


@frozen
class Snapshot:
    """`started_ns` is CLOCK_MONOTONIC, which all processes of a machine share.

    `staged`: the version of its session that each job makes.
    """

    started_ns: int
    current: int
    group: tuple[int, ...]
    staged: dict[int, int]


def create() -> int:
    """A descriptor of a new cell, to be inherited by the worker."""
    fd = os.memfd_create("metaservice-worker")
    os.ftruncate(fd, _SIZE)
    return fd


class StatusCell:
    """The cell behind a descriptor, mapped."""

    def __init__(self, fd: int) -> None:
        self._memory = mmap.mmap(fd, _SIZE)
        self._fence = threading.Lock()
        #: The places of those staged, and those that are free.
        self._staged: dict[int, int] = {}
        self._free = list(range(MAX_STAGED))

    def group(self, jobs: list[int]) -> None:
        """A group is about to run."""
        struct.pack_into(f"<{len(jobs)}Q", self._memory, _HEAD.size, *jobs)
        _HEAD.pack_into(self._memory, 0, time.monotonic_ns(), 0, len(jobs), 0)

    def running(self, job: int) -> None:
        struct.pack_into("<Q", self._memory, 16, job)
        struct.pack_into("<Q", self._memory, 0, time.monotonic_ns())

    def idle(self) -> None:
        """Every job of the group has its answer, is staged, or waits for one that is."""
        _HEAD.pack_into(self._memory, 0, 0, 0, 0, 0)

    @property
    def staged(self) -> int:
        """How many there are; MAX_STAGED at most."""
        return len(self._staged)

    def stage(self, job: int, version: int) -> None:
        """What the job has written is about to be sent to the record, as this version of its session."""
        place = self._staged[job] = self._free.pop()
        _STAGED.pack_into(self._memory, _STAGED_AT + place * _STAGED.size, job, version)

    def answered(self, jobs: Iterable[int]) -> None:
        """Their answers have been sent."""
        for job in jobs:
            place = self._staged.pop(job, None)
            if place is not None:
                _STAGED.pack_into(self._memory, _STAGED_AT + place * _STAGED.size, 0, 0)
                self._free.append(place)

    def count_guests(self, live: int, spare: int) -> None:
        _GUESTS.pack_into(self._memory, _GUESTS_AT, live, spare)

    def guests(self) -> tuple[int, int]:
        """Live and spare guests, when the worker last had done something."""
        live, spare = _GUESTS.unpack_from(self._memory, _GUESTS_AT)
        return live, spare

    def place_of(self, job: int) -> int:
        """The job that was withdrawn last of those that share the place of this one; 0: none."""
        found: int = _WITHDRAWN.unpack_from(self._memory, _place(job))[0]
        return found

    def withdraw(self, job: int) -> bool:
        """Say that a job is not to begin. False: it may have begun, and the worker decides."""
        _WITHDRAWN.pack_into(self._memory, _place(job), job)
        _WITHDRAWN.pack_into(self._memory, _WITHDRAWALS_AT, self.withdrawals() + 1)
        self._pass_fence()
        begun: int = _WITHDRAWN.unpack_from(self._memory, _begun(job))[0]
        return begun != job

    def withdrawals(self) -> int:
        count: int = _WITHDRAWN.unpack_from(self._memory, _WITHDRAWALS_AT)[0]
        return count

    def is_withdrawn(self, job: int) -> bool:
        return self.place_of(job) == job

    def begin(self, jobs: list[int]) -> list[int]:
        """A group is about to run: those of it that may."""
        self.group(jobs)
        for job in jobs:
            _WITHDRAWN.pack_into(self._memory, _begun(job), job)
        self._pass_fence()
        return [job for job in jobs if not self.is_withdrawn(job)]

    def returned(self, jobs: Iterable[int]) -> None:
        """They have left no trace, and are to begin again."""
        for job in jobs:
            _WITHDRAWN.pack_into(self._memory, _begun(job), 0)

    def _pass_fence(self) -> None:
        """What was written before is seen before what is read after: a lock's atomic step does it."""
        with self._fence:
            pass

    def read(self) -> Snapshot:
        started, _, count, current = _HEAD.unpack_from(self._memory, 0)
        count = min(count, MAX_GROUP)
        group = struct.unpack_from(f"<{count}Q", self._memory, _HEAD.size)
        return Snapshot(started, current, group, self._all_staged())

    def started_ns(self) -> int:
        """When the current call began; 0: there is none."""
        started: int = _HEAD.unpack_from(self._memory, 0)[0]
        return started

    def _all_staged(self) -> dict[int, int]:
        entries = _STAGED.iter_unpack(self._memory[_STAGED_AT:_SIZE])
        return {job: version for job, version in entries if job}

    def close(self) -> None:
        self._memory.close()


def _place(job: int) -> int:
    return _PLACES_AT + job % _PLACES * _WITHDRAWN.size


def _begun(job: int) -> int:
    return _BEGUN_AT + job % _BEGUN * _WITHDRAWN.size
