"""Sessions' files on disk: which of them are the record's, and where they are put.

1. A file is valid if this keeper was told that it was closed soundly at the head that the record still has,
   and nobody has touched it since: its size, inode and times are the same. All others are deleted unread. The
   time of its last change of any kind (ctime) is taken here, when that is heard: nobody can set it.
2. What an orderly stop leaves is written down in the record, and taken out again before it is believed; so
   after any other end nothing is.
3. A session's directory is its guest's, which may have left anything in it. So a file is made outside, and
   renamed into it; a directory that is in the way, or a link, is moved aside whole.
4. What is nobody's goes first when the disk is full: files that an earlier life of the keeper has left. Then
   those of the shelf, the longest closed first. One that was not closed soundly goes at once.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from store.keeper_wire import Closed, Head

DATABASE: Final = "store.db"
_JOURNAL: Final = "store.db-journal"
ADOPTED: Final = ".adopted"
SCRATCH: Final = "scratch-"
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@frozen
class Kept:
    """A file that was closed; `since` when (Unix time); `ctime_ns`, in nanoseconds, 0: it is gone already."""

    closed: Closed
    since: float
    ctime_ns: int


class Shelf:
    """The files that no guest has open, those closed first at the front. May raise OSError."""

    def __init__(
        self, root: Path, kept: Iterable[tuple[Closed, int]] = (), *, scratch: Path | None = None
    ) -> None:
        """`root` has a directory for each session; what is being made is in `scratch`, on the same disk.

        `kept`: what the shelf of an orderly stop had, with its ctimes.
        """
        self.root = root
        self._scratch = scratch or root
        now = time.time()
        self._kept = OrderedDict((closed.session, Kept(closed, now, ctime)) for closed, ctime in kept)
        #: Directories that were there before, of which nobody has told what is in them.
        self._untold = dict.fromkeys(name for name in os.listdir(root) if name not in self._kept)  # noqa: PTH208

    def __iter__(self) -> Iterator[Kept]:
        return iter(self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, session: object) -> bool:
        return session in self._kept

    def keep(self, closed: Closed) -> None:
        """A file was closed; all its numbers 0: not soundly."""
        self._kept.pop(closed.session, None)
        if closed.inode:
            self._kept[closed.session] = Kept(closed, time.time(), self._ctime_ns(closed.session))
        else:
            self.clear(closed.session)

    def _ctime_ns(self, session: str) -> int:
        try:
            return (self.root / session / DATABASE).lstat().st_ctime_ns
        except OSError:
            return 0

    def take(self, session: str, head: Head) -> bool:
        """Hand the session's file to a guest, if there is a valid one; else what is in its place goes."""
        kept = self._kept.pop(session, None)
        if kept is not None and kept.closed.head == head and self.is_sound(kept):
            return True
        self.clear(session)
        return False

    def is_sound(self, kept: Kept) -> bool:
        """Whether the file is as it was when it was closed."""
        closed = kept.closed
        try:
            found = (self.root / closed.session / DATABASE).lstat()
        except OSError:
            return False
        expected = (closed.size, closed.inode, closed.mtime_ns, kept.ctime_ns)
        looks = (found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns)
        return stat.S_ISREG(found.st_mode) and looks == expected

    def scratch(self) -> Path:
        """A path in the data root where there is nothing.

        What a crash leaves there goes at the next start.
        """
        return self._scratch / f"{SCRATCH}{secrets.token_hex(8)}.db"

    def directory(self, session: str) -> Path:
        """The session's directory, made if need be."""
        path = self.root / session
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
            return path
        if not stat.S_ISDIR(path.lstat().st_mode):
            self._aside(path)
            path.mkdir(mode=0o700)
        return path

    def put(self, made: Path, session: str) -> None:
        """Have a file that was made in the data root be the session's."""
        directory = self.directory(session)
        try:
            made.rename(directory / DATABASE)
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            self._aside(directory)
            made.rename(self.directory(session) / DATABASE)

    def clear(self, session: str) -> None:
        """Delete the session's file, wherever it comes from."""
        self._kept.pop(session, None)
        self._untold.pop(session, None)
        try:
            directory = os.open(self.root / session, _DIRECTORY)
        except OSError:
            return  # there is none; or no directory, which `put` sees to
        try:
            for name in (DATABASE, _JOURNAL):
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=directory)
        except OSError:
            self._aside(self.root / session)  # something that is no file
        finally:
            os.close(directory)

    def remove(self, session: str) -> None:
        """Delete the session's file and directory."""
        self.clear(session)
        path = self.root / session
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            self._aside(path)

    def _aside(self, path: Path) -> None:
        """Out of the way: the next start of the service deletes a directory, following nothing.

        What is none goes at once. To rename a link is to make one, which is more than this process may do.
        """
        if stat.S_ISDIR(path.lstat().st_mode):
            path.rename(self._scratch / f"{SCRATCH}{secrets.token_hex(8)}")
        else:
            path.unlink()

    def free_oldest(self) -> bool:
        """Delete a file that nobody has told of, else the one closed the longest ago; whether there was one.

        A guest may have the first open, where the keeper has ended and the worker has not: it goes on with a
        file without a name.
        """
        while self._untold:
            if self._clear_untold(self._untold.popitem()[0]):
                return True
        if not self._kept:
            return False
        self.clear(next(iter(self._kept)))
        return True

    def _clear_untold(self, session: str) -> bool:
        if session in self._kept or not (self.root / session / DATABASE).exists():
            return False
        self.clear(session)
        return True

    def expire(self, before: float) -> None:
        """Delete what was closed before a time (Unix)."""
        while self._kept and next(iter(self._kept.values())).since < before:
            self.free_oldest()
