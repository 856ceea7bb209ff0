"""Remembers for a while which questions have no acceptable plan, so that asking again costs no call.

1. For scanners and for shapes that no plan fits (T33): the same refusal, repeated from memory. Only what the
   request's shape is to blame for is remembered, 501 and 502. A provider that is down (503), late (504) or a
   budget (429) says nothing about a shape.
2. What a model answered is the same for all who ask the same. How a plan *ran* hangs on values, too: that
   counts for the session it ran in, and for the others once it has failed in two of them.
3. An entry ends a fixed time after it was made, however often it is asked for: models differ from day to day,
   and a client that keeps trying should meet the model again at some time.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from server.values.errors import NotPlannable, PlanRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.values.errors import ServiceError

KEEP_SECONDS: Final = 600.0
MAX_ENTRIES: Final = 10_000
_ALL: Final = ""


@frozen
class _Refusal:
    """An error without its traceback, whose frames would keep the first request's values alive."""

    kind: type[ServiceError]
    detail: str
    headers: dict[str, str]
    members: dict[str, Any]
    since: float
    until: float

    def error(self) -> ServiceError:
        return self.kind(self.detail, headers=dict(self.headers), **self.members)


@frozen
class Remembered:
    """A refusal as it is remembered: for how long already, and for how long still."""

    error: ServiceError
    age_seconds: float
    left_seconds: float


class NegativeCache:
    """`clock` gives seconds and never goes back."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        keep_seconds: float = KEEP_SECONDS,
        max_entries: int = MAX_ENTRIES,
    ) -> None:
        self._clock = clock
        self._keep_seconds = keep_seconds
        self._max_entries = max_entries
        #: By question and session; `_ALL` for what counts for every session.
        self._refusals: OrderedDict[tuple[str, str], _Refusal] = OrderedDict()
        #: Where a question's plan failed first, and until when that is remembered.
        self._first_failed: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._refusals)

    def clear(self) -> None:
        self._refusals.clear()
        self._first_failed.clear()

    def remember(self, key: str, error: ServiceError) -> None:
        """Note that the question ended in `error`, if that is the shape's own fault.

        The error's detail goes to other clients too, so it may hold nothing of the request but its shape.
        """
        self._keep(key, _ALL, error)

    def remember_run(self, key: str, session: str, error: ServiceError) -> bool:
        """Note that the plan for the question failed when it ran; whether that counts for all by now.

        `session` is a directory's name.
        """
        self._keep(key, session, error)
        now, first = self._clock(), self._first_failed.get(key)
        if first is not None and first[0] != session and now < first[1]:
            self._keep(key, _ALL, error)
            return True
        self._first_failed[key] = (session, now + self._keep_seconds)
        self._first_failed.move_to_end(key)
        if len(self._first_failed) > self._max_entries:
            self._first_failed.popitem(last=False)
        return False

    def _keep(self, key: str, session: str, error: ServiceError) -> None:
        if not isinstance(error, NotPlannable | PlanRefused):
            return
        now = self._clock()
        self._refusals[key, session] = _Refusal(
            type(error), error.detail, dict(error.headers), dict(error.members), now, now + self._keep_seconds
        )
        self._refusals.move_to_end((key, session))
        if len(self._refusals) > self._max_entries:
            self._refusals.popitem(last=False)

    def recall(self, key: str, session: str = _ALL) -> ServiceError | None:
        """A new error like the one remembered, to be raised; None: the planner may be asked."""
        for whose in dict.fromkeys((session, _ALL)):
            remembered = self._look(key, whose)
            if remembered is not None:
                self._refusals.move_to_end((key, whose))
                return remembered.error
            self._refusals.pop((key, whose), None)
        return None

    def look(self, key: str, session: str = _ALL) -> Remembered | None:
        """What is remembered, for an operator: the entry is no younger for it."""
        return self._look(key, session) or self._look(key, _ALL)

    def _look(self, key: str, session: str) -> Remembered | None:
        refusal, now = self._refusals.get((key, session)), self._clock()
        if refusal is None or now >= refusal.until:
            return None
        return Remembered(refusal.error(), now - refusal.since, refusal.until - now)

    def forget(self, key: str, session: str = _ALL) -> None:
        for whose in (session, _ALL):
            self._refusals.pop((key, whose), None)
        self._first_failed.pop(key, None)
