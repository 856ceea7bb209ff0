"""A request whose context was read gets its reply: by a client's request, or because somebody watches it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog

from server.concurrency.aside import aside
from server.http.conditional import conditional
from server.planning.dialects.frame.answering import in_dialect, with_dialect_named
from server.values.errors import ServiceError
from server.values.replies import error_reply

if TYPE_CHECKING:
    from server.telemetry.request_line import RequestLine
    from server.values.model import Reply, RequestContext

log = structlog.get_logger(__name__)

#: Of a query whose words are another tool's.
_REFUSED = 400
#: Of which a digest takes a millisecond.
_HASHED_INLINE_BYTES = 1024 * 1024


class UseCase(Protocol):
    async def serve(self, ctx: RequestContext, line: RequestLine) -> Reply: ...


async def answered(use_case: UseCase, ctx: RequestContext, line: RequestLine) -> Reply:
    """Raises ServiceError."""
    reply = await use_case.serve(ctx, line)
    if reply.status == _REFUSED and ctx.query and not ctx.dialect:
        reply = with_dialect_named(reply, ctx)
    if ctx.contract is not None and ctx.contract.tags_itself:
        return reply
    own = ctx.contract is not None and ctx.contract.has_versions
    if reply.body is None or len(reply.body) <= _HASHED_INLINE_BYTES:
        return conditional(reply, ctx.method, ctx.headers, own_tags=own)
    tagged = partial(conditional, reply, ctx.method, ctx.headers, own_tags=own)
    return await aside(tagged, ctx.session.directory)


async def answered_always(use_case: UseCase, ctx: RequestContext, line: RequestLine) -> Reply:
    """With the problem document of whatever goes wrong."""
    try:
        reply = await answered(use_case, ctx, line)
    except ServiceError as error:
        line.problem = error.slug
        reply = error_reply(error, line.request_id)
    except Exception as error:
        log.exception("unhandled", request_id=line.request_id, exc_info=error)
        line.problem = ServiceError.slug
        reply = error_reply(ServiceError("The request failed; the log has more."), line.request_id)
    return in_dialect(reply, ctx.dialect) if ctx.dialect else reply
