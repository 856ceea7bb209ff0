"""Who looks at Traffic as it comes: rows for pages, documents for programs, and points of the charts.

While nobody looks there is no listener, no timer and no board: a request costs nothing of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field, frozen

from server.console.points import Board
from server.live import events, outlets
from server.live.outlets import Outlet
from server.values.model import Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from server.console.points import Gauges, Point
    from server.console.tail import Seen, Tail
    from server.live.changes import Changes
    from server.live.outlets import Holding, Registry, Wire
    from server.telemetry.request_line import RequestLine

#: Rows of a page; and of one event.
MOST_ROWS: Final = 100
#: Between two events with rows: nobody reads quicker.
_REST_SECONDS: Final = 0.25
#: Points that wait for a client that reads slowly.
_MOST_POINTS: Final = 10
#: These streams are of no session.
_NO_SESSION: Final = Session("", "")


@define(eq=False)
class Live:
    """`gauges` tells what only a moment has."""

    tail: Tail
    gauges: Callable[[], Gauges]
    _watchers: set[Watcher] = field(factory=set, init=False)
    _board: Board | None = field(default=None, init=False)
    _stop: Callable[[], None] = field(default=lambda: None, init=False)

    @property
    def watched(self) -> bool:
        return bool(self._watchers)

    @property
    def board(self) -> Board:
        """The charts as they are now."""
        return self._board or Board(self.tail, self.gauges())

    @contextmanager
    def watched_by(self, watcher: Watcher) -> Iterator[None]:
        if not self._watchers:
            self._begin()
        self._watchers.add(watcher)
        try:
            yield
        finally:
            self._watchers.discard(watcher)
            if not self._watchers:
                self._end()

    def _begin(self) -> None:
        self._board = board = Board(self.tail, self.gauges())
        deaf = self.tail.listen(self._hear)
        ticking = asyncio.get_running_loop().create_task(self._tick(board))

        def stop() -> None:
            deaf()
            ticking.cancel()

        self._stop = stop

    def _end(self) -> None:
        self._stop()
        self._board = None

    def _hear(self, line: RequestLine) -> None:
        if self._board is not None:
            self._board.note(line)
        seen = self.tail.seen(line)
        for watcher in self._watchers:
            watcher.hear(seen)

    async def _tick(self, board: Board) -> None:
        while True:
            at = int(self.tail.clock())
            await asyncio.sleep(at + 1 - self.tail.clock())
            point = board.close(at, self.gauges())
            for watcher in self._watchers:
                watcher.tick(point)


@define(eq=False)
class Watcher(Outlet):
    """One stream. It has the last requests first, then those that come; as many as it takes."""

    live: Live = field(kw_only=True)
    wanted: Callable[[Seen], bool] = field(kw_only=True)
    #: Of requests, the newest first: what an event says of them.
    shown: Callable[[Sequence[Seen]], dict[str, Any]] = field(kw_only=True)
    #: The second of the last point that a client has, which comes again; None: it wants those to come.
    after: int | None = field(default=None, kw_only=True)
    _waiting: deque[Seen] = field(factory=lambda: deque(maxlen=MOST_ROWS))
    _points: deque[Point] = field(factory=lambda: deque(maxlen=_MOST_POINTS))
    _skipped: int = 0
    _resting: asyncio.TimerHandle | None = None

    async def serve(self) -> str:
        """Until it ends; why it has. Raises ConnectionError when the client has left."""
        with self.registry.holding(self), self.live.watched_by(self):
            try:
                await self.wire.write(events.retry())
                self._waiting.extend(reversed(self.live.tail.last(MOST_ROWS, self.wanted)))
                if not (await self._send_rows(first=True) and await self._send_missed()):
                    return await self._close_slow()
                return await self.run()
            finally:
                if self._resting is not None:
                    self._resting.cancel()

    def hear(self, seen: Seen) -> None:
        if not self.wanted(seen):
            return
        self._skipped += len(self._waiting) == MOST_ROWS
        self._waiting.append(seen)
        if self._resting is None:
            self._resting = asyncio.get_running_loop().call_later(_REST_SECONDS, self._rested)

    def _rested(self) -> None:
        self._resting = None
        self.news()

    def tick(self, point: Point) -> None:
        self._points.append(point)
        self.news()

    async def _send_news(self) -> bool:
        if self._waiting and self._resting is None and not await self._send_rows():
            return False
        while self._points:
            if not await self._send_point(self._points.popleft()):
                return False
        return True

    async def _send_missed(self) -> bool:
        """The points that there are after the last one that the client has."""
        if self.after is None:
            return True
        self._points.clear()  # each of those is one of the board's
        for point in tuple(self.live.board.points):
            if point.at > self.after and not await self._send_point(point):
                return False
        return True

    async def _send_point(self, point: Point) -> bool:
        """Its second is the event's id: a client that comes again says by it what it has."""
        self.last_id = str(point.at)
        return await self._event("second", events.to_ascii(point.told))

    async def _send_rows(self, *, first: bool = False) -> bool:
        """All that wait. `first`: what a client that comes again may have already."""
        rows, skipped = list(self._waiting)[::-1], self._skipped
        self._waiting.clear()
        self._skipped = 0
        told = {"skipped": skipped, "first": first, **self.shown(rows)}
        if first:
            told["counted_since"] = self.live.board.counted_since
        return await self._event("requests", events.to_ascii(told))


@frozen
class Tailing:
    """A stream of Traffic that somebody may have. See `server.http.watching.Follows`."""

    live: Live
    registry: Registry
    wanted: Callable[[Seen], bool]
    shown: Callable[[Sequence[Seen]], dict[str, Any]]
    holding: Holding = outlets.to_its_end
    after: int | None = None

    @property
    def session(self) -> Session:
        return _NO_SESSION

    @property
    def begun(self) -> tuple[str, str]:
        return "", ""

    def open(self, registry: Registry, wire: Wire, _changes: Changes) -> tuple[Outlet, Awaitable[str]]:
        watcher = Watcher(
            registry,
            self.session,
            wire,
            live=self.live,
            wanted=self.wanted,
            shown=self.shown,
            after=self.after,
        )
        return watcher, watcher.serve()
