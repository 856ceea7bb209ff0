"""Which sessions' databases are as this worker's guests have left them, and need no looking over.

A guest reads a small database through when it opens it, which is half of what opening it takes. It does not
where a guest of this very worker has had it open before, has come to no harm, and nobody has touched the file
since: device, inode, size and both times are the same, and no journal has anything in it. Then it is as sound
as it was in that guest's hands. What a disk loses while nobody writes shows in no file's times; that is met
when it is read, as in a large database.

Times tell of a change only where the clock that they are taken from has ticked since the one before. So a
file that has just been written is not noted (https://git-scm.com/docs/racy-git).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from wasm_runtime import session_files

if TYPE_CHECKING:
    from pathlib import Path

    from wasm_runtime.session_files import Found

#: Some 300 bytes each.
_MOST = 4096
#: Twice what the slowest of Linux's clocks takes for a tick, at 100 Hz.
_TICK_NS = 20_000_000


class SoundFiles:
    """By session, the least recently noted forgotten."""

    def __init__(self, most: int = _MOST) -> None:
        self._noted: OrderedDict[str, Found] = OrderedDict()
        self._most = most

    def __len__(self) -> int:
        return len(self._noted)

    def note(self, session: str, directory: Path) -> None:
        """A guest that is well has just let go of the session's files."""
        self.forget(session)
        try:
            found = session_files.look(directory)
        except OSError:
            return
        if not found.database or found.journal or time.time_ns() - found.changed_ns < _TICK_NS:
            return
        self._noted[session] = found
        if len(self._noted) > self._most:
            self._noted.popitem(last=False)

    def forget(self, session: str) -> None:
        self._noted.pop(session, None)

    def has(self, session: str, found: Found) -> bool:
        """Whether these files need no looking over: they are as they were noted, or nothing is in them."""
        return found.is_empty or self._noted.get(session) == found
