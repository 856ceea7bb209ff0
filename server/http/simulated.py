"""Replies on demand, so that people can test what their client does with them: `Prefer: code=429, delay=2`.

    code=NNN     that status, without any plan: nothing runs, nothing is written
    delay=N      the request waits for so many seconds before it is begun; fractions count

Wishes like all of `Prefer` (RFC 7240): one that cannot be had, or is beyond its limit, is passed over or cut
down, and Preference-Applied says what was done. Prism knows `code`; `delay` is others' word.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import orjson
from attrs import evolve

from server.concurrency.aside import aside
from server.values.model import METHODS, Reply
from server.values.preferences import preferences
from server.values.replies import phrase, problem_reply

if TYPE_CHECKING:
    from server.http.answering import UseCase
    from server.settings.schema import SimulationSettings
    from server.telemetry.request_line import RequestLine
    from server.values.model import RequestContext

_NO_BODY: Final = frozenset({204, 205, 304})
_DETAIL: Final = "The request asked for this reply (Prefer: code={}); nothing has run."
#: What HTTP asks of some statuses: RFC 9110 §11.6.1, §10.2.1, §10.2.3.
_HEADERS: Final = {
    401: (("WWW-Authenticate", "Bearer"),),
    405: (("Allow", ", ".join(METHODS)),),
    429: (("Retry-After", "1"),),
    503: (("Retry-After", "1"),),
}


class Declared(Protocol):
    """Whoever knows better what a reply of a status looks like."""

    def __call__(self, ctx: RequestContext, status: int) -> Reply | None: ...


class Simulated:
    """A use case around another."""

    def __init__(
        self,
        inner: UseCase,
        settings: SimulationSettings,
        declared: Declared = lambda _ctx, _status: None,
    ) -> None:
        self._inner = inner
        self._settings = settings
        self._declared = declared
        self._waiting = 0

    async def serve(self, ctx: RequestContext, line: RequestLine) -> Reply:
        """Raises what the inner one raises."""
        if "prefer" not in ctx.headers or not self._settings.replies:
            return await self._inner.serve(ctx, line)
        wished = preferences(ctx.headers["prefer"])
        applied = await self._delayed(wished.delay)
        if wished.code and ctx.method != "OPTIONS":
            applied = [f"code={wished.code}", *applied]
            reply = await self._shown(ctx, wished.code) or on_demand(wished.code, ctx.request_id)
        else:
            reply = await self._inner.serve(ctx, line)
        return _with_applied(reply, applied)

    async def _shown(self, ctx: RequestContext, status: int) -> Reply | None:
        if ctx.contract is None:
            return self._declared(ctx, status)
        return await aside(partial(self._declared, ctx, status), ctx.session.directory)

    async def _delayed(self, seconds: float) -> list[str]:
        """What was applied: for so long, or as long as is allowed; nothing where too many wait already."""
        seconds = min(seconds, self._settings.delay_seconds)
        if seconds <= 0 or self._waiting >= self._settings.delayed_requests:
            return []
        self._waiting += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting -= 1
        return [f"delay={seconds:g}"]


def on_demand(status: int, request_id: str) -> Reply:
    """A reply that says of what status it is, and no more."""
    headers = _HEADERS.get(status, ())
    if status in _NO_BODY:
        return Reply(status, headers)
    if status >= 400:
        return problem_reply(status, _DETAIL.format(status), request_id, headers)
    return Reply(status, headers, orjson.dumps({"status": status, "title": phrase(status)}))


def _with_applied(reply: Reply, applied: list[str]) -> Reply:
    if not applied:
        return reply
    told = [value for name, value in reply.headers if name.lower() == "preference-applied"]
    others = [pair for pair in reply.headers if pair[0].lower() != "preference-applied"]
    return evolve(reply, headers=(*others, ("Preference-Applied", ", ".join([*told, *applied]))))
