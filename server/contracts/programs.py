"""The programs of a contract's plans: one text for each role, for all documents and all values.

A plan finds what its operation says in `response_hints`, made once (`server.contracts.compiling`), and what
the request asks in `ctx["asked"]` (`server.contracts.asking`). It has the record's address as `params["id"]`.

Lines such as ``#: finish-one`` are places where a profile's pieces stand (`server.contracts.profiles`).

A record is stored under its address as `id`. Where that is not what the document calls `id`, or something has
to be kept beside the record, there is a member ``@``: ``{"id": ..., "at": {scope: value}, "key": ...}``.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_HINTS: Final = """\
hints = plan["response_hints"]
asked = ctx["asked"]
"""

# -- what is read ------------------------------------------------------------------------------------

# An example of the document stands in for a record that was never stored, until that is deleted.
_GET: Final = """\
rec = store.get(params["id"])
if rec is None and params["id"] in hints["seeds"]:
    if not session_store["contract-gone"].exists(f"{plan['resource']}/{params['id']}"):
        rec = hints["seeds"][params["id"]]
if rec is None:
    abort(404, asked["missing"])
"""

#: The same for reading; a profile may tell of a record that was deleted.
_GET_TOLD: Final = _GET.replace("if rec is None:\n    abort", "#: tomb\nif rec is None:\n    abort")

# What a record has kept of the slots in its path has to be what this path says; it may have kept nothing.
_SCOPE: Final = """\
for path, wanted in asked["scope"]:
    spot = rec
    for step in path:
        spot = spot.get(step) if isinstance(spot, dict) else None
    if spot is not None and str(spot) != wanted:
        abort(404, asked["missing"])
"""

_PARENTS: Final = """\
for name, address, missing in asked["parents"]:
    if not session_store[name].exists(address):
        if address not in hints["parents"].get(name, []):
            abort(404, missing)
"""

#: From `rec` as it is stored to `item` as the document has it.
_ITEM: Final = """\
own = rec.get("@") or {}
item = {key: value for key, value in rec.items() if key != "@"}
if "id" in own:
    item["id"] = own["id"]
elif not hints["flat"]:
    item.pop("id", None)
"""

_SHOW: Final = """\
if hints["show"] is not None:
    item = {key: value for key, value in item.items() if key in hints["show"]}
for path in hints["hide"]:
    spot = item
    for step in path[:-1]:
        spot = spot.get(step) if isinstance(spot, dict) else None
    if isinstance(spot, dict):
        spot.pop(path[-1], None)
"""

# -- what is around it -------------------------------------------------------------------------------

#: `facts` is what the reply's other members are made of.
_AROUND: Final = """\
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

_REPLY_ITEM: Final = (
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
    + textwrap.indent(_AROUND, "    ")
    + """\
    REPLY = make_response(hints["status"], body, headers)
#: not-modified
"""
)

# -- what is written ---------------------------------------------------------------------------------

_KEY: Final = """\
key = asked["key"]
make = hints["make"]
prefix = asked["prefix"]
if key is None:
    if make[0] == "uuid":
        key = uuid4()
    elif make[0] == "pieces":
        pool = int(uuid4().replace("-", "") + uuid4().replace("-", ""), 16)
        key = ""
        for chars in make[1]:
            key += chars[pool % len(chars)]
            pool //= len(chars)
    elif make[0] == "slug" and isinstance(item.get(make[1]), str):
        stem = slugify(item[make[1]]) or "item"
        key, number = stem, 1
        while store.exists(prefix + key):
            number += 1
            key = f"{stem}-{number}"
    else:
        counters = session_store["contract-counters"]
        place = plan["resource"] + "/" + prefix
        counted = counters.get(place)
        key = counted["next"] if counted else make[1]
        while store.exists(prefix + str(key)):
            key += 1
        counters.upsert({"id": place, "next": key + 1})
        if hints["key-kind"] == "string":
            key = str(key)
    address = prefix + str(key) if prefix or hints["key-kind"] == "string" else key
else:
    address = asked["address"]
    if store.exists(address):
        abort(409, asked["taken"])
"""

_SET_KEY: Final = """\
spot = item
for step in hints["key"][:-1]:
    spot = spot.setdefault(step, {})
if hints["key"]:
    spot[hints["key"][-1]] = key
"""

