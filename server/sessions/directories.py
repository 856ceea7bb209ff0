"""The data root and its lock. Below it, workers make a directory a session.

The lock is `flock` on a file in the root. It belongs to the open file, so workers that inherit the
descriptor hold it as well: a new server can't start while a worker of an old one still writes, which
matters because SQLite in the guest has no locks of its own (`unix-none`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

LOCK_FILE = "lock"
#: Below it, sessions' files: all that workers see of the data root (server/record/process.py makes it).
CACHES = "caches"
#: With less on the disk than this, writes fail: see `server/record/keeper.py`.
_LEAST_FREE_BYTES = 4 * 1024 * 1024
#: As long as an old server may take to end its workers once it was told to stop.
LOCK_WAIT_SECONDS = 5.0


class DataRootError(Exception):
    """The data root cannot be used; the message is for the person who starts the service."""


class DataRootInUse(DataRootError):
    """Another service has the data root."""


class DataRoot:
    """A locked data root, made by `open`."""

    def __init__(self, path: Path, directory_fd: int, lock_fd: int) -> None:
        self.path = path
        #: Inheritable: to be handed to every worker, which then holds the lock too.
        self.lock_fd = lock_fd
        self._directory_fd = directory_fd

    @classmethod
    def open(cls, path: Path, *, lock_wait_seconds: float | None = None) -> Self:
        """Create the root (0700) if need be, and lock it, waiting for another server to end.

        Blocks for up to `lock_wait_seconds`. Raises DataRootError.
        """
        wait_seconds = LOCK_WAIT_SECONDS if lock_wait_seconds is None else lock_wait_seconds
        with contextlib.ExitStack() as undo:
            try:
                path = path.resolve()  # where links lead to: whoever works in it follows none
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                directory_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
                undo.callback(os.close, directory_fd)
                lock_fd = os.open(
                    LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=directory_fd
                )
                undo.callback(os.close, lock_fd)
            except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
                reason = getattr(error, "strerror", None) or "its links go round in a circle"
                raise DataRootError(f"The data root {path} cannot be used: {reason}.") from error
            if not _lock(lock_fd, wait_seconds):
                raise DataRootInUse(
                    f"The data root {path} is in use by another running service, or by its workers. "
                    "Stop that one, or give this one a data root of its own (SANDBOX_DATA_ROOT)."
                )
            os.set_inheritable(lock_fd, True)  # noqa: FBT003 - the function's name says what it is
            undo.pop_all()
        return cls(path, directory_fd, lock_fd)

    def is_writable(self) -> bool:
        return os.access(".", os.W_OK | os.X_OK, dir_fd=self._directory_fd)

    def is_full(self) -> bool:
        """Whether its disk is."""
        try:
            disk = os.statvfs(self._directory_fd)
        except OSError:
            return False
        return disk.f_bavail * disk.f_frsize < _LEAST_FREE_BYTES

    def close(self) -> None:
        """Give the lock back, as far as this process holds it."""
        os.close(self.lock_fd)
        os.close(self._directory_fd)


def _lock(descriptor: int, wait_seconds: float) -> bool:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)
        else:
            return True
