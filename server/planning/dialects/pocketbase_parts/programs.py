"""The programs of the dialect `pocketbase`, one of each kind, put together from snippets.

In all of them `name` is the collection at hand and `kids` its store; `fault` is an error's status,
message, data.
Answers are those of pocketbase 0.40.6 where no other source is named.
"""

from __future__ import annotations

import textwrap

_NOT_FOUND = "The requested resource wasn't found."

_NOWHERE = """\
if not THERE:
    abort(404, {"status": 404, "message": "Missing collection context.", "data": {}})
"""
_THERE = """\
asked = ctx["asked"]
name, kids = plan["resource"], store
""" + _NOWHERE.replace("THERE", "(name in session_store)")

# core/collection_model.go: "pbc_" and the CRC-32 (IEEE 802.3) of the collection's type and name.
_COLLECTION_ID = """\
crc = 4294967295
for letter in f"base{name}":
    crc = crc ^ ord(letter)
    for bit in range(8):
        crc = crc >> 1 ^ 3988292384 if crc & 1 else crc >> 1
marks = {"collectionId": f"pbc_{crc ^ 4294967295}", "collectionName": name}
"""

# `expand` is the dialect's own member: a stored one is not shown.
_WITH_MARKS = """\
found = [dict(rec.items()) for rec in found]
for rec in found:
    rec.update(marks)
    rec.pop("expand", None)
"""
_MARKED = _COLLECTION_ID + _WITH_MARKS
# Of the request's own collection the reader has made them.
_OWN_MARKED = 'marks = parse_json(params["marks"])\n' + _WITH_MARKS

# `target`: the collection that holds records with the ids that a field has; those of its name first. An id
# of 15 characters is in one collection only.
_TARGET = """\
target = ""
word = field.lower().removesuffix("_id")
word = word if word == field.lower() or word else field.lower()
alike = (word, f"{word}s", f"{word}es", f"{word[:-1]}ies")
others = session_store.collections()
likely = [other for other in others if other.lower() in alike]
if any(isinstance(each, str) and len(each) == 15 for each in ids):
    likely = likely + [other for other in others if other not in likely][:256]
for other in likely:
    if target == "" and ids and session_store[other].search({"id": ids[:50]}, limit=1):
        target = other
"""

_FILTERED = (
    """\
known = store.schema()["fields"]
whole = 0 < len(known) < asked["most"]
for test in asked["tests"]:
    field = test["first"]
    if whole and field not in known and field not in ("created", "updated"):
        abort(400, f"filter: {name} has no field '{field}'")
    kinds = known.get(field, [])
    leaf = asked["where"]
    for step in test["at"]:
        leaf = leaf[step]
    if test["looks"] and test["rest"] is None and kinds and "string" not in kinds and "array" not in kinds:
        abort(400, f"filter: ~ looks into texts, and {name} has none in '{field}'")
    values = []
    if test["rest"] is not None:
        values = [rec.get(field) for rec in store.search({f"{field}__ne": ""}, limit=50)]
        values = [value for value in values if value]
    if values and not isinstance(values[0], dict):
        several = isinstance(values[0], list)
        ids = []
        for value in values:
            ids = ids + (value if isinstance(value, list) else [value])
        ids = [each for each in ids if isinstance(each, (str, int))]
"""
    + textwrap.indent(_TARGET, " " * 8)
    + """\
        if target == "":
            abort(400, f"filter: '{field}' of {name} points at no record, so '{test['field']}' is nowhere")
        if test["deep"]:
            abort(400, f"filter: '{test['field']}' goes over more than one relation; filter {target} first")
        if several and (test["unlike"] or not test["any"]):
            abort(400, f"filter: {test['field']}: '{field}' points at several: write ?= ?> ?>= ?< ?<= or ?~")
        part = test["rest"].keys()
        near = session_store[target].schema()["fields"]
        if test["step"] not in near and test["step"] not in ("created", "updated"):
            abort(400, f"filter: {target} has no field '{test['step']}'")
        found = session_store[target].search(test["rest"], limit=1001)
        if len(found) > 1000:
            abort(400, f"filter: {test['field']}: more than 1000 records of {target} meet it")
        ids = [rec["id"] for rec in found]
        leaf.clear()
        if several:
            leaf[f"{field}__has"] = ids
        elif test["negated"]:
            leaf[f"{field}__ne"] = ids + [""]
        else:
            leaf[field] = ids + ([None, ""] if test["none"] else [])
    elif test["negated"]:
        found = store.search({**leaf}, limit=1001)
        if len(found) > 1000:
            abort(400, f"filter: {test['field']}: !~ leaves out more than 1000 records")
        leaf.clear()
        leaf["id__ne"] = [rec["id"] for rec in found]
for term in asked["sort"] or []:
    field = term.lstrip("-").partition(".")[0]
    if whole and field not in known and field not in ("created", "updated"):
        abort(400, f"sort: {name} has no field '{field}'")
    if "." in term and known.get(field) and "object" not in known[field]:
        abort(400, f"sort: '{term}' goes over a relation; sort by a field of {name}")
"""
).replace('        part = test["rest"].keys()\n', "")

