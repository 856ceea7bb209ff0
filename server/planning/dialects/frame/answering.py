"""A reply in its dialect: errors in the tool's words, and its media type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from attrs import evolve

from server.planning.dialects.frame.registry import known, meant
from server.planning.dialects.frame.table import JSON, Problem

if TYPE_CHECKING:
    from server.values.model import Reply, RequestContext

_PROBLEM = "application/problem+json"


def with_dialect_named(reply: Reply, ctx: RequestContext) -> Reply:
    """A refusal of a native request in a dialect's words: it names that dialect, too."""
    name = meant(ctx)
    if name is None or reply.media_type != _PROBLEM or reply.body is None:
        return reply
    document = orjson.loads(reply.body)
    detail = f"{document['detail']}, or use the dialect {name} (X-Dialect: {name})"
    body = orjson.dumps({**document, "detail": detail, "error": detail, "dialect": name})
    return evolve(reply, body=body)


def in_dialect(reply: Reply, name: str) -> Reply:
    """`name` is a dialect's."""
    dialect = known()[name]
    if dialect.reply_headers:
        reply = evolve(reply, headers=(*reply.headers, *dialect.reply_headers))
    if reply.media_type == _PROBLEM and reply.body is not None:
        form = dialect.error(Problem(reply.status, orjson.loads(reply.body)))
        body = None if form.body is None else orjson.dumps(form.body)
        return evolve(reply, status=form.status, body=body, media_type=form.media_type)
    if reply.body is not None and reply.media_type == JSON != dialect.media_type:
        return evolve(reply, media_type=dialect.media_type)
    return reply
