"""Who watches over one connection: which routes, and what of each the client has got.

A stream has no queue. It is sent the latest answer that it has not got, so one that reads slowly skips
states, and what waits for it is bounded by what its connection has not taken yet.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

from attrs import define, field

from server.live import events
from server.live.outlets import NO_ID, Outlet

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Sequence

    from server.live.topics import Answer, Asked, Topic, Topics
    from server.values.model import RequestContext

#: As topics make them, and entity tags are.
_TAG: Final = re.compile(r'"[0-9a-f]{32}"')


@define(eq=False)
class _Watched:
    """One route of a stream: what of it was sent last."""

    key: Hashable
    topic: Topic
    tag: str = NO_ID
    plan: str = ""
    trouble: str = ""


@define(eq=False)
class Stream(Outlet):
    """One client's. `delta`: it takes patches where it has the answer before."""

    topics: Topics = field(kw_only=True)
    delta: bool = False
    ready: bool = True
    _watched: list[_Watched] = field(factory=list)
    _causes: dict[str, None] = field(factory=dict)

    def session_changed(self, cause: str) -> None:
        self._causes[cause] = None
        self.news()

    async def serve(self, watched: Sequence[Question], last_id: str) -> str:
        """Until it ends; why it has. `last_id`: the id of the last event that the client has got.

        Raises ConnectionError when the client has left.
        """
        with self.registry.holding(self):
            try:
                await self.wire.write(events.retry())
                tags = _tags(last_id, len(watched))
                self.last_id = last_id if tags else NO_ID
                for number, question in enumerate(watched):
                    key, topic = self.topics.join(question.ctx, question.route, question.ask, self)
                    self._watched.append(_Watched(key, topic, tags[number] if tags else NO_ID))
                return await self.run()
            finally:
                self.ready = False
                for each in self._watched:
                    self.topics.leave(each.key, self)

    def _blocked(self) -> None:
        self.ready = False
        for each in self._watched:
            each.topic.taken(self)

    def _unblocked(self) -> None:
        self.ready = True

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
            self.last_id = ",".join(one.tag for one in self._watched)
            if not await self._event("patch" if patch else "reply", patch or _whole(answer)):
                return False
        each.topic.taken(self)
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
    return text == NO_ID or _TAG.fullmatch(text) is not None
