"""What the service holds of requests' bodies, from their first bytes until their answers.

1. A body counts for what it takes in memory as text, while it arrives, while its request is planned, while it
   waits for its turn, and while it runs. A worker holds one copy more of those that wait for it.
2. Small bodies are not counted and so never refused: there is one a connection at most, and their number is
   limited (`server.max_connections`). Nobody's large ones keep out the small ones of others.
3. One body is taken whatever its size where nothing else is held: its own limit is `server.request_bytes`.
"""

from __future__ import annotations

from collections import Counter

from attrs import frozen

from server.values.errors import Overloaded

#: A body up to this size is not counted.
SMALL_BYTES = 16 * 1024
_FULL = "The service holds as much of large requests as it may ({} bytes{}); send this one later."
_RETRY = {"Retry-After": "1"}


@frozen
class HeldLimits:
    """Bytes of bodies that are held at a time; beyond, the next one is refused."""

    per_session: int = 32 * 1024 * 1024
    total: int = 128 * 1024 * 1024


class HeldBytes:
    """The bodies of all requests under way."""

    def __init__(self, limits: HeldLimits | None = None) -> None:
        self._limits = limits or HeldLimits()
        self._sessions: Counter[str] = Counter()
        self.total = 0

    def of(self, session: str) -> int:
        return self._sessions[session]

    def take(self, session: str, more: int, own: int) -> None:
        """Hold so many bytes more for a request that holds `own` already. Raises Overloaded."""
        limits, held = self._limits, self._sessions[session]
        if held > own and held + more > limits.per_session:
            raise _overloaded(limits.per_session, " in one session")
        if self.total > own and self.total + more > limits.total:
            raise _overloaded(limits.total, "")
        self._sessions[session] = held + more
        self.total += more

    def give(self, session: str, size: int) -> None:
        """Such a number of a request's bytes is not held any more."""
        self.total -= size
        left = self._sessions[session] - size
        if left:
            self._sessions[session] = left
        else:
            del self._sessions[session]


class Claim:
    """What one request holds."""

    __slots__ = ("_held", "session", "size")

    def __init__(self, held: HeldBytes, session: str = "") -> None:
        self._held = held
        #: Set before anything is held.
        self.session = session
        self.size = 0

    def grow(self, size: int) -> None:
        """So many bytes are held by now, or were at some time. Raises Overloaded."""
        if size > SMALL_BYTES and size > self.size:
            self._held.take(self.session, size - self.size, self.size)
            self.size = size

    def release(self) -> None:
        """The request is at its end."""
        if self.size:
            self._held.give(self.session, self.size)
            self.size = 0


def _overloaded(limit: int, where: str) -> Overloaded:
    return Overloaded(_FULL.format(limit, where), headers=dict(_RETRY), limit=limit)
