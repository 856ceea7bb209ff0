"""Connections that events go out by: how many there may be, how each is written, and that all come to an end.

1. What does not fit waits until all that was written before has been read. An outlet for which that takes too
   long is closed, with a comment that says so.
2. An outlet ends as a response that was complete, and says when to come again. Anything else would end a
   browser's EventSource for good.
"""

from __future__ import annotations

import abc
import asyncio
from collections import Counter
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import structlog
from attrs import define, field, frozen

from server.live import events
from server.metrics.streams import StreamCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from server.values.model import Session

log = structlog.get_logger(__name__)

#: The id of an event before which there was none.
NO_ID: Final = "-"
#: What ends an outlet when who has opened it may have it no longer.
Holding: TypeAlias = "Callable[[Outlet], AbstractContextManager[None]]"


def to_its_end(_outlet: Outlet) -> AbstractContextManager[None]:
    """As `Holding`, where that is never so."""
    return nullcontext()


@frozen
class StreamLimits:
    """Of event streams. `patience_seconds`: for which what was sent may lie unread."""

    in_all: int = 2_048
    per_session: int = 128
    per_client: int = 1_024
    routes: int = 16
    buffered_bytes: int = 262_144
    heartbeat_seconds: float = 15.0
    patience_seconds: float = 20.0


class Wire(Protocol):
    """A connection that events are written to."""

    def unsent(self) -> int:
        """Bytes that were written and not taken yet."""
        ...

    async def write(self, data: bytes) -> None:
        """Does not wait until it is taken. Raises ConnectionError."""
        ...

    async def drained(self) -> None:
        """Until all is taken. Raises ConnectionError."""
        ...


class Registry:
    """All streams of a service, or those of its console: each of the two has room of its own."""

    def __init__(self, limits: StreamLimits, counts: StreamCounts | None = None) -> None:
        """Several may share `counts`."""
        self.limits = limits
        self.counts = counts or StreamCounts()
        self.open: set[Outlet] = set()
        self._of_session: Counter[str] = Counter()
        self._of_client: Counter[str] = Counter()
        self._idle = asyncio.Event()
        self._idle.set()
        #: Why no more are taken.
        self._closing = ""

    def refusal(self, session: Session, client: str = "") -> str:
        """Why another stream cannot be opened in a session by a client; "": it can."""
        if self._closing:
            return self._closing
        if self._of_session[session.directory] >= self.limits.per_session:
            return f"The session has {self.limits.per_session} event streams already."
        if client and self._of_client[client] >= self.limits.per_client:
            return (
                f"This client has {self.limits.per_client} event streams already (live.streams_per_client)."
            )
        if len(self.open) >= self.limits.in_all:
            return f"There are {self.limits.in_all} event streams already."
        return ""

    @contextmanager
    def holding(self, outlet: Outlet) -> Iterator[None]:
        """It is one of them as long as this lasts."""
        self._add(outlet)
        try:
            yield
        finally:
            self._remove(outlet)

    def _add(self, outlet: Outlet) -> None:
        self.open.add(outlet)
        self._of_session[outlet.session.directory] += 1
        self._of_client[outlet.client] += 1
        self._idle.clear()
        self.counts.opened += 1
        self.counts.open += 1

    def _remove(self, outlet: Outlet) -> None:
        self.open.discard(outlet)
        self.counts.open -= 1
        for counter, key in ((self._of_session, outlet.session.directory), (self._of_client, outlet.client)):
            counter[key] -= 1
            if not counter[key]:
                del counter[key]
        if not self.open:
            self._idle.set()

    def end_all(self, reason: str) -> None:
        """Have all streams that are open end; their clients come again."""
        for outlet in tuple(self.open):
            outlet.end(reason)

    def end_of(self, sessions: Sequence[str], reason: str) -> None:
        """Have those of these sessions end; their clients come again, and may be sent elsewhere."""
        gone = frozenset(sessions)
        for outlet in tuple(self.open):
            if outlet.session.directory in gone:
                outlet.end(reason)

    async def drain(self, seconds: float) -> None:
        """Take no more streams, and have those that are open end, for so long at most."""
        self._closing = "The service is stopping."
        self.end_all("the service is stopping")
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            log.warning("streams cut off at stop", streams=len(self.open))


@define(eq=False)
class Outlet(abc.ABC):
    """One connection, in which somebody has an interest in one session."""

    registry: Registry
    session: Session
    wire: Wire
    #: Who has opened it, for a share of all; "": an operator, who has none.
    client: str = field(default="", kw_only=True)
    #: Events that it was sent.
    events: int = 0
    last_id: str = NO_ID
    _news: asyncio.Event = field(factory=asyncio.Event)
    _ending: str = ""

    def news(self) -> None:
        """There may be something to send."""
        self._news.set()

    def end(self, reason: str) -> None:
        self._ending = self._ending or reason
        self._news.set()

    @abc.abstractmethod
    async def _send_news(self) -> bool:
        """Send everything that the client has not got. False: it reads too slowly."""

    def _blocked(self) -> None:  # noqa: B027  not everyone's business
        """Something does not fit, and is waited for."""

    def _unblocked(self) -> None:  # noqa: B027
        """It fits now, or never."""

    async def run(self) -> str:
        """Send until it ends; why it has. Raises ConnectionError when the client has left."""
        heartbeat = self.registry.limits.heartbeat_seconds
        while not self._ending:
            self._news.clear()
            if not await self._send_news():
                return await self._close_slow()
            try:
                async with asyncio.timeout(heartbeat):
                    await self._news.wait()
            except TimeoutError:
                if not await self._beat():
                    return await self._close_slow()
        await self.wire.write(events.comment(self._ending) + events.retry())
        return self._ending

    async def _close_slow(self) -> str:
        self.registry.counts.slow += 1
        text = f"closed: {self.wire.unsent()} bytes were not read in time"
        await self.wire.write(events.comment(text) + events.retry())
        return "slow reader"

    async def _beat(self) -> bool:
        """A sign of life, when everything before it was read. False: that takes too long."""
        if not await self._fits(self.registry.limits.buffered_bytes + 1):
            return False
        await self.wire.write(events.HEARTBEAT)
        return True

    async def _event(self, name: str, data: bytes) -> bool:
        """Send it when it fits. False: the client reads too slowly."""
        block = events.event(name, self.last_id, data)
        if not await self._fits(len(block)):
            return False
        self.events += 1
        self.registry.counts.events += 1
        await self.wire.write(block)
        return True

    async def _fits(self, size: int) -> bool:
        """Wait until so many bytes can be written. False: the client reads too slowly."""
        limits, unsent = self.registry.limits, self.wire.unsent()
        if not unsent or unsent + size <= limits.buffered_bytes:
            return True
        self._blocked()
        try:
            async with asyncio.timeout(limits.patience_seconds):
                await self.wire.drained()
        except TimeoutError:
            return False
        finally:
            self._unblocked()
        return True
