"""Requests for event streams: who may have one, what is watched, and the stream from its head to its end.

A browser's EventSource sends no headers. So on these requests, and on no others, the session may be named by
`?session=` where no header does, and a ticket (`?ticket=`) stands for a token and its session.
"""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson
import structlog
from attrs import evolve, frozen

from server.http import pages, request_id, subscribing
from server.http.answering import answered_always
from server.http.event_stream import (
    ConnectionWire,
    last_id_of,
    own_keys,
    refusal_text,
    response_of,
    ticket_of,
)
from server.http.subscribing import Subscribing
from server.live.streams import Stream
from server.live.topics import Asked
from server.planning.dialects.frame.registry import NATIVE
from server.requests.auth import Caller
from server.requests.context import SESSION_ID, SESSION_KEY
from server.requests.origin import network_of
from server.requests.target import parse_query, parse_target
from server.sessions.identity import session_for
from server.telemetry.request_line import RequestLine
from server.values.errors import InvalidQuery, MethodNotAllowed, Overloaded, ServiceError, SessionInvalid
from server.values.model import Reply
from server.values.replies import error_reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp import web

    from server.http.answering import UseCase
    from server.http.contracts import ContractReader
    from server.http.event_stream import Wish
    from server.live.changes import Changes
    from server.live.outlets import Holding, Outlet, Registry, Wire
    from server.live.subscribers import Subscribers
    from server.live.tickets import Tickets
    from server.live.topics import Topics
    from server.planning.dialects.frame.choice import DialectChoice
    from server.requests.context import ContextReader
    from server.requests.target import Target
    from server.sessions.settings import ReadsSettings
    from server.values.model import RequestContext, Session

log = structlog.get_logger(__name__)

TICKETS: Final = ("_meta", "tickets")
#: On conditions nothing is watched, and what is asked again is asked by nobody's key.
_LEFT_OUT: Final = (
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "idempotency-key",
)
_FULL_RETRY_MS: Final = (5_000, 15_000)


@frozen
class Question:
    """A request that is watched, and how it is asked."""

    ctx: RequestContext
    route: str
    ask: Callable[[], Awaitable[Asked]]


@frozen
class Watch:
    """What a request for a stream comes to."""

    session: Session
    questions: tuple[Question, ...]
    delta: bool
    last_id: str


class Follows(Protocol):
    """A stream for operators, which is of no request that plans answer.

    `registry`: where there is room for it, None: among the streams of all. `begun`: of what is said where
    there is none, the first route and the id to go on after. `holding` may end the stream.
    """

    @property
    def session(self) -> Session: ...

    @property
    def registry(self) -> Registry | None: ...

    @property
    def begun(self) -> tuple[str, str]: ...

    @property
    def holding(self) -> Holding: ...

    def open(self, registry: Registry, wire: Wire, changes: Changes) -> tuple[Outlet, Awaitable[str]]: ...


