"""A session's changes, one event each, for operators: what was written, by which request, route and plan.

1. What is happening comes from the hub. What was missed comes from the record's history: after a reconnect,
   where versions are missing between two that were heard of, and where too much has waited to be sent.
2. Each version is told once, in their order. An id is the version that was told last, to go on after.
3. Where history does not reach back so far, that is told (`gap`), and the feed goes on from now.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import orjson
from attrs import define, field

from server.live import events
from server.live.outlets import Outlet
from server.values.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.live.changes import Changes, Touched

    #: The changes after a version, and the version that there is now; None: just that.
    Past = Callable[[int | None], Awaitable[dict[str, Any]]]

_MOST_WAITING: Final = 256
#: What is no version's: the session is another, or may be.
_WHOLE: Final = frozenset({"import", "reset", "rewind", "deleted", "doubtful"})


@define(eq=False)
class Feed(Outlet):
    """`past` raises NotFound where history does not reach back."""

    past: Past = field(kw_only=True)
    _version: int = 0
    _waiting: deque[Touched] = field(factory=lambda: deque(maxlen=_MOST_WAITING))
    _missed: bool = False

    async def serve(self, changes: Changes, since: int) -> str:
        """Until it ends; why it has. `since`: the version to go on after.

        Raises ConnectionError when the client has left.
        """
        with self.registry.holding(self):
            unsubscribe = changes.subscribe(self._hear)
            try:
                await self.wire.write(events.retry())
                self._version, self._missed = since, True
                self.last_id = str(since)
                return await self.run()
            finally:
                unsubscribe()

    def _hear(self, touched: Touched) -> None:
        if touched.session != self.session.directory or touched.cause == "plan":
            return
        if len(self._waiting) == _MOST_WAITING:
            self._missed = True
        self._waiting.append(touched)
        self.news()

    async def _send_news(self) -> bool:
        if self._missed and not await self._catch_up():
            return False
        while self._waiting:
            if not await self._send(self._waiting.popleft()):
                return False
        return True

    async def _send(self, touched: Touched) -> bool:
        if touched.cause in _WHOLE:
            return await self._send_whole(touched)
        if touched.version <= self._version:
            return True
        if (touched.version > self._version + 1 or touched.whole) and not await self._catch_up():
            return False
        return touched.version <= self._version or await self._tell(_told(touched))

    async def _send_whole(self, touched: Touched) -> bool:
        """Its versions, where they can be told, and that it is another session now."""
        if touched.cause in {"deleted", "doubtful"}:
            self._version = await self._now()
        elif not await self._catch_up():
            return False
        self.last_id = str(self._version)
        told = {"session": self.session.id, "version": self._version, "cause": touched.cause}
        return await self._event("session", events.to_ascii(told))

    async def _catch_up(self) -> bool:
        self._missed = False
        while True:
            try:
                found = await self.past(self._version)
            except NotFound:
                return await self._gap()
            for change in found["changes"]:
                if not await self._tell(change):
                    return False
            if not found["changes"] or self._version >= found["version"]:
                return True

    async def _gap(self) -> bool:
        before, self._version = self._version, await self._now()
        if before == self._version:
            return True
        self.last_id = str(self._version)
        told = {"session": self.session.id, "since": before, "version": self._version}
        return await self._event("gap", events.to_ascii(told))

    async def _tell(self, change: dict[str, Any]) -> bool:
        """An event, but for a version that has touched no record: an index was made."""
        self._version = change["version"]
        self.last_id = str(self._version)
        return not change["collections"] or await self._event("change", events.to_ascii(change))

    async def _now(self) -> int:
        return await version_now(self.past)


async def version_now(past: Past) -> int:
    """The session's version; 0 where there is no such session."""
    try:
        return int((await past(None))["version"])
    except NotFound:
        return 0


def _told(touched: Touched) -> dict[str, Any]:
    named: dict[str, list[Any]] = {}
    for collection, address in sorted(touched.records):
        named.setdefault(collection, []).append(orjson.loads(address))
    return {
        "version": touched.version,
        "route": touched.route,
        "plan": touched.plan,
        "request": touched.request_id,
        "collections": {name: named.get(name) for name in sorted(touched.collections) if name != "*"},
    }
