"""Runs the plan library on a thread of its own, so that the event loop never waits for a disk."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import structlog

from server.planning.learned.library_file import LibraryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.planning.learned.library import PlanLibrary

T = TypeVar("T")

_log = structlog.get_logger()


class LibraryThread:
    """The library on its own thread; what is handed over is done in that order. Owns the library."""

    def __init__(self, library: PlanLibrary) -> None:
        self._library = library
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="plan-library")
        self._closed = False

    async def run(self, work: Callable[[PlanLibrary], T]) -> T:
        """The result of `work`. Cancelled, it is no longer waited for, but done. Raises LibraryError."""
        if self._closed:
            raise LibraryError("the plan library is closed")
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, self._library)

    def post(self, work: Callable[[PlanLibrary], object]) -> None:
        """Have `work` done some time soon: for notes that no request needs to wait for."""
        if not self._closed:
            self._executor.submit(self._note, work)

    def _note(self, work: Callable[[PlanLibrary], object]) -> None:
        try:
            work(self._library)
        except LibraryError:
            _log.warning("plan library not written", exc_info=True)

    async def close(self) -> None:
        """Do what was handed over, then close the file. Further calls do nothing."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._executor, self._library.close)
        self._executor.shutdown()
