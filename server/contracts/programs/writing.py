"""Texts of programs that make, change and delete records."""

from __future__ import annotations

from typing import Final

from server.contracts.programs.reading import GET, ITEM, ONE, PARENTS, SCOPE

KEY: Final = """\
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

SET_KEY: Final = """\
spot = item
for step in hints["key"][:-1]:
    spot = spot.setdefault(step, {})
if hints["key"]:
    spot[hints["key"][-1]] = key
"""

#: What only the service can say of a record: times, its own address.
FRESH: Final = """\
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
STORED: Final = """\
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

OWN: Final = """\
own = {}
if asked["at"]:
    own["at"] = asked["at"]
"""

#: How often a record was written, where the document has versions; and that the client knows the last one.
VERSION: Final = """\
count = own.get("v") or 1
"""
MATCH: Final = """\
if hints["numbered"] is not None and asked["match"]:
    if asked["match"] != ["*"] and str(count) not in asked["match"]:
        abort(412, "If-Match names another version than the present one.")
"""
COUNT: Final = """\
if hints["numbered"] is not None:
    own["v"] = count
    version = hints["numbered"]
    spot = item if version[2] else {}
    for step in version[2][:-1]:
        spot = spot.setdefault(step, {})
    if version[2] and isinstance(spot, dict):
        spot[version[2][-1]] = count if version[3] == "integer" else str(count)
"""

INSERT: Final = (
    "#: named\n"
    + KEY
    + SET_KEY
    + FRESH
    + "count = 1\n"
    + COUNT
    + "#: derived\n#: unique\n"
    + STORED
    + "rec = store.insert(rec)\n"
)

LOCATION: Final = """\
headers = {"Location": link} if hints["location"] else {}
"""

#: The record's present state as `item`, and in the end as it was changed.
LOAD: Final = (
    GET + SCOPE + ITEM + VERSION + MATCH + 'address = params["id"]\nkey = asked["key"]\n#: matched\n'
)

TOUCH: Final = """\
for path, kind, arg in hints["touched"]:
    spot = item
    for step in path[:-1]:
        spot = spot.get(step) if isinstance(spot, dict) else None
    if isinstance(spot, dict):
        spot.pop(path[-1], None)
"""

KEEP: Final = (
    TOUCH
    + FRESH
    + "count += 1\n"
    + COUNT
    + "#: derived\n#: unique\n"
    + STORED
    + """\
if store.exists(address):
    rec = store.replace(address, rec)
else:
    rec = store.insert(rec)
"""
)

#: Members of objects within are changed, not replaced; null is stored.
MERGE: Final = """\
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
REPLACE: Final = """\
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

JSON_PATCH: Final = """\
item = json_patch(item, asked["record"])
"""

HEADERS: Final = "headers = {}\n"

LOAD_ONE: Final = PARENTS + ONE + ITEM + VERSION + MATCH + 'address = params["id"]\nkey = "one"\n'

DELETE: Final = """\
if params["id"] in hints["seeds"]:
    session_store["contract-gone"].upsert({"id": f"{plan['resource']}/{params['id']}"})
store.delete(params["id"])
"""
