"""Many requests in one: SCIM's `POST /Bulk` (RFC 7644 §3.7), where a contract in that style declares it.

Each operation is a request of its own: matched, checked and answered by the contract's operation for it, and
kept or not for itself. There is no transaction around them: `failOnErrors` says when to stop, and what was
done by then stays (§3.7). The reply has each operation's status, with the error of those that failed.

An Idempotency-Key of the whole is one for each of them; `Prefer: tx=rollback` keeps nothing of any.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, cast

import orjson
import structlog
from attrs import evolve

from server.contracts.profiles.scim_parts.bulk import REPLY, in_turn, read
from server.requests.target import parse_target
from server.telemetry.request_line import RequestLine
from server.values.errors import BadRequest, Conflict, ServiceError
from server.values.model import Reply
from server.values.preferences import preferences
from server.values.replies import error_reply

if TYPE_CHECKING:
    from server.contracts.contract import Call
    from server.contracts.profiles.scim_parts.bulk import Step
    from server.http.answering import UseCase
    from server.values.model import Method, RequestContext

log = structlog.get_logger(__name__)

_SCIM: Final = "application/scim+json"
#: What is about the whole request, and is not each operation's.
_OF_ALL: Final = frozenset(
    {"accept", "idempotency-key", "if-match", "if-none-match", "prefer", "content-type"}
)
_NOT_MADE: Final = "It refers to what this request has not made, or to itself in a circle."


class BulkRequests:
    """A use case around another. `most`: operations of one request."""

    def __init__(self, inner: UseCase, most: int, path_bytes: int) -> None:
        self._inner = inner
        self._most = most
        self._path_bytes = path_bytes

    async def serve(self, ctx: RequestContext, line: RequestLine) -> Reply:
        """Raises BadRequest, PayloadTooLarge, and what the inner one raises."""
        call: Call | None = ctx.contract
        if call is None or not call.is_bulk or ctx.method != "POST":
            return await self._inner.serve(ctx, line)
        line.plan_source = "contract"
        asked = read(ctx.body_json if ctx.content != "none" else None, self._most)
        ids: dict[str, str | None] = {}
        told: dict[int, dict[str, Any]] = {}
        errors = 0
        for step, possible in in_turn(asked.steps, ids):
            own = step.with_ids({name: key for name, key in ids.items() if key})
            reply = await self._answered(ctx, own, possible=possible)
            if step.method == "POST":
                ids[step.bulk_id] = _id_of(reply)
            told[step.number] = _told(own, reply, ctx)
            errors += reply.status >= 400
            if 0 < asked.fail_on_errors <= errors:
                break
        body = {"schemas": [REPLY], "Operations": [told[number] for number in sorted(told)]}
        return Reply(200, (), orjson.dumps(body), _SCIM)

    async def _answered(self, ctx: RequestContext, step: Step, *, possible: bool) -> Reply:
        """In the contract's form, errors too."""
        call: Call = ctx.contract
        if not possible:
            return call.in_form(error_reply(Conflict(_NOT_MADE), ctx.request_id))
        try:
            asked = self._request(ctx, step)
            call = asked.contract
            line = RequestLine(request_id=ctx.request_id, session=ctx.session.id, method=asked.method)
            reply = await self._inner.serve(asked, line)
        except ServiceError as error:
            reply = error_reply(error, ctx.request_id)
        except Exception as error:
            log.exception("unhandled", request_id=ctx.request_id, exc_info=error)
            reply = error_reply(ServiceError("The request failed; the log has more."), ctx.request_id)
        return call.in_form(reply)

    def _request(self, ctx: RequestContext, step: Step) -> RequestContext:
        """The operation as a request by the contract. Raises what its checks do."""
        whole: Call = ctx.contract
        target = parse_target(_path_of(step, whole), path_bytes=self._path_bytes)
        call = whole.to(step.method, target.segments, target.path)
        if call.is_bulk:
            raise BadRequest("A bulk request has none within it.")
        has_body = step.data is not None and step.method != "DELETE"
        headers = _headers(ctx, step, has_body=has_body)
        call = call.admitted(headers, {}, identity=whole.identity_as_sent)
        asked = evolve(
            ctx,
            method=cast("Method", step.method),
            path=target.path,
            segments=target.segments,
            query={},
            headers=headers,
            content="json" if has_body else "none",
            body_json=step.data if has_body else None,
            body_text=orjson.dumps(step.data).decode() if has_body else None,
            contract=call,
        )
        return call.with_body(call.takes(headers.get("content-type", "")) if has_body else "", asked)


def _path_of(step: Step, call: Call) -> str:
    """With the base path of the contract, which a client may leave out."""
    return step.path if step.path.startswith(f"{call.base_path}/") else call.base_path + step.path


def _headers(ctx: RequestContext, step: Step, *, has_body: bool) -> dict[str, str]:
    found = {name: value for name, value in ctx.headers.items() if name not in _OF_ALL}
    key = ctx.headers.get("idempotency-key")
    if key is not None:
        found["idempotency-key"] = hashlib.blake2b(
            f"{key}\n{step.number}".encode(), digest_size=16
        ).hexdigest()
    if step.version:
        found["if-match"] = step.version
    if "prefer" in ctx.headers and preferences(ctx.headers["prefer"]).dry_run:
        found["prefer"] = "tx=rollback"
    if has_body:
        found["content-type"] = _SCIM
    return found


def _id_of(reply: Reply) -> str | None:
    """Of what was made."""
    value = _value(reply) if reply.status < 300 else None
    found = value.get("id") if isinstance(value, dict) else None
    return str(found) if isinstance(found, str | int) else None


def _value(reply: Reply) -> Any:
    return orjson.loads(reply.body) if reply.body is not None and "json" in reply.media_type else None


def _told(step: Step, reply: Reply, ctx: RequestContext) -> dict[str, Any]:
    """RFC 7644 §3.7: what the reply says of one operation."""
    value = _value(reply)
    meta = value.get("meta") if isinstance(value, dict) else None
    meta = meta if isinstance(meta, dict) else {}
    headers = {name.lower(): text for name, text in reply.headers}
    made = step.method == "POST"
    location = meta.get("location") or (None if made else ctx.base_url + _path_of(step, ctx.contract))
    told = {
        "location": location if reply.status < 400 or not made else None,
        "method": step.method,
        "bulkId": step.bulk_id or None,
        "version": headers.get("etag") or meta.get("version"),
        "status": str(reply.status),
        "response": value if reply.status >= 400 else None,
    }
    return {name: each for name, each in told.items() if each is not None}
