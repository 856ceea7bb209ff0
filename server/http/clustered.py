"""Which node answers a request: this one, or another to which it is handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from server.http.elsewhere import Elsewhere
from server.http.forwarding import Asked
from server.operations.naming import session_named
from server.requests import content
from server.requests.target import parse_target
from server.values.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from server.http.forwarding import Forwarder
    from server.telemetry.request_line import RequestLine

_SESSIONS: Final = ("_meta", "sessions")
_SECONDS: Final = 600.0


@frozen
class Clustered:
    """`body_bytes`: the largest body of a request; `upload_bytes`: of an operator's."""

    forwarder: Forwarder
    body_bytes: int
    body_seconds: float
    upload_bytes: int

    @property
    def node(self) -> str:
        return self.forwarder.node

    @property
    def goes(self) -> bool:
        """Whether the node is about to stop: each connection ends with its answer."""
        return self.forwarder.goes

    def may_come(self, request: web.BaseRequest) -> bool:
        """Whether another node has judged the name that it came under."""
        return self.forwarder.is_forwarded(request)

    async def place(self, request: web.BaseRequest, session: str) -> Elsewhere | None:
        """Raises Unavailable, Misplaced."""
        forwarded = self.forwarder.is_forwarded(request)
        node = await self.forwarder.place(session, forwarded=forwarded)
        return None if node is None else Elsewhere(session, node)

    async def place_of_operators(self, request: web.BaseRequest) -> Elsewhere | None:
        """Where the path names a session: whose that is. Raises Unavailable, Misplaced."""
        try:
            segments = parse_target(request.raw_path, path_bytes=65_536).segments
            if segments[:2] != _SESSIONS or len(segments) == len(_SESSIONS):
                return None
            session = session_named(segments[2], {})
        except ServiceError:
            return None  # which the pages themselves say
        return await self.place(request, session.directory)

    async def forward(
        self,
        request: web.BaseRequest,
        elsewhere: Elsewhere,
        line: RequestLine,
        *,
        holds: Callable[[int], None] = lambda _size: None,
        upload: bool = False,
    ) -> web.StreamResponse:
        """The other node's response, sent. Raises ServiceError."""
        body = b""
        if request.body_exists:
            limit = self.upload_bytes if upload else self.body_bytes
            seconds = _SECONDS if upload else self.body_seconds
            body = await content.read_body(request, limit=limit, seconds=seconds, holds=holds)
        asked = Asked(request.method, request.raw_path, request.headers, body, elsewhere.session)
        return await self.forwarder.forward(request, asked, elsewhere.node, line)
