"""The handler within the span of its request."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from server.telemetry.tracing import Tracing

    Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def traced(handle: Handle, tracing: Tracing) -> Handle:
    async def handle_traced(request: web.BaseRequest) -> web.StreamResponse:
        with tracing.request(request.headers):
            return await handle(request)

    return handle_traced
