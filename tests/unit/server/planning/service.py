"""A service in one process and without a guest: the conventions' plans, run as code on a real store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from guest.helpers import as_int
from guest.pages import page_of, pick
from guest.patches import json_patch, merge_patch
from guest.reply import Abort
from server.planning.conventions.planner import ConventionsPlanner, whole_name
from server.planning.kinds.route import RouteTemplate
from server.planning.policy import check
from store.errors import StoreError
from tests.unit.server.planning.requests import NO_BODY, a_request

if TYPE_CHECKING:
    from server.planning.kinds.schemas import Holds
    from server.values.model import Plan, RequestContext
    from store.session_store import Session


class Ended(BaseException):
    """What `abort` raises."""

    def __init__(self, reply: dict[str, Any]) -> None:
        super().__init__()
        self.reply = reply


def make_response(
    status: int = 200, body: Any = None, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    return {"status": status, "body": body, "headers": headers or {}}


def abort(status: int, body: Any = None, headers: dict[str, str] | None = None) -> None:
    raise Ended(make_response(status, body, headers))


class Service:
    """Answers requests with `(status, body, headers)`; a status of 400 or more undoes what was written."""

    def __init__(self, session: Session, *, delete_collections: bool = False) -> None:
        self._session = session
        self._planner = ConventionsPlanner(delete_collections=delete_collections)

    def __call__(self, method: Any, path: str, body: Any = NO_BODY, **more: Any) -> tuple[int, Any, Any]:
        ctx = a_request(method, path, body=body, **more)
        plan = self._planner.plan(ctx, holds=self._holds(ctx))
        self._session.begin(read_only=ctx.safe)
        try:
            reply = self._run(plan, ctx)
        except (Ended, Abort) as ended:
            reply = ended.reply
        except StoreError as error:
            reply = make_response(error.status, error.detail)
        self._session.settle(keep=reply["status"] < 400)
        self._session.commit()
        return reply["status"], reply["body"], reply["headers"]

    def status(self, method: Any, path: str, body: Any = NO_BODY, **more: Any) -> int:
        return self(method, path, body, **more)[0]

    def body(self, method: Any, path: str, body: Any = NO_BODY, **more: Any) -> Any:
        return self(method, path, body, **more)[1]

    def _holds(self, ctx: RequestContext) -> Holds:
        name = whole_name(ctx.method, ctx.segments)
        if name is None:
            return "records"
        store = self._session.plan_view[name]
        if store.singleton() is not None:
            return "object"
        return "records" if store.count() else "nothing"

    def _run(self, plan: Plan, ctx: RequestContext) -> Any:
        params = RouteTemplate.parse(plan.route).match(ctx.segments) or {}
        view = self._session.plan_view
        store = view[plan.resource]
        names = {
            "ctx": {"segments": list(ctx.segments), "query": ctx.query, "body_json": ctx.body_json},
            "plan": {
                "resource": plan.resource,
                "identifier": params.get("id"),
                "criteria": store.criteria(ctx.query),
                "response_hints": plan.response_hints,
            },
            "params": params,
            "store": store,
            "session_store": view,
            "make_response": make_response,
            "abort": abort,
            "as_int": as_int,
            "page_of": page_of,
            "pick": pick,
            "json_patch": json_patch,
            "merge_patch": merge_patch,
            "url_quote": lambda text: quote(text, safe=""),
        }
        exec(check(plan.code).text, names)
        return names["REPLY"]