# Up to six steps (pocketbase.io/docs/api-records); a name that leads nowhere is passed over.
_EXPANDED = (
    """\
for path in asked["expand"]:
    name, recs = plan["resource"], items
    for step in path:
        origin, back, link = step.partition("_via_")
        field = step
        if back:
            there = origin in session_store and link in session_store[origin].schema()["fields"]
            target = origin if there else ""
            ids = [rec["id"] for rec in recs]
            criteria = {"$or": [{link: ids}, {f"{link}__has": ids}]}
        else:
            ids = []
            for rec in recs:
                value = rec.get(step)
                ids = ids + (value if isinstance(value, list) else [value])
            ids = [each for each in ids if isinstance(each, (str, int)) and each != ""]
"""
    + textwrap.indent(_TARGET, " " * 12)
    + """\
            criteria = {"id": ids}
        further = []
        for rec in recs if target else []:
            rec.setdefault("expand", {})
        if target and ids:
            found = session_store[target].search(criteria, limit=1001)
            if len(found) > 1000:
                abort(400, f"expand: {step}: more than 1000 records; ask for fewer at once (perPage)")
            name = target
"""
    + textwrap.indent(_MARKED, " " * 12)
    + """\
            groups = {}
            for kid in found:
                keys = kid.get(link) if back else kid["id"]
                for key in keys if isinstance(keys, list) else [keys]:
                    groups.setdefault(str(key), []).append(kid)
            for rec in recs:
                shown = rec.get("expand", {}).get(step)
                value = rec["id"] if back else rec.get(step)
                if shown is None and back:
                    shown = groups.get(str(value))
                elif shown is None and isinstance(value, list):
                    shown = [groups[str(each)][0] for each in value if str(each) in groups]
                elif shown is None:
                    shown = groups.get(str(value), [None])[0]
                if shown:
                    rec.setdefault("expand", {})[step] = shown
                    further = further + (shown if isinstance(shown, list) else [shown])
        recs = further
"""
)

_PICKED = """\
if asked["fields"]:
    some = asked["fields"]
    if some["star"]:
        deep = some["deep"]
        items = [
            {**{key: rec[key] for key in rec if key not in deep}, **(pick(rec, some["names"] or ["id"]))}
            for rec in items
        ]
    else:
        items = pick(items, some["names"])
"""

# `items`: the records with their marks, without being looked into; `expand` is the dialect's own member.
_PLAIN = 'items = shaped(found, params["shape"])\n'

_SHOWN = (
    """\
if not asked["expand"] and not asked["fields"]:
"""
    + textwrap.indent(_PLAIN, "    ")
    + "else:\n"
    + textwrap.indent(_OWN_MARKED + "items = found\n" + _EXPANDED + _PICKED, "    ")
)

_LIST = (
    _THERE
    + _FILTERED
    + """\
criteria = asked["where"] or {}
size, offset = asked["size"], (asked["page"] - 1) * asked["size"]
total, pages = -1, -1
if asked["skip"]:
    found = store.search(criteria, sort=asked["sort"], limit=size, offset=offset)
else:
    found, total = store.list(limit=size, offset=offset, sort=asked["sort"], where=criteria)
    pages = (total + size - 1) // size
"""
    + _SHOWN
    + """\
whole = {"page": asked["page"], "perPage": size, "totalItems": total, "totalPages": pages, "items": items}
REPLY = make_response(200, whole)
"""
)

# A page of whole records in their own order: what most requests of a front end are.
_LIST_ROWS = (
    """\
asked = ctx["asked"]
page, size = asked["page"], asked["size"]
found, total = store.list(limit=size, offset=(page - 1) * size)
if total == 0:
"""
    + textwrap.indent(_THERE, "    ")
    + """\
pages = (total + size - 1) // size
if asked["skip"]:
    total, pages = -1, -1
"""
    + _PLAIN
    + """\
whole = {"page": page, "perPage": size, "totalItems": total, "totalPages": pages, "items": items}
REPLY = make_response(200, whole)
"""
)

