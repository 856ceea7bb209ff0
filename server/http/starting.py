"""What the port answers before the service can: 503, with what it waits for, and when to ask again.

An event stream is told so in an event: a 503 would end a browser's EventSource for good.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

import orjson
from attrs import evolve

from server.http import pages, request_id
from server.http.cors import Cors
from server.http.event_stream import EVENT_STREAM, HEADERS, last_id_of, refusal_text, wish_of
from server.http.response import to_response
from server.http.terminal import for_terminal
from server.telemetry.request_line import RequestLine
from server.values.errors import OriginRefused, Starting
from server.values.model import Reply
from server.values.replies import error_reply

if TYPE_CHECKING:
    from aiohttp import web

    from wasm_runtime.artifact import Progress

_RETRY_SECONDS: Final = 5
#: For event streams, which are not to come all at once.
_LEAST_MS: Final = 3_000
_MOST_MS: Final = 8_000
_DETAIL: Final = (
    "The service starts: it builds the sandboxed Python, as it does once after an upgrade. "
    "That takes less than a minute; nothing is lost."
)


class Steps:
    """What is being done and since when, for who asks; passed on to who looks at the terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._what = "Starting"
        self._began = monotonic()

    def __call__(self, what: str, seconds: float | None) -> None:
        """A `wasm_runtime.artifact.Progress`; called in the thread that builds."""
        if seconds is None:
            self._what = what
        self._progress(what, seconds)

    def members(self) -> dict[str, object]:
        return {"step": self._what, "seconds": int(monotonic() - self._began)}


class StartingHandler:
    """Answers every request with 503: `/healthz` with its own document, and the others with a problem."""

    def __init__(self, steps: Steps, cors: Cors | None = None) -> None:
        self._steps = steps
        self._cors = cors or Cors()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        line = RequestLine(request_id=request_id.of(request.headers), method=request.method)
        reply = self._reply(request, line)
        line.status = reply.status
        reply = self._cors.marked(request.headers, for_terminal(reply, request.headers))
        response = to_response(reply, line)
        # The next request on this connection is for the service, which is another server.
        response.force_close()
        try:
            await response.prepare(request)
            await response.write_eof()
        finally:
            line.emit()
        return response

    def _reply(self, request: web.BaseRequest, line: RequestLine) -> Reply:
        try:
            if preflight := self._cors.preflight(request.method, request.headers):
                return preflight
        except OriginRefused as refused:
            line.problem = refused.slug
            return error_reply(refused, line.request_id)
        line.problem = Starting.slug
        members = self._steps.members()
        error = Starting(_DETAIL, headers={"Retry-After": str(_RETRY_SECONDS)}, **members)
        reply = error_reply(error, line.request_id)
        if wish_of(request.method, request.headers) is not None:
            told = refusal_text(reply, "", last_id_of(request.headers), least_ms=_LEAST_MS, most_ms=_MOST_MS)
            return Reply(200, HEADERS, told, EVENT_STREAM)
        if request.raw_path.partition("?")[0] != pages.HEALTH:
            return reply
        body = orjson.dumps({"status": "starting", "detail": _DETAIL, **members})
        return evolve(reply, body=body, media_type="application/json")
