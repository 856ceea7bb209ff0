"""The code of the conventions' plans: one text for each kind, for all collections and all values.

It is written as a model's would be, passes the same policy and runs in the same guest. A nested
kind finds its parent by the plan's `response_hints`: ``{"parent": "members", "field": "member_id"}``,
where `field` names the slot that holds the parent's id. The field that points at it is called as the
collection's records have it.
"""

from __future__ import annotations

import textwrap

# -- which records ---------------------------------------------------------------------------------

_CRITERIA = """\
criteria = plan["criteria"]
"""

_PAGE = """\
query = ctx["query"]
store.vet(query)
limit = as_int(query.get("limit"))
offset = as_int(query.get("offset"), 0)
"""

#: Where the query asks for more than limit and offset say. The plainest programs are the cheapest ones, so
#: what most requests don't ask for is in programs of its own.
_ANY_PAGE = """\
query = ctx["query"]
store.vet(query)
limit, offset = page_of(query)
"""

_PARENT = """\
hints = plan["response_hints"]
field = hints["field"]
parent = session_store[hints["parent"]].get(params[field])
if parent is None:
    abort(404, f"No record {params[field]} in {hints['parent']}")
"""

# A foreign key is compared as an address is: 1 and "1" are the same parent. (A text in criteria is
# compared by the stored type.) Of a collection with several spellings of the field, each counts.
_OWN = """\
owner = str(parent["id"])
links = store.links(hints["parent"])
for link in links:
    criteria.pop(link, None)
if len(links) == 1:
    criteria[links[0]] = owner
else:
    criteria = {"$and": [criteria, {"$or": [{link: owner} for link in links]}]}
"""

_OWN_CRITERIA = (
    """\
criteria = dict(plan["criteria"])
"""
    + _OWN
)

_OWN_RECORD = """\
rec = store.get(params["id"])
links = store.links(hints["parent"])
if rec is None or not any(str(rec.get(link)) == str(parent["id"]) for link in links):
    abort(404, f"No record {plan['identifier']} in {plan['resource']} of {hints['parent']} {params[field]}")
"""

_GET = """\
rec = store.get(params["id"])
"""

_FOUND = """\
if rec is None:
    abort(404, f"No record {plan['identifier']} in {plan['resource']}")
"""

# -- what is written -------------------------------------------------------------------------------

_BODY = """\
record = ctx["body_json"]
"""

_BODIES = """\
records = ctx["body_json"]
"""

# The path says whose a record is; a foreign key in the body does not, however it is spelt.
_OWN_BODY = """\
links = store.links(hints["parent"], ctx["body_json"])
record = dict(ctx["body_json"])
for link in links[1:]:
    record.pop(link, None)
record[links[0]] = parent["id"]
"""

_OWN_BODIES = """\
records = []
for body in ctx["body_json"]:
    links = store.links(hints["parent"], records[0] if records else body)
    links.extend(link for link in store.links(hints["parent"], body) if link not in links)
    record = dict(body)
    for link in links[1:]:
        record.pop(link, None)
    record[links[0]] = parent["id"]
    records.append(record)
"""

_REPLACE = """\
rec = store.replace(params["id"], record)
"""

_PATCH = """\
rec = store.update(params["id"], ctx["body_json"])
"""

_MERGE = """\
rec = store.replace(params["id"], merge_patch(rec, ctx["body_json"]))
"""

_JSON_PATCH = """\
rec = store.replace(params["id"], json_patch(rec, ctx["body_json"]))
"""

# -- what is answered ------------------------------------------------------------------------------

_LIST = """\
items, total = store.list(limit=limit, offset=offset, sort=query.get("sort"), where=criteria)
REPLY = make_response(200, {"items": items, "page": {"limit": limit, "offset": offset, "total": total}})
"""

# /settings may be one object. What is no list has no page.
_IF_ONE = """\
single = store.singleton()
if single is not None:
    rec = single.get()
    if rec is None:
        abort(404, f"There is nothing at /{plan['resource']}; PUT makes it")
"""

_ONE_OR_LIST = (
    _IF_ONE
    + """\
    REPLY = make_response(200, rec)
else:
"""
)

_ONE_OR_VIEW = (
    _IF_ONE
    + """\
    REPLY = make_response(200, pick(rec, query.get("fields")))
else:
"""
)

