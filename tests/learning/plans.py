"""Plans as a good model writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.simulators import Answer, Fault, plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.simulators import Step


CREATE = plan(
    "/members",
    'rec = store.insert(ctx["body_json"])\n'
    'REPLY = make_response(201, rec, {"Location": f"/members/{rec[\'id\']}"})',
)
GET = plan(
    "/members/{id:int}",
    'rec = store.get(params["id"])\n'
    "if rec is None:\n"
    '    abort(404, "no such member")\n'
    "REPLY = make_response(200, rec)",
    identifier="{id}",
)
LIST = plan(
    "/members",
    'items, total = store.list(limit=as_int(ctx["query"].get("limit")), where=plan["criteria"])\n'
    'REPLY = make_response(200, {"items": items, "total": total})',
    query="any",
)
REPLACE = plan(
    "/members/{id:int}",
    'rec = store.replace(params["id"], ctx["body_json"])\n'
    "if rec is None:\n"
    '    abort(404, "no such member")\n'
    "REPLY = make_response(200, rec)",
)
UPDATE = plan(
    "/members/{id:int}",
    'rec = store.update(params["id"], ctx["body_json"])\n'
    "if rec is None:\n"
    '    abort(404, "no such member")\n'
    "REPLY = make_response(200, rec)",
)
DELETE = plan(
    "/members/{id:int}",
    'if not store.delete(params["id"]):\n    abort(404, "no such member")\nREPLY = make_response(204)',
)
MEMBERS: dict[str, dict[str, Any]] = {
    "POST /members": CREATE,
    "GET /members": LIST,
    "GET /members/{id:int}": GET,
    "PUT /members/{id:int}": REPLACE,
    "PATCH /members/{id:int}": UPDATE,
    "DELETE /members/{id:int}": DELETE,
}


def replies(*plans: dict[str, Any]) -> Callable[[dict[str, Any]], Step]:
    """These plans one after the other, and then refusals."""
    left = list(plans)
    return lambda _: Answer(left.pop(0)) if left else Fault.REFUSAL