# What a subscription is told of a record as it was, which is put in its place for the run alone.
_TOLD = (
    """\
asked, name = ctx["asked"], plan["resource"]
given = ctx["body_json"]
rid = given["id"]
if store.exists(rid):
    store.replace(rid, given)
else:
    store.insert(given)
"""
    + _FILTERED
    + """\
found = store.search({"$and": [{"id": rid}, asked["where"] or {}]}, limit=1)
if not found:
    abort(404)
"""
    + _SHOWN
    + "REPLY = make_response(200, items[0])\n"
)

_GONE = f'abort(404, {{"status": 404, "message": "{_NOT_FOUND}", "data": {{}}}})\n'
_FOUND = (
    'rec = store.get(params["id"])\nif rec is None:\n'
    + textwrap.indent(_THERE + _GONE, "    ")
    + "found = [rec]\n"
)

# Of params alone.
_GET_PLAIN = (
    'rec = store.get(params["id"])\nif rec is None:\n'
    + textwrap.indent(_NOWHERE.replace("THERE", "store.fields()"), "    ")
    + textwrap.indent(_GONE, "    ")
    + 'REPLY = make_response(200, shaped(rec, params["shape"]))\n'
)

# -- writing: `given` is the body, `rid` the record's id, `done` the record after it --------------------

# Members that PocketBase fills in itself are passed over, as it does. A text where a number belongs is
# refused; PocketBase stores 0 for it.
_CLEANED = """\
faults, clean = {}, {}
known = kids.schema()["fields"]
for key in given:
    value, field, change = given[key], key, ""
    if key in ("id", "created", "updated", "collectionId", "collectionName", "expand"):
        continue
    if key[:1] == "+" and key[1:]:
        field, change = key[1:], "before"
    elif key[-1:] in ("+", "-") and key[:-1]:
        field, change = key[:-1], "after" if key[-1:] == "+" else "without"
    kinds = [kind for kind in known.get(field, []) if kind != "null"]
    numbers = kinds != [] and all(kind in ("integer", "number") for kind in kinds)
    if numbers and isinstance(value, str):
        digits = re_match("^-?[0-9]{1,15}([.][0-9]{1,15})?$", value)
        if digits is None:
            faults[field] = {"code": "validation_not_a_number", "message": "Must be a number."}
        else:
            value = float(digits[0]) if "." in digits[0] else int(digits[0])
    elif numbers and isinstance(value, bool):
        faults[field] = {"code": "validation_not_a_number", "message": "Must be a number."}
    elif kinds == ["boolean"] and value is not None and not isinstance(value, bool):
        faults[field] = {"code": "validation_not_a_boolean", "message": "Must be true or false."}
    if change and field not in faults:
        old = clean.get(field, prior.get(field))
        plain = isinstance(value, (int, float)) and not isinstance(value, bool)
        more = value if isinstance(value, list) else [value]
        have = old if isinstance(old, list) else [] if old in (None, "") else [old]
        if plain and (old is None or isinstance(old, (int, float))) and change != "before":
            value = (old or 0) + value if change == "after" else (old or 0) - value
        elif len(have) + len(more) > 1000:
            faults[field] = {"code": "validation_too_many_values", "message": "Must be at most 1000 values."}
        elif not isinstance(old, list) and change == "without":
            value = "" if old in more else old
        elif old is not None and not isinstance(old, list):
            message = f"'{key}' takes a list or numbers."
            faults[field] = {"code": "validation_invalid_modifier", "message": message}
        elif change == "without":
            value = [each for each in have if each not in more]
        elif change == "after":
            value = have + [each for each in more if each not in have]
        else:
            value = more + [each for each in have if each not in more]
    clean[field] = value
"""