# A bare array has no room for the total, and a page needs one; without a limit there is nothing to count.
_SEARCH = """\
if limit is None:
    REPLY = make_response(200, store.search(criteria, sort=query.get("sort"), offset=offset))
else:
    items, total = store.list(limit=limit, offset=offset, sort=query.get("sort"), where=criteria)
    REPLY = make_response(200, items, {"X-Total-Count": total})
"""

_VIEWED_LIST = """\
items, total = store.list(limit=limit, offset=offset, sort=query.get("sort"), where=criteria)
items = store.expand(store.embed(items, query.get("embed")), query.get("expand"))
items = pick(items, query.get("fields"))
"""

_ENVELOPE = """\
REPLY = make_response(200, {"items": items, "page": {"limit": limit, "offset": offset, "total": total}})
"""

_ARRAY = """\
REPLY = make_response(200, items, {"X-Total-Count": total})
"""

_VIEWED_RECORD = """\
query = ctx["query"]
store.vet(query)
rec = store.expand(store.embed(rec, query.get("embed")), query.get("expand"))
REPLY = make_response(200, pick(rec, query.get("fields")))
"""

_COUNT = """\
REPLY = make_response(200, {"count": store.count(criteria)})
"""

# What is computed is no filter.
_STATS_CRITERIA = """\
query = ctx["query"]
computed = ("group_by", "count", "sum", "avg", "min", "max")
criteria = store.criteria({key: value for key, value in query.items() if key not in computed})
"""

_STATS = """\
store.vet(query, True)
limit, offset = page_of(query)
rows = store.group(
    query.get("group_by"),
    criteria,
    count=query.get("count"),
    sum=query.get("sum"),
    avg=query.get("avg"),
    min=query.get("min"),
    max=query.get("max"),
    sort=query.get("sort"),
    limit=limit,
    offset=offset,
)
REPLY = make_response(200, rows)
"""

# DELETE of /settings, where collections may be deleted as a whole.
_ONE_OR_CLEAR = """\
if store.singleton() is not None:
    if not store.singleton().delete():
        abort(404, f"There is nothing at /{plan['resource']}")
    REPLY = make_response(204)
else:
"""

_CLEAR = """\
REPLY = make_response(200, {"deleted": store.delete_all(criteria)})
"""

_NO_ONE = """\
single = store.singleton()
if single is not None and single.get() is not None:
    allowed = {"Allow": "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"}
    abort(405, f"{plan['resource']} is one object; replace it with PUT, or change it with PATCH", allowed)
"""

_ONE = """\
single = store.singleton(True)
if single is None:
    abort(409, f"{plan['resource']} has become a collection of records; PUT goes to one of them")
rec = single.get()
"""

_PUT_ONE = """\
REPLY = make_response(201 if rec is None else 200, single.replace(ctx["body_json"]))
"""

_FOUND_ONE = """\
if rec is None:
    abort(404, f"There is nothing at /{plan['resource']}; PUT makes it")
"""

_PATCH_ONE = """\
REPLY = make_response(200, single.update(ctx["body_json"]))
"""

_MERGE_ONE = """\
REPLY = make_response(200, single.replace(merge_patch(rec, ctx["body_json"])))
"""

_JSON_PATCH_ONE = """\
REPLY = make_response(200, single.replace(json_patch(rec, ctx["body_json"])))
"""

_DELETE_ONE = """\
single.delete()
REPLY = make_response(204)
"""

_CREATE = """\
rec = store.insert(record)
collection = "/".join(ctx["segments"])
REPLY = make_response(201, rec, {"Location": f"/{collection}/{url_quote(str(rec['id']))}"})
"""

_BATCH = """\
REPLY = make_response(201, store.insert_many(records))
"""

_RECORD = """\
REPLY = make_response(200, rec)
"""

# A file of a record, or several: /photos/1/image.
_FIELD = """\
REPLY = make_response(200, rec.get(ctx["segments"][-1]))
"""

# One of several: /photos/1/image/0.
_OF_FIELD = """\
name, place = ctx["segments"][-2:]
found = rec.get(name)
files = found if isinstance(found, list) else [found]
"""

_PLACED = """\
places = {str(at): each for at, each in enumerate(files)}
if place not in places:
    abort(404, f"Files in {name}: {len(files)}, numbered from 0; there is no {place}")
REPLY = make_response(200, places[place])
"""

