"""Remembers for a while which fingerprints have no acceptable plan, so that asking again costs no call.

For scanners and for shapes that no plan fits (T33): the same refusal, repeated from memory. Only what the
request's shape is to blame for is remembered, 501 and 502. A provider that is down (503), late (504) or a
budget (429) says nothing about a shape.

An entry ends a fixed time after it was made, however often it is asked for: models differ from day to day,
and a client that keeps trying should meet the model again at some time.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from server.errors import NotPlannable, PlanRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.errors import ServiceError

KEEP_SECONDS: Final = 600.0
MAX_ENTRIES: Final = 10_000


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
        self._refusals: OrderedDict[str, _Refusal] = OrderedDict()

    def __len__(self) -> int:
        return len(self._refusals)

    def clear(self) -> None:
        self._refusals.clear()

    def remember(self, fingerprint: str, error: ServiceError) -> None:
        """Note that planning ended in `error`, if that is the shape's own fault.

        The error's detail goes to other clients too, so it may hold nothing of the request but its shape.
        """
        if not isinstance(error, NotPlannable | PlanRefused):
            return
        now = self._clock()
        self._refusals[fingerprint] = _Refusal(
            type(error), error.detail, dict(error.headers), dict(error.members), now, now + self._keep_seconds
        )
        self._refusals.move_to_end(fingerprint)
        if len(self._refusals) > self._max_entries:
            self._refusals.popitem(last=False)

    def recall(self, fingerprint: str) -> ServiceError | None:
        """A new error like the one remembered, to be raised; None: the planner may be asked."""
        remembered = self.look(fingerprint)
        if remembered is None:
            self._refusals.pop(fingerprint, None)
            return None
        self._refusals.move_to_end(fingerprint)
        return remembered.error

    def look(self, fingerprint: str) -> Remembered | None:
        """What is remembered, for an operator: the entry is no younger for it."""
        refusal, now = self._refusals.get(fingerprint), self._clock()
        if refusal is None or now >= refusal.until:
            return None
        return Remembered(refusal.error(), now - refusal.since, refusal.until - now)

    def forget(self, fingerprint: str) -> None:
        self._refusals.pop(fingerprint, None)