class Watching:
    def __init__(  # noqa: PLR0917  parts, each of another kind
        self,
        registry: Registry,
        topics: Topics,
        changes: Changes,
        tickets: Tickets,
        reader: ContextReader,
        dialects: DialectChoice,
        settings: ReadsSettings,
        use_case: UseCase,
        contracts: ContractReader,
        subscribers: Subscribers,
    ) -> None:
        self._subscribing = Subscribing(subscribers, registry.limits, use_case)
        self._contracts = contracts
        self.registry = registry
        self._topics = topics
        self._changes = changes
        self._tickets = tickets
        self._reader = reader
        self._dialects = dialects
        self._settings = settings
        self._use_case = use_case

    def renew(self, tokens: Mapping[str, str]) -> None:
        """The tokens are others: tickets of before are none any more, and all streams have to come again."""
        self._tickets.renew(tokens)
        self.registry.end_all("the service's tokens were read again")

    # Tickets

    def ticket(self, request: web.BaseRequest, target: Target, caller: Caller) -> Reply:
        """A ticket for the session that the request names. Raises MethodNotAllowed, SessionMissing."""
        if request.method != "POST":
            raise MethodNotAllowed(("POST",), "Tickets are made, with POST.")
        session = self._reader.session(request, target, caller)
        ticket = self._tickets.mint(session, caller.token_name)
        told = {"ticket": ticket, "session": session.id, "seconds": self._tickets.seconds}
        return Reply(201, body=orjson.dumps(told))

    def caller(self, request: web.BaseRequest) -> tuple[Caller, Session] | None:
        """Whom a ticket lets in; None where there is none. Raises Unauthorized."""
        ticket = ticket_of(request.raw_path)
        if ticket is None:
            return None
        admitted = self._tickets.admitted(ticket)
        return Caller(admitted.token_name, owns_authorization=True), admitted.session

    # Requests

    async def opens(self, request: web.BaseRequest, caller: Caller, session: Session) -> bool:
        """Whether the session's dialect has a stream at the path. Raises InvalidHeader."""
        settings = await self._settings.of(session.directory)
        named = self._dialects.named(request.headers, caller.token_name, settings)
        return subscribing.is_at(request.raw_path.partition("?")[0], named)

    def subscribed(self, ctx: RequestContext) -> Reply | None:
        """The reply to what a stream's client asks to be told of, if that is asked. Raises InvalidQuery."""
        return self._subscribing.subscribed(ctx)

    def target(self, request: web.BaseRequest) -> Target | None:
        """Of a request for a stream; None: it is a page of the service's own. Raises InvalidPath."""
        target = parse_target(request.raw_path, path_bytes=self._reader.limits.path_bytes)
        if pages.is_own(target.segments) and (target.segments or not own_keys(target.raw_query).watch):
            return None
        return target

    def session(
        self, request: web.BaseRequest, target: Target, caller: Caller, admitted: Session | None
    ) -> Session:
        """Whose states are watched; `admitted`: by a ticket. Raises SessionMissing, SessionInvalid."""
        if admitted is None:
            return evolve(self._reader, in_query=True).session(request, target, caller)
        query = parse_query(target.raw_query, query_bytes=self._reader.limits.query_bytes)
        named = [*request.headers.getall(SESSION_ID, ()), *_texts(query.get(SESSION_KEY))]
        if not all(name == admitted.id or self._named(name, caller) == admitted for name in named):
            raise SessionInvalid("The ticket is for another session.")
        self._reader.note(admitted)
        return admitted

    def _named(self, name: str, caller: Caller) -> Session:
        """The session that the token of the ticket calls so. Raises SessionInvalid."""
        return session_for(name, caller.token_name, "reject", self._reader.scope)

    async def read(  # noqa: PLR0917  what a request has been found to be
        self,
        request: web.BaseRequest,
        wish: Wish,
        target: Target,
        caller: Caller,
        session: Session,
        line: RequestLine,
    ) -> Watch | Follows:
        """What is to be watched. Raises what reading a request raises."""
        own = own_keys(target.raw_query)
        targets = [] if pages.is_own(target.segments) else [evolve(target, raw_query=own.rest)]
        linked = SESSION_ID not in request.headers and ticket_of(request.raw_path) is None
        targets += [self._also(text, linked=linked) for text in own.watch]
        most = self.registry.limits.routes
        if len(targets) > most:
            raise InvalidQuery(f"A stream carries {most} routes at most.", limit=most)
        asked_by = (caller, session, line)
        questions = [await self._question(request, wish, each, *asked_by) for each in targets]
        opened = self._subscribing.opened(questions[0].ctx)
        return opened or Watch(session, tuple(questions), wish.delta, last_id_of(request.headers))

    def _also(self, text: str, *, linked: bool) -> Target:
        """A further route. Raises InvalidQuery, InvalidPath."""
        target = parse_target(text, path_bytes=self._reader.limits.path_bytes)
        if pages.is_own(target.segments) or not text.startswith("/"):
            raise InvalidQuery(
                "watch: a path of the session's API, percent-encoded, such as %2Forders%3Fopen%3D1."
            )
        if linked and SESSION_KEY in parse_query(
            target.raw_query, query_bytes=self._reader.limits.query_bytes
        ):
            raise InvalidQuery("watch: all routes of a stream are of one session, which the stream names.")
        return target

    async def _question(  # noqa: PLR0917  what a request has been found to be
        self,
        request: web.BaseRequest,
        wish: Wish,
        target: Target,
        caller: Caller,
        session: Session,
        line: RequestLine,
    ) -> Question:
        settings = await self._settings.of(session.directory)
        call = await self._contracts.call(request, target, session, line, caller, accept=wish.accept or "*/*")
        named = NATIVE if call else self._dialects.named(request.headers, caller.token_name, settings)
        ctx = await self._reader.read(
            request,
            target,
            caller,
            session,
            line.request_id,
            dialect_headers=self._dialects.headers_of(named),
            settings=settings,
            contract=call,
        )
        if call is None:
            ctx = await self._dialects.settled(ctx, named)
            line.dialect = ctx.dialect
        headers = {name: value for name, value in ctx.headers.items() if name not in _LEFT_OUT}
        headers["accept"] = wish.accept or "*/*"
        linked = SESSION_ID not in request.headers
        ctx = evolve(ctx, headers=headers, linked=linked, body_json=None, body_text=None, content="none")
        query = _without_session(target.raw_query) if linked else target.raw_query
        route = f"{target.path}?{query}" if query else target.path
        return Question(ctx, route, partial(self._ask, ctx))

    async def _ask(self, ctx: RequestContext) -> Asked:
        line = RequestLine(
            request_id=request_id.new(), method="GET", session=ctx.session.id, asked_again=True
        )
        ctx = evolve(ctx, request_id=line.request_id)
        try:
            ctx = await self._contracts.present(ctx)
        except ServiceError as error:
            return Asked(error_reply(error, line.request_id), "", None)
        reply = await answered_always(self._use_case, ctx, line)
        return Asked(reply if ctx.contract is None else ctx.contract.in_form(reply), line.plan_id, line.reads)

    # Streams

    async def stream(
        self,
        request: web.BaseRequest,
        wanted: Watch | Follows,
        line: RequestLine,
        headers: tuple[tuple[str, str], ...],
    ) -> web.StreamResponse:
        """Until it ends. Raises ConnectionError, CancelledError."""
        response = response_of(line, headers)
        protocol: Any = request.protocol
        wire = ConnectionWire(request)
        protocol.begin_stream()
        try:
            await response.prepare(request)
            if isinstance(wanted, Watch):
                await self._watch(wire, wanted, line)
            else:
                await self._follow(wire, wanted, line)
        finally:
            protocol.end_stream()
        return response

    async def _watch(self, wire: ConnectionWire, wanted: Watch, line: RequestLine) -> None:
        route, client = wanted.questions[0].route, _client(wanted.questions[0].ctx, line)
        refusal = self.registry.refusal(wanted.session, client)
        if refusal:
            await _refuse(self.registry, wire, line, refusal, (route, wanted.last_id))
            return
        stream = Stream(
            self.registry, wanted.session, wire, topics=self._topics, delta=wanted.delta, client=client
        )
        serving = stream.serve(wanted.questions, wanted.last_id)
        await _serve(stream, serving, line, (route, wanted.last_id))

    async def _follow(self, wire: ConnectionWire, wanted: Follows, line: RequestLine) -> None:
        registry = wanted.registry or self.registry
        refusal = registry.refusal(wanted.session)
        if refusal:
            await _refuse(registry, wire, line, refusal, wanted.begun)
            return
        outlet, serving = wanted.open(registry, wire, self._changes)
        with wanted.holding(outlet):
            await _serve(outlet, serving, line, wanted.begun)


