"""A Reply becomes a response: the service's own headers are added here and nowhere else (T20, T22).

What a plan may set was decided in the worker, before its writes were kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from multidict import CIMultiDict

if TYPE_CHECKING:
    from server.logging import RequestLine
    from server.model import Reply

SERVER = "metaservice"


def to_response(reply: Reply, line: RequestLine) -> web.Response:
    """For HEAD, too: aiohttp keeps the body's length and leaves the body out."""
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
    return web.Response(status=reply.status, headers=headers, body=reply.body)
