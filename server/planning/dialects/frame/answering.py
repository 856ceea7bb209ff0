"""A reply in its dialect: errors in the tool's words, and its media type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from attrs import evolve

from server.planning.dialects.frame.registry import known, meant
from server.planning.dialects.frame.table import JSON, Problem
from server.values.model import Reply

if TYPE_CHECKING:
    from server.values.model import RequestContext

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
    headers = (*reply.headers, *dialect.reply_headers) if dialect.reply_headers else reply.headers
    if reply.media_type == _PROBLEM and reply.body is not None:
        form = dialect.error(Problem(reply.status, orjson.loads(reply.body)))
        body = None if form.body is None else orjson.dumps(form.body)
        return Reply(form.status, headers, body, form.media_type, reply.record)
    media_type = (
        dialect.media_type if reply.body is not None and reply.media_type == JSON else reply.media_type
    )
    if headers is reply.headers and media_type == reply.media_type:
        return reply
    return Reply(reply.status, headers, reply.body, media_type, reply.record)
