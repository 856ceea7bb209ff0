"""What planning may cost all nodes of a cluster together: the limits of `budget`, counted in the record.

A bill that cannot be written is tried again for a while; then it is lost, and the log says so.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from server.planning.drafting.budget import (
    BUCKETS,
    Limit,
    over_budget,
    reservation,
    service_limits,
    session_limits,
)
from server.record.record import RecordError
from server.values.errors import ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.settings.planner import PlannerSettings

_TRIES: Final = 10
_PAUSE_SECONDS: Final = 0.5
_SERVICE: Final = ""

log = structlog.get_logger()


class Ledger(Protocol):
    """Where all nodes' bills are. All raise RecordError (`server/record/postgres/spending.py`)."""

    async def admit(
        self, session: str, limits: Sequence[Sequence[Any]], reserve: dict[str, int], buckets: int
    ) -> dict[str, Any]: ...

    async def settle(
        self, reservation: str, session: str, seconds: Sequence[int], spent: tuple[int, int], buckets: int
    ) -> None: ...

    async def used(
        self, limits: Sequence[Sequence[Any]], reserve: dict[str, int], buckets: int
    ) -> list[int]: ...


class SharedBudget:
    """A `Purse`."""

    def __init__(self, planner: PlannerSettings, ledger: Ledger) -> None:
        self._ledger = ledger
        self._service = service_limits(planner)
        self._session = session_limits(planner)
        spend = reservation(planner)
        self._reserve = {"calls": spend.calls, "tokens": spend.tokens}
        self._reserved: defaultdict[str, deque[str]] = defaultdict(deque)
        self._settling: set[asyncio.Task[None]] = set()

    async def reserve(self, session: str) -> None:
        """Raises OverBudget, ProviderUnavailable."""
        limits = [*((_SERVICE, each) for each in self._service), *((session, each) for each in self._session)]
        asked = [[owner, limit.unit, limit.seconds, limit.most] for owner, limit in limits]
        asking = asyncio.ensure_future(self._ledger.admit(session, asked, self._reserve, BUCKETS))
        try:
            found = await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(partial(self._unwanted, session))
            raise
        except RecordError as error:
            raise _unknown() from error
        if "refused" in found:
            refusals: list[tuple[float, Limit]] = [
                (seconds, limits[place][1]) for place, seconds in found["refused"]
            ]
            raise over_budget(refusals)
        self._reserved[session].append(found["id"])

    async def used(self) -> list[tuple[Limit, int]]:
        """See `Purse`."""
        asked = [[_SERVICE, each.unit, each.seconds, each.most] for each in self._service]
        try:
            found = await self._ledger.used(asked, self._reserve, BUCKETS)
        except RecordError as error:
            raise _unknown() from error
        return list(zip(self._service, found, strict=True))

    def _unwanted(self, session: str, asking: asyncio.Future[dict[str, Any]]) -> None:
        """Whoever asked has gone meanwhile."""
        if not asking.cancelled() and asking.exception() is None and "id" in asking.result():
            self._reserved[session].append(asking.result()["id"])
            self.spent(session, 0, 0)

    def spent(self, session: str, calls: int, tokens: int) -> None:
        """Settle an admission of the session: which one is all the same."""
        waiting = self._reserved[session]
        task = asyncio.get_running_loop().create_task(self._settle(waiting.popleft(), session, calls, tokens))
        if not waiting:
            del self._reserved[session]
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _settle(self, reservation_: str, session: str, calls: int, tokens: int) -> None:
        seconds = sorted({limit.seconds for limit in (*self._service, *self._session)})
        for _ in range(_TRIES):
            try:
                await self._ledger.settle(reservation_, session, seconds, (calls, tokens), BUCKETS)
            except RecordError:
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return
        log.warning("bill not written", calls=calls, tokens=tokens)


def _unknown() -> ProviderUnavailable:
    detail = "What planning may still cost cannot be looked up at the moment."
    return ProviderUnavailable(detail, headers={"Retry-After": "1"})
