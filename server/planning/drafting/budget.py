"""What planning may cost: calls and tokens, of one session and of the service, in an hour and in a day.

1. The windows slide: no stretch of `Limit.seconds` holds more than `Limit.most`. A window that starts
   at the full hour would let twice as much through around its edge, which a cost attack (T33) aims at.
   What is spent is kept in buckets of a 24th of the window, so a window is at most 25 numbers however
   much is spent, and a bucket counts until its last moment has left the window.
2. Admission reserves before anything is known; `spent` puts the bill in the reservation's place. A call
   is admitted while bills and reservations together are below the limit, so calls at the same time exceed
   it by less than one reservation (and by what a call costs beyond its reservation).
3. Sessions are forgotten, the least recently admitted first, but never one with a call under way. One
   that is forgotten starts anew; what it spent still counts for the service, which is never forgotten.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, Protocol

from attrs import frozen

from server.values.errors import OverBudget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from server.settings.planner import PlannerSettings

HOUR: Final = 3_600
DAY: Final = 86_400
BUCKETS: Final = 24
#: More than the default calls of a day (3,000), so that no session of that day is forgotten.
MAX_SESSIONS: Final = 4_096
#: English and code; a prompt made of other text may cost more than is reserved for it.
_BYTES_PER_TOKEN: Final = 4
#: When only calls under way stand in the way: they are settled within seconds.
_SOON_SECONDS: Final = 1.0


@frozen
class Spend:
    """Calls to the provider, and tokens in and out of them."""

    calls: int
    tokens: int


@frozen
class Limit:
    """One budget; `name` is its setting's name in the section `planner`."""

    name: str
    unit: Literal["calls", "tokens"]
    owner: Literal["one session", "the service"]
    seconds: int
    most: int

    def __str__(self) -> str:
        period = "an hour" if self.seconds == HOUR else "a day"
        return f"{self.most} {self.unit} of {self.owner} in {period}"


def session_limits(planner: PlannerSettings) -> tuple[Limit, ...]:
    return (
        Limit("calls_per_session_hour", "calls", "one session", HOUR, planner.calls_per_session_hour),
        Limit("calls_per_session_day", "calls", "one session", DAY, planner.calls_per_session_day),
        Limit("tokens_per_session_hour", "tokens", "one session", HOUR, planner.tokens_per_session_hour),
        Limit("tokens_per_session_day", "tokens", "one session", DAY, planner.tokens_per_session_day),
    )


def service_limits(planner: PlannerSettings) -> tuple[Limit, ...]:
    return (
        Limit("calls_per_hour", "calls", "the service", HOUR, planner.calls_per_hour),
        Limit("calls_per_day", "calls", "the service", DAY, planner.calls_per_day),
        Limit("tokens_per_hour", "tokens", "the service", HOUR, planner.tokens_per_hour),
        Limit("tokens_per_day", "tokens", "the service", DAY, planner.tokens_per_day),
    )


def reservation(planner: PlannerSettings) -> Spend:
    """What one admission holds back: every try of the call, and the tokens of the longest that succeeds."""
    tokens = planner.max_prompt_bytes // _BYTES_PER_TOKEN + planner.max_output_tokens
    return Spend(planner.attempts, tokens)


class Purse(Protocol):
    """What admits calls to the provider. Each `reserve` is followed by exactly one `spent`."""

    async def reserve(self, session: str) -> None:
        """Raises OverBudget with Retry-After, ProviderUnavailable; then nothing is reserved."""
        ...

    def spent(self, session: str, calls: int, tokens: int) -> None: ...

    async def used(self) -> list[tuple[Limit, int]]:
        """What the service has spent under each of its limits, with what calls under way may cost.

        Raises ProviderUnavailable.
        """
        ...