# The name of a field may be a plural, too: /things/1/photos. A collection of that name comes first.
_OWN_FILES = """\
name = plan["resource"]
found = parent.get(name)
files = found if isinstance(found, list) else [found]
held = any(isinstance(each, dict) and set(each) == {"name", "type", "size", "data"} for each in files)
"""

_IF_FILES = (
    _OWN_FILES
    + """\
if held and name not in session_store.collections():
    REPLY = make_response(200, found)
else:
"""
)

_IF_FILE = (
    _OWN_FILES
    + """\
if held and name not in session_store.collections():
    place = ctx["segments"][-1]
"""
)

_DELETE = """\
if not store.delete(params["id"]):
    abort(404, f"No record {plan['identifier']} in {plan['resource']}")
REPLY = make_response(204)
"""

_OWN_DELETE = """\
store.delete(params["id"])
REPLY = make_response(204)
"""


def _within(code: str) -> str:
    """Code in a branch of an `if`."""
    return textwrap.indent(code, "    ")


# -- the plans' code -------------------------------------------------------------------------------

#: By kind, for a collection of its own and its records.
FLAT: dict[str, str] = {
    "list": _CRITERIA + _PAGE + _ONE_OR_LIST + _within(_LIST),
    "search": _CRITERIA + _PAGE + _SEARCH,
    "create": _NO_ONE + _BODY + _CREATE,
    "batch": _NO_ONE + _BODIES + _BATCH,
    "put-one": _ONE + _PUT_ONE,
    "patch-one": _ONE + _FOUND_ONE + _PATCH_ONE,
    "merge-one": _ONE + _FOUND_ONE + _MERGE_ONE,
    "json-patch-one": _ONE + _FOUND_ONE + _JSON_PATCH_ONE,
    "delete-one": _ONE + _FOUND_ONE + _DELETE_ONE,
    "get": _GET + _FOUND + _RECORD,
    "field": _GET + _FOUND + _FIELD,
    "of-field": _GET + _FOUND + _OF_FIELD + _PLACED,
    "replace": _BODY + _REPLACE + _FOUND + _RECORD,
    "patch": _PATCH + _FOUND + _RECORD,
    "merge": _GET + _FOUND + _MERGE + _RECORD,
    "json-patch": _GET + _FOUND + _JSON_PATCH + _RECORD,
    "delete": _DELETE,
    "viewed-list": _CRITERIA + _ANY_PAGE + _ONE_OR_VIEW + _within(_VIEWED_LIST + _ENVELOPE),
    "viewed-search": _CRITERIA + _ANY_PAGE + _VIEWED_LIST + _ARRAY,
    "viewed-get": _GET + _FOUND + _VIEWED_RECORD,
    "count": _CRITERIA + _COUNT,
    "stats": _STATS_CRITERIA + _STATS,
    "clear": _CRITERIA + _ONE_OR_CLEAR + _within(_CLEAR),
}

#: By kind, for the records of one parent.
NESTED: dict[str, str] = {
    "list": _PARENT + _IF_FILES + _within(_OWN_CRITERIA + _PAGE + _LIST),
    "search": _PARENT + _OWN_CRITERIA + _PAGE + _SEARCH,
    "create": _PARENT + _OWN_BODY + _CREATE,
    "batch": _PARENT + _OWN_BODIES + _BATCH,
    "get": _PARENT + _IF_FILE + _within(_PLACED) + "else:\n" + _within(_OWN_RECORD + _RECORD),
    "replace": _PARENT + _OWN_RECORD + _OWN_BODY + _REPLACE + _RECORD,
    "patch": _PARENT + _OWN_RECORD + _PATCH + _RECORD,
    "merge": _PARENT + _OWN_RECORD + _MERGE + _RECORD,
    "json-patch": _PARENT + _OWN_RECORD + _JSON_PATCH + _RECORD,
    "delete": _PARENT + _OWN_RECORD + _OWN_DELETE,
    "viewed-list": _PARENT + _IF_FILES + _within(_OWN_CRITERIA + _ANY_PAGE + _VIEWED_LIST + _ENVELOPE),
    "viewed-search": _PARENT + _OWN_CRITERIA + _ANY_PAGE + _VIEWED_LIST + _ARRAY,
    "viewed-get": _PARENT + _OWN_RECORD + _VIEWED_RECORD,
    "count": _PARENT + _OWN_CRITERIA + _COUNT,
    "stats": _PARENT + _STATS_CRITERIA + _OWN + _STATS,
    "clear": _PARENT + _OWN_CRITERIA + _CLEAR,
}
