"""Hands a request on to the node whose session it is, once, and its answer back.

1. A request that another node has handed on is marked so, and goes no further: the node whose session it is
   not answers 421 and says whose it is. Clients never see that: the first node looks again.
2. Nodes know each other by the cluster's token. Without one a mark is believed over loopback alone; from
   anybody else it means nothing.
3. What could not be sent is tried again elsewhere, and so is what changes nothing. Of everything else nobody
   knows whether it was done: 503.
4. While an answer is waited for, the other node's lease is looked at: nobody waits for one that is no more.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp import web
from attrs import define, frozen
from multidict import CIMultiDict
from yarl import URL

from server.cluster.ownership import Node
from server.settings.key import is_loopback
from server.values.errors import MisdirectedRequest, NotConfirmed, Unavailable
from server.values.model import SAFE_METHODS

if TYPE_CHECKING:
    from types import SimpleNamespace

    from multidict import MultiMapping

    from server.cluster.ownership import Ownership
    from server.telemetry.request_line import RequestLine

#: Who has handed it on, and by which right.
MARK: Final = "X-Metaservice-Node"
TOKEN: Final = "X-Metaservice-Token"  # noqa: S105  a header's name
#: On a 421: whose the session is.
OWNER: Final = "X-Metaservice-Owner"
_CUT_OFF: Final = "The node that has the session ended before it answered: it may have been done, or not."
_MOST_TRIES: Final = 8
_PAUSE_SECONDS: Final = 0.05
_CONNECT_SECONDS: Final = 2.0
_OTHERS_SECONDS: Final = 10.0
_PIECE_BYTES: Final = 65_536
#: Of a connection, not of a message (RFC 9110 §7.6.1); and what is set anew.
_OF_THE_CONNECTION: Final = frozenset(
    {
        *("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-connection"),
        *("proxy-authenticate", "proxy-authorization", "content-length", "expect", "x-request-id"),
        *(MARK.lower(), TOKEN.lower(), OWNER.lower()),
    }
)


@frozen
class Asked:
    """A request as it is handed on. `session`: the name of its directory."""

    method: str
    raw_path: str
    headers: MultiMapping[str]
    body: bytes
    session: str


@define
class _Way:
    """How far a request has come. `begun`: some of it may have been sent."""

    begun: bool = False


def _noting() -> aiohttp.TraceConfig:
    """Has each request's `_Way` told: of a node that goes before anything was sent nothing is in doubt."""

    async def begin(_session: object, context: SimpleNamespace, _sent: object) -> None:
        context.trace_request_ctx.begun = True

    noting = aiohttp.TraceConfig()
    noting.on_request_headers_sent.append(begin)
    return noting


class Misplaced(MisdirectedRequest):
    """For the node that has handed it on, and nobody else."""


def misplaced(owner: Node) -> Misplaced:
    return Misplaced(
        "Another node has the session.", headers={OWNER: f"{owner.id} {owner.url}"}, owner=owner.url
    )