#: What only the service can say of a record: times, its own address.
_FRESH: Final = """\
stamp = now()
link = asked["link"][0] + url_quote(str(key)) + asked["link"][1]
for path, kind, arg in hints["fresh"]:
    spot = item
    for step in path[:-1]:
        spot = spot.get(step) if isinstance(spot, dict) else None
    if not isinstance(spot, dict) or path[-1] in spot:
        continue
    if kind == "now":
        value = stamp
    elif kind == "second":
        value = f"{stamp[:19]}Z"
    elif kind == "today":
        value = today()
    elif kind == "epoch":
        value = int(seconds_between("1970-01-01T00:00:00.000Z", stamp)) * arg
    elif kind == "mail":
        days = int(seconds_between("1970-01-01T00:00:00.000Z", stamp)) // 86400
        week = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        months = "JanFebMarAprMayJunJulAugSepOctNovDec"
        month = int(stamp[5:7]) * 3
        value = f"{week[days % 7]}, {stamp[8:10]} {months[month - 3:month]} {stamp[:4]} {stamp[11:19]} +0000"
    elif kind == "uuid":
        value = uuid4()
    elif kind == "version":
        value = f'W/"{uuid4()[:13]}"'
    elif kind == "token":
        value = new_token()
    elif kind in ("number", "revision"):
        counters = session_store["contract-counters"]
        place = plan["resource"] + "//" + path[-1]
        counted = counters.get(place)
        value = counted["next"] if counted else 1
        counters.upsert({"id": place, "next": value + 1})
        if kind == "revision":
            value = str(value)
    elif kind == "key":
        value = key
    elif kind == "link":
        value = ctx["base_url"] + link
    elif kind == "path":
        value = link
    elif kind == "name":
        value = link[1:]
    else:
        value = arg
    spot[path[-1]] = value
"""

#: From `item` to `rec`, as it is stored under `address`; `own` is what is kept beside it.
_STORED: Final = """\
rec = dict(item)
if not hints["flat"] or str(rec.get("id")) != str(address):
    own.pop("id", None)
    if "id" in rec:
        own["id"] = rec["id"]
    rec["id"] = address
if not hints["key"] and not hints["flat"]:
    own["key"] = key
if own:
    rec["@"] = own
"""

_OWN: Final = """\
own = {}
if asked["at"]:
    own["at"] = asked["at"]
"""

#: How often a record was written, where the document has versions; and that the client knows the last one.
_VERSION: Final = """\
count = own.get("v") or 1
"""
_MATCH: Final = """\
if hints["numbered"] is not None and asked["match"]:
    if asked["match"] != ["*"] and str(count) not in asked["match"]:
        abort(412, "If-Match names another version than the present one.")
"""
_COUNT: Final = """\
if hints["numbered"] is not None:
    own["v"] = count
    version = hints["numbered"]
    spot = item if version[2] else {}
    for step in version[2][:-1]:
        spot = spot.setdefault(step, {})
    if version[2] and isinstance(spot, dict):
        spot[version[2][-1]] = count if version[3] == "integer" else str(count)
"""
_TAG: Final = """\
if hints["numbered"] is not None:
    headers = {**headers, "ETag": hints["numbered"][0] + str(own.get("v") or 1) + hints["numbered"][1]}
"""

_INSERT: Final = (
    "#: named\n"
    + _KEY
    + _SET_KEY
    + _FRESH
    + "count = 1\n"
    + _COUNT
    + "#: derived\n#: unique\n"
    + _STORED
    + "rec = store.insert(rec)\n"
)

_LOCATION: Final = """\
headers = {"Location": link} if hints["location"] else {}
"""

#: The record's present state as `item`, and in the end as it was changed.
_LOAD: Final = (
    _GET + _SCOPE + _ITEM + _VERSION + _MATCH + 'address = params["id"]\nkey = asked["key"]\n#: matched\n'
)

_TOUCH: Final = """\
for path, kind, arg in hints["touched"]:
    spot = item
    for step in path[:-1]:
        spot = spot.get(step) if isinstance(spot, dict) else None
    if isinstance(spot, dict):
        spot.pop(path[-1], None)
"""

_KEEP: Final = (
    _TOUCH
    + _FRESH
    + "count += 1\n"
    + _COUNT
    + "#: derived\n#: unique\n"
    + _STORED
    + """\
if store.exists(address):
    rec = store.replace(address, rec)
else:
    rec = store.insert(rec)
"""
)

#: Members of objects within are changed, not replaced; null is stored.
_MERGE: Final = """\
#: unset
if asked["null-removes"]:
    item = merge_patch(item, asked["record"])
else:
    item = dict(item)
    left = [(item, asked["record"])]
    while left:
        target, changes = left.pop()
        for name, value in changes.items():
            if isinstance(value, dict) and isinstance(target.get(name), dict):
                target[name] = dict(target[name])
                left.append((target[name], value))
            else:
                target[name] = value
"""

