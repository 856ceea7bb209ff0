"""What is set for single sessions, as the record keeps it: a fixed clock, a sequence of ids, and the like.

Requests ask for it, so what was read is kept in memory for a while. Only this process's changes are seen at
once; others', and what an expiry took away, when it is read again.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson
from attrs import frozen

from server.values.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from server.sessions.records import Records

_MOST_KNOWN: Final = 20_000
#: Seconds after which it is read again.
_FRESH_SECONDS: Final = 30.0
_MOST_SEED: Final = 64
CLOCK: Final = "clock"
SEED: Final = "seed"
#: The session's version that the sequence begins at.
SEED_FROM: Final = "seed_from"


@frozen
class _Known:
    settings: Mapping[str, Any]
    until: float


class KeptSettings:
    """Of all sessions, by their directories' names."""

    def __init__(self, records: Records, clock: Callable[[], float] = time.monotonic) -> None:
        self._records = records
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._changing = asyncio.Lock()

    def known(self, session: str) -> Mapping[str, Any] | None:
        """What is in memory and fresh; None: `of` has to be asked."""
        known = self._known.get(session)
        return known.settings if known is not None and known.until > self._clock() else None

    async def of(self, session: str) -> Mapping[str, Any]:
        """{} for most. Raises Unavailable where nobody knows."""
        known = self.known(session)
        return await self._read(session) if known is None else known

    async def _read(self, session: str) -> Mapping[str, Any]:
        settings: Mapping[str, Any] = await self._records.ask("settings", session=session)
        self._keep(session, settings)
        return settings

    def _keep(self, session: str, settings: Mapping[str, Any]) -> None:
        self._known[session] = _Known(settings, self._clock() + _FRESH_SECONDS)
        self._known.move_to_end(session)
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)

    async def change(self, session: str, **members: Any) -> Mapping[str, Any]:
        """Set members, those that are None are taken out; all that is set then."""
        async with self._changing:
            settings = {**await self._read(session), **members}
            settings = {name: value for name, value in settings.items() if value is not None}
            await self._records.ask("change_settings", session=session, settings=settings)
            self._keep(session, settings)
            return settings

    def forget(self, session: str) -> None:
        self._known.pop(session, None)


class KeptDocuments:
    """Documents that settings of sessions name, by their digests."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def keep(self, digest: str, text: str) -> None:
        await self._records.ask("keep_document", digest=digest, text=text)

    async def read(self, digest: str) -> str | None:
        found: str | None = await self._records.ask("document", digest=digest)
        return found


def fixed_line(settings: Mapping[str, Any]) -> str:
    """What a worker is told of a session's clock and sequence (see guest/fixed.py); "": it has neither."""
    if CLOCK not in settings and SEED not in settings:
        return ""
    line = {
        "clock": settings.get(CLOCK, ""),
        "seed": settings.get(SEED, ""),
        "from": settings.get(SEED_FROM, 0),
    }
    return orjson.dumps(line).decode()


def checked_clock(value: object) -> str:
    """A moment in UTC as ISO 8601. Raises BadRequest."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadRequest("`clock` must be a moment with its zone, such as 2026-03-01T12:00:00Z.")
    try:
        return moment.astimezone(UTC).isoformat()
    except OverflowError:
        raise BadRequest("`clock` must be within the years 1 to 9999.") from None


def checked_seed(value: object) -> str:
    """Raises BadRequest."""
    seed = str(value)
    if not 0 < len(seed) <= _MOST_SEED or not (seed.isascii() and seed.isprintable()):
        raise BadRequest(f"`seed` must be 1 to {_MOST_SEED} printable ASCII characters.")
    return seed