class Forwarder:
    """`ownership` knows whose sessions are."""

    def __init__(self, ownership: Ownership, token: str) -> None:
        self._ownership = ownership
        self._token = token
        self._client: aiohttp.ClientSession | None = None
        #: Requests that other nodes have answered, or of which nobody knows, and those that were another's.
        self.forwarded = self.unconfirmed = self.misplaced = 0

    @property
    def node(self) -> str:
        return self._ownership.node

    @property
    def counts(self) -> dict[str, float]:
        return {
            **self._ownership.counts,
            "forwarded": self.forwarded,
            "unconfirmed": self.unconfirmed,
            "misplaced": self.misplaced,
        }

    @property
    def goes(self) -> bool:
        return self._ownership.draining

    def is_forwarded(self, request: web.BaseRequest) -> bool:
        """Whether another node has handed the request on, which may say so."""
        if MARK not in request.headers:
            return False
        if self._token:
            said = request.headers.get(TOKEN, "")
            return hmac.compare_digest(said.encode("utf-8", "replace"), self._token.encode())
        return is_loopback(request.remote or "")

    async def place(self, session: str, *, forwarded: bool) -> Node | None:
        """The other node that is to be asked. Raises Unavailable; Misplaced where one has asked already."""
        other = await self._ownership.place(session, forwarded=forwarded)
        if other is not None and forwarded:
            self.misplaced += 1
            raise misplaced(other)
        return other

    async def forward(
        self, request: web.BaseRequest, asked: Asked, node: Node, line: RequestLine
    ) -> web.StreamResponse:
        """The response, sent. Raises Unavailable, NotConfirmed."""
        target = node
        for tried in range(_MOST_TRIES):
            if tried:
                await asyncio.sleep(_PAUSE_SECONDS * tried)
            try:
                found = await self._try(request, asked, target, line)
            except _NotSent:
                self._ownership.forget_place(asked.session)
            else:
                if isinstance(found, web.StreamResponse):
                    self.forwarded += 1
                    return found
                self._ownership.forget_place(asked.session)
                if found is not None and found.id != self._ownership.node:
                    self._ownership.note_place(asked.session, found)
            # By now it may be this one's: then the request, which was read, comes in once more.
            target = await self._ownership.place(asked.session) or self._ownership.itself
        raise Unavailable("The node that has the session is not to be reached.", headers={"Retry-After": "1"})

    async def _try(
        self, request: web.BaseRequest, asked: Asked, node: Node, line: RequestLine
    ) -> web.StreamResponse | Node | None:
        """The response, sent; or whose the session is, as that node says. Raises _NotSent, NotConfirmed."""
        async with self._ownership.departure(node) as gone:
            line.forwarded_to = node.id
            way = _Way()
            asking = asyncio.ensure_future(self._ask(asked, node, line.request_id, way))
            either: set[asyncio.Future[Any]] = {asking, gone}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                asking.cancel()
                with suppress(asyncio.CancelledError):
                    await asking
            try:
                response = asking.result()
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
                raise _NotSent from error
            except (aiohttp.ClientError, OSError, asyncio.CancelledError) as error:
                if asked.method in SAFE_METHODS or not way.begun:
                    raise _NotSent from error
                self.unconfirmed += 1
                raise NotConfirmed(_CUT_OFF) from error
            async with response:
                if response.status == Misplaced.status and OWNER in response.headers:
                    return _owner(response.headers[OWNER])
                self._ownership.note_place(asked.session, node)
                try:
                    return await self._hand_back(request, response, gone)
                except NotConfirmed as error:
                    if asked.method in SAFE_METHODS:
                        raise _NotSent from error
                    raise

    async def _ask(self, asked: Asked, node: Node, request_id: str, way: _Way) -> aiohttp.ClientResponse:
        headers = CIMultiDict(
            (name, value) for name, value in asked.headers.items() if name.lower() not in _OF_THE_CONNECTION
        )
        headers[MARK], headers["X-Request-ID"] = self._ownership.node, request_id
        if self._token:
            headers[TOKEN] = self._token
        return await self._connected().request(
            asked.method,
            URL(node.url.rstrip("/") + asked.raw_path, encoded=True),
            headers=headers,
            data=asked.body or None,
            allow_redirects=False,
            trace_request_ctx=way,
        )

    async def ask_others(self, asked: Asked) -> tuple[list[dict[str, Any]], list[str]]:
        """JSON of all other nodes that live; and the ids of those that gave none."""
        others = list(self._ownership.lease.others.values())
        found = await asyncio.gather(*(self._json_of(asked, node) for node in others))
        silent = [node.id for node, each in zip(others, found, strict=True) if each is None]
        return [each for each in found if each is not None], silent

    async def _json_of(self, asked: Asked, node: Node) -> dict[str, Any] | None:
        try:
            async with (
                asyncio.timeout(_OTHERS_SECONDS),
                await self._ask(asked, node, secrets.token_hex(8), _Way()) as response,
            ):
                if response.status != HTTPStatus.OK:
                    return None
                found: dict[str, Any] = await response.json()
                return found
        except (aiohttp.ClientError, OSError, ValueError):
            return None

    def _connected(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=10.0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
                auto_decompress=False,
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=[_noting()],
            )
        return self._client

    async def _hand_back(
        self, request: web.BaseRequest, answer: aiohttp.ClientResponse, gone: asyncio.Future[None]
    ) -> web.StreamResponse:
        """As it comes, a small one at once. Where a node goes in the middle the client's connection ends."""
        headers = CIMultiDict(
            (name, value)
            for name, value in answer.headers.items()
            if name.lower() not in _OF_THE_CONNECTION or name.lower() == "x-request-id"
        )
        length = answer.headers.get("Content-Length", "")
        response: web.StreamResponse
        if length.isdigit() and 0 < int(length) <= _PIECE_BYTES and request.method != "HEAD":
            response = await self._whole(answer, headers, gone, int(length))
        else:
            response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
            if length.isdigit():
                response.content_length = int(length)
        if self._ownership.draining:
            response.force_close()
        await response.prepare(request)
        if isinstance(response, web.Response):
            await response.write_eof()
            return response
        try:
            while piece := await _next_piece(answer, gone):
                await response.write(piece)
            await response.write_eof()
        except (aiohttp.ClientError, TimeoutError):
            response.force_close()
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _whole(
        self,
        answer: aiohttp.ClientResponse,
        headers: CIMultiDict[str],
        gone: asyncio.Future[None],
        length: int,
    ) -> web.Response:
        """Raises NotConfirmed where the rest does not come."""
        body = b""
        try:
            while len(body) < length and (piece := await _next_piece(answer, gone)):
                body += piece
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotConfirmed(_CUT_OFF) from error
        return web.Response(status=answer.status, reason=answer.reason, headers=headers, body=body)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None


async def _next_piece(answer: aiohttp.ClientResponse, gone: asyncio.Future[None]) -> bytes:
    """Raises ClientError, TimeoutError where the node is no more."""
    reading = asyncio.ensure_future(answer.content.read(_PIECE_BYTES))
    either: set[asyncio.Future[Any]] = {reading, gone}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if not reading.done():
        reading.cancel()
        raise TimeoutError
    return reading.result()


class _NotSent(Exception):
    """Nothing has come of it, so it may be tried elsewhere."""


def _owner(said: str) -> Node | None:
    id_, space, url = said.partition(" ")
    return Node(id_, url) if space and url.startswith(("http://", "https://")) else None