#: What a client can say is as it is said now; what it cannot say stays.
_REPLACE: Final = """\
before, item = item, dict(asked["record"])
for name, value in before.items():
    if name not in item and (name in hints["kept"] or name not in hints["said"]):
        item[name] = value
for path, kind, arg in hints["fresh"]:
    old, new = before, item
    for step in path[:-1]:
        old = old.get(step) if isinstance(old, dict) else None
        new = new.get(step) if isinstance(new, dict) else None
    if isinstance(old, dict) and isinstance(new, dict) and path[-1] in old:
        new.setdefault(path[-1], old[path[-1]])
"""

_JSON_PATCH: Final = """\
item = json_patch(item, asked["record"])
"""

_HEADERS: Final = "headers = {}\n"

# -- lists -------------------------------------------------------------------------------------------

_LIST: Final = """\
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

_ITEMS: Final = (
    """\
whole = hints["show"] is None and not hints["hide"] and hints["flat"] and not seeds
if whole and "@" not in store.schema()["fields"]:
    items = found
else:
    items = []
    for rec in found:
"""
    + textwrap.indent(_ITEM + _SHOW, "        ")
    + """\
        items.append(item)
#: finish-many
if hints["within"]:
    items = [{hints["within"][0]: item} for item in items]
"""
)

_REPLY_LIST: Final = (
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
    + textwrap.indent(_AROUND, "    ")
    + """\
    REPLY = make_response(hints["status"], body)
"""
)

# -- the programs ------------------------------------------------------------------------------------

_ANSWER: Final = _ITEM + _TAG + _SHOW + "#: versioned\n#: finish-one\n" + _REPLY_ITEM

#: `data` is what a relationship has, or leads to.
_REPLY_DATA: Final = (
    """\
body = {"data": data}
facts = {"self": ctx["base_url"] + ctx["path"], "now": now(), "key": asked["key"], "one": 1, "true": True}
"""
    + _AROUND.replace("#: beside\n", "")
    + """\
REPLY = make_response(hints["status"], None if hints["reply"] == "none" else body)
"""
)

_ONE: Final = """\
rec = store.get(params["id"])
if rec is None:
    rec = dict(hints["default"])
    rec["id"] = params["id"]
"""

_LOAD_ONE: Final = _PARENTS + _ONE + _ITEM + _VERSION + _MATCH + 'address = params["id"]\nkey = "one"\n'

_DELETE: Final = """\
if params["id"] in hints["seeds"]:
    session_store["contract-gone"].upsert({"id": f"{plan['resource']}/{params['id']}"})
store.delete(params["id"])
"""

_BARE: Final = """\
asked = ctx["asked"]
found, total = store.list(
    limit=asked["limit"], offset=asked["offset"], sort=asked["sort"], where=asked["where"]
)
"""
_CUT_FOUND: Final = 'found = shaped(found, plan["response_hints"]["shape"])\n'
_REPLY_PAGE: Final = """\
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
_REPLY_BARE: Final = """\
REPLY = make_response(200, found, {"X-Total-Count": total} if asked["limit"] is not None else {})
"""

_LIST_WHOLE: Final = (
    _HINTS
    + _PARENTS
    + """\
limit, offset = asked["limit"], asked["offset"]
found, total = store.list(limit=limit, offset=offset, sort=asked["sort"], where=asked["where"])
items = found
"""
)

_TIMED: Final = (
    ('    if hints["timed"]:\n        facts["now"] = now()\n', ""),
    (', "now": now()', ""),
)


