"""The plans that the simulated model answers with: the API for members as a good model writes it."""

from __future__ import annotations

from typing import Any

from tools.simulators import plan

_CREATE = """\
body = ctx["body_json"]
if isinstance(body, list):
    REPLY = make_response(201, store.insert_many(body))
else:
    rec = store.insert(body)
    REPLY = make_response(201, rec, {"Location": f"/members/{rec['id']}"})
"""
_GET = """\
rec = store.get(params["id"])
if rec is None:
    abort(404, "no such member")
REPLY = make_response(200, rec)
"""
_PATCH = """\
rec = store.update(params["id"], ctx["body_json"])
if rec is None:
    abort(404, "no such member")
REPLY = make_response(200, rec)
"""
_LIST = """\
limit = as_int(ctx["query"].get("limit"))
offset = as_int(ctx["query"].get("offset"), 0)
items, total = store.list(limit=limit, offset=offset)
REPLY = make_response(200, {"items": items, "page": {"limit": limit, "offset": offset, "total": total}})
"""
_SEARCH = """\
REPLY = make_response(200, store.search(plan["criteria"]))
"""
#: Computes for 10 ms and more, so that the worker is what limits.
_COMPUTE = """\
total = 0
for number in range(ROUNDS):
    total += number * number % 7
REPLY = make_response(200, {"total": total})
"""


def answers(work_rounds: int) -> list[dict[str, Any]]:
    """What ``tools.simulators`` takes: for each kind of request, its plan."""
    return [
        _answer("POST", "/members", _CREATE),
        _answer("GET", "/members/{id:int}", _GET),
        _answer("PATCH", "/members/{id:int}", _PATCH),
        _answer("GET", "/members", _LIST),
        _answer("GET", "/members/search", _SEARCH),
        _answer("GET", "/compute", _COMPUTE.replace("ROUNDS", str(work_rounds))),
    ]


def _answer(method: str, route: str, code: str) -> dict[str, Any]:
    identifier = "{id}" if "{id" in route else None
    return {
        "match": {"method": method, "route": route},
        "plan": plan(route, code, identifier=identifier, query="any"),
    }
