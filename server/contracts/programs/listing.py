"""Texts of programs that list records."""

from __future__ import annotations

import textwrap
from typing import Final

from server.contracts.programs.reading import AROUND, HINTS, ITEM, PARENTS, SHOW

LIST: Final = """\
where, limit, offset = asked["where"], asked["limit"], asked["offset"]
seeds = {}
if hints["listed"]:
    gone = session_store["contract-gone"]
    for address, rec in hints["seeds"].items():
        if store.exists(address) or gone.exists(f"{plan['resource']}/{address}"):
            continue
        own = {**rec}
        for path, value in asked["given"]:
            spot = own
            for step in path[:-1]:
                spot = spot.setdefault(step, {})
            spot[path[-1]] = value
        fits = True
        for name, value in where.items():
            spot = own
            for step in name.split("."):
                spot = spot.get(step) if isinstance(spot, dict) else None
            wanted = value if isinstance(value, list) else [value]
            if spot is None or (str(spot) not in [str(each) for each in wanted]):
                fits = False
        if fits:
            seeds[address] = own
if seeds or hints["newest"] or asked["after"] is not None or asked["before"] is not None:
    found = [*seeds.values(), *store.search(where, sort=asked["sort"])]
    if hints["newest"] and asked["sort"] is None:
        found.reverse()
    total = len(found)
    addresses = [str(rec["id"]) for rec in found]
    if asked["after"] is not None:
        if str(asked["after"]) in addresses:
            offset = addresses.index(str(asked["after"])) + 1
        else:
            offset = total
    elif asked["before"] is not None and str(asked["before"]) in addresses:
        end = addresses.index(str(asked["before"]))
        offset = 0 if limit is None else max(end - limit, 0)
        limit = end - offset
    found = found[offset:] if limit is None else found[offset : offset + limit]
else:
    found, total = store.list(limit=limit, offset=offset, sort=asked["sort"], where=where)
"""

ITEMS: Final = (
    """\
whole = hints["show"] is None and not hints["hide"] and hints["flat"] and not seeds
if whole and "@" not in store.schema()["fields"]:
    items = found
else:
    items = []
    for rec in found:
"""
    + textwrap.indent(ITEM + SHOW, "        ")
    + """\
        items.append(item)
#: finish-many
if hints["within"]:
    items = [{hints["within"][0]: item} for item in items]
"""
)

REPLY_LIST: Final = (
    """\
size = max(limit if limit is not None else len(items), 1)
more = offset + len(items) < total
if hints["place"] is None:
    headers = {"X-Total-Count": total} if limit is not None else {}
    REPLY = make_response(hints["status"], items, headers)
else:
    facts = {
        "total": total,
        "count": len(items),
        "limit": limit if limit is not None else len(items),
        "offset": offset,
        "start": offset + 1,
        "page": offset // size + asked["paging"]["first"],
        "end": offset + max(len(items) - 1, 0),
        "pages": (total + size - 1) // size,
        "more": more,
        "less": offset > 0,
        "cursor": f"o{offset + size}" if more else None,
        "self": asked["self"],
        "true": True,
        "one": 1,
    }
    if hints["timed"]:
        facts["now"] = now()
    if hints["keyed"] and found:
        facts["last-key"], facts["first-key"] = str(found[-1]["id"]), str(found[0]["id"])
    if hints["linked"]:
        names, url = asked["paging"], asked["url"]
        starts = {"first": 0, "last": max(total - 1, 0) // size * size}
        if offset > 0:
            starts["previous"] = max(offset - size, 0)
        if more:
            starts["next"] = offset + size
        for rel, start in starts.items():
            if names["page"]:
                words = f"{names['page']}={start // size + names['first']}"
            elif names["offset"]:
                words = f"{names['offset']}={start + names['from']}"
            else:
                words = f"{names['cursor']}=o{start}"
            facts[rel] = f"{url}{words}"
    body = {}
    spot = body
    for step in hints["place"][:-1]:
        spot = spot.setdefault(step, {})
    spot[hints["place"][-1]] = items
"""
    + textwrap.indent(AROUND, "    ")
    + """\
    REPLY = make_response(hints["status"], body)
"""
)

BARE: Final = """\
asked = ctx["asked"]
found, total = store.list(
    limit=asked["limit"], offset=asked["offset"], sort=asked["sort"], where=asked["where"]
)
"""

CUT_FOUND: Final = 'found = shaped(found, plan["response_hints"]["shape"])\n'

REPLY_PAGE: Final = """\
body = {asked["place"]: found}
for name, kind, value in asked["around"]:
    if kind == "total":
        value = total
    elif kind == "count" or (kind == "limit" and asked["limit"] is None):
        value = len(found)
    elif kind == "limit" or kind == "offset":
        value = asked[kind]
    elif kind == "more":
        value = asked["offset"] + len(found) < total
    elif kind:
        size = max(len(found) if asked["limit"] is None else asked["limit"], 1)
        value = (total + size - 1) // size if kind == "pages" else asked["offset"] // size + asked["first"]
    body[name] = value
REPLY = make_response(asked["status"], body)
"""

REPLY_BARE: Final = """\
REPLY = make_response(200, found, {"X-Total-Count": total} if asked["limit"] is not None else {})
"""

LIST_WHOLE: Final = (
    HINTS
    + PARENTS
    + """\
limit, offset = asked["limit"], asked["offset"]
found, total = store.list(limit=limit, offset=offset, sort=asked["sort"], where=asked["where"])
items = found
"""
)
