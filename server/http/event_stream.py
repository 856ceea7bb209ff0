"""An event stream on the wire: what asks for one, and the response that it is.

1. `GET` with `Accept: text/event-stream`, named no less than JSON or a table is. Where both are as good the
   reply is one that ends.
2. Nothing on the way is to hold events back: not compressed, not buffered by a proxy, and little of it taken
   by the kernel before it has been read.
3. The connection ends with it.
"""

from __future__ import annotations

import re
import socket
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from attrs import frozen

from server.http.accept import OFFERED, ranges_of
from server.http.response import to_response
from server.live import events
from server.live.outlets import NO_ID
from server.requests.target import parse_pairs
from server.values.errors import InvalidQuery
from server.values.model import Reply

if TYPE_CHECKING:
    from multidict import MultiMapping

    from server.telemetry.request_line import RequestLine

EVENT_STREAM: Final = "text/event-stream"
#: Of the query of such a request, what is not the route's.
WATCH: Final = "watch"
TICKET: Final = "ticket"
_DELTA: Final = "delta=json-patch"
_TICKET: Final = re.compile(r"(?:^|[?&])ticket=([A-Za-z0-9_-]*)(?:&|$)")
_LONGEST_ID: Final = 1_024
#: What the kernel takes of a stream before it has been sent; by itself it would be some megabytes.
_SEND_BUFFER_BYTES: Final = 65_536
HEADERS: Final = (("Cache-Control", "no-store"), ("X-Accel-Buffering", "no"), ("Vary", "Accept"))


@frozen
class Wish:
    """What Accept asks for: with patches or without, and what a reply in the stream may be."""

    delta: bool
    accept: str


#: Of a request that opens a stream by its path alone.
ANYTHING: Final = Wish(delta=False, accept="")


def wish_of(method: str, headers: MultiMapping[str]) -> Wish | None:
    """None for a request that is none for a stream."""
    if method != "GET" or "Accept" not in headers:
        return None
    return _wish(", ".join(headers.getall("Accept")))


@lru_cache(maxsize=256)
def _wish(accept: str) -> Wish | None:
    if EVENT_STREAM not in accept.lower():
        return None
    ranges = ranges_of(accept)
    quality = ranges.get(EVENT_STREAM, 0.0)
    others = max((ranges.get(each, 0.0) for each in OFFERED), default=0.0)
    if not quality or others >= quality:
        return None
    parts = [part.strip() for part in accept.split(",")]
    ours = [part for part in parts if _kind(part) == EVENT_STREAM]
    delta = any(_DELTA in _parameters(part) for part in ours)
    return Wish(delta, ", ".join(part for part in parts if part and part not in ours))


def _kind(media_range: str) -> str:
    return media_range.partition(";")[0].strip().lower()


def _parameters(media_range: str) -> list[str]:
    return [each.strip().lower().replace('"', "") for each in media_range.split(";")[1:]]


def ticket_of(raw_path: str) -> str | None:
    """The ticket in a target, which is looked at before anything else is. None: there is none."""
    found = _TICKET.findall(raw_path.partition("?")[2])
    return found[0] if found else None


@frozen
class OwnKeys:
    """The query of a stream's request: what the stream means by it, and the rest, as it was sent."""

    watch: tuple[str, ...]
    rest: str


def own_keys(raw_query: str) -> OwnKeys:
    """Raises InvalidQuery."""
    watch: list[str] = []
    rest: list[str] = []
    for part in raw_query.split("&"):
        key = part.partition("=")[0]
        if key == WATCH:
            value = parse_pairs(part, InvalidQuery, max_pairs=1)[WATCH]
            watch.append(str(value))
        elif key != TICKET:
            rest.append(part)
    return OwnKeys(tuple(watch), "&".join(rest))


class ConnectionWire:
    """A request's connection, as the one who writes a stream knows it."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has left")
        # From now on "paused" means that anything at all lies unread.
        transport.set_write_buffer_limits(high=0)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self._protocol: Any = request.protocol

    def unsent(self) -> int:
        transport = self._request.transport
        return 0 if transport is None else transport.get_write_buffer_size()

    async def write(self, data: bytes) -> None:
        writer: Any = self._request.writer  # the interface says less than the class does
        await writer.write(data, drain=False)

    async def drained(self) -> None:
        await self._request.writer.drain()


def refusal_text(problem: Reply, route: str, last_id: str, *, least_ms: int, most_ms: int) -> bytes:
    """All that a stream says which cannot be had now: why, and after how long to come again.

    By any other status than 200 a browser's EventSource would end for good. `last_id`: what it has sent.
    """
    head = events.reply_head(route, problem.status, problem.headers, problem.body, problem.media_type)
    data = events.closed(head, "body", events.body_text(problem.body, problem.media_type))
    again = events.retry(least_ms=least_ms, most_ms=most_ms)
    return again + events.event("problem", last_id or NO_ID, data)


def last_id_of(headers: MultiMapping[str]) -> str:
    """The id of the last event that a client has got, if it can be one; empty where there is none."""
    sent = headers.get("Last-Event-ID", "")[:_LONGEST_ID]
    return sent if sent.isascii() and sent.isprintable() else ""


def response_of(line: RequestLine, headers: tuple[tuple[str, str], ...]) -> web.StreamResponse:
    """Its head, with these headers beside its own."""
    head = to_response(Reply(200, (*HEADERS, *headers), b"", EVENT_STREAM), line)
    response = web.StreamResponse(headers=head.headers)
    response.headers.pop("Content-Length", None)
    response.force_close()
    return response
