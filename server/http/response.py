"""A Reply becomes a response: the service's own headers are added here and nowhere else (T20, T22).

What a plan may set was decided in the worker, before its writes were kept.
"""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache
from time import time
from typing import TYPE_CHECKING

from aiohttp import HttpVersion11, web
from multidict import CIMultiDict

from server.values.replies import phrase

if TYPE_CHECKING:
    from server.telemetry.request_line import RequestLine
    from server.values.model import Reply

SERVER = "metaservice"
_NO_BODY = frozenset({204, 304})
_NEW_EACH_TIME = frozenset({"X-Request-ID", "Server-Timing"})
#: Set here, whatever a reply says; Cache-Control is marked as private, see below.
_SERVICE_S_OWN = frozenset(
    {
        *("server", "x-request-id", "x-content-type-options", "content-type"),
        *("x-plan-source", "x-plan-id", "x-fuel-used", "x-dialect", "server-timing"),
    }
)


def to_response(reply: Reply, line: RequestLine) -> web.Response:
    """For HEAD, too: aiohttp keeps the body's length and leaves the body out."""
    return web.Response(status=reply.status, headers=CIMultiDict(_headers(reply, line)), body=reply.body)


def _headers(reply: Reply, line: RequestLine) -> list[tuple[str, str]]:
    """The reply's own headers, then the service's, which are nobody else's to set."""
    headers, caching = [], ""
    for header in reply.headers:
        name = header[0].lower()
        if name == "cache-control":
            caching = caching or header[1]
        elif name not in _SERVICE_S_OWN:
            headers.append(header)
    headers += [
        ("Server", SERVER),
        ("X-Request-ID", line.request_id),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if caching in ("", "no-store"):
        headers.append(("Cache-Control", "no-store"))
    else:
        # The plan's choice, for this client: what it is depends on the session and on who asks. Where it is
        # asked for again each time (RFC 9111 §5.2.2.4) nobody gets another's.
        told = caching if line.dialect and caching == "no-cache" else f"private, {caching}"
        headers.append(("Cache-Control", told))
        headers.append(("Vary", "X-Session-ID, Authorization, X-Service-Token"))
    if reply.body is not None:
        headers.append(("Content-Type", reply.media_type))
    if line.plan_id:
        headers += [
            ("X-Plan-Source", line.plan_source),
            ("X-Plan-ID", line.plan_id),
            ("X-Fuel-Used", str(line.fuel)),
        ]
    if line.dialect:
        headers.append(("X-Dialect", line.dialect))
    if line.rates:
        headers += line.rates
    if line.ms:
        timing = ", ".join(["%s;dur=%.3f" % stage for stage in line.ms.items()])  # noqa: UP031  the fastest
        headers.append(("Server-Timing", timing))
    return headers


def whole(request: web.BaseRequest, reply: Reply, line: RequestLine) -> bytes | None:
    """All that goes over the wire, for a reply that nothing about the connection has to be decided for.

    That is nearly every one: HTTP/1.1 with a body, and the connection stays. aiohttp's way from a response's
    headers to their bytes takes several times as long. None: it is to be gone all the same.
    """
    body = reply.body
    if body is None or reply.status in _NO_BODY or request.method == "HEAD" or not stays(request):
        return None
    head = _lines(reply.status, [*_headers(reply, line), ("Content-Length", str(len(body)))])
    return None if head is None else b"%bDate: %b\r\n\r\n%b" % (head, date(int(time())).encode(), body)


def _lines(status: int, headers: list[tuple[str, str]]) -> bytes | None:
    """The first line of a response, and these; None where one of them is more than a line."""
    lines = "".join(["%s: %s\r\n" % header for header in headers])  # noqa: UP031  the fastest
    # Every value has been looked at where it came from; a line more than that would be a response of its own.
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        return None
    return f"{_start(status)}{lines}".encode()


def lasting_head(reply: Reply, line: RequestLine) -> bytes | None:
    """The head of a response that is given again without a run, up to where what is new each time comes.

    That is `X-Request-ID`, `Server-Timing` and `Date`. None: it is not worth it.
    """
    headers = [header for header in _headers(reply, line) if header[0] not in _NEW_EACH_TIME]
    headers = [(name, "0" if name == "X-Fuel-Used" else value) for name, value in headers]
    if reply.body is not None:
        headers.append(("Content-Length", str(len(reply.body))))
    return _lines(reply.status, headers)


def came_in_chunks(request: web.BaseRequest) -> bool:
    """Whether the connection has to end with this request.

    Fields may follow the last chunk, announced or not (RFC 9112 §7.1.2). aiohttp's parser in C (3.14.5) takes
    them for headers of the connection's next request, which behind a proxy may be somebody else's.
    """
    return "Transfer-Encoding" in request.headers


@lru_cache(maxsize=512)
def _start(status: int) -> str:
    return f"HTTP/1.1 {status} {phrase(status)}\r\n"


@lru_cache(maxsize=1)
def date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


class Sent(web.StreamResponse):
    """What aiohttp is told when all has been written: nothing is left to do, and the connection stays."""

    def __init__(self, status: int = 200) -> None:
        super().__init__(status=status)
        self._keep_alive = True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing."""


SENT = Sent()


@lru_cache(maxsize=512)
def sent(status: int) -> Sent:
    """The same, for what has a status of its own."""
    return Sent(status)


def stays(request: web.BaseRequest) -> bool:
    """Whether the connection can stay: the client wants it, and nothing of the request is left to be read."""
    if request.version != HttpVersion11 or not request.keep_alive:
        return False
    return request.content.is_eof() and not came_in_chunks(request)
