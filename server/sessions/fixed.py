"""A session's fixed clock, and the seed of its sequence of ids: settings of a session, for runs that repeat.

A sequence moves with the session's version. It begins at the version that there was when the seed was set, or
the session reset or made as a copy: so the same requests upon the same data draw the same.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from server.values.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

CLOCK: Final = "clock"
SEED: Final = "seed"
#: The session's version that the sequence begins at; nobody sets it but this service.
SEED_FROM: Final = "seed_from"
_MOST_SEED: Final = 64


def fixed_line(settings: Mapping[str, Any]) -> str:
    """What a worker is told of a session's clock and sequence (see guest/fixed.py); "": it has neither."""
    if CLOCK not in settings and SEED not in settings:
        return ""
    told = {
        "clock": settings.get(CLOCK, ""),
        "seed": settings.get(SEED, ""),
        "from": settings.get(SEED_FROM, 0),
    }
    return orjson.dumps(told).decode()


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
