"""What the kill loop's writers ask for, and the model on this machine that plans it."""

from __future__ import annotations

from typing import Final

from tools.simulators import by_route, plan

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


_PLANS = {
    "POST /transfers": plan("/transfers", _TRANSFER, "transfers"),
    "DELETE /transfers/{id:int}": plan("/transfers/{id:int}", _CANCEL, "transfers"),
    "PATCH /debits/{id:int}": plan("/debits/{id:int}", _CHANGE, "debits"),
    "POST /notes": plan("/notes", 'REPLY = make_response(201, store.insert_many(ctx["body_json"]))', "notes"),
    **{f"GET /{name}": plan(f"/{name}", _LIST, name, query="any") for name in ("debits", "credits", "notes")},
}
#: A script for a simulator: the plans above, and a refusal for anything else.
model: Final = by_route(_PLANS)
