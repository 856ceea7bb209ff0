"""Streams whose clients say what they want to be told of: each record that is made, changed or removed.

1. What was done is read from the record's history, version by version. So each is told once, in their order,
   as the record was after it, or before it where it was removed.
2. A topic is told what was written after its client was told that it is subscribed, and nothing before.
3. What is read serves all of a session. So does what a plan has made of it for a topic, one at a time.
4. Where it cannot be told what was done (there is no history so far back, it is too much, or the session is
   another as a whole) the stream ends. Its client comes again, and reads what it needs.
"""

from __future__ import annotations

import asyncio
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson
from attrs import define, field, frozen

from server.concurrency.aside import INLINE_BYTES, aside
from server.live import events
from server.live.outlets import Outlet
from server.values.errors import NotFound, ServiceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from server.live.changes import Changes, Touched
    from server.planning.dialects.frame.live import Action, Live, Topic
    from server.values.model import Session

    #: Makes of what was done the data of a topic's event; None: the topic is not about it.
    Make = Callable[[Topic, "Written"], Awaitable[Any]]

#: What is read of a session is kept for those who come a little later.
_PAGES: Final = 2
_CLIENT_BYTES: Final = 30
#: The session is another, or may be.
_WHOLE: Final = frozenset({"import", "reset", "rewind", "deleted", "doubtful"})


class History(Protocol):
    """What the record knows of a session, by its directory. Raises ServiceError."""

    async def version(self, session: str) -> int: ...

    async def steps(self, session: str, since: int) -> list[dict[str, Any]]:
        """As `server.record.record.Step`. Raises NotFound where that cannot be told."""
        ...


@frozen
class Written:
    """What a version did to a record: `record` is how it was after it, or before it was removed."""

    version: int
    action: Action
    collection: str
    row: int
    text: str
    record: dict[str, Any]

    @property
    def address(self) -> str:
        return str(self.record["id"])


@define(eq=False)
class _Page:
    """Versions that follow each other, and what was made of them by topics that ask for more."""

    until: int
    written: list[Written]
    made: dict[tuple[int, int, str, str], bytes] = field(factory=dict)


class Followed:
    """A session that is followed. `seen`: the last version that was heard of."""

    def __init__(self, directory: str, history: History) -> None:
        self._directory = directory
        self._history = history
        self._pages: dict[int, _Page] = {}
        self._turn = asyncio.Lock()
        self.seen = 0
        self.followers: set[Follower] = set()

    async def begin(self) -> None:
        """Raises ServiceError."""
        self.seen = max(self.seen, await self._history.version(self._directory))

    def hear(self, touched: Touched) -> None:
        self.seen = max(self.seen, touched.version)
        for follower in tuple(self.followers):
            if touched.cause in _WHOLE:
                follower.end("the session is another now")
            else:
                follower.hear(touched)

    async def after(self, version: int) -> _Page:
        """What was written then, as far as it is known. Raises ServiceError."""
        async with self._turn:
            page = self._pages.get(version)
            if page is None:
                steps = await self._history.steps(self._directory, version)
                size = sum(len(text) for text in _texts(steps))
                small = size <= INLINE_BYTES
                written = _read(steps) if small else await aside(partial(_read, steps), self._directory)
                page = _Page(steps[-1]["version"] if steps else version, written)
                while len(self._pages) >= _PAGES:
                    del self._pages[next(iter(self._pages))]
                if steps:
                    self._pages[version] = page
            return page

    async def made(self, page: _Page, topic: Topic, written: Written, make: Make) -> bytes:
        """An event's data, b"" for none."""
        key = (written.version, written.row, written.collection, topic.event)
        async with self._turn:
            if key not in page.made:
                found = await make(topic, written)
                page.made[key] = b"" if found is None else events.to_ascii(found)
            return page.made[key]


def _texts(steps: Sequence[dict[str, Any]]) -> list[str]:
    return [each["after"] or each["before"] for step in steps for each in step["records"]]


def _read(steps: Sequence[dict[str, Any]]) -> list[Written]:
    found = []
    for step in steps:
        for each in step["records"]:
            before, after = each["before"], each["after"]
            action: Action = "delete" if after is None else "create" if before is None else "update"
            text = before if after is None else after
            row = (step["version"], action, each["collection"], each["row"])
            found.append(Written(*row, text, orjson.loads(text)))
    return found


