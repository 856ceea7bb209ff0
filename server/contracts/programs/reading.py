"""Texts of programs that read a record, and answer with it."""

from __future__ import annotations

import textwrap
from typing import Final

HINTS: Final = """\
hints = plan["response_hints"]
asked = ctx["asked"]
"""

# An example of the document stands in for a record that was never stored, until that is deleted.
GET: Final = """\
rec = store.get(params["id"])
if rec is None and params["id"] in hints["seeds"]:
    if not session_store["contract-gone"].exists(f"{plan['resource']}/{params['id']}"):
        rec = hints["seeds"][params["id"]]
if rec is None:
    abort(404, asked["missing"])
"""

#: The same for reading; a profile may tell of a record that was deleted.
GET_TOLD: Final = GET.replace("if rec is None:\n    abort", "#: tomb\nif rec is None:\n    abort")

# What a record has kept of the slots in its path has to be what this path says; it may have kept nothing.
SCOPE: Final = """\
for path, wanted in asked["scope"]:
    spot = rec
    for step in path:
        spot = spot.get(step) if isinstance(spot, dict) else None
    if spot is not None and str(spot) != wanted:
        abort(404, asked["missing"])
"""

PARENTS: Final = """\
for name, address, missing in asked["parents"]:
    if not session_store[name].exists(address):
        if address not in hints["parents"].get(name, []):
            abort(404, missing)
"""

#: From `rec` as it is stored to `item` as the document has it.
ITEM: Final = """\
own = rec.get("@") or {}
item = {key: value for key, value in rec.items() if key != "@"}
if "id" in own:
    item["id"] = own["id"]
elif not hints["flat"]:
    item.pop("id", None)
"""

SHOW: Final = """\
if hints["show"] is not None:
    item = {key: value for key, value in item.items() if key in hints["show"]}
for path in hints["hide"]:
    spot = item
    for step in path[:-1]:
        spot = spot.get(step) if isinstance(spot, dict) else None
    if isinstance(spot, dict):
        spot.pop(path[-1], None)
"""

#: `facts` is what the reply's other members are made of.
AROUND: Final = """\
for path, kind, value, kept in hints["around"]:
    value = facts.get(kind) if kind else value
    if value is None and not kept:
        continue
    spot = body
    for step in path[:-1]:
        spot = spot.setdefault(step, {})
    spot[path[-1]] = value
#: beside
"""

REPLY_ITEM: Final = (
    """\
if hints["reply"] == "none":
    REPLY = make_response(hints["status"], None, headers)
elif hints["reply"] == "item" and hints["place"] is None and not hints["around"]:
    REPLY = make_response(hints["status"], item, headers)
else:
    body = {}
    spot = body
    if hints["reply"] == "item":
        if hints["place"]:
            for step in hints["place"][:-1]:
                spot = spot.setdefault(step, {})
            spot[hints["place"][-1]] = [item] if hints["listed-one"] else item
        else:
            body = item
    facts = {"self": ctx["base_url"] + ctx["path"], "now": now(), "key": asked["key"], "one": 1, "true": True}
"""
    + textwrap.indent(AROUND, "    ")
    + """\
    REPLY = make_response(hints["status"], body, headers)
#: not-modified
"""
)

TAG: Final = """\
if hints["numbered"] is not None:
    headers = {**headers, "ETag": hints["numbered"][0] + str(own.get("v") or 1) + hints["numbered"][1]}
"""

ANSWER: Final = ITEM + TAG + SHOW + "#: versioned\n#: finish-one\n" + REPLY_ITEM

#: `data` is what a relationship has, or leads to.
REPLY_DATA: Final = (
    """\
body = {"data": data}
facts = {"self": ctx["base_url"] + ctx["path"], "now": now(), "key": asked["key"], "one": 1, "true": True}
"""
    + AROUND.replace("#: beside\n", "")
    + """\
REPLY = make_response(hints["status"], None if hints["reply"] == "none" else body)
"""
)

ONE: Final = """\
rec = store.get(params["id"])
if rec is None:
    rec = dict(hints["default"])
    rec["id"] = params["id"]
"""
