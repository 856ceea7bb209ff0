"""A session's fixed clock, and its sequence in the place of random numbers: for runs that repeat.

The host says both with each request of such a session. A sequence begins anew with each request, at a place
that the host derives from the session's version: so the same requests upon the same data draw the same.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets

#: What one draw gives at most.
MAX_BYTES = 256


class Fixed:
    """Of the run there is now; neither, unless it was told so."""

    def __init__(self) -> None:
        self._moment: dt.datetime | None = None
        self._place = ""
        self._drawn = 0

    def begin(self, clock: str, place: str) -> None:
        """`clock`: ISO 8601 with a zone, `place`: where the sequence begins; each may be empty."""
        self._moment = dt.datetime.fromisoformat(clock).astimezone(dt.UTC) if clock else None
        self._place = place
        self._drawn = 0

    def end(self) -> None:
        self._moment = None
        self._place = ""

    def now(self) -> dt.datetime:
        """In UTC."""
        return self._moment or dt.datetime.now(dt.UTC)

    def random_bytes(self, size: int) -> bytes:
        """At most MAX_BYTES; from the host, unless there is a sequence."""
        if not self._place:
            return secrets.token_bytes(size)
        self._drawn += 1
        return hashlib.shake_256(f"{self._place}:{self._drawn}".encode()).digest(size)


FIXED = Fixed()
