"""The one handler of all requests: what is asked, in which order it is checked, and how it is answered.

Order: the name it is asked for by; CORS preflights; open pages; operators' pages, by a token of their own;
the token; the method; the target; the service's own pages; the session; headers and query; the body; and
only then the pipeline. So nobody without a token learns anything, and no body is read that is not going to be
used (T37, T46).
"""

from __future__ import annotations

import asyncio
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Protocol, TypeAlias

import structlog
from aiohttp import HttpVersion10, HttpVersion11, web

from server.concurrency.aside import INLINE_BYTES, aside
from server.concurrency.uninterrupted import uninterrupted
from server.http import pages, request_id
from server.http.answering import answered
from server.http.api_pages import NAMES as API_PAGES
from server.http.contracts import ContractReader
from server.http.cors import Cors
from server.http.elsewhere import AskElsewhere, Elsewhere
from server.http.event_stream import ANYTHING, wish_of
from server.http.held import Claim, HeldBytes
from server.http.response import SENT, came_in_chunks, to_response, whole
from server.http.subscribing import may_open
from server.http.terminal import for_terminal
from server.http.watching import TICKETS, Watch
from server.planning.dialects.frame.answering import in_dialect
from server.planning.dialects.frame.choice import DialectChoice
from server.planning.dialects.frame.registry import AUTO, NATIVE
from server.requests.context import ContextReader, check_method
from server.requests.headers import check_coding, check_whole
from server.requests.hosts import Hosts
from server.requests.target import parse_target
from server.sessions.settings import NoSettings, ReadsSettings
from server.telemetry.request_line import RequestLine
from server.values.errors import BadRequest, ServiceError, Unauthorized
from server.values.model import METHODS, Reply, RequestContext
from server.values.replies import error_reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping
    from typing import Any

    from multidict import MultiMapping

    from server.contracts.contract import Call
    from server.http.answering import UseCase
    from server.http.api_pages import ApiPages
    from server.http.clustered import Clustered
    from server.http.remembered import RawDoor
    from server.http.watching import Follows, Watching
    from server.requests.auth import Authenticator, Caller
    from server.requests.rates import Rates
    from server.requests.target import Target
    from server.sessions.places import Places
    from server.values.model import Session

#: What becomes of a request: a reply, a stream, or another node's response, which is sent already.
Answered: TypeAlias = "Reply | Watch | Follows | web.StreamResponse"

log = structlog.get_logger(__name__)

#: nginx's number for a client that has left.
_CLIENT_LEFT = 499
_WITH_CONTENT = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Door(Protocol):
    """Pages with a token of their own."""

    def owns(self, raw_path: str) -> bool: ...

    def answer(self, request: web.BaseRequest) -> Coroutine[Any, Any, Reply]: ...


class Following(Protocol):
    """Streams with a token of their own."""

    def follows(self, request: web.BaseRequest) -> bool: ...

    def follow(self, request: web.BaseRequest) -> Awaitable[Follows]: ...