CODE: Final[dict[str, str]] = {
    # It reads its parameters alone, as the conventions' does: nothing else of the request is decoded.
    "get-whole": """\
rec = store.get(params["id"])
if rec is None:
    abort(404, f"There is no record {params['id']}.")
REPLY = make_response(200, rec)
""",
    "get": _HINTS + _PARENTS + _GET_TOLD + _SCOPE + _HEADERS + _ANSWER,
    "list": _HINTS + _PARENTS + _LIST + _ITEMS + _REPLY_LIST,
    # Records as they are stored: none is looked into.
    "list-whole": _LIST_WHOLE + _REPLY_LIST,
    # The same without what is not shown, where the store does not leave it out (`LEFT_OUT`).
    "list-cut": _LIST_WHOLE.replace("items = found", 'items = shaped(found, plan["response_hints"]["shape"])')
    + _REPLY_LIST,
    # A page with what most have around it, from a request that asks for nothing else.
    "list-page": _BARE + _REPLY_PAGE,
    "list-page-shown": _BARE + _CUT_FOUND + _REPLY_PAGE,
    # Both as an array.
    "list-bare": _BARE + _REPLY_BARE,
    "list-bare-shown": _BARE + _CUT_FOUND + _REPLY_BARE,
    "create": _HINTS + _PARENTS + _OWN + 'item = asked["record"]\n' + _INSERT + _LOCATION + _ANSWER,
    "create-many": _HINTS
    + _PARENTS
    + "made = []\n"
    + 'for asked in ctx["asked"]["records"]:\n'
    + textwrap.indent(
        _OWN + 'item = asked["record"]\n' + _INSERT + _ITEM + _SHOW + "made.append(item)\n", "    "
    )
    + 'REPLY = make_response(hints["status"], made if hints["reply"] == "array" else None)\n',
    "replace": _HINTS + _PARENTS + _LOAD + _REPLACE + _SET_KEY + _KEEP + _HEADERS + _ANSWER,
    "merge": _HINTS + _PARENTS + _LOAD + _MERGE + _SET_KEY + _KEEP + _HEADERS + _ANSWER,
    # In the words of the document's profile.
    "patch": _HINTS + _PARENTS + _LOAD + "#: patched\n" + _SET_KEY + _KEEP + _HEADERS + _ANSWER,
    "linkage": _HINTS + _PARENTS + _GET + _SCOPE + _ITEM + "#: linkage\n" + _REPLY_DATA,
    "related": _HINTS + _PARENTS + _GET + _SCOPE + _ITEM + "#: related\n" + _REPLY_DATA,
    "relate": _HINTS + _PARENTS + _LOAD + "#: relate\n" + _SET_KEY + _KEEP + _REPLY_DATA,
    "json-patch": _HINTS + _PARENTS + _LOAD + _JSON_PATCH + _SET_KEY + _KEEP + _HEADERS + _ANSWER,
    "put": _HINTS
    + _PARENTS
    + """\
rec = store.get(params["id"])
made = rec is None
if made:
    rec = {"id": params["id"], "@": {"at": asked["at"]} if asked["at"] else {}}
"""
    + _SCOPE
    + _ITEM
    + 'address, key = params["id"], asked["key"]\ncount = own.get("v") or (0 if made else 1)\n'
    + _MATCH
    + "#: matched\n"
    + _REPLACE
    + _SET_KEY
    + _KEEP
    + 'headers = {}\nif made:\n    hints = {**hints, "status": hints["made"]}\n'
    + _ANSWER,
    "delete": _HINTS
    + _PARENTS
    + _GET
    + _SCOPE
    + _ITEM
    + _VERSION
    + _MATCH
    + "#: matched\n"
    + _DELETE
    + "#: buried\n"
    + _SHOW
    + _HEADERS
    + _REPLY_ITEM,
    "get-one": _HINTS + _PARENTS + _ONE + _HEADERS + _ANSWER,
    "replace-one": _HINTS + _LOAD_ONE + _REPLACE + _KEEP + _HEADERS + _ANSWER,
    "merge-one": _HINTS + _LOAD_ONE + _MERGE + _KEEP + _HEADERS + _ANSWER,
    "json-patch-one": _HINTS + _LOAD_ONE + _JSON_PATCH + _KEEP + _HEADERS + _ANSWER,
    "delete-one": _HINTS
    + _PARENTS
    + _ONE
    + _ITEM
    + 'store.delete(params["id"])\n'
    + _SHOW
    + _HEADERS
    + _REPLY_ITEM,
    "example": """\
body = ctx["asked"].get("body", plan["response_hints"]["body"])
REPLY = make_response(plan["response_hints"]["status"], body)
""",
}

# -- pieces of profiles ------------------------------------------------------------------------------

#: The hint that says what the store leaves out of what a plan reads.
LEFT_OUT: Final = "@left-out"
_PLACE: Final = re.compile(r"^( *)#: ([a-z-]+)\n", re.MULTILINE)

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


def program(kind: str, pieces: Mapping[str, str], *, timed: bool = True) -> str:
    """A role's program with a profile's pieces in their places; places without a piece are left out.

    Without `timed` no clock tells what it reads, so its replies can be remembered.
    """
    text = _PLACE.sub(lambda found: textwrap.indent(pieces.get(found[2], ""), found[1]), CODE[kind])
    for part, other in () if timed else _TIMED:
        text = text.replace(part, other)
    return text
