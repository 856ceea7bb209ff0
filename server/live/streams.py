"""Who watches over which connection: how many may, what each is sent, and that all come to an end.

1. A stream has no queue. It is sent the latest answer that it has not got, so one that reads slowly skips
   states, and what waits for it is bounded by what its connection has not taken yet.
2. What does not fit waits until all that was written before has been read. A stream for which that takes too
   long is closed, with a comment that says so.
3. A stream ends as a response that was complete, and says when to come again. Anything else would end a
   browser's EventSource for good.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import TYPE_CHECKING, Final, Protocol

import structlog
from attrs import define, field, frozen

from server.live import events

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Sequence

    from server.live.topics import Answer, Asked, Topic, Topics
    from server.values.model import RequestContext, Session

log = structlog.get_logger(__name__)

_NO_TAG: Final = "-"
#: After how long to come again where there was no room.
#: As topics make them, and entity tags are.
_TAG: Final = re.compile(r'"[0-9a-f]{32}"')


@frozen
class StreamLimits:
    """Of event streams. `patience_seconds`: for which what was sent may lie unread."""

    in_all: int = 2_048
    per_session: int = 128
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


@define(eq=False)
class _Watched:
    """One route of a stream: what of it was sent last."""

    key: Hashable
    topic: Topic
    tag: str = _NO_TAG
    plan: str = ""
    trouble: str = ""


class Registry:
    """All streams of a service."""

    def __init__(self, topics: Topics, limits: StreamLimits) -> None:
        self.topics = topics
        self.limits = limits
        self.open: set[Stream] = set()
        self._of_session: Counter[str] = Counter()
        self._idle = asyncio.Event()
        self._idle.set()
        #: Why no more are taken.
        self._closing = ""
        #: Since the start: streams that were opened, refused, and closed for being slow; events sent.
        self.opened = self.refused = self.slow = self.sent = 0

    def refusal(self, session: Session) -> str:
        """Why another stream cannot be opened in a session; "": it can."""
        if self._closing:
            return self._closing
        if self._of_session[session.directory] >= self.limits.per_session:
            return f"The session has {self.limits.per_session} event streams already."
        if len(self.open) >= self.limits.in_all:
            return f"There are {self.limits.in_all} event streams already."
        return ""

    def add(self, stream: Stream) -> None:
        self.open.add(stream)
        self._of_session[stream.session.directory] += 1
        self._idle.clear()
        self.opened += 1

    def remove(self, stream: Stream) -> None:
        self.open.discard(stream)
        self._of_session[stream.session.directory] -= 1
        if not self._of_session[stream.session.directory]:
            del self._of_session[stream.session.directory]
        if not self.open:
            self._idle.set()

    def end_all(self, reason: str) -> None:
        """Have all streams that are open end; their clients come again."""
        for stream in tuple(self.open):
            stream.end(reason)

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
class Stream:
    """One client's. `delta`: it takes patches where it has the answer before."""

    registry: Registry
    session: Session
    wire: Wire
    delta: bool = False
    #: Events that it was sent.
    events: int = 0
    ready: bool = True
    _watched: list[_Watched] = field(factory=list)
    _news: asyncio.Event = field(factory=asyncio.Event)
    _causes: dict[str, None] = field(factory=dict)
    _ending: str = ""
    _last_id: str = _NO_TAG

    def news(self) -> None:
        self._news.set()

    def session_changed(self, cause: str) -> None:
        self._causes[cause] = None
        self._news.set()

    def end(self, reason: str) -> None:
        self._ending = self._ending or reason
        self._news.set()

    async def serve(self, watched: Sequence[Question], last_id: str) -> str:
        """Until it ends; why it has. `last_id`: the id of the last event that the client has got.

        Raises ConnectionError when the client has left.
        """
        registry = self.registry
        registry.add(self)
        try:
            await self.wire.write(events.retry())
            tags = _tags(last_id, len(watched))
            self._last_id = last_id if tags else _NO_TAG
            for number, question in enumerate(watched):
                key, topic = registry.topics.join(question.ctx, question.route, question.ask, self)
                self._watched.append(_Watched(key, topic, tags[number] if tags else _NO_TAG))
            return await self._serve()
        finally:
            self.ready = False
            for each in self._watched:
                registry.topics.leave(each.key, self)
            registry.remove(self)

    async def _serve(self) -> str:
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
        self.registry.slow += 1
        text = f"closed: {self.wire.unsent()} bytes were not read in time"
        await self.wire.write(events.comment(text) + events.retry())
        return "slow reader"

    async def _beat(self) -> bool:
        """A sign of life, when everything before it was read. False: that takes too long."""
        if not await self._fits(self.registry.limits.buffered_bytes + 1):
            return False
        await self.wire.write(events.HEARTBEAT)
        return True

    async def _send_news(self) -> bool:
        """Everything that the client has not got. False: it reads too slowly."""
        causes, self._causes = self._causes, {}
        for cause in causes:
            data = events.to_ascii({"session": self.session.id, "cause": cause})
            if not await self._event("session", data):
                return False
        for each in self._watched:
            if not await self._send(each):
                return False
        return True

    async def _send(self, each: _Watched) -> bool:
        """What there is of a route. False: the client reads too slowly."""
        trouble = each.topic.trouble
        if trouble is not None and trouble.tag != each.trouble:
            each.trouble = trouble.tag
            if not await self._event("problem", _whole(trouble)):
                return False
        if each.topic.answer is None:
            return True
        if not await self._fits(len(each.topic.answer.head) + each.topic.answer.size):
            return False
        return await self._send_answer(each, each.topic.answer)

    async def _send_answer(self, each: _Watched, answer: Answer) -> bool:
        if answer.tag != each.tag and answer.body is None:
            each.topic.want()  # while it could not be sent it was not kept
            return True
        replanned = each.plan and answer.plan and each.plan != answer.plan
        each.plan, each.trouble = answer.plan or each.plan, ""
        if replanned:
            told = events.to_ascii({"route": each.topic.route, "plan": answer.plan})
            if not await self._event("plan", told):
                return False
        if answer.tag != each.tag:
            patch = answer.patches.get(each.tag) if self.delta else None
            each.tag = answer.tag
            self._last_id = ",".join(one.tag for one in self._watched)
            if not await self._event("patch" if patch else "reply", patch or _whole(answer)):
                return False
        each.topic.taken(self)
        return True

    async def _event(self, name: str, data: bytes) -> bool:
        block = events.event(name, self._last_id, data)
        if not await self._fits(len(block)):
            return False
        self.events += 1
        self.registry.sent += 1
        await self.wire.write(block)
        return True

    async def _fits(self, size: int) -> bool:
        """Wait until so many bytes can be written. False: the client reads too slowly."""
        limits, unsent = self.registry.limits, self.wire.unsent()
        if not unsent or unsent + size <= limits.buffered_bytes:
            return True
        self.ready = False
        for each in self._watched:
            each.topic.taken(self)
        try:
            async with asyncio.timeout(limits.patience_seconds):
                await self.wire.drained()
        except TimeoutError:
            return False
        finally:
            self.ready = True
        return True


class Question(Protocol):
    """A request to watch, and how it is asked."""

    @property
    def ctx(self) -> RequestContext: ...

    @property
    def route(self) -> str: ...

    @property
    def ask(self) -> Callable[[], Awaitable[Asked]]: ...


def _whole(answer: Answer) -> bytes:
    return events.closed(answer.head, "body", answer.body or b"null")


def _tags(last_id: str, count: int) -> list[str]:
    """Of each route, out of the id of an event; none where it is no id of such a stream."""
    tags = last_id.split(",")
    return tags if len(tags) == count and all(_is_tag(tag) for tag in tags) else []


def _is_tag(text: str) -> bool:
    return text == _NO_TAG or _TAG.fullmatch(text) is not None
