"""Which token has which sessions, and how many it may have; the embedded engine's side.

1. A session takes a place of the token that uses it first, and keeps it: whoever else uses it takes none. The
   place is given back when the session is removed, by somebody or because it has expired.
2. A session that has data takes its place whatever the limit says: a limit that is new, or lower than it was,
   locks nobody out.
3. A session in which nothing was ever written loses its place when another wants it and nobody has asked for
   it for `EMPTY_SECONDS`. Whoever admits requests asks again long before (`server/sessions/places.py`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

EMPTY_SECONDS: Final = 3_600.0
_HAS_DATA: Final = "SELECT 1 FROM sessions WHERE name = ? AND version > 0"
_FREE: Final = """\
DELETE FROM places WHERE token = ? AND used_at < ? AND NOT EXISTS (
  SELECT 1 FROM sessions WHERE name = places.session AND version > 0)"""


def take(
    connection: sqlite3.Connection, session: str, token: str, most: int, *, has_data: bool = False
) -> bool:
    """Whether the session has a place now, or had one. In a transaction that writes. Raises sqlite3.Error.

    `has_data`: it has some that is not in the record yet.
    """
    now = time.time()
    if connection.execute("UPDATE places SET used_at = ? WHERE session = ?", (now, session)).rowcount:
        return True
    has_data = has_data or connection.execute(_HAS_DATA, (session,)).fetchone() is not None
    if not has_data and _taken(connection, token) >= most:
        connection.execute(_FREE, (token, now - EMPTY_SECONDS))
        if _taken(connection, token) >= most:
            return False
    connection.execute("INSERT INTO places VALUES (?, ?, ?)", (session, token, now))
    return True


def _taken(connection: sqlite3.Connection, token: str) -> int:
    return int(connection.execute("SELECT count(*) FROM places WHERE token = ?", (token,)).fetchone()[0])
