"""Which token has which sessions, over all nodes; the rules are those of `server/record/places.py`.

New sessions of a token take their places one after the other: the token's row is the lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.record.places import EMPTY_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.record.postgres.connecting import Connection

_AGAIN: Final = "UPDATE places SET used_at = clock_timestamp() WHERE session = $1 RETURNING session"
_LOCK: Final = "INSERT INTO tokens VALUES ($1) ON CONFLICT (token) DO UPDATE SET token = excluded.token"
_HAS_DATA: Final = "SELECT 1 FROM sessions WHERE name = $1 AND version > 0"
_TAKEN: Final = "SELECT count(*) FROM places WHERE token = $1"
_FREE: Final = """\
DELETE FROM places AS p
WHERE p.token = $1 AND p.used_at < clock_timestamp() - $2 * interval '1 second' AND NOT EXISTS (
  SELECT 1 FROM sessions AS s WHERE s.name = p.session AND s.version > 0)"""
_TAKE: Final = "INSERT INTO places VALUES ($1, $2, clock_timestamp()) ON CONFLICT (session) DO NOTHING"


async def take(connection: Connection, session: str, token: str, most: int, *, has_data: bool) -> bool:
    """Whether the session has a place now, or had one. In a transaction of its own."""
    if await connection.fetchval(_AGAIN, session):
        return True
    await connection.execute(_LOCK, token)
    has_data = has_data or await connection.fetchval(_HAS_DATA, session) is not None
    if not has_data and await connection.fetchval(_TAKEN, token) >= most:
        # Requests of one session that came at once: the first has taken the place that the others look for.
        if await connection.fetchval(_AGAIN, session):
            return True
        await connection.execute(_FREE, token, EMPTY_SECONDS)
        if await connection.fetchval(_TAKEN, token) >= most:
            return False
    await connection.execute(_TAKE, session, token)
    return True


async def give_back(connection: Connection, sessions: Sequence[str]) -> None:
    await connection.execute("DELETE FROM places WHERE session = ANY($1::text[])", sorted(sessions))
