"""Which worker a session belongs to: the pool routes by it, and a worker removes no other session's files."""

from __future__ import annotations

import hashlib
from functools import lru_cache


@lru_cache(maxsize=4096)
def slot_of(session: str, slots: int) -> int:
    """Rendezvous hashing: a session moves only when its own slot goes."""
    return max(
        range(slots),
        key=lambda slot: hashlib.blake2b(f"{slot}:{session}".encode(), digest_size=8).digest(),
    )