@frozen
class _Held:
    """A topic, and the version after which it is told."""

    topic: Topic
    since: int


@define(eq=False)
class Follower(Outlet):
    """One client's stream. `made` makes events of what a topic asks for beyond the record."""

    live: Live = field(kw_only=True)
    followed: Followed = field(kw_only=True)
    make: Make = field(kw_only=True)
    client: str = field(factory=lambda: secrets.token_urlsafe(_CLIENT_BYTES))
    _topics: dict[str, _Held] = field(factory=dict)
    _version: int = 0

    async def serve(self, subscribers: Subscribers) -> str:
        """Until it ends; why it has. Raises ConnectionError when the client has left."""
        with self.registry.holding(self):
            try:
                await self.wire.write(events.retry())
                subscribers.add(self)
                try:
                    await self.followed.begin()
                except ServiceError:
                    self.end("the session cannot be read now")
                    return await self.run()
                self._version = self.followed.seen
                self.last_id = self.client
                name, data = self.live.first(self.client)
                if not await self._event(name, events.to_ascii(data)):
                    return await self._close_slow()
                return await self.run()
            finally:
                subscribers.remove(self)

    def subscribe(self, topics: Sequence[Topic]) -> None:
        """Be told of these, and of nothing else. One that was there before goes on."""
        since = self.followed.seen
        self._topics = {each.event: self._topics.get(each.event, _Held(each, since)) for each in topics}

    def hear(self, touched: Touched) -> None:
        known = touched.version == self._version + 1 and not touched.whole
        if known and not any(self._wants(name) for name in touched.collections):
            self._version = touched.version
        else:
            self.news()

    def _wants(self, collection: str) -> bool:
        return any(self._is_of(held.topic, collection) for held in self._topics.values())

    def _is_of(self, topic: Topic, collection: str) -> bool:
        return topic.collection in (collection, self.live.also(collection))

    async def _send_news(self) -> bool:
        while self._version < self.followed.seen and not self._ending:
            if not self._topics:
                self._version = self.followed.seen
                return True
            try:
                page = await self.followed.after(self._version)
                for written in page.written:
                    if not await self._tell(page, written):
                        return False
            except NotFound as error:
                self.end(error.detail)
            except ServiceError:
                self.end("what was written cannot be told now")
            else:
                if page.until == self._version:
                    return True
                self._version = page.until
        return True

    async def _tell(self, page: _Page, written: Written) -> bool:
        """An event of each topic that it is of. False: the client reads too slowly."""
        for held in tuple(self._topics.values()):
            topic = held.topic
            if written.version <= held.since or not self._is_of(topic, written.collection):
                continue
            if topic.record is not None and topic.record != written.address:
                continue
            data = await self.followed.made(page, topic, written, self._data)
            if data and not await self._event(topic.event, data):
                return False
        return True

    async def _data(self, topic: Topic, written: Written) -> Any:
        if topic.query:
            return await self.make(topic, written)
        return self.live.told(written.action, written.collection, written.record)


class Subscribers:
    """All such streams of a service, by their clients' ids."""

    def __init__(self, changes: Changes, history: History) -> None:
        self._history = history
        self._clients: dict[str, Follower] = {}
        self._sessions: dict[str, Followed] = {}
        changes.subscribe(self._hear)

    def followed(self, session: Session) -> Followed:
        known = self._sessions.get(session.directory)
        return known or Followed(session.directory, self._history)

    def find(self, client: str, session: Session) -> Follower | None:
        """The session's client of this id."""
        found = self._clients.get(client)
        return found if found is not None and found.session.directory == session.directory else None

    def add(self, follower: Follower) -> None:
        self._clients[follower.client] = follower
        followed = self._sessions.setdefault(follower.session.directory, follower.followed)
        follower.followed = followed
        followed.followers.add(follower)

    def remove(self, follower: Follower) -> None:
        self._clients.pop(follower.client, None)
        follower.followed.followers.discard(follower)
        if not follower.followed.followers:
            self._sessions.pop(follower.session.directory, None)

    def _hear(self, touched: Touched) -> None:
        followed = self._sessions.get(touched.session)
        if followed is not None and touched.cause != "plan":
            followed.hear(touched)
