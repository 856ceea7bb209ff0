"""Which session is in which directory: a directory's name is a digest, so what it was made from is kept here.

`sessions.db` in the data root is the host's own file. A session's name is noted when it is first asked for,
on a thread of its own: no request waits for it, and one that cannot be noted costs no request.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from server.values.model import Session

T = TypeVar("T")

FILE_NAME: Final = "sessions.db"
#: Sessions that are known to be noted, so that a request costs a look-up and no more.
_MAX_RECENT: Final = 4_096
_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS sessions (directory TEXT PRIMARY KEY, id TEXT NOT NULL) STRICT"

_log = structlog.get_logger()


class SessionNames:
    """The names of all sessions there were; `note` is for the event loop, the rest for whoever lists them."""

    def __init__(self, data_root: Path) -> None:
        self._path = data_root / FILE_NAME
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="session-names")
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    def note(self, session: Session) -> None:
        """Remember the session's name, some time soon."""
        if session.directory in self._recent or self._closed:
            return
        self._recent[session.directory] = None
        if len(self._recent) > _MAX_RECENT:
            self._recent.popitem(last=False)
        self._executor.submit(self._note, session)

    async def all(self) -> dict[str, str]:
        """Names by directory; as far as they are known."""
        return await self._run(self._all)

    async def forget(self, session: Session) -> None:
        self._recent.pop(session.directory, None)
        await self._run(lambda: self._forget(session))

    async def close(self) -> None:
        """Note what was handed over, then close the file. Further calls do nothing."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._executor, self._shut)
        self._executor.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    # On the thread

    def _note(self, session: Session) -> None:
        try:
            self._open().execute(
                "INSERT OR IGNORE INTO sessions VALUES (?, ?)", (session.directory, session.id)
            )
        except sqlite3.Error:
            _log.warning("session's name not noted", exc_info=True)

    def _all(self) -> dict[str, str]:
        try:
            return dict(self._open().execute("SELECT directory, id FROM sessions").fetchall())
        except sqlite3.Error:
            _log.warning("sessions' names not read", exc_info=True)
            return {}

    def _forget(self, session: Session) -> None:
        with suppress(sqlite3.Error):
            self._open().execute("DELETE FROM sessions WHERE directory = ?", (session.directory,))

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.touch(mode=0o600, exist_ok=True)
            # Autocommit, in WAL without a sync each: a name that is lost with the power is noted again.
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(_SCHEMA)
            self._connection = connection
        return self._connection

    def _shut(self) -> None:
        if self._connection is not None:
            self._connection.close()
