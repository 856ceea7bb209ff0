"""What HTTP says of a request and its reply, whatever the plan says: Accept, Prefer, and lists' headers.

Around the pipeline, on both ways:

1. In: a write whose reply the client does not accept is refused before it runs (406). Replies to writes are
   JSON; lists that are read are JSON, CSV or newline-delimited JSON.
2. Out: a list in the representation that fits best, with Link and X-Total-Count; a write as Prefer has it.
   Errors are problem documents, whatever is accepted (RFC 9457 §3).

A plain GET pays for a look at two headers and at the body's first bytes.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from attrs import evolve

from server.concurrency.aside import INLINE_BYTES, aside
from server.http import paging, tables
from server.http.accept import CSV, JSON, OFFERED, acceptable, json_label
from server.planning.dialects.frame.registry import known
from server.values.errors import NotAcceptable
from server.values.model import SAFE_METHODS, Reply
from server.values.preferences import preferences

if TYPE_CHECKING:
    from server.http.accept import MediaType
    from server.http.answering import UseCase
    from server.planning.dialects.frame.table import Csv
    from server.telemetry.request_line import RequestLine
    from server.values.model import RequestContext

    Headers = tuple[tuple[str, str], ...]

_ONLY_JSON: tuple[MediaType, ...] = (JSON,)
#: What most clients send; anything else is looked into.
_PLAIN = frozenset({"", "*/*", JSON})
_VARY = ("Vary", "Accept")


class HttpSemantics:
    """A use case around another."""

    def __init__(self, inner: UseCase) -> None:
        self._inner = inner

    async def serve(self, ctx: RequestContext, line: RequestLine) -> Reply:
        """Raises NotAcceptable, and what the inner one raises."""
        if ctx.method == "OPTIONS":
            return await self._inner.serve(ctx, line)
        if ctx.contract is not None:
            reply = await self._inner.serve(ctx, line)
            return _as_preferred(reply, ctx.headers["prefer"]) if "prefer" in ctx.headers else reply
        accept = ctx.headers.get("accept", "")
        if accept in _PLAIN:
            return await self._accepted(ctx, line, _ONLY_JSON)
        reply = await self._accepted(ctx, line, acceptable(accept))
        return _called(reply, json_label(accept))

    async def _accepted(self, ctx: RequestContext, line: RequestLine, types: tuple[MediaType, ...]) -> Reply:
        if ctx.method in SAFE_METHODS:
            if not types:
                raise not_acceptable(OFFERED)
            return await self._read(ctx, line, types)
        write = _csv_of(ctx)
        if JSON not in types and (write is None or CSV not in types):
            raise not_acceptable(_ONLY_JSON)
        reply = await self._inner.serve(ctx, line)
        if write is not None and types[0] is CSV:
            reply = await _represented_by(write, reply, types, ctx.session.directory)
        return _as_preferred(reply, ctx.headers["prefer"]) if "prefer" in ctx.headers else reply

    async def _read(self, ctx: RequestContext, line: RequestLine, types: tuple[MediaType, ...]) -> Reply:
        reply = await self._inner.serve(ctx, line)
        if reply.body is None or reply.status >= 300:
            return reply
        if ctx.dialect:
            return await _in_dialect(ctx, reply, types)
        headers = (*reply.headers, *_list_headers(ctx, line, reply, reply.body), _VARY)
        marked = Reply(reply.status, headers, reply.body, reply.media_type)
        return (
            marked
            if types[0] is JSON
            else await _represented(marked, reply.body, types, ctx.session.directory)
        )


async def _in_dialect(ctx: RequestContext, reply: Reply, types: tuple[MediaType, ...]) -> Reply:
    write = _csv_of(ctx)
    if write is not None and types[0] is CSV:
        reply = await _represented_by(write, reply, types, ctx.session.directory)
    elif JSON not in types:
        raise not_acceptable(_ONLY_JSON)
    return Reply(reply.status, (*reply.headers, _VARY), reply.body, reply.media_type, reply.record)


def _called(reply: Reply, label: str) -> Reply:
    return reply if label == JSON or reply.media_type != JSON else evolve(reply, media_type=label)


def not_acceptable(available: tuple[MediaType, ...]) -> NotAcceptable:
    return NotAcceptable(
        f"None of what the Accept header names fits; there is {', '.join(available)}.",
        headers=dict([_VARY]),
        available=list(available),
    )


def _list_headers(ctx: RequestContext, line: RequestLine, reply: Reply, body: bytes) -> Headers:
    page = paging.page_of(body)
    if page is None and not reply.headers:
        return ()
    given = {name.lower(): value for name, value in reply.headers}
    if page is None and line.plan_source == "conventions" and "x-total-count" in given:
        page = paging.page_asked(ctx.query, given["x-total-count"])
    if page is None:
        return ()
    found = {"X-Total-Count": str(page.total), "Link": paging.link(ctx, page)}
    return tuple((name, value) for name, value in found.items() if value and name.lower() not in given)


def _csv_of(ctx: RequestContext) -> Csv | None:
    return known()[ctx.dialect].csv if ctx.dialect else None


async def _represented_by(write: Csv, reply: Reply, types: tuple[MediaType, ...], session: str) -> Reply:
    """A list as its dialect writes CSV; what is none stays JSON. Raises NotAcceptable."""
    body = reply.body
    if body is None or reply.status >= 300:
        return reply

    def written() -> Reply:
        records = tables.records_of(body)
        if records is None:
            if JSON not in types:
                raise not_acceptable(_ONLY_JSON)
            return reply
        table = tables.to_csv(records, body_bytes=len(body), write=write)
        return evolve(reply, body=table, media_type=tables.DIALECTS_CSV_TYPE)

    return await aside(written, session) if len(body) > INLINE_BYTES else written()


async def _represented(reply: Reply, body: bytes, types: tuple[MediaType, ...], session: str) -> Reply:
    """The reply in the first type it can be in: a list in any, everything else in JSON."""
    if len(body) > INLINE_BYTES:
        return await aside(partial(_as_table, reply, body, types), session)
    return _as_table(reply, body, types)


def _as_table(reply: Reply, body: bytes, types: tuple[MediaType, ...]) -> Reply:
    records = tables.records_of(body)
    if records is None:
        if JSON not in types:
            raise not_acceptable(_ONLY_JSON)
        return reply
    if types[0] == CSV:
        table = tables.to_csv(records, body_bytes=len(body))
        return evolve(reply, body=table, media_type=tables.CSV_TYPE)
    return evolve(reply, body=tables.to_ndjson(records), media_type=tables.NDJSON_TYPE)


def _without_body(reply: Reply) -> Reply:
    """The guest has left the body out already, and of a record its tag there (guest/conditions.py)."""
    return evolve(reply, status=204 if reply.status == 200 else reply.status, body=None)


def _as_preferred(reply: Reply, header: str) -> Reply:
    wished, applied = preferences(header), []
    if wished.dry_run:
        applied.append("tx=rollback")
    if reply.status < 300 and wished.minimal:
        applied.append("return=minimal")
        reply = _without_body(reply)
    elif reply.status < 300 and wished.representation and reply.body is not None:
        applied.append("return=representation")
    if not applied:
        return reply
    others = (pair for pair in reply.headers if pair[0].lower() != "preference-applied")
    return evolve(reply, headers=(*others, ("Preference-Applied", ", ".join(applied))))
