"""Copies the log into the file, beside the commits and not in them.

1. When the log has grown by ENOUGH_PAGES, a thread with a connection of its own copies it (PASSIVE), while
   commits go on at the log's end. What they add meanwhile is not copied, and so the log never begins anew.
2. So when the thread is done, and little is left to copy, the writer copies the rest itself, between two
   groups, and then the next commit begins the log anew.
3. How long the log is, its index says (`mxFrame`, https://sqlite.org/walformat.html): the file itself stays
   as long as it ever was. The index is kept open: to close it would drop SQLite's own locks on it (fcntl(2)).
4. Somebody else may hold the log (a backup, Litestream, which takes checkpoints over altogether): then less
   is copied than there is, which is told (`pages`, `copied`) and nothing is forced.

https://sqlite.org/wal.html, "Avoiding Excessively Large WAL Files"
"""

from __future__ import annotations

import os
import sqlite3
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from server.record import files

if TYPE_CHECKING:
    from pathlib import Path

ENOUGH_PAGES = 1_000
#: So many the writer copies itself: some milliseconds.
_REST_PAGES: Final = 400
COMMITS_BETWEEN_LOOKS = 16
_MAX_FRAME_OFFSET: Final = 16
_FRAME: Final = struct.Struct("=I")
#: `mxFrame`, and behind it `nPage`: how many pages the file has when all of the log is copied.
_SIZES: Final = struct.Struct("=II")


class Checkpoints:
    """To be considered by the writer after each transaction."""

    def __init__(self, path: Path, writing: sqlite3.Connection) -> None:
        """`writing` has read something already, so that the log's index is there.

        Raises sqlite3.Error, OSError.
        """
        self._writing = writing
        self._path = path
        self._copying = files.connect(path)
        self._index = os.open(path.with_name(f"{path.name}-shm"), os.O_RDONLY | os.O_CLOEXEC)
        self._thread: threading.Thread | None = None
        #: Pages in the log, and how many of them were copied, as the last checkpoint has told.
        self.pages = self.copied = 0
        #: Pages that were in the log when the last checkpoint was done.
        self._seen = 0
        self._commits = 0

    def consider(self) -> None:
        """Begin a checkpoint, or end one, if it is time to."""
        self._commits += 1
        if self._thread is not None:
            if not self._thread.is_alive():
                self._thread.join()
                self._thread = None
                self._finish()
        elif self._commits % COMMITS_BETWEEN_LOOKS == 0 and self._grown() >= ENOUGH_PAGES:
            self._thread = threading.Thread(target=self._copy, name="checkpoint")
            self._thread.start()

    @property
    def log_pages(self) -> int:
        """How many pages the log has now."""
        return int(_FRAME.unpack(os.pread(self._index, _FRAME.size, _MAX_FRAME_OFFSET))[0])

    @property
    def pending_bytes(self) -> int:
        """By how much the file grows when the log is copied into it. Raises OSError."""
        _, pages = _SIZES.unpack(os.pread(self._index, _SIZES.size, _MAX_FRAME_OFFSET))
        return max(0, int(pages) * files.PAGE_BYTES - self._path.stat().st_size)

    def _grown(self) -> int:
        now = self.log_pages
        if now < self._seen:
            self._seen = 0  # it has begun anew
        return now - self._seen

    def _copy(self) -> None:
        with suppress(sqlite3.Error):  # such as a full disk: the log keeps what it has
            _, self.pages, self.copied = self._copying.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def _finish(self) -> None:
        with suppress(sqlite3.Error):
            if self.log_pages - self.copied <= _REST_PAGES:
                found = self._writing.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                _, self.pages, self.copied = found
        self._seen = self.pages

    def close(self) -> None:
        """Before the connection that writes is closed, which copies what is left.

        `closed` is for after it.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._copying.close()

    def closed(self) -> None:
        """Nobody in this process has the record open any more."""
        os.close(self._index)
