"""A circuit breaker: after failures in a row a provider is left alone for a while. `breakers` says by whom.

    state      event                        next state
    closed     failures in a row < limit    closed
    closed     the limit's failure          open, for `seconds` or what the provider asked for
    open       that time has passed         half-open: one call is let through, the probe
    half-open  the probe succeeded          closed
    half-open  it failed                    open
    half-open  no word for probe_seconds    half-open, with another probe: its caller was cancelled

A failure is one of transport or provider (`ProviderDown`, `ProviderDeadline`). An answer that is no use, or
code that the policy refused, is a success here: the provider answered.

While open, news of calls that began before changes nothing: only the probe says how things are now. So
many calls at the same time open the breaker once, not once each. (While half-open they cannot be told from
the probe, and they are as fresh.)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.settings.planner import PlannerSettings

State: TypeAlias = Literal["closed", "open", "half-open"]

#: A provider that asks for longer (a day's quota, a mistake) is probed all the same: a probe is cheap.
MAX_RETRY_AFTER_SECONDS: Final = 300.0
#: A call ends at its deadline, give or take this.
_GRACE_SECONDS: Final = 1.0


class Breaker:
    """Ask `allow` before each call, and report each one that was allowed; see the module's table.

    `clock` gives seconds and never goes back.
    """

    def __init__(
        self, clock: Callable[[], float], *, failures: int, seconds: float, probe_seconds: float
    ) -> None:
        self._clock = clock
        self._limit = failures
        self._seconds = seconds
        self._probe_seconds = probe_seconds
        self._state: State = "closed"
        self._failures = 0
        #: When the next call may pass: the end of the pause (open), or of the wait for the probe (half-open).
        self._until = 0.0

    @classmethod
    def of(cls, planner: PlannerSettings, clock: Callable[[], float]) -> Self:
        return cls(
            clock,
            failures=planner.breaker_failures,
            seconds=planner.breaker_seconds,
            probe_seconds=planner.timeout_seconds + _GRACE_SECONDS,
        )

    @property
    def state(self) -> State:
        return self._state

    def is_ready(self) -> bool:
        """Whether `allow` would say yes."""
        return self._state == "closed" or self._clock() >= self._until

    def allow(self) -> bool:
        """Whether a call may be made now. A yes while not closed makes that call the probe."""
        if not self.is_ready():
            return False
        if self._state != "closed":
            self._state = "half-open"
            self._until = self._clock() + self._probe_seconds
        return True

    def retry_after(self) -> float:
        """Seconds until `allow` can say yes again; 0 if it would now."""
        return 0.0 if self._state == "closed" else max(0.0, self._until - self._clock())

    def succeeded(self) -> None:
        """The provider answered, whatever the answer was good for."""
        if self._state != "open":
            self._state = "closed"
            self._failures = 0

    def failed(self, retry_after: float | None = None) -> None:
        """The provider did not serve the call; `retry_after` is how many seconds it asked for."""
        if self._state == "open":
            return
        self._failures += 1
        if self._state == "half-open" or self._failures >= self._limit:
            self.open(retry_after)

    def open(self, retry_after: float | None = None) -> None:
        """Leave the provider alone from now on."""
        self._state = "open"
        self._failures = 0
        self._until = self._clock() + max(self._seconds, _bounded(retry_after))

    def release(self) -> None:
        """The probe has come to nothing that counts: the next call may be one."""
        if self._state == "half-open":
            self._until = self._clock()


def _bounded(retry_after: float | None) -> float:
    """What a provider asked for, made harmless: its header is text that anyone may have written."""
    if retry_after is None or math.isnan(retry_after):
        return 0.0
    return min(retry_after, MAX_RETRY_AFTER_SECONDS)
