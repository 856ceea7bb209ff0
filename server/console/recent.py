"""Requests that were served lately, to be replayed: only where the settings keep any, and in memory alone.

Of a request its session, method, path with query, and body. No header is kept, so that no token is.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from attrs import define, field, frozen

if TYPE_CHECKING:
    from server.http.handler import UseCase
    from server.telemetry.request_line import RequestLine
    from server.values.model import Reply, RequestContext

#: Characters of a body. A longer one is not kept, and neither is its request.
MOST_BODY: Final = 65_536


@frozen
class Kept:
    """A request, and the plan that served it."""

    plan: str
    session: str
    method: str
    path: str
    body: str


@define
class Recent:
    """Does what `use_case` does, and remembers the last `most` requests."""

    use_case: UseCase
    most: int
    _kept: deque[Kept] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._kept = deque(maxlen=self.most)

    async def serve(self, ctx: RequestContext, line: RequestLine) -> Reply:
        """Raises what the use case does; a request that was refused with a plan is remembered as well."""
        try:
            return await self.use_case.serve(ctx, line)
        finally:
            body = ctx.body_text or ""
            if line.plan_id and len(body) <= MOST_BODY and ctx.content in ("json", "none"):
                self._kept.append(Kept(line.plan_id, ctx.session.id, ctx.method, _path(ctx), body))

    def of(self, plan: str, most: int = 20) -> list[Kept]:
        """Of a plan's requests the last ones, the latest first."""
        return [each for each in reversed(self._kept) if each.plan == plan][:most]


def _path(ctx: RequestContext) -> str:
    query = urlencode(ctx.query, doseq=True, quote_via=quote)
    return f"{quote(ctx.path)}?{query}" if query else quote(ctx.path)
