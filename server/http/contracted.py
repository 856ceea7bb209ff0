"""A contract's request, in and out: who asks, which token was handed out, what breaks the contract."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog
from attrs import evolve

from server.concurrency.aside import INLINE_BYTES, aside
from server.contracts.issued import issued_by
from server.values.errors import ReplyTooLarge
from server.values.model import SAFE_METHODS

if TYPE_CHECKING:
    from server.contracts.contract import Call
    from server.contracts.issued import IssuedTokens
    from server.http.answering import UseCase
    from server.telemetry.request_line import RequestLine
    from server.values.model import Reply, RequestContext

log = structlog.get_logger(__name__)

HEADER: Final = "X-Contract-Violations"
_MOST_SHOWN: Final = 5
#: Of a reply that is looked into for a token; one of a login is short.
_MOST_BYTES: Final = 16_384


class Contracted:
    """A use case around another."""

    def __init__(self, inner: UseCase, tokens: IssuedTokens) -> None:
        self._inner = inner
        self._tokens = tokens

    async def serve(self, ctx: RequestContext, line: RequestLine) -> Reply:
        """Raises what the inner one raises."""
        call: Call | None = ctx.contract
        if call is None or call.checked is None:
            return await self._inner.serve(ctx, line)
        who = call.checked.identity
        if who is not None:
            named = await self._tokens.named(ctx.session.directory, who)
            ctx = evolve(ctx, contract=evolve(call, checked=evolve(call.checked, identity=named)))
        reply = await self._inner.serve(ctx, line)
        await self._note_token(ctx, reply)
        return self._reported(ctx, line, await _represented(ctx, reply))

    async def _note_token(self, ctx: RequestContext, reply: Reply) -> None:
        body = reply.body
        if reply.status >= 300 or body is None or len(body) > _MOST_BYTES or not _speaks_of_tokens(body):
            return
        found = issued_by(_value(body), ctx.body_json if ctx.content != "none" else None)
        if found is not None:
            await self._tokens.note(ctx.session.directory, *found)

    @staticmethod
    def _reported(ctx: RequestContext, line: RequestLine, reply: Reply) -> Reply:
        if not line.violations:
            return reply
        log.warning(
            "reply breaks the contract",
            request_id=ctx.request_id,
            session=ctx.session.id,
            plan_id=line.plan_id,
            operation=ctx.contract.match.operation.id,
            status=reply.status,
            places=[f"{pointer or '#'} {keyword}" for pointer, keyword, _ in line.violations],
        )
        shown = "; ".join(
            f"{_ascii(pointer) or '#'} {keyword}" for pointer, keyword, _ in line.violations[:_MOST_SHOWN]
        )
        return evolve(reply, headers=(*reply.headers, (HEADER, shown)))


async def _represented(ctx: RequestContext, reply: Reply) -> Reply:
    """The reply in a type of the contract's; a long one is made another beside the event loop.

    What a write would say at too great a length stays JSON: it is done. Raises ReplyTooLarge for a read.
    """
    call, accept = ctx.contract, ctx.headers.get("accept", "")
    try:
        if len(reply.body or b"") <= INLINE_BYTES or not call.represents(reply, accept):
            represented: Reply = call.represented(reply, accept)
            return represented
        return await aside(partial(call.represented, reply, accept), ctx.session.directory)
    except ReplyTooLarge:
        if ctx.method in SAFE_METHODS:
            raise
        return reply


def _speaks_of_tokens(body: bytes) -> bool:
    lower = body.lower()
    return b"token" in lower or b"jwt" in lower or b"key" in lower


def _value(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError:
        return None


def _ascii(pointer: str) -> str:
    return "".join(char if " " <= char <= "~" and char not in ";," else "?" for char in pointer)
