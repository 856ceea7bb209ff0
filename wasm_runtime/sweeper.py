"""Looks through the data root, a little at a time: removes what has expired, and adds up what there is.

1. A worker removes only sessions of its own, between two turns, and none that has a live guest or a request
   in its queue: nobody else opens their files, so there is no moment at which one could be in use.
2. A session was last used when its directory or its files were last changed. A worker sets its directory's
   time when it opens a session, and at each pass while it is open; so reading counts, too.
3. Removing is a rename, on disk before anything is deleted. What a crash leaves, the next pass deletes.
4. A step looks at a fixed number of directories, whatever the number of sessions.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from attrs import frozen

from wasm_runtime import session_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: Directories in one step: about a millisecond.
_STEP = 32
#: Between steps of one pass, so that under load a pass takes a small part of the worker's time.
_PAUSE_SECONDS = 0.05
#: Between passes: as late as this the disk is found to be full, or a session to have expired.
_PASS_SECONDS = {True: 5.0, False: 60.0}


@frozen
class Retention:
    """How long sessions are kept, and how large all of them together may become; 0: without end."""

    expire_seconds: float = 0.0
    total_bytes: int = 0


class Sweeper:
    """The passes of one worker. `owns` tells its sessions from others', `in_use` those it must not touch."""

    def __init__(
        self,
        root: Path,
        retention: Retention,
        *,
        owns: Callable[[str], bool],
        in_use: Callable[[str], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._root = root
        self._retention = retention
        self._asked = retention != Retention()
        self._owns = owns
        self._in_use = in_use
        self._clock = clock
        self._entries: Iterator[os.DirEntry[str]] | None = None
        self._total = 0
        self._next = time.monotonic()
        #: Whether all sessions together have reached their limit, as of the last pass.
        self.full = False

    def wait(self) -> float:
        """Seconds until there is something to do; 0 when it is due, infinite where nothing is asked for."""
        if not self._asked:
            return float("inf")
        return max(self._next - time.monotonic(), 0.0)

    def step(self) -> bool:
        """Look at the next directories; whether this pass has more of them. What fails is tried again."""
        more = False
        with suppress(OSError):
            more = self._look()
        if not more:
            self._entries = None
        pause = _PAUSE_SECONDS if more else _PASS_SECONDS[self._retention.total_bytes > 0]
        self._next = time.monotonic() + pause
        return more

    def _look(self) -> bool:
        if self._entries is None:
            self._entries, self._total = os.scandir(self._root), 0
        for _ in range(_STEP):
            entry = next(self._entries, None)
            if entry is None:
                self.full = 0 < self._retention.total_bytes <= self._total
                return False
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    self._directory(entry)
        return True

    def _directory(self, entry: os.DirEntry[str]) -> None:
        session, dot, _ = entry.name.partition(".")
        mine = self._owns(session)
        if mine and entry.name == f"{session}{session_files.REMOVED}":
            session_files.delete(self._root, entry.name)
        elif mine and not dot and self._in_use(session):
            self._use(entry)
        elif mine and not dot and self._has_expired(entry):
            session_files.remove(self._root, session)
            return
        if self._retention.total_bytes:
            self._total += sum(found.st_size for found in session_files.stats(entry.path))

    def _use(self, entry: os.DirEntry[str]) -> None:
        now = self._clock()
        os.utime(entry.path, (now, now), follow_symlinks=False)

    def _has_expired(self, entry: os.DirEntry[str]) -> bool:
        if not self._retention.expire_seconds:
            return False
        times = [found.st_mtime for found in session_files.stats(entry.path)]
        last_used = max(entry.stat(follow_symlinks=False).st_mtime, *times, 0.0)
        return last_used + self._retention.expire_seconds < self._clock()
