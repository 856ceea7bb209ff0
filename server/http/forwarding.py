"""Hands a request on to the node whose session it is, once, and its answer back.

1. A request that another node has handed on is marked so, and goes no further: the node whose session it is
   not answers 421 and says whose it is. Clients never see that: the first node looks again.
2. Nodes know each other by the cluster's token. Without one a mark is believed over loopback alone; from
   anybody else it means nothing.
3. What could not be sent is tried again elsewhere, and so is what changes nothing. Of everything else nobody
   knows whether it was done: 503.
4. Nobody waits for a node that is no more: when its lease has ended, all connections to it are cut.
5. What is handed on is the bytes that came, without what is of a connection. Most answers go back so, too.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from attrs import frozen
from multidict import CIMultiDict

from server.cluster.ownership import Node
from server.http.elsewhere import LOGIN
from server.http.peers import OF_A_CONNECTION, Broken, Peers, target_of
from server.http.response import sent, stays
from server.settings.key import is_loopback
from server.values.errors import MisdirectedRequest, NotConfirmed, Unavailable
from server.values.model import SAFE_METHODS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from server.cluster.ownership import Ownership
    from server.http.peers import Answer, Connection
    from server.telemetry.request_line import RequestLine

#: Who has handed it on, and by which right.
MARK: Final = "X-Metaservice-Node"
TOKEN: Final = "X-Metaservice-Token"  # noqa: S105  a header's name
#: On a 421: whose the session is.
OWNER: Final = "X-Metaservice-Owner"
_OWNER: Final = OWNER.lower().encode()
_CUT_OFF: Final = "The node that has the session ended before it answered: it may have been done, or not."
_MOST_TRIES: Final = 8
_PAUSE_SECONDS: Final = 0.05
_OTHERS_SECONDS: Final = 10.0
#: Of the time after which the other end closes what is idle: a connection is used within it, or not at all.
_KEPT: Final = 0.6
#: An answer of so many bytes at most goes back at once, a larger one as it comes.
_PIECE_BYTES: Final = 65_536
#: What is set anew in a request, or is of its connection. Fields that frame an answer are set anew, too.
_LEFT_OUT: Final = frozenset(
    {
        *OF_A_CONNECTION,
        *(b"content-length", b"expect", b"x-request-id"),
        *(name.lower().encode() for name in (MARK, TOKEN, OWNER)),
    }
)
#: Whose requests have content of a length that is said also where it is 0 (RFC 9110 §8.6).
_WITH_CONTENT: Final = frozenset({"POST", "PUT", "PATCH"})


@frozen
class Asked:
    """A request as it is handed on. `session`: the name of its directory. `headers`: as they came."""

    method: str
    raw_path: str
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    session: str

    @classmethod
    def of(
        cls,
        request: web.BaseRequest,
        body: bytes,
        session: str = "",
        added: Mapping[str, str] = MappingProxyType({}),
    ) -> Asked:
        """`added` are headers in the place of the client's own of these names."""
        headers: Sequence[tuple[bytes, bytes]] = request.raw_headers
        if added or LOGIN in request.headers:
            ours = {name.lower().encode() for name in (*added, LOGIN)}
            headers = [each for each in headers if each[0].lower() not in ours]
            headers += [(name.encode(), value.encode()) for name, value in added.items()]
        return cls(request.method, request.raw_path, headers, body, session)


class Misplaced(MisdirectedRequest):
    """For the node that has handed it on, and nobody else."""


def misplaced(owner: Node) -> Misplaced:
    return Misplaced(
        "Another node has the session.", headers={OWNER: f"{owner.id} {owner.url}"}, owner=owner.url
    )


