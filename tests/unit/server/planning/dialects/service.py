"""A service in one process and without a guest, that speaks a dialect: its plans, run on a real store."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import orjson
from attrs import evolve

from guest.namespace import PURE_HELPERS
from guest.reply import Abort, encode_reply
from guest.session import ASKED
from server.planning.dialects.frame.answering import in_dialect
from server.planning.dialects.frame.choice import read_in
from server.planning.dialects.frame.compiling import PARAMS, compile_request
from server.planning.dialects.frame.registry import known
from server.planning.kinds.route import RouteTemplate
from server.planning.policy import check
from server.requests.target import parse_query, parse_target
from server.values.errors import ServiceError
from server.values.model import Reply
from server.values.replies import error_reply, problem_reply
from store.errors import StoreError
from tests.unit.server.planning.requests import NO_BODY, a_request
from tests.unit.server.planning.service import Ended, abort, make_response
from wasm_runtime.verdict import clean_headers

if TYPE_CHECKING:
    from server.planning.dialects.frame.compiling import Compiled
    from server.values.model import RequestContext
    from store.session_store import Session

#: A program is the same for all requests of its kind.
_checked = cache(check)


class DialectService:
    """Answers with `(status, body, headers)`, header names in lower case; what was refused is not kept."""

    def __init__(self, session: Session, dialect: str, *, clearing: bool = False) -> None:
        """`clearing`: conventions.delete_collections."""
        self._session = session
        self._clearing = clearing
        self.dialect = dialect

    def __call__(
        self, method: Any, target: str, body: Any = NO_BODY, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """`target` as it is sent: encoded, with its query. `Range_Unit="items"` is a header."""
        parsed = parse_target(target, path_bytes=8192)
        query = parse_query(parsed.raw_query, query_bytes=65536)
        given = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        ctx = a_request(method, parsed.path, query=query, body=body, headers=given, segments=parsed.segments)
        ctx = read_in(evolve(ctx, dialect_headers=given), self.dialect)
        reply = in_dialect(self._reply(ctx), self.dialect)
        sent = {name.lower(): value for name, value in reply.headers}
        if reply.body is not None:
            sent["content-type"] = reply.media_type
        return reply.status, None if reply.body is None else orjson.loads(reply.body), sent

    def _reply(self, ctx: RequestContext) -> Reply:
        try:
            compiled = compile_request(known()[self.dialect], ctx, clearing=self._clearing)
        except ServiceError as error:
            return error_reply(error, "r1")
        self._session.begin(read_only=ctx.safe)
        try:
            made = self._run(compiled, ctx)
        except (Ended, Abort) as ended:
            made = ended.reply
        except StoreError as error:
            made = make_response(error.status, error.detail)
        self._session.settle(keep=made["status"] < 400)
        self._session.commit()
        headers = clean_headers(
            {key: str(value) for key, value in made["headers"].items() if value is not None}
        )
        status, body = made["status"], made["body"]
        if status >= 400 and (body is None or isinstance(body, str)):
            return problem_reply(status, body or "", "r1", headers)
        text = encode_reply({"status": status, "body": body})[1]
        return Reply(status, headers, text.encode() if text else None)

    def _run(self, compiled: Compiled, ctx: RequestContext) -> Any:
        plan = compiled.plan
        slots = compiled.params or RouteTemplate.parse(plan.route).match(ctx.segments)
        assert slots is not None
        params = {**slots, **plan.response_hints.get(PARAMS, {})}
        view = self._session.plan_view
        asked, head, _ = ctx.guest_head(compiled.asked).split("\n")
        names = {
            **{helper.__name__: helper for helper in PURE_HELPERS},
            "ctx": {
                **orjson.loads(head),
                "query": {},
                "asked": orjson.loads(asked.removeprefix(ASKED)),
                "body_json": ctx.body_json,
            },
            "plan": {
                "resource": plan.resource,
                "criteria": {},
                "identifier": params.get("id"),
                "response_hints": plan.response_hints,
            },
            "params": params,
            "store": view[plan.resource],
            "session_store": view,
            "make_response": make_response,
            "abort": abort,
        }
        exec(_checked(plan.code).text, names)
        return names["REPLY"]