class Budget:
    """Admits calls to the provider and keeps count of them; see the module's rules.

    Each `admit` is followed by exactly one `spent`, also when the call failed or was cancelled.
    `clock` gives seconds and never goes back.
    """

    def __init__(
        self,
        planner: PlannerSettings,
        clock: Callable[[], float],
        *,
        reserve: Spend | None = None,
        max_sessions: int = MAX_SESSIONS,
    ) -> None:
        self._clock = clock
        self._reserve = reserve or reservation(planner)
        self._max_sessions = max_sessions
        self._session_limits = session_limits(planner)
        self._service = _Account(service_limits(planner))
        self._sessions: OrderedDict[str, _Account] = OrderedDict()

    def admit(self, session: str) -> None:
        """Reserve one call for the session. Raises OverBudget with Retry-After; then nothing is reserved."""
        now = self._clock()
        account = self._sessions.get(session) or _Account(self._session_limits)
        refusals = [*self._service.refusals(now, self._reserve), *account.refusals(now, self._reserve)]
        if refusals:
            raise over_budget(refusals)
        self._sessions[session] = account
        self._sessions.move_to_end(session)
        for each in (self._service, account):
            each.under_way += 1
        self._forget_sessions()

    async def used(self) -> list[tuple[Limit, int]]:
        """See `Purse`."""
        return self._service.used(self._clock(), self._reserve)

    def spent(self, session: str, calls: int, tokens: int) -> None:
        """Settle one admission of the session by what it really cost, which may be nothing."""
        now = self._clock()
        # Absent only if nothing was admitted; such a bill still counts for the service.
        account = self._sessions.get(session) or _Account(self._session_limits)
        for each in (self._service, account):
            each.settle(now, Spend(calls, tokens))
        self._forget_sessions()

    def _forget_sessions(self) -> None:
        surplus = len(self._sessions) - self._max_sessions
        if surplus > 0:
            idle = (session for session, account in self._sessions.items() if not account.under_way)
            for session in list(islice(idle, surplus)):
                del self._sessions[session]

    async def reserve(self, session: str) -> None:
        """As `admit`: nobody else has to be asked."""
        self.admit(session)


class _Account:
    """The windows of one session, or of the service, and how many of its admissions are not settled."""

    def __init__(self, limits: Iterable[Limit]) -> None:
        self._windows = tuple(_Window(limit) for limit in limits)
        self.under_way = 0

    def refusals(self, now: float, reserve: Spend) -> list[tuple[float, Limit]]:
        """The limits that stand in the way of one more call, and in how many seconds each gives way."""
        found = []
        for window in self._windows:
            reserved = self.under_way * _amount(reserve, window.limit)
            if window.used(now) + reserved >= window.limit.most:
                found.append((window.frees_in(now), window.limit))
        return found

    def used(self, now: float, reserve: Spend) -> list[tuple[Limit, int]]:
        return [
            (each.limit, each.used(now) + self.under_way * _amount(reserve, each.limit))
            for each in self._windows
        ]

    def settle(self, now: float, spend: Spend) -> None:
        self.under_way = max(0, self.under_way - 1)
        for window in self._windows:
            window.add(now, _amount(spend, window.limit))


class _Window:
    """What was spent under one limit, as (bucket number, amount), the oldest first."""

    __slots__ = ("_buckets", "_used", "limit")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._buckets: deque[tuple[int, int]] = deque()
        self._used = 0

    def used(self, now: float) -> int:
        while self._buckets and self._leaves_at(self._buckets[0][0]) <= now:
            self._used -= self._buckets.popleft()[1]
        return self._used

    def add(self, now: float, amount: int) -> None:
        if amount <= 0:
            return
        self._used += amount
        number = int(now * BUCKETS // self.limit.seconds)
        if self._buckets and self._buckets[-1][0] == number:
            amount += self._buckets.pop()[1]
        self._buckets.append((number, amount))

    def frees_in(self, now: float) -> float:
        """Seconds until the bills alone are below the limit; a limit of 0 never is."""
        left = self.used(now)
        if left < self.limit.most:
            return _SOON_SECONDS
        for number, amount in self._buckets:
            left -= amount
            if left < self.limit.most:
                return self._leaves_at(number) - now
        return float(self.limit.seconds)

    def _leaves_at(self, number: int) -> float:
        return (number + 1) * self.limit.seconds / BUCKETS + self.limit.seconds


def _amount(spend: Spend, limit: Limit) -> int:
    return spend.calls if limit.unit == "calls" else spend.tokens


def over_budget(refusals: list[tuple[float, Limit]]) -> OverBudget:
    """The error for the limit that gives way last: before that, trying again is in vain."""
    seconds, limit = max(refusals, key=lambda refusal: refusal[0])
    return OverBudget(
        f"The planning budget {limit.name} is used up: {limit}.",
        headers={"Retry-After": str(max(1, math.ceil(seconds)))},
        budget=limit.name,
        limit=limit.most,
    )
