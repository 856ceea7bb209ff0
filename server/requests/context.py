"""An HTTP request becomes a RequestContext: everything about it checked, decoded once, and copied out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

from attrs import field, frozen

from server.concurrency.aside import aside
from server.requests import content, multipart
from server.requests.headers import beside_dialect, for_plan, misplaced, named_headers
from server.requests.known_tokens import KnownTokens
from server.requests.members import check_members
from server.sessions.identity import Anonymous, Scope, session_for, session_of_link
from server.sessions.settings import NONE as NO_SETTINGS
from server.values.errors import MethodNotAllowed, SessionInvalid, TemplateClosed
from server.values.model import METHODS, SAFE_METHODS, Method, RequestContext

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp import web

    from server.requests.auth import Caller
    from server.requests.origin import Origin
    from server.requests.target import Pairs, Target
    from server.values.model import Session

SESSION_ID = "X-Session-ID"
SESSION_KEY = "session"


@frozen
class EdgeLimits:
    """What a request may be. `body_seconds` bounds the body in either direction."""

    path_bytes: int = 2_048
    query_bytes: int = 8_192
    request_bytes: int = 1_048_576
    body_seconds: float = 20.0
    #: The largest file of a form; 0: files are refused.
    file_bytes: int = 524_288
    #: Of one object in a body, and different names in all of it.
    object_members: int = 1_000
    body_names: int = 4_000


@frozen
class ContextReader:
    limits: EdgeLimits
    origin: Origin
    anonymous: Anonymous
    #: Told of every session that is asked for.
    note: Callable[[Session], None] = lambda _session: None
    scope: Scope = "service"
    #: All of the service's.
    tokens: KnownTokens = field(factory=KnownTokens)
    #: Whether `?session=` names a session where no header does.
    in_query: bool = False
    #: The directory of the session that every other begins as a copy of, where clients may not change it.
    closed: str = ""

    def check_open(self, method: str, session: Session) -> None:
        """Raises TemplateClosed for a write to the template: everybody begins with what is in it."""
        if session.directory == self.closed and method not in SAFE_METHODS:
            raise TemplateClosed(
                f"Session {session.id} is what every new session begins as (sessions.template): clients read "
                "it, and operators change it, by the console or `metaservice sessions import`."
            )

    async def read(
        self,
        request: web.BaseRequest,
        target: Target,
        caller: Caller,
        session: Session,
        request_id: str,
        *,
        holds: Callable[[int], None] = lambda _size: None,
        dialect: str = "",
        dialect_headers: frozenset[str] = frozenset(),
        takes: Callable[[str], str] | None = None,
        contract: Any = None,
        settings: Mapping[str, Any] = NO_SETTINGS,
    ) -> RequestContext:
        """Everything that can be refused without the body is refused before it is read.

        `holds` is told, as it grows, how many bytes the body takes; it may raise Overloaded.
        `dialect`: the one that is known by now; `dialect_headers` are those that are read for one, `settings`
        the session's. `takes` says which of its own media types a Content-Type is; None: the service's are
        meant. `contract` is handed on.
        Raises BadRequest and its kin, PayloadTooLarge, UriTooLong, RequestTimeout, UnsupportedMediaType.
        """
        headers = request.headers
        query = target.query(self.limits.query_bytes)
        linked = SESSION_ID not in headers and query.pop(SESSION_KEY, None) is not None
        plan_headers = for_plan(
            headers, authorization=caller.owns_authorization, is_secret=self.tokens.are_in
        )
        if dialect and dialect_headers:
            plan_headers = beside_dialect(plan_headers, dialect_headers)
        base_url = self.origin.base_url(headers)
        if self.tokens.are_in(base_url.partition("://")[2]):
            raise misplaced("Host")
        body = await self._content(request, session, holds, takes)
        return RequestContext(
            method=cast("Method", request.method),
            path=target.path,
            segments=target.segments,
            query=query,
            headers=plan_headers,
            content=body.kind,
            body_json=body.value,
            body_text=body.text,
            client_ip=self.origin.client_ip(request.remote or "", headers),
            session=session,
            base_url=base_url,
            request_id=request_id,
            linked=linked,
            dialect=dialect,
            dialect_headers=named_headers(headers, dialect_headers, is_secret=self.tokens.are_in)
            if dialect_headers
            else {},
            contract=contract,
            settings=settings,
        )

    async def _parts(
        self, request: web.BaseRequest, session: Session, holds: Callable[[int], None]
    ) -> content.Content:
        """A form with files; what it means is an object, as of other forms."""
        content.check_encoding(request.headers)
        limits = self.limits
        data = await content.read_body(
            request, limit=limits.request_bytes, seconds=limits.body_seconds, holds=holds
        )
        if not data or request.method in SAFE_METHODS:
            return content.NO_CONTENT

        def checked() -> content.Content:
            body = multipart.read_content(request.headers, data, file_bytes=limits.file_bytes)
            text = (body.text or "").encode()
            check_members(body.value, text, most=limits.object_members, most_names=limits.body_names)
            return body

        # A short form of many parts takes as long as a large one of other kinds.
        body = await aside(checked, session.directory) if len(data) > multipart.INLINE_BYTES else checked()
        holds(sys.getsizeof(body.text))
        return body

    def query(self, target: Target) -> Pairs:
        """Without the session's name, where a link has it. Raises InvalidQuery, UriTooLong."""
        query = target.query(self.limits.query_bytes)
        if self.in_query:
            query.pop(SESSION_KEY, None)
        return query

    def headers_named(
        self, request: web.BaseRequest, names: frozenset[str], caller: Caller
    ) -> dict[str, str]:
        """Those that were sent, without what is the service's own. Raises InvalidHeader."""
        own = names if caller.owns_authorization else names - {"authorization"}
        return named_headers(request.headers, own, is_secret=self.tokens.are_in)

    async def _content(
        self,
        request: web.BaseRequest,
        session: Session,
        holds: Callable[[int], None],
        takes: Callable[[str], str] | None,
    ) -> content.Content:
        if request.body_exists and multipart.is_multipart(request.headers):
            if takes is not None:
                takes(request.headers["Content-Type"])
            return await self._parts(request, session, holds)
        limits = self.limits
        kind, data = await content.read_content(
            request,
            limit=limits.request_bytes,
            seconds=limits.body_seconds,
            holds=holds,
            session=session.directory,
            takes=takes,
        )
        body = await content.parse(
            request.method,
            kind,
            data,
            lambda body: check_members(
                body.value, data, most=limits.object_members, most_names=limits.body_names
            ),
            session=session.directory,
        )
        # One character beyond Latin-1 makes each character of a text take two bytes or four.
        holds(sys.getsizeof(body.text))
        return body

    def session(self, request: web.BaseRequest, target: Target, caller: Caller) -> Session:
        """Raises SessionMissing, SessionInvalid, InvalidHeader, and what reading the query raises."""
        values = request.headers.getall(SESSION_ID, ())
        if len(values) > 1:
            raise SessionInvalid(f"More than one {SESSION_ID} header.")
        if values and self.tokens.are_in(values[0]):
            raise misplaced(SESSION_ID)
        session = self._linked(request, target, caller) if not values and target.raw_query else None
        if session is None:
            named = values[0] if values else None
            session = session_for(named, caller.token_name, self.anonymous, self.scope)
        self.note(session)
        return session

    def _linked(self, request: web.BaseRequest, target: Target, caller: Caller) -> Session | None:
        """The session of a link. A browser says by Sec-Fetch-Site whose page sends a request."""
        query = target.query(self.limits.query_bytes)
        if SESSION_KEY not in query:
            return None
        if self.tokens.are_in(str(query[SESSION_KEY])):
            raise SessionInvalid("A token of the service names no session, and does not belong into a link.")
        elsewhere = request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
        changes = request.method not in SAFE_METHODS
        return session_of_link(
            query[SESSION_KEY],
            caller.token_name,
            self.scope,
            allowed=self.in_query,
            cross_site=elsewhere and changes,
        )


def check_method(method: str) -> None:
    if method not in METHODS:
        raise MethodNotAllowed(METHODS, "The service takes {}.")
