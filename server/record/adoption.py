"""Takes over sessions' files of the format before there was a record.

Such a file is `<data root>/<session>/store.db`. It is taken over when its session is first asked for, and its
directory is then called `<session>.adopted`, which nobody reads any more: the operator removes it.

1. The rows come as text from a process that holds nothing (`store/dump.py`): the file may be a hostile
   guest's.
2. They are in the record before the directory gets its new name. If the service ends between the two, the
   directory is renamed when the next one comes upon it.
"""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from server.record.files import failures, sync_directory
from server.record.record import Damaged
from server.record.shelf import ADOPTED, DATABASE, Shelf
from store import dump
from store.change_set import ChangeSetError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from server.record.record import Record

_DAMAGED: Final = ".damaged"
_SESSION: Final = re.compile(r"[0-9a-f]{32}")


class Adoption:
    """`dump` has the rows of the session in one directory written to a file. Raises RecordError."""

    def __init__(self, root: Path, record: Record, dump_of: Callable[[Path, Path], Awaitable[None]]) -> None:
        self._root = root
        self._record = record
        self._dump = dump_of
        self._shelf = Shelf(root)
        #: Sessions whose files wait, with their size and when they were last changed.
        self.waiting: dict[str, tuple[int, float]] = {}
        self._under_way: dict[str, asyncio.Lock] = {}
        self._look()

    def _look(self) -> None:
        with failures():
            for path in self._root.iterdir():
                if _SESSION.fullmatch(path.name):
                    self.look_for(path.name)

    def look_for(self, session: str) -> None:
        """Whether it waits: it has such a file, or has none any more."""
        self.waiting.pop(session, None)
        with suppress(FileNotFoundError, NotADirectoryError):
            found = (self._root / session / DATABASE).lstat()
            if found.st_size:
                self.waiting[session] = (found.st_size, found.st_mtime)

    @property
    def adopted(self) -> int:
        """How many directories the operator may remove."""
        return sum(1 for _ in self._root.glob(f"{'?' * 32}{ADOPTED}*"))

    def _kept(self, session: str) -> Path:
        """What its directory is called from now on: it may have been taken over before, and gone back."""
        path = self._root / f"{session}{ADOPTED}"
        return path.with_name(f"{path.name}-{time.time_ns()}") if path.exists() else path

    def is_set_aside(self, session: str) -> bool:
        """Whether an earlier release has found its file damaged, and the operator has not salvaged it yet."""
        return (self._root / f"{session}{_DAMAGED}").is_dir()

    async def adopt(self, session: str) -> None:
        """Take the session's file over, if it waits. Raises Damaged, TooNew, Full, Unavailable."""
        if session not in self.waiting:
            return
        lock = self._under_way.setdefault(session, asyncio.Lock())
        async with lock:
            if session in self.waiting:
                await self._adopt(session)
        self._under_way.pop(session, None)

    async def _adopt(self, session: str) -> None:
        if (await self._record.head(session)).version == 0:
            rows = self._shelf.scratch()
            try:
                await self._dump(self._root / session, rows)
                await self._record.adopt(session, dump.read(rows), route="adopted")
            except (ChangeSetError, UnicodeDecodeError) as error:
                raise Damaged(f"its file has rows that are none: {error}") from error
            finally:
                with suppress(OSError):
                    rows.unlink(missing_ok=True)
        with failures():
            (self._root / session).rename(self._kept(session))
            sync_directory(self._root)
        self.waiting.pop(session, None)

    def forget(self, session: str) -> None:
        """Delete what there is of the session in the old format, taken over or not. Raises RecordError."""
        with failures():
            for path in (self._root / session, *self._root.glob(f"{session}{ADOPTED}*")):
                self._shelf.remove(path.name)
        self.waiting.pop(session, None)

    def expire(self, before: float) -> list[str]:
        """Delete files that wait and were last changed before a time; whose they were."""
        old = [
            session
            for session, (_, changed) in self.waiting.items()
            if changed < before and session not in self._under_way
        ]
        for session in old:
            self.forget(session)
        return old
