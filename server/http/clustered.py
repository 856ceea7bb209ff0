"""Which node answers a request: this one, or another to which it is handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from server.http import request_id
from server.http.elsewhere import Elsewhere
from server.http.forwarding import Asked
from server.requests import content

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from aiohttp import web

    from server.http.forwarding import Forwarder
    from server.telemetry.request_line import RequestLine


@frozen
class Clustered:
    """`body_bytes`: the largest body of a request."""

    forwarder: Forwarder
    body_bytes: int
    body_seconds: float

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

    async def ask_others(
        self, request: web.BaseRequest, body: bytes
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """The same request's JSON from all other nodes that live; and the ids of those that gave none."""
        return await self.forwarder.ask_others(Asked.of(request, body), request_id.new())

    def told(self, elsewhere: Elsewhere, raw_path: str, headers: dict[str, str]) -> AsyncIterator[bytes]:
        """What the node that has the session answers to a GET of this one, as it comes.

        Raises OSError, Unavailable.
        """
        lines = [(name.encode(), value.encode()) for name, value in headers.items()]
        asked = Asked("GET", raw_path, lines, b"", elsewhere.session)
        return self.forwarder.told(elsewhere.node, asked, request_id.new())

    async def forward(
        self,
        request: web.BaseRequest,
        elsewhere: Elsewhere,
        line: RequestLine,
        *,
        holds: Callable[[int], None] = lambda _size: None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> web.StreamResponse:
        """The other node's response, sent. `body`: what was read already. Raises ServiceError.

        `headers` go with it, in the place of the client's own of these names.
        """
        if body is None:
            body = await content.read_body(
                request, limit=self.body_bytes, seconds=self.body_seconds, holds=holds
            )
        asked = Asked.of(request, body, elsewhere.session, headers or {})
        return await self.forwarder.forward(request, asked, elsewhere.node, line)
