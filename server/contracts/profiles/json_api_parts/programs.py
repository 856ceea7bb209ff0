"""Pieces for JSON:API: records that come with others, sparse fields, relationships.

`hints["links"]` says for each collection and relationship: the other collection, whether it leads to many,
and by which relationship those lead back. `hints["types"]` has the type of each collection, and
`hints["hidden"]` what no reply may have.
"""

from __future__ import annotations

import textwrap
from typing import Final

#: What `spot`, a record of `name`, has in the relationship `step`, as identifiers: `refs`.
_REFS: Final = """\
link = hints["links"].get(name, {}).get(step)
refs = []
if link is not None:
    told = (spot.get("relationships") or {}).get(step) or {}
    data = told.get("data") if isinstance(told, dict) else None
    refs = list(data) if isinstance(data, list) else [data] if isinstance(data, dict) else []
    if link[2] and link[0] in session_store:
        had = [str(ref.get("id")) for ref in refs]
        for rec in session_store[link[0]].search({f"relationships.{link[2]}.data.id": str(spot["id"])}):
            other = str((rec.get("@") or {}).get("id", rec["id"]))
            if other not in had:
                refs.append({"type": hints["types"].get(link[0], link[0]), "id": other})
"""

#: The record that `ref` names, as it is shown: `made`; None where there is none.
_MADE: Final = """\
made = None
rec = session_store[link[0]].get(str(ref.get("id"))) if link[0] in session_store else None
if rec is not None:
    made = {key: value for key, value in rec.items() if key != "@"}
    if "id" in (rec.get("@") or {}):
        made["id"] = rec["@"]["id"]
    for path in hints["hidden"].get(link[0], []):
        hole = made
        for part in path[:-1]:
            hole = hole.get(part) if isinstance(hole, dict) else None
        if isinstance(hole, dict):
            hole.pop(path[-1], None)
"""

INCLUDED: Final = (
    """\
items = [dict(each) for each in items]
seen = {f"{each.get('type')}/{each.get('id')}": each for each in items}
included = []
for steps in asked["beside"]["include"]:
    spots = [(plan["resource"], each) for each in items]
    for step in steps:
        below = []
        for name, spot in spots:
"""
    + textwrap.indent(_REFS, "            ")
    + """\
            if link is not None:
                relations = dict(spot.get("relationships") or {})
                told = relations.get(step) or {}
                if refs or link[1] or link[3]:
                    told = {**told, "data": refs if link[1] else refs[0] if refs else None}
                relations[step] = told
                spot["relationships"] = relations
            for ref in refs:
"""
    + textwrap.indent(_MADE, "                ")
    + """\
                if made is None:
                    continue
                place = f"{made.get('type')}/{made.get('id')}"
                if place not in seen:
                    seen[place] = made
                    included.append(made)
                below.append((link[0], seen[place]))
        spots = below
if asked["beside"]["fields"]:
    for group in (items, included):
        for place, each in enumerate(group):
            wanted = asked["beside"]["fields"].get(each.get("type"))
            if wanted is not None:
                wanted = [*wanted, *hints["needed"].get(each.get("type"), [])]
                for part in ("attributes", "relationships"):
                    if isinstance(each.get(part), dict):
                        kept = {key: value for key, value in each[part].items() if key in wanted}
                        each = {**each, part: kept}
                group[place] = each
"""
)

BESIDE: Final = """\
if asked["beside"]["include"]:
    body["included"] = included
"""

_ABOUT: Final = 'name, spot, step = plan["resource"], item, asked["relation"]\n'

#: To one, and the document has no word for none.
_NONE: Final = """\
if data is None and not link[3]:
    abort(404, "The relationship leads to nothing.")
"""

LINKAGE: Final = _ABOUT + _REFS + "data = refs if link[1] else refs[0] if refs else None\n" + _NONE

RELATED: Final = (
    _ABOUT
    + _REFS
    + "found = []\nfor ref in refs:\n"
    + textwrap.indent(_MADE, "    ")
    + "    if made is not None:\n        found.append(made)\n"
    + "data = found if link[1] else found[0] if found else None\n"
    + _NONE
)

#: A relationship is replaced, added to or taken from; others stay as they are.
RELATE: Final = (
    _ABOUT
    + """\
link = hints["links"][name][step]
relations = dict(item.get("relationships") or {})
told = dict(relations.get(step) or {})
given, method = asked["data"], ctx["method"]
if method != "PATCH":
    had = told.get("data") or []
    places = [[each.get("type"), str(each.get("id"))] for each in given]
    if method == "POST":
        known = [[each.get("type"), str(each.get("id"))] for each in had]
        given = [*had, *[each for each in given if [each.get("type"), str(each.get("id"))] not in known]]
    else:
        given = [each for each in had if [each.get("type"), str(each.get("id"))] not in places]
told["data"] = given
relations[step] = told
item["relationships"] = relations
data = given
"""
)
