"""How many requests a token and a session may send, and how they are told.

A window begins with its first request and ends so many seconds later, whatever comes in it. Refused
requests count for nothing. What is left is said on each answer, in the fields of
draft-ietf-httpapi-ratelimit-headers-10:

    RateLimit-Policy: "session";q=100;w=60
    RateLimit: "session";r=99;t=60

In a cluster a session's requests are counted by the node that has it. Of a token's each node counts those
that it answers, against its share.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import define, field, frozen

from server.values.errors import RateLimited

if TYPE_CHECKING:
    from collections.abc import Callable

Headers: TypeAlias = tuple[tuple[str, str], ...]

#: Windows that are remembered; beyond, the one that began the longest ago is forgotten.
_MOST_WINDOWS: Final = 65_536


@frozen
class RateLimits:
    """Requests within `seconds`; 0: without end."""

    per_token: int = 0
    per_session: int = 0
    seconds: int = 60


@define
class _Window:
    ends: float
    used: int = 0


@define
class Rates:
    """Used in one event loop. `shares`: among how many nodes a token's requests are divided."""

    limits: RateLimits
    shares: Callable[[], int] = lambda: 1
    _clock: Callable[[], float] = time.monotonic
    _windows: OrderedDict[tuple[str, str], _Window] = field(factory=OrderedDict)

    def take(self, token: str, session: str) -> Headers:
        """Count a request; what its answer says. Raises RateLimited."""
        asked = [
            (kind, key, quota)
            for kind, key, quota in (
                ("token", token, self._share()),
                ("session", session, self.limits.per_session),
            )
            if quota and key
        ]
        now = self._clock()
        windows = [self._window(kind, key, now) for kind, key, _ in asked]
        full = [
            (window, kind)
            for window, (kind, _, quota) in zip(windows, asked, strict=True)
            if window.used >= quota
        ]
        if not full:
            for window in windows:
                window.used += 1
        headers = self._told(asked, windows, now)
        if full:
            window, kind = max(full, key=lambda each: each[0].ends)
            wait = str(max(math.ceil(window.ends - now), 1))
            raise RateLimited(
                f"The {kind} has sent as many requests as it may in {self.limits.seconds} seconds.",
                headers={**dict(headers), "Retry-After": wait},
            )
        return headers

    def _share(self) -> int:
        return math.ceil(self.limits.per_token / max(self.shares(), 1))

    def _window(self, kind: str, key: str, now: float) -> _Window:
        found = self._windows.get((kind, key))
        if found is None or found.ends <= now:
            self._windows.pop((kind, key), None)
            found = self._windows[kind, key] = _Window(now + self.limits.seconds)
            if len(self._windows) > _MOST_WINDOWS:
                self._windows.popitem(last=False)
        return found

    def _told(self, asked: list[tuple[str, str, int]], windows: list[_Window], now: float) -> Headers:
        policies = ", ".join(f'"{kind}";q={quota};w={self.limits.seconds}' for kind, _, quota in asked)
        left = ", ".join(
            f'"{kind}";r={max(quota - window.used, 0)};t={max(math.ceil(window.ends - now), 0)}'
            for (kind, _, quota), window in zip(asked, windows, strict=True)
        )
        return (("RateLimit-Policy", policies), ("RateLimit", left)) if asked else ()