_CREATED = (
    """\
prior = {}
"""
    + _CLEANED
    + """\
rid = given.get("id")
if rid in (None, ""):
    number = int(f"{uuid4()[:8]}{uuid4()[:8]}{uuid4()[:8]}", 16)
    rid = ""
    for place in range(15):
        rid = rid + "0123456789abcdefghijklmnopqrstuvwxyz"[number % 36]
        number = number // 36
elif len(str(rid)) < 15:
    message = "Must be at least 15 character(s)."
    faults["id"] = {"code": "validation_min_text_constraint", "message": message, "params": {"min": 15}}
elif len(str(rid)) > 15:
    message = "Must be no more than 15 character(s)."
    faults["id"] = {"code": "validation_max_text_constraint", "message": message, "params": {"max": 15}}
elif not isinstance(rid, str) or re_match("^[a-z0-9]{15}$", rid) is None:
    faults["id"] = {"code": "validation_invalid_format", "message": "Invalid value format."}
elif kids.exists(rid):
    faults["id"] = {"code": "validation_not_unique", "message": "Value must be unique."}
if faults:
    fault = (400, "Failed to create record.", faults)
else:
    stamp = now().replace("T", " ")
    done = kids.insert({"id": rid, **clean, "created": stamp, "updated": stamp})
"""
)

_UPDATED = (
    f"""\
prior = kids.get(rid)
if prior is None:
    fault = (404, "{_NOT_FOUND}", {{}})
else:
"""
    + textwrap.indent(_CLEANED, "    ")
    + """\
    if given.get("id", prior["id"]) != prior["id"]:
        message = "The record primary key cannot be changed."
        faults["id"] = {"code": "validation_pk_change", "message": message}
    if faults:
        fault = (400, "Failed to update record.", faults)
    else:
        done = kids.update(rid, {**clean, "updated": now().replace("T", " ")})
"""
)

_DELETED = f"""\
if not kids.delete(rid):
    fault = (404, "{_NOT_FOUND}", {{}})
"""

_FAILED = """\
if fault:
    abort(fault[0], {"status": fault[0], "message": fault[1], "data": fault[2]})
"""

_GIVEN = """\
fault, done = None, None
given = asked.get("given") or ctx["body_json"] or {}
"""

_WRITTEN = _FAILED + "found = [done]\n" + _SHOWN + "REPLY = make_response(200, items[0])\n"

_BATCH = (
    """\
answers = []
for asked in ctx["asked"]["jobs"]:
    name, kids, rid, given = asked["name"], session_store[asked["name"]], asked["id"], asked["given"]
    fault, done, op = None, None, asked["op"]
    if op == "upsert":
        rid = given.get("id")
        op = "update" if isinstance(rid, str) and kids.exists(rid) else "create"
    if op != "create" and name not in session_store:
        fault = (404, "Missing collection context.", {})
    elif op == "create":
"""
    + textwrap.indent(_CREATED, " " * 8)
    + '    elif op == "update":\n'
    + textwrap.indent(_UPDATED, " " * 8)
    + "    else:\n"
    + textwrap.indent(_DELETED, " " * 8)
    + """\
    if fault:
        response = {"status": fault[0], "message": fault[1], "data": fault[2]}
        failed = {"code": "batch_request_failed", "message": "Batch request failed.", "response": response}
        data = {"requests": {str(len(answers)): failed}}
        abort(400, {"status": 400, "message": "Batch transaction failed.", "data": data})
    if done is None:
        answers.append({"status": 204, "body": None})
    else:
        found = [done]
"""
    + textwrap.indent(_MARKED + "items = found\n" + _PICKED, " " * 8)
    + """\
        answers.append({"status": 200, "body": items[0]})
REPLY = make_response(200, answers)
"""
)

_NOT_DONE = """\
abort(501, {"status": 501, "message": ctx["asked"]["why"], "data": {}})
REPLY = None
"""

CODE = {
    "list": _LIST,
    "list-rows": _LIST_ROWS,
    "get": 'asked = ctx["asked"]\n' + _FOUND + _SHOWN + "REPLY = make_response(200, items[0])\n",
    "get-plain": _GET_PLAIN,
    "create": 'asked, name, kids = ctx["asked"], plan["resource"], store\n' + _GIVEN + _CREATED + _WRITTEN,
    "update": _THERE + _GIVEN + 'rid = params["id"]\n' + _UPDATED + _WRITTEN,
    "delete": _THERE
    + 'fault, rid = None, params["id"]\n'
    + _DELETED
    + _FAILED
    + "REPLY = make_response(204)\n",
    "batch": _BATCH,
    "batch-refused": 'abort(400, ctx["asked"]["refused"])\nREPLY = None\n',
    "health": 'REPLY = make_response(200, {"message": "API is healthy.", "code": 200, "data": {}})\n',
    "told": _TOLD,
    "absent": _NOT_DONE,
}
