"""Which dialect each session speaks, as far as that was settled: in `dialects.db` in the data root.

All of it is in memory: a request asks it, and must not wait. What is lost with the
power is settled anew by the next request that bears a mark.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from server.values.model import Session

FILE_NAME: Final = "dialects.db"
_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS dialects (directory TEXT PRIMARY KEY, name TEXT NOT NULL) STRICT"
_log = structlog.get_logger()


class KeptDialects:
    """The dialects of all sessions that have one of their own."""

    def __init__(self, data_root: Path) -> None:
        self._path = data_root / FILE_NAME
        self._names = self._read()
        #: Told of a session (its directory) whose requests are read otherwise from now on.
        self.on_change: Callable[[str], None] = lambda _directory: None

    def of(self, session: Session) -> str:
        return self._names.get(session.directory, "")

    def settle(self, session: Session, name: str) -> None:
        """From now on it is this one; empty: none of its own."""
        if self._names.get(session.directory, "") == name:
            return
        if name:
            self._names[session.directory] = name
        else:
            self._names.pop(session.directory, None)
        self._write(session.directory, name)
        self.on_change(session.directory)

    def _read(self) -> dict[str, str]:
        if not self._path.exists():
            return {}
        try:
            with closing(self._open()) as connection:
                return dict(connection.execute("SELECT directory, name FROM dialects").fetchall())
        except sqlite3.Error:
            _log.warning("sessions' dialects not read", exc_info=True)
            return {}

    def _write(self, directory: str, name: str) -> None:
        """It happens once in a session's life, and takes less than a millisecond."""
        try:
            with closing(self._open()) as connection:
                if name:
                    connection.execute("INSERT OR REPLACE INTO dialects VALUES (?, ?)", (directory, name))
                else:
                    connection.execute("DELETE FROM dialects WHERE directory = ?", (directory,))
        except sqlite3.Error:
            _log.warning("session's dialect not kept", exc_info=True)

    def _open(self) -> sqlite3.Connection:
        self._path.touch(mode=0o600, exist_ok=True)
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=1)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(_SCHEMA)
        return connection