class Forwarder:
    """`ownership` knows whose sessions are."""

    def __init__(self, ownership: Ownership, token: str, *, idle_seconds: float) -> None:
        """`idle_seconds`: for which nodes keep a connection that nobody uses."""
        self._ownership = ownership
        self._token = token
        marks = [(MARK, ownership.node), *([(TOKEN, token)] if token else ())]
        self._marks = "".join(f"{name}: {value}\r\n" for name, value in marks)
        self._peers = Peers(idle_seconds * _KEPT)
        ownership.on_gone(self._peers.cut)
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
        raise _not_reached()

    async def _try(
        self, request: web.BaseRequest, asked: Asked, node: Node, line: RequestLine
    ) -> web.StreamResponse | Node | None:
        """The response, sent; or whose the session is, as that node says. Raises _NotSent, NotConfirmed."""
        line.forwarded_to = node.id
        connection = await self._connection(node)
        try:
            answer = await connection.ask(
                self._bytes(asked, node, line.request_id), bodiless=asked.method == "HEAD"
            )
            if answer.status == Misplaced.status and (owner := answer.field(_OWNER)) is not None:
                await answer.content()
                return _owner(owner)
            self._ownership.note_place(asked.session, node)
            whole = await answer.content() if answer.is_whole(_PIECE_BYTES) else None
        except Broken as error:
            connection.abort()
            if asked.method in SAFE_METHODS:
                raise _NotSent from error
            self.unconfirmed += 1
            raise NotConfirmed(_CUT_OFF) from error
        except BaseException:
            connection.abort()
            raise
        return await self._hand_back(request, answer, whole, connection)

    async def _connection(self, node: Node) -> Connection:
        """Raises _NotSent."""
        if not self._ownership.is_there(node):
            raise _NotSent
        try:
            return await self._peers.connection(node, target_of(node.url))
        except OSError as error:
            raise _NotSent from error

    def _bytes(self, asked: Asked, node: Node, request_id: str) -> bytes:
        """The request as it goes over the wire."""
        target = target_of(node.url)
        start = f"{asked.method} {target.prefix}{asked.raw_path} HTTP/1.1\r\n"
        lines = [start.encode("utf-8", "surrogateescape")]
        kept = [each for each in asked.headers if each[0].lower() not in _LEFT_OUT]
        lines += [b"%b: %b\r\n" % each for each in kept]
        if not any(name.lower() == b"host" for name, _ in kept):
            lines.append(f"Host: {target.authority}\r\n".encode())
        if asked.body or asked.method in _WITH_CONTENT:
            lines.append(b"Content-Length: %d\r\n" % len(asked.body))
        lines.append(f"{self._marks}X-Request-ID: {request_id}\r\n\r\n".encode())
        lines.append(asked.body)
        return b"".join(lines)

    async def ask_others(self, asked: Asked, request_id: str) -> tuple[list[dict[str, Any]], list[str]]:
        """JSON of all other nodes that live; and the ids of those that gave none."""
        others = list(self._ownership.lease.others.values())
        found = await asyncio.gather(*(self._json_of(asked, node, request_id) for node in others))
        silent = [node.id for node, each in zip(others, found, strict=True) if each is None]
        return [each for each in found if each is not None], silent

    async def _json_of(self, asked: Asked, node: Node, request_id: str) -> dict[str, Any] | None:
        try:
            connection = await self._connection(node)
        except _NotSent:
            return None
        try:
            async with asyncio.timeout(_OTHERS_SECONDS):
                answer = await connection.ask(self._bytes(asked, node, request_id))
                content = await answer.content()
            found = json.loads(content) if answer.status == HTTPStatus.OK else None
        except (OSError, ValueError):
            connection.abort()
            return None
        except BaseException:
            connection.abort()
            raise
        return found if isinstance(found, dict) else None

    async def told(self, node: Node, asked: Asked, request_id: str) -> AsyncIterator[bytes]:
        """What another node answers, as it comes. Raises OSError, Unavailable."""
        try:
            connection = await self._connection(node)
        except _NotSent as error:
            raise _not_reached() from error
        try:
            answer = await connection.ask(self._bytes(asked, node, request_id))
            if answer.status != HTTPStatus.OK:
                raise _not_reached()
            async for piece in answer.pieces():
                yield piece
        finally:
            connection.abort()

    async def _hand_back(
        self, request: web.BaseRequest, answer: Answer, whole: bytes | None, connection: Connection
    ) -> web.StreamResponse:
        """At once, or as it comes. Where a node goes in the middle the client's connection ends."""
        if whole is not None and answer.is_plain and stays(request) and not self.goes:
            await request.writer.write(answer.head + whole)
            if request.protocol.writing_paused:
                await request.writer.drain()
            return sent(answer.status)
        response = self._response(answer, whole)
        if self.goes:
            response.force_close()
        try:
            await response.prepare(request)
            if whole is None:
                async for piece in answer.pieces():
                    await response.write(piece)
            await response.write_eof()
        except Broken:
            connection.abort()
            response.force_close()
            if request.transport is not None:
                request.transport.abort()
        except BaseException:
            if whole is None:
                connection.abort()  # else it is somebody else's by now
            raise
        return response

    @staticmethod
    def _response(answer: Answer, whole: bytes | None) -> web.StreamResponse:
        headers = CIMultiDict(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in answer.fields
            if (lower := name.lower()) not in _LEFT_OUT or lower == b"x-request-id"
        )
        if whole:
            return web.Response(status=answer.status, reason=answer.reason, headers=headers, body=whole)
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
        response.content_length = answer.told_length
        return response

    async def close(self) -> None:
        self._peers.close()


def _not_reached() -> Unavailable:
    return Unavailable("The node that has the session is not to be reached.", headers={"Retry-After": "1"})


class _NotSent(Exception):
    """Nothing has come of it, so it may be tried elsewhere."""


def _owner(said: str) -> Node | None:
    id_, space, url = said.partition(" ")
    return Node(id_, url) if space and url.startswith(("http://", "https://")) else None
