"""Of all nodes of a cluster one asks a model a question; the others wait for what it is answered.

The one that died, or was answered nothing, gives its turn up some time: then the next one asks.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import structlog

from server.record.record import RecordError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_T = TypeVar("_T")

#: Between two looks at what another node, which asks just now, has been answered.
_TURN_SECONDS: Final = 0.1
_log = structlog.get_logger(__name__)


class PlanningTurns(Protocol):
    """Of all nodes of a cluster one asks a model about a kind of request. Raises RecordError."""

    async def take(self, fingerprint: str) -> bool:
        """Whether it is this one's turn, until it gives it up."""
        ...

    async def give_up(self, fingerprint: str) -> None: ...


async def await_turn(
    turns: PlanningTurns | None, fingerprint: str, look: Callable[[], Awaitable[_T | None]]
) -> _T | None:
    """What another node was answered meanwhile, as `look` finds it; None: this one is to ask.

    Without turns nobody else asks. This node has to give its turn up when it has asked.
    """
    if turns is None:
        return None
    try:
        while not await turns.take(fingerprint):
            await asyncio.sleep(_TURN_SECONDS)
            found = await look()
            if found is not None:
                return found
    except RecordError:
        _log.warning("turn not taken", exc_info=True)
        return None
    # Whoever had it before may have just been answered.
    found = await look()
    if found is not None:
        await give_up(turns, fingerprint)
    return found


async def give_up(turns: PlanningTurns | None, fingerprint: str) -> None:
    if turns is not None:
        with suppress(RecordError):
            await turns.give_up(fingerprint)