class Handler:
    def __init__(
        self,
        use_case: UseCase,
        *,
        authenticator: Authenticator,
        reader: ContextReader,
        api_pages: ApiPages,
        health: Callable[[], Mapping[str, object]],
        hosts: Hosts | None = None,
        cors: Cors | None = None,
        door: Door | None = None,
        note: Callable[[RequestLine], None] | None = None,
        new_line: Callable[..., RequestLine] = RequestLine,
        held: HeldBytes | None = None,
        dialects: DialectChoice | None = None,
        watching: Watching | None = None,
        following: Following | None = None,
        contracts: ContractReader | None = None,
        settings: ReadsSettings | None = None,
        logged_address: Callable[[str, MultiMapping[str]], str] | None = None,
        raw_door: RawDoor | None = None,
        cluster: Clustered | None = None,
        rates: Rates | None = None,
        places: Places | None = None,
    ) -> None:
        """`note` is told of each request when it has been answered; `new_line` makes its line.

        `held` counts what is held of bodies. `logged_address` says, of a peer and its headers, which address
        the line has; None: no line has one. Without `watching` there are no event streams; `following` reads
        which one an operator wants. `raw_door` is told of replies that the same bytes get again.
        """
        self._raw_door = raw_door
        self._use_case = use_case
        self._authenticator = authenticator
        self._reader = reader
        self._api_pages = api_pages
        self._health = health
        self._hosts = hosts or Hosts()
        self._cors = cors or Cors()
        self._door = door
        self._note = note
        self._new_line = new_line
        self._held = held or HeldBytes()
        self._dialects = dialects or DialectChoice()
        self._watching = watching
        self._following = following
        self._contracts = contracts or ContractReader(reader)
        self._settings = settings or NoSettings()
        self._logged_address = logged_address
        self._cluster = cluster
        self._rates = rates
        self._places = places

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, log it once, and never raise anything but ConnectionError."""
        number = request_id.of(request.headers)
        if self._reader.tokens.are_in(number):
            number = request_id.new()
        line = self._new_line(request_id=number, method=request.method)
        if self._cluster is not None:
            line.node = self._cluster.node
        if self._logged_address is not None:
            line.client = self._logged_address(request.remote or "", request.headers)
        try:
            reply = await self._reply(request, line)
            if isinstance(reply, web.StreamResponse):  # another node's, and sent
                line.status = reply.status
                return reply
            if not isinstance(reply, Reply):
                return await self._stream(request, reply, line)
            if line.dialect:
                reply = in_dialect(reply, line.dialect)
            elif line.contract is not None:
                reply = line.contract.in_form(reply)
            line.status = reply.status
            line.origin_refused = self._cors.refused(request.headers)
            reply = self._cors.marked(request.headers, for_terminal(reply, request.headers))
            return await self._send(request, reply, line)
        finally:
            self._done(line)

    def _done(self, line: RequestLine) -> None:
        """Write its line and count it; further calls do nothing."""
        if line.emitted:
            return
        line.emit()
        if self._note is not None:
            self._note(line)

    async def _stream(
        self, request: web.BaseRequest, wanted: Watch | Follows, line: RequestLine
    ) -> web.StreamResponse:
        """The request is answered when the stream begins; of its end the log has a line of its own."""
        line.status = 200
        line.origin_refused = self._cors.refused(request.headers)
        headers = self._cors.marked(request.headers, Reply(200)).headers
        self._done(line)
        try:
            return await self._watching_there.stream(request, wanted, line, headers)
        except ConnectionError:
            return SENT

    @property
    def _watching_there(self) -> Watching:
        if self._watching is None:
            raise RuntimeError("there are no event streams")
        return self._watching

    async def _reply(self, request: web.BaseRequest, line: RequestLine) -> Answered:
        try:
            return await self._answer(request, line)
        except ServiceError as error:
            line.problem = error.slug
            return error_reply(error, line.request_id)
        except (ConnectionError, asyncio.CancelledError):
            line.status = _CLIENT_LEFT
            raise
        except Exception as error:
            log.exception("unhandled", request_id=line.request_id, exc_info=error)
            line.problem = ServiceError.slug
            return error_reply(ServiceError("The request failed; the log has more."), line.request_id)

    async def _answer(self, request: web.BaseRequest, line: RequestLine) -> Answered:
        try:
            return await self._answered(request, line)
        except AskElsewhere as away:
            assert self._cluster is not None  # noqa: S101  it has said so
            return await self._cluster.forward(
                request, away.elsewhere, line, body=away.body, headers=away.headers
            )

    async def _answered(self, request: web.BaseRequest, line: RequestLine) -> Answered:
        check_coding(request.headers)
        is_health = request.raw_path.partition("?")[0] == pages.HEALTH
        if not is_health and not self._was_judged(request):  # load balancers ask by an address
            self._hosts.check(request.headers, request.raw_path)
        if preflight := self._cors.preflight(request.method, request.headers):
            return preflight
        if is_health:
            return pages.health(request.method, self._health)
        if self._following is not None and self._following.follows(request):
            return await self._following.follow(request)
        if self._door is not None and self._door.owns(request.raw_path):
            return await uninterrupted(self._door.answer(request))
        claim = Claim(self._held)
        try:
            return await self._served(request, line, claim)
        finally:
            claim.release()

    def _was_judged(self, request: web.BaseRequest) -> bool:
        """Whether another node has looked at the name that it came under, and handed it on."""
        return self._cluster is not None and self._cluster.may_come(request)

    async def _served(self, request: web.BaseRequest, line: RequestLine, claim: Claim) -> Answered:
        started = perf_counter()
        try:
            ctx = await self._read(request, line, claim)
        finally:
            line.took("parse", perf_counter() - started)
        if isinstance(ctx, Elsewhere):
            assert self._cluster is not None  # noqa: S101  it has said so
            return await self._cluster.forward(request, ctx, line, holds=claim.grow)
        if not isinstance(ctx, RequestContext):
            return ctx
        if ctx.dialect and ctx.method == "POST" and self._watching is not None:
            subscribed = self._watching.subscribed(ctx)
            if subscribed is not None:
                return subscribed
        return await answered(self._use_case, ctx, line)

    async def _read(
        self, request: web.BaseRequest, line: RequestLine, claim: Claim
    ) -> RequestContext | Reply | Watch | Follows | Elsewhere:
        """The request's context, what it is to watch, or the reply where the service itself has one.

        Or who has its session.
        """
        if request.version not in (HttpVersion10, HttpVersion11):
            raise BadRequest("The service speaks HTTP/1.1 and HTTP/1.0.")
        watch = await self._watch(request, line)
        if watch is not None:
            return watch
        caller = self._caller(request)
        line.token_name = caller.token_name or ""
        check_method(request.method)
        if request.raw_path == "*" and request.method == "OPTIONS":
            return Reply(204, (("Allow", ", ".join(METHODS)),))
        # What is refused before the session is known has its form.
        line.contract = self._contracts.default_call(request.raw_path.partition("?")[0])
        target = parse_target(request.raw_path, path_bytes=self._reader.limits.path_bytes)
        if target.segments == TICKETS and self._watching is not None:
            return self._watching.ticket(request, target, caller)
        if pages.is_own(target.segments):
            line.contract = None
            asked = self._api_pages.session_of(target, request.headers, caller)
            return await self._elsewhere(request, asked) or await self._own_page(request, target, caller)
        return await self._read_of_session(request, target, caller, line, claim)

    async def _read_of_session(
        self, request: web.BaseRequest, target: Target, caller: Caller, line: RequestLine, claim: Claim
    ) -> RequestContext | Elsewhere:
        """The request's context, or who has its session."""
        session = self._reader.session(request, target, caller)
        line.session = session.id
        self._reader.check_open(request.method, session)
        claim.session = session.directory
        elsewhere = await self._elsewhere(request, session)
        if elsewhere is not None:
            return elsewhere
        await self._admit(session, line)
        settings = self._settings.known(session.directory)
        if settings is None:
            settings = await self._settings.of(session.directory)
        call = await self._contracts.call(request, target, session, line, caller)
        if call is None or "content-range" not in call.header_names():
            check_whole(request.method, request.headers)
        named = NATIVE if call else self._dialects.named(request.headers, caller.token_name, settings)
        line.dialect = "" if named in (NATIVE, AUTO) else named
        ctx = await self._reader.read(
            request,
            target,
            caller,
            session,
            line.request_id,
            holds=claim.grow,
            dialect=line.dialect,
            dialect_headers=self._dialects.headers_of(named),
            takes=self._takes(request, line.dialect) if call is None or call.match is None else call.takes,
            contract=call,
            settings=settings,
        )
        if call is not None:
            return await self._of_contract(call, ctx, request.headers.get("Content-Type", ""))
        if named == NATIVE or line.dialect:
            return ctx
        ctx = await self._dialects.settled(ctx, named)
        line.dialect = ctx.dialect
        return ctx

    def _takes(self, request: web.BaseRequest, dialect: str) -> Callable[[str], str] | None:
        """What says of a Content-Type that it is one of the dialect's own; None: it is not."""
        sent = request.headers.get("Content-Type", "")
        return str if dialect and self._dialects.texts_of(dialect, request.method, sent) else None

    async def _admit(self, session: Session, line: RequestLine) -> None:
        """Count the request, and the session. Raises RateLimited, TooManySessions, Unavailable."""
        if self._rates is not None:
            line.rates = self._rates.take(line.token_name, session.directory)
        if self._places is not None:
            await self._places.admit(line.token_name, session)

    async def _watch(self, request: web.BaseRequest, line: RequestLine) -> Watch | Follows | Elsewhere | None:
        """What is to be watched, or who has its session; None where no stream is asked for."""
        watching = self._watching
        wish = None if watching is None else wish_of(request.method, request.headers)
        if watching is None or (wish is None and not may_open(request)):
            return None
        admitted = watching.caller(request)
        caller, session = (self._caller(request), None) if admitted is None else admitted
        line.token_name = caller.token_name or ""
        target = watching.target(request)
        if target is None:
            return None
        session = watching.session(request, target, caller, session)
        line.session = session.id
        elsewhere = await self._elsewhere(request, session)
        if elsewhere is not None:
            return elsewhere
        if wish is None:
            if not await watching.opens(request, caller, session):
                return None
            wish = ANYTHING
        await self._admit(session, line)
        return await watching.read(request, wish, target, caller, session, line)

    @staticmethod
    async def _of_contract(call: Call, ctx: RequestContext, content_type: str) -> RequestContext:
        """The request with its body as the operation reads it. Raises Unprocessable."""
        if call.match is None or ctx.method not in _WITH_CONTENT:
            return ctx
        media_type = call.takes(content_type) if ctx.content != "none" else ""
        if len(ctx.body_text or "") <= INLINE_BYTES:
            return call.with_body(media_type, ctx)
        return await aside(partial(call.with_body, media_type, ctx), ctx.session.directory)

    async def _elsewhere(self, request: web.BaseRequest, session: Session | None) -> Elsewhere | None:
        """Whether another node has the session. Raises Unavailable, Misplaced."""
        if self._cluster is None or session is None:
            return None
        return await self._cluster.place(request, session.directory)

    def _caller(self, request: web.BaseRequest) -> Caller:
        """Raises Unauthorized."""
        try:
            return self._authenticator.authenticate(request.headers)
        except Unauthorized:
            if _first_segment(request.raw_path) in API_PAGES:
                return self._authenticator.authenticate_browser(request.headers)
            raise

    async def _own_page(self, request: web.BaseRequest, target: Target, caller: Caller) -> Reply:
        if target.segments and target.segments[0] in API_PAGES:
            return await self._api_pages.reply(request.method, target, request.headers, caller)
        accept = request.headers.get("Accept", "")
        if not target.segments:
            console = self._door is not None and self._door.owns(pages.CONSOLE)
            return pages.home(
                request.method, accept, self._reader.origin.base_url(request.headers), console=console
            )
        return pages.page(request.method, target.segments, accept)

    async def _send(self, request: web.BaseRequest, reply: Reply, line: RequestLine) -> web.StreamResponse:
        """Write the response here, so that the line knows how long it took.

        Nothing more is done for a client whose connection is full; `Connection` ends the wait.
        """
        started = perf_counter()
        if line.entry is not None and self._raw_door is not None:
            self._raw_door.keep(request, reply, line)
        response: web.StreamResponse = SENT
        try:
            goes = self._cluster is not None and self._cluster.goes
            data = None if goes else whole(request, reply, line)
            if data is None:
                response = await self._prepared(request, reply, line)
                await response.write_eof()
            else:
                await request.writer.write(data)
            if request.protocol.writing_paused:
                await request.writer.drain()
        except (ConnectionError, asyncio.CancelledError) as error:
            line.reason = "client left"
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            if getattr(request.protocol, "cut_off", False):
                line.reason = "response not read"
        line.took("respond", perf_counter() - started)
        return response

    async def _prepared(self, request: web.BaseRequest, reply: Reply, line: RequestLine) -> web.Response:
        response = to_response(reply, line)
        if not request.content.is_eof():
            response.force_close()  # the rest of the body is not worth reading
        if came_in_chunks(request) or (self._cluster is not None and self._cluster.goes):
            response.force_close()
        await response.prepare(request)
        return response


def _first_segment(raw_path: str) -> str:
    """As it was sent: who spells it otherwise is asked for a bearer token."""
    return raw_path.partition("?")[0].removeprefix("/").partition("/")[0]
