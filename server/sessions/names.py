"""Which session is in which directory: that is called by a digest, and what it is of is in the record.

A session's name is noted when it is first asked for, some time soon: no request waits for it, and one that
cannot be noted costs no request.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import OrderedDict
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

import structlog

from server.record.record import RecordError
from server.sessions.identity import OWNER_END

if TYPE_CHECKING:
    from pathlib import Path

    from server.record.client import KeeperClient
    from server.values.model import Session

#: Where names were before there was a record.
OLD_FILE: Final = "sessions.db"
#: Sessions that are known to be noted, so that a request costs a look-up and no more.
_MAX_RECENT: Final = 4_096
_SOON_SECONDS: Final = 0.5

_log = structlog.get_logger()


class SessionNames:
    """The names of all sessions there were; `note` is for the event loop's hot path, the rest for lists."""

    def __init__(self, keeper: KeeperClient) -> None:
        self._keeper = keeper
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._unwritten: dict[str, tuple[str, str, str]] = {}
        self._writing: asyncio.Task[None] | None = None
        self._closed = False

    def note(self, session: Session) -> None:
        """Remember the session's name, some time soon."""
        if session.directory in self._recent or self._closed:
            return
        self._recent[session.directory] = None
        if len(self._recent) > _MAX_RECENT:
            self._recent.popitem(last=False)
        self._unwritten[session.directory] = row(session.directory, session.id)
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_soon())

    async def all(self) -> dict[str, str]:
        """Names by directory; as far as they are known."""
        await self.write()
        try:
            found = await self._keeper.call("names")
        except RecordError:
            _log.warning("sessions' names not read", exc_info=True)
            return {}
        return {directory: joined(owner, label) for directory, (owner, label) in found.items()}

    async def forget(self, session: Session) -> None:
        self._recent.pop(session.directory, None)
        self._unwritten.pop(session.directory, None)
        with suppress(RecordError):
            await self._keeper.call("forget", session=session.directory)

    async def adopt(self, root: Path) -> None:
        """Take over the file of names from before there was a record; then it is `sessions.db.adopted`."""
        old = root / OLD_FILE
        if not await asyncio.to_thread(old.exists):
            return
        try:
            rows = await asyncio.to_thread(_read, old)
            if rows:
                await self._keeper.call("note", names=rows)
            await asyncio.to_thread(old.rename, root / f"{OLD_FILE}.adopted")
        except (RecordError, OSError, sqlite3.Error):
            _log.warning("sessions' old names not taken over", exc_info=True)

    async def close(self) -> None:
        """Note what was handed over. Further calls do nothing."""
        if self._closed:
            return
        self._closed = True
        if self._writing is not None:
            self._writing.cancel()
        await self.write()

    async def _write_soon(self) -> None:
        await asyncio.sleep(_SOON_SECONDS)
        self._writing = None
        await self.write()

    async def write(self) -> None:
        """Note what is waiting for it now."""
        unwritten, self._unwritten = self._unwritten, {}
        if not unwritten:
            return
        try:
            await self._keeper.call("note", names=list(unwritten.values()))
        except RecordError:
            _log.warning("sessions' names not noted", exc_info=True)
            for directory in unwritten:
                self._recent.pop(directory, None)


def row(directory: str, session_id: str) -> tuple[str, str, str]:
    """Directory, owner and label, as the record has them."""
    owner, end, label = session_id.rpartition(OWNER_END)
    return (directory, owner, label) if end else (directory, "", session_id)


def joined(owner: str, label: str) -> str:
    return f"{owner}{OWNER_END}{label}" if owner else label


def _read(path: Path) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return [row(*found) for found in connection.execute("SELECT directory, id FROM sessions")]
