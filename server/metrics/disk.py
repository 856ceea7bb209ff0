"""How full the data root is."""

from __future__ import annotations

import asyncio
import shutil
import time
from typing import TYPE_CHECKING, Final

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.sessions.files import SessionFiles

#: Every session's directory is looked into; no more often than this, however often is asked.
REFRESH_SECONDS: Final = 60.0


@frozen
class Disk:
    """Bytes of the data root's file system, and of the sessions in it; and how many sessions there are."""

    free: int = 0
    total: int = 0
    sessions: int = 0
    session_bytes: int = 0


class DiskGauge:
    def __init__(self, files: SessionFiles, clock: Callable[[], float] = time.monotonic) -> None:
        self._files = files
        self._clock = clock
        self._sizes = (0, 0)
        self._due = float("-inf")
        self._reading = asyncio.Lock()

    async def read(self) -> Disk:
        """Free and total as they are; sessions as they were within `REFRESH_SECONDS`."""
        async with self._reading:
            if self._clock() >= self._due:
                self._sizes = await asyncio.to_thread(self._measure)
                self._due = self._clock() + REFRESH_SECONDS
        usage = shutil.disk_usage(self._files.root)
        return Disk(usage.free, usage.total, *self._sizes)

    def _measure(self) -> tuple[int, int]:
        count = size = 0
        for directory in self._files.names():
            try:
                size += self._files.entry(directory).size_bytes
            except OSError:
                continue  # it has gone meanwhile
            count += 1
        return count, size
