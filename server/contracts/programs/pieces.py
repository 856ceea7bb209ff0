"""Pieces of profiles that stand in several styles' programs; `server.contracts.profiles` has the others."""

from __future__ import annotations

from typing import Final

#: The record's own version is its weak tag; what the request says of it is looked at here.
MATCHED: Final = """\
if asked["match"] is not None:
    spot = item
    for step in hints["version"]:
        spot = spot.get(step) if isinstance(spot, dict) else None
    if "*" not in asked["match"] and spot not in asked["match"]:
        abort(412, "If-Match lists no tag of what is here.")
"""
VERSIONED: Final = """\
spot = item
for step in hints["version"]:
    spot = spot.get(step) if isinstance(spot, dict) else None
same = False
if isinstance(spot, str):
    headers = {**headers, "ETag": spot}
    same = ctx["method"] == "GET" and spot in (asked["none-match"] or [])
"""
NOT_MODIFIED: Final = """\
if same:
    REPLY = make_response(304, None, headers)
"""
BURIED: Final = """\
session_store["contract-gone"].upsert({"id": f"{plan['resource']}/{params['id']}", "deleted": True})
"""
TOMB: Final = """\
tomb = None
if rec is None:
    tomb = session_store["contract-gone"].get(f"{plan['resource']}/{params['id']}")
if tomb is not None and tomb.get("deleted"):
    rec = {"id": params["id"], **hints["tomb"]}
    hints = {**hints, "show": None}
"""
#: What a patch takes away.
UNSET: Final = """\
for path in asked["unset"]:
    spot = item
    for step in path[:-1]:
        if isinstance(spot.get(step), dict):
            spot[step] = dict(spot[step])
        spot = spot.get(step)
        if not isinstance(spot, dict):
            break
    if isinstance(spot, dict):
        spot.pop(path[-1], None)
"""
