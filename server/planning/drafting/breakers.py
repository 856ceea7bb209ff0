"""Who is kept from the provider after failures: everybody, one session, or one kind of request.

A failure that would be the same whatever was asked (a wrong key, a rate limit, nobody listens) counts for
everybody. Any other may be the doing of what was asked: a prompt that takes the model too long, or does not
fit. So it counts for its session and for its kind of request, which are then left alone, each by a breaker of
its own. For everybody it counts only as evidence: each session and each kind once, and only when as many of
both have failed, with no success between, as a breaker takes failures. One client's session, or one kind of
request in however many sessions, never keeps anybody else from the provider.

While half-open, a session that has opened everybody's breaker again does not do so twice running.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from attrs import define, field, frozen

from server.planning.drafting.breaker import Breaker

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.settings.planner import PlannerSettings

#: Sessions, and kinds of request, whose failures are counted; the least recently failed is forgotten.
MAX_COUNTED: Final = 1_024


@frozen
class Asker:
    """Whose call it is: a session's directory, and what names the kind of request."""

    session: str
    kind: str


@define
class _Own:
    """Breakers by a name. Whoever has not failed has none."""

    _make: Callable[[], Breaker]
    _breakers: OrderedDict[str, Breaker] = field(init=False, factory=OrderedDict)

    def get(self, name: str) -> Breaker | None:
        return self._breakers.get(name)

    def failed(self, name: str, retry_after: float | None) -> None:
        breaker = self._breakers.pop(name, None) or self._make()
        breaker.failed(retry_after)
        self._breakers[name] = breaker
        if len(self._breakers) > MAX_COUNTED:
            self._breakers.popitem(last=False)

    def succeeded(self, name: str) -> None:
        self._breakers.pop(name, None)


class Breakers:
    """Ask `allow` before each call, and report each one that was allowed."""

    def __init__(self, make: Callable[[], Breaker], *, failures: int) -> None:
        self._everyones = make()
        self._sessions, self._kinds = _Own(make), _Own(make)
        self._limit = failures
        #: Who has failed since the last success, for everybody's breaker.
        self._evidence: tuple[set[str], set[str]] = (set(), set())
        self._reopened_by = ""

    @classmethod
    def of(cls, planner: PlannerSettings, clock: Callable[[], float]) -> Self:
        return cls(partial(Breaker.of, planner, clock), failures=planner.breaker_failures)

    @property
    def state(self) -> str:
        """Everybody's."""
        return self._everyones.state

    @property
    def opens_in(self) -> float:
        """Seconds until everybody's lets the next call through; 0: it does."""
        return self._everyones.retry_after()

    def allow(self, asker: Asker) -> bool:
        """Whether a call may be made now. A yes may make it somebody's probe."""
        breakers = self._of(asker)
        return all(each.is_ready() for each in breakers) and all(each.allow() for each in breakers)

    def retry_after(self, asker: Asker) -> float:
        """Seconds until `allow` can say yes again; 0 if it would now."""
        return max(each.retry_after() for each in self._of(asker))

    def succeeded(self, asker: Asker) -> None:
        """The provider answered, whatever the answer was good for."""
        self._everyones.succeeded()
        self._sessions.succeeded(asker.session)
        self._kinds.succeeded(asker.kind)
        self._forget_evidence()
        self._reopened_by = ""

    def failed(self, asker: Asker, *, everyones: bool, retry_after: float | None = None) -> None:
        """The provider did not serve the call; `retry_after` is how many seconds it asked for."""
        if everyones:
            self._everyones.failed(retry_after)
            return
        self._sessions.failed(asker.session, retry_after)
        self._kinds.failed(asker.kind, retry_after)
        if self._everyones.state == "half-open":
            self._probe_failed(asker, retry_after)
            return
        for seen, name in zip(self._evidence, (asker.session, asker.kind), strict=True):
            if len(seen) < self._limit:
                seen.add(name)
        if all(len(seen) >= self._limit for seen in self._evidence):
            self._forget_evidence()
            self._everyones.open(retry_after)

    def _probe_failed(self, asker: Asker, retry_after: float | None) -> None:
        if asker.session == self._reopened_by:
            self._everyones.release()
            return
        self._reopened_by = asker.session
        self._everyones.failed(retry_after)

    def _of(self, asker: Asker) -> list[Breaker]:
        own = (self._sessions.get(asker.session), self._kinds.get(asker.kind))
        return [self._everyones, *(each for each in own if each is not None)]

    def _forget_evidence(self) -> None:
        for seen in self._evidence:
            seen.clear()
