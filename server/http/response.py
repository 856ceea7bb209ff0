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

from server.replies import phrase

if TYPE_CHECKING:
    from server.logging import RequestLine
    from server.model import Reply

SERVER = "metaservice"
_NO_BODY = frozenset({204, 304})


def to_response(reply: Reply, line: RequestLine) -> web.Response:
    """For HEAD, too: aiohttp keeps the body's length and leaves the body out."""
    return web.Response(status=reply.status, headers=_headers(reply, line), body=reply.body)


def _headers(reply: Reply, line: RequestLine) -> CIMultiDict[str]:
    headers = CIMultiDict(reply.headers)
    headers["Server"] = SERVER
    headers["X-Request-ID"] = line.request_id
    headers["X-Content-Type-Options"] = "nosniff"
    caching = headers.setdefault("Cache-Control", "no-store")
    if caching != "no-store":
        # The plan's choice, for this client: what it is depends on the session and on who asks.
        headers["Cache-Control"] = f"private, {caching}"
        headers.add("Vary", "X-Session-ID, Authorization, X-Service-Token")
    if reply.body is not None:
        headers["Content-Type"] = reply.media_type
    if line.plan_id:
        headers["X-Plan-Source"] = line.plan_source
        headers["X-Plan-ID"] = line.plan_id
        headers["X-Fuel-Used"] = str(line.fuel)
    if line.ms:
        headers["Server-Timing"] = ", ".join([f"{name};dur={ms:.3f}" for name, ms in line.ms.items()])
    return headers


def whole(request: web.BaseRequest, reply: Reply, line: RequestLine) -> bytes | None:
    """All that goes over the wire, for a reply that nothing about the connection has to be decided for.

    That is nearly every one: HTTP/1.1 with a body, and the connection stays. aiohttp's way from a response's
    headers to their bytes takes several times as long. None: it is to be gone all the same.
    """
    body = reply.body
    if body is None or reply.status in _NO_BODY or request.version != HttpVersion11:
        return None
    if request.method == "HEAD" or not request.keep_alive or not request.content.is_eof():
        return None
    pairs = _headers(reply, line).items()
    lines = [_start(reply.status), *[f"{name}: {value}" for name, value in pairs]]
    lines += [f"Content-Length: {len(body)}", f"Date: {_date(int(time()))}"]
    head = "\r\n".join([*lines, "\r\n"])
    # Every value has been looked at where it came from; a line more than that would be a response of its own.
    if head.count("\n") != len(lines) + 1 or head.count("\r") != len(lines) + 1:
        return None
    return head.encode() + body


@lru_cache(maxsize=512)
def _start(status: int) -> str:
    return f"HTTP/1.1 {status} {phrase(status)}"


@lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


class Sent(web.StreamResponse):
    """What aiohttp is told when `whole` has been written: nothing is left to do, and the connection stays."""

    def __init__(self) -> None:
        super().__init__()
        self._keep_alive = True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing."""


SENT = Sent()
