"""A dialect's own way to have changes told: a request opens a stream, and another one says what of."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

import orjson
from attrs import evolve, frozen

from server.http import request_id
from server.http.answering import answered_always
from server.live import outlets
from server.live.subscribers import Follower
from server.planning.dialects.frame.live import Subscribed
from server.planning.dialects.frame.registry import AUTO, known
from server.telemetry.request_line import RequestLine
from server.values.errors import InvalidQuery, Overloaded
from server.values.model import Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from aiohttp import web

    from server.http.answering import UseCase
    from server.live.changes import Changes
    from server.live.outlets import Holding, Outlet, Registry, StreamLimits, Wire
    from server.live.subscribers import Subscribers, Written
    from server.planning.dialects.frame.live import Live, Topic
    from server.planning.dialects.frame.table import ErrorForm
    from server.values.model import RequestContext, Session

_OK = 200
#: What may come by itself later.
_LATER = frozenset({429, 502, 503, 504})


@cache
def _paths() -> dict[str, frozenset[str]]:
    """The dialects that have a stream of their own at a path."""
    found: dict[str, set[str]] = {}
    for name, dialect in known().items():
        if dialect.live is not None:
            found.setdefault(dialect.live.path, set()).add(name)
    return {path: frozenset(names) for path, names in found.items()}


def may_open(request: web.BaseRequest) -> bool:
    """Whether it opens a stream in some dialect, which are there whatever is accepted."""
    accept = request.headers.get("Accept", "*/*")
    return request.method == "GET" and accept == "*/*" and request.raw_path.partition("?")[0] in _paths()


def is_at(path: str, named: str) -> bool:
    """Whether the dialect has such a stream there; `auto` has those of all."""
    return named == AUTO or named in _paths()[path]


@frozen
class Subscribing:
    """`limits`: how many topics a client may have that a plan is asked for, and how long all may be."""

    subscribers: Subscribers
    limits: StreamLimits
    use_case: UseCase

    def opened(self, ctx: RequestContext) -> Opened | None:
        """The stream that a request opens; None: it opens none of this kind."""
        live = _live(ctx)
        return None if live is None else Opened(ctx, live, self.subscribers, self.use_case)

    def subscribed(self, ctx: RequestContext) -> Reply | None:
        """The reply to what a client asks to be told of; None: the request is another one.

        Raises InvalidQuery, also for more than the limits allow.
        """
        live = _live(ctx)
        if live is None or ctx.method != "POST":
            return None
        asked = live.read(ctx)
        if not isinstance(asked, Subscribed):
            return _refused(asked)
        follower = self.subscribers.find(asked.client, ctx.session)
        if follower is None:
            return _refused(live.stranger)
        self._check(asked.topics)
        follower.subscribe(asked.topics)
        return Reply(204)

    def _check(self, topics: Sequence[Topic]) -> None:
        most = self.limits.routes
        if sum(bool(topic.query) for topic in topics) > most:
            raise InvalidQuery(f"At most {most} subscriptions with options at once (live.routes_per_stream).")
        most = self.limits.buffered_bytes
        if sum(len(topic.event.encode()) for topic in topics) > most:
            raise InvalidQuery(f"Subscriptions of at most {most} bytes together (live.buffered_bytes).")


def _live(ctx: RequestContext) -> Live | None:
    live = known()[ctx.dialect].live if ctx.dialect else None
    return live if live is not None and live.path == ctx.path else None


def _refused(form: ErrorForm) -> Reply:
    return Reply(form.status, body=orjson.dumps(form.body), media_type=form.media_type)


@frozen
class Opened:
    """A stream that is to be opened (`server.http.watching.Follows`)."""

    ctx: RequestContext
    live: Live
    subscribers: Subscribers
    use_case: UseCase
    registry: Registry | None = None
    holding: Holding = outlets.to_its_end

    @property
    def session(self) -> Session:
        return self.ctx.session

    @property
    def begun(self) -> tuple[str, str]:
        return self.live.path, ""

    def open(self, registry: Registry, wire: Wire, changes: Changes) -> tuple[Outlet, Awaitable[str]]:  # noqa: ARG002  as its kin
        follower = Follower(
            registry,
            self.session,
            wire,
            live=self.live,
            followed=self.subscribers.followed(self.session),
            make=partial(self._made, self.ctx),
        )
        return follower, follower.serve(self.subscribers)

    async def _made(self, ctx: RequestContext, topic: Topic, written: Written) -> Any:
        """What a plan of the dialect makes of a record; None where the topic is not about it.

        Raises Overloaded.
        """
        path = self.live.asks.format(resource=written.collection)
        line = RequestLine(request_id=request_id.new(), method="POST", session=ctx.session.id)
        headers = {name: value for name, value in ctx.headers.items() if name != "content-type"}
        asking = evolve(
            ctx,
            method="POST",
            path=path,
            segments=tuple(path.strip("/").split("/")),
            query=dict(topic.query),
            headers={**headers, "accept": "*/*", "prefer": "tx=rollback"},
            content="json",
            body_json=written.record,
            body_text=written.text,
            request_id=line.request_id,
        )
        reply = await answered_always(self.use_case, asking, line)
        if reply.status in _LATER:
            raise Overloaded("An event could not be made.")
        if reply.status != _OK or reply.body is None:
            return None
        return self.live.made(written.action, orjson.loads(reply.body))