def _client(ctx: RequestContext, line: RequestLine) -> str:
    """Whose share of the streams one is: a token's; where none was needed, that of where it comes from."""
    return f"token {line.token_name}" if line.token_name else f"address {network_of(ctx.client_ip)}"


async def _refuse(
    registry: Registry, wire: ConnectionWire, line: RequestLine, refusal: str, begun: tuple[str, str]
) -> None:
    """As an event: by any other status a browser's EventSource would end for good."""
    registry.counts.refused += 1
    log.warning("stream refused", request_id=line.request_id, session=line.session, reason=refusal)
    least, most = _FULL_RETRY_MS
    problem = error_reply(Overloaded(refusal), line.request_id)
    await wire.write(refusal_text(problem, *begun, least_ms=least, most_ms=most))


async def _serve(outlet: Outlet, serving: Awaitable[str], line: RequestLine, begun: tuple[str, str]) -> None:
    """`begun`: the first route, none of a feed; and the id after which it goes on."""
    started = perf_counter()
    route, last_id = begun
    whose = {"request_id": line.request_id, "session": outlet.session.id}
    log.info("stream opened", **whose, resumed=bool(last_id), follows=not route)
    reason = "client left"
    try:
        reason = await serving
    finally:
        seconds = round(perf_counter() - started, 3)
        log.info("stream closed", **whose, reason=reason, events=outlet.events, seconds=seconds)


def _texts(value: str | list[str] | None) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else value


def _without_session(raw_query: str) -> str:
    return "&".join(part for part in raw_query.split("&") if part.partition("=")[0] != SESSION_KEY)
