"""What the kill loop's writers ask for, and the model on this machine that plans it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.simulators import Answer, Fault, asked

if TYPE_CHECKING:
    from tools.simulators import Step

_TRANSFER = """\
entry = ctx["body_json"]
debit = session_store["debits"].insert({"key": entry["key"], "half": 0, "value": 0})
credit = session_store["credits"].insert({"key": entry["key"], "half": 1, "of": debit["id"]})
REPLY = make_response(201, [debit, credit])
"""
_CANCEL = """\
debit = session_store["debits"].get(params["id"])
if debit is None:
    abort(404, "no such transfer")
session_store["debits"].delete(params["id"])
session_store["credits"].delete_all({"of": params["id"]})
REPLY = make_response(204)
"""
_CHANGE = """\
rec = store.update(params["id"], ctx["body_json"])
if rec is None:
    abort(404, "no such record")
REPLY = make_response(200, rec)
"""
_LIST = """\
limit = as_int(ctx["query"].get("limit"))
items, total = store.list(limit=limit, offset=as_int(ctx["query"].get("offset"), 0))
REPLY = make_response(200, {"items": items, "total": total})
"""


def plan(route: str, resource: str, code: str, query: str = "declared") -> dict[str, Any]:
    """A plan as the model writes it."""
    return {
        "action": "do",
        "resource": resource,
        "route": route,
        "identifier": None,
        "criteria": {},
        "payload": {},
        "response_hints": {},
        "needs": "shape",
        "query": query,
        "code": {"language": "python", "block": code},
    }


_PLANS = {
    "POST /transfers": plan("/transfers", "transfers", _TRANSFER),
    "DELETE /transfers/{id:int}": plan("/transfers/{id:int}", "transfers", _CANCEL),
    "PATCH /debits/{id:int}": plan("/debits/{id:int}", "debits", _CHANGE),
    "POST /notes": plan("/notes", "notes", 'REPLY = make_response(201, store.insert_many(ctx["body_json"]))'),
    **{f"GET /{name}": plan(f"/{name}", name, _LIST, "any") for name in ("debits", "credits", "notes")},
}


def model(request: dict[str, Any]) -> Step:
    """A script for a simulator: the plans above, and a refusal for anything else."""
    shape = asked(request)
    known = _PLANS.get(f"{shape['method']} {shape['route']}")
    return Fault.REFUSAL if known is None else Answer(known)
