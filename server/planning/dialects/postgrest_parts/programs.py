"""The programs of the dialect `postgrest`, one for each kind, made of the same parts.

Sources: docs.postgrest.org/en/v14/references/api, and Response.hs and RangeQuery.hs of PostgREST 14 for
`Content-Range` and the statuses.
"""

from __future__ import annotations

import textwrap

_THERE = """\
if plan["resource"] not in session_store:
    abort(404, f"PGRST205: Could not find the table 'public.{plan['resource']}' in the schema cache")
"""

_ROOT = """\
asked = ctx["asked"]
nodes = asked["nodes"]
root = nodes[0]
"""

_ASKED = (
    _ROOT
    + """\
known = store.schema()["fields"]
for name in root["fields"]:
    if known and name.partition(".")[0] not in known:
        abort(400, f"42703: column {plan['resource']}.{name} does not exist")
criteria = {"$and": root["where"]} if root["where"] else {}
"""
)

# Each node's records are fetched at once, parents first. A cell is a record and what belongs to it.
_EMBED = """\
cells = [[{"rec": rec, "kids": {}, "keep": True} for rec in items]]
tables = [plan["resource"]]
for number in range(1, len(nodes)):
    node = nodes[number]
    owner = tables[node["parent"]]
    table, hint = node["target"], node["hint"]
    mine = session_store[owner].schema()["fields"]
    one, many, joints = [], [], []
    if table in session_store:
        theirs = session_store[table].schema()["fields"]
        one = [link for link in session_store[owner].links(table) if link in mine]
        many = [link for link in session_store[table].links(owner) if link in theirs]
        if table == owner:
            many = many if hint == owner else []
            one = [] if many else one
            hint = "" if many else hint
        for each in session_store.collections():
            between = session_store[each].schema()["fields"]
            left = [link for link in session_store[each].links(owner) if link in between]
            right = [link for link in session_store[each].links(table) if link in between]
            if left and right and each not in (owner, table):
                joints.append([each, left[0], right[0]])
    elif table in mine:
        for each in session_store.collections():
            if table in session_store[owner].links(each):
                one, table = [table], each
                break
    if hint:
        one = [link for link in one if hint in (link, f"{owner}_{link}_fkey")]
        many = [link for link in many if hint in (link, f"{table}_{link}_fkey")]
        joints = [each for each in joints if each[0] == hint]
    elif one or many:
        joints = []
    ways = len(one) + len(many) + len(joints)
    if not ways:
        said = f"PGRST200: Could not find a relationship"
        abort(400, said + f" between '{owner}' and '{table}' in the schema cache")
    if ways > 1:
        said = f"PGRST201: Could not embed because more than one relationship was found"
        abort(400, said + f" for '{owner}' and '{table}'")
    tables.append(table)
    fields = session_store[table].schema()["fields"]
    for name in node["fields"]:
        if fields and name.partition(".")[0] not in fields:
            abort(400, f"42703: column {table}.{name} does not exist")
    parents = cells[node["parent"]]
    own = one[0] if one else "id"
    wanted = sorted({str(cell["rec"][own]) for cell in parents if cell["rec"].get(own) is not None})
    pairs = {}
    if joints and wanted:
        joint = joints[0]
        for each in session_store[joint[0]].search({joint[1]: wanted}, limit=10001):
            if each.get(joint[2]) is not None:
                pairs.setdefault(str(each[joint[2]]), []).append(str(each[joint[1]]))
        wanted = sorted(pairs)
    field = many[0] if many else "id"
    where = {"$and": [{field: wanted}, *node["where"]]}
    found = session_store[table].search(where, sort=node["sort"], limit=10001) if wanted else []
    if len(found) > 10000 or sum([len(pairs[key]) for key in pairs]) > 10000:
        said = f"PGRST100: select\\n"
        abort(400, said + f"more than 10000 rows of {table} belong to these; ask for fewer with limit")
    made = [{"rec": rec, "kids": {}, "keep": True} for rec in found]
    cells.append(made)
    groups = {}
    for cell in made:
        key = str(cell["rec"][field])
        for each in pairs.get(key, []) if joints else [key]:
            groups.setdefault(each, []).append(cell)
    stop = None if node["limit"] is None else node["offset"] + node["limit"]
    for cell in parents:
        cell["kids"][number] = groups.get(str(cell["rec"].get(own)), [])[node["offset"]:stop]
    node["one"] = bool(one)
"""

# By the last term first, as equals stay in their order. Texts come behind numbers, as they do in the store.
_ORDER = """\
for term in reversed(root["order"]):
    there, gone = [], []
    for place, cell in enumerate(cells[0]):
        value = cell["rec"]
        if term["node"]:
            if not nodes[term["node"]]["one"]:
                name = nodes[term["node"]]["name"]
                said = f"PGRST118: A related order on '{name}' is not possible\\n"
                said += f"'{plan['resource']}' and '{name}' do not form a many-to-one"
                abort(400, said + " or one-to-one relationship")
            kids = cell["kids"][term["node"]]
            value = kids[0]["rec"] if kids else None
        for step in term["field"].split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if value is None:
            gone.append(cell)
        elif isinstance(value, (int, float)):
            there.append((0, value, -place if term["down"] else place, cell))
        else:
            there.append((1, str(value), -place if term["down"] else place, cell))
    found = [each[3] for each in sorted(there, reverse=term["down"])]
    cells[0] = gone + found if term["first"] else found + gone
"""

# `value`, which is not null, as the `cast` has it.
_CAST = """\
if isinstance(value, (dict, list)):
    abort(400, "PGRST100: select\\nwrite -> for an object or an array, which is cast to nothing")
if cast == "text":
    value = ("true" if value else "false") if isinstance(value, bool) else str(value)
elif cast == "boolean":
    said = str(value).lower()
    if said not in ("true", "t", "yes", "on", "1", "false", "f", "no", "off", "0"):
        abort(400, f'22P02: invalid input syntax for type boolean: "{said[:64]}"')
    value = said in ("true", "t", "yes", "on", "1")
else:
    said = str(int(value)) if isinstance(value, bool) else str(value)
    digits = re_match("^-?[0-9]{1,18}([.][0-9]{1,18})?(e[-+]?[0-9]{1,3})?$", said)
    if digits is None or (cast == "integer" and isinstance(value, str) and digits[1]):
        abort(400, f'22P02: invalid input syntax for type {cast}: "{said[:64]}"')
    value = float(said) if digits[1] or digits[2] else int(said)
    if cast == "integer":
        value = round(value)
"""

# From the last node to the first, so that what belongs to a record is written when the record is.
_WRITE = """\
for number in range(len(nodes) - 1, -1, -1):
    node = nodes[number]
    for cell in cells[number]:
        rec, out = dict(cell["rec"].items()), {}
        for child in cell["kids"]:
            kids = [kid for kid in cell["kids"][child] if kid["keep"]]
            cell["kids"][child] = kids
            if nodes[child]["none"] is not None and nodes[child]["none"] == bool(kids):
                cell["keep"] = False
            if nodes[child]["inner"] and not kids:
                cell["keep"] = False
        for column in node["columns"]:
            if column["kind"] == "all":
                out.update(rec)
            elif column["kind"] == "path":
                value = rec
                for step in column["steps"]:
                    if isinstance(value, dict):
                        value = value.get(step)
                    elif isinstance(value, list) and step.removeprefix("-").isdecimal() and len(step) < 10:
                        value = value[int(step)] if -len(value) <= int(step) < len(value) else None
                    else:
                        value = None
                cast = column["cast"]
                if cast and value is not None:
CAST
                out[column["name"]] = value
            else:
                child = nodes[column["node"]]
                outs = [kid["out"] for kid in cell["kids"][column["node"]]]
                if child["aggregates"]:
                    rows = {}
                    for kid in cell["kids"][column["node"]]:
                        rows.setdefault(str(list(kid["out"].values())), []).append(kid)
                    if not rows and not child["columns"]:
                        rows = {"": []}
                    outs = []
                    for members in rows.values():
                        row = {**members[0]["out"]} if members else {}
                        for each in child["aggregates"]:
                            name = each["field"] or "id"
                            values = [kid["rec"].get(name) for kid in members]
                            values = [value for value in values if value is not None]
                            numbers = [
                                value
                                for value in values
                                if isinstance(value, (int, float)) and not isinstance(value, bool)
                            ]
                            function, cast = each["function"], each["cast"]
                            if function == "count":
                                value = len(values)
                            elif function == "sum":
                                value = sum(numbers) if numbers else None
                            elif function == "avg":
                                value = sum(numbers) / len(numbers) if numbers else None
                            else:
                                values = numbers or [value for value in values if isinstance(value, str)]
                                value = None
                                if values:
                                    value = min(values) if function == "min" else max(values)
                            if cast and value is not None:
CASTED
                            row[each["name"]] = value
                        outs.append(row)
                if child["spread"] and not child["one"]:
                    abort(400, f"PGRST119: A spread operation on '{child['target']}' is not possible")
                if child["spread"]:
                    names = [each["name"] for each in child["columns"] if each["kind"] == "path"]
                    out.update(outs[0] if outs else {name: None for name in names})
                else:
                    out[child["name"]] = (outs[0] if outs else None) if child["one"] else outs
        if asked["stripped"] and not number:
            out = {key: out[key] for key in out if out[key] is not None}
        cell["out"] = out
items = [cell["out"] for cell in cells[0] if cell["keep"]]
""".replace("CASTED\n", textwrap.indent(_CAST, " " * 32)).replace("CAST\n", textwrap.indent(_CAST, " " * 20))

_ONE = """\
if asked["single"]:
    if len(items) != 1:
        said = f"PGRST116: Cannot coerce the result to a single JSON object\\n"
        abort(406, said + f"The result contains {len(items)} rows")
    items = items[0]
"""

_HEADERS = """\
headers = {
    "Content-Range": f"{span}/{'*' if total is None else total}",
    "Preference-Applied": asked["applied"],
}
"""

_SPAN = """\
if total is not None and start > total:
    said = f"PGRST103: Requested range not satisfiable\\n"
    abort(416, said + f"An offset of {start} was requested, but there are only {total} rows.")
span = f"{start}-{start + len(items) - 1}" if items else "*"
status = 206 if total is not None and len(items) < total else 200
"""

# The row with an id, as `id=eq.4` alone asks for it.
_LIST_ROW = (
    """\
rec = store.get(params["id"])
items = [] if rec is None else [rec]
if rec is None and not store.fields():
    abort(404, f"PGRST205: Could not find the table 'public.{params['table']}' in the schema cache")
"""
    + _ONE.replace('asked["single"]', 'params["single"]')
    + """\
headers = {"Content-Range": "0-0/*" if items else "*/*"}
if params["applied"]:
    headers["Preference-Applied"] = params["applied"]
REPLY = make_response(200, items, headers)
"""
)

# Whole rows of one table, which are not looked into.
_LIST_ROWS = (
    _THERE
    + _ASKED
    + """\
start, total = root["offset"], None
if asked["count"]:
    items, total = store.list(limit=root["limit"], offset=start, sort=root["sort"], where=criteria)
else:
    items = store.search(criteria, sort=root["sort"], limit=root["limit"], offset=start)
"""
    + _SPAN
    + _HEADERS
    + _ONE
    + "REPLY = make_response(status, items, headers)\n"
)

_LIST = (
    _THERE
    + _ASKED
    + """\
start, limit = root["offset"], root["limit"]
total = None
if asked["whole"]:
    items = store.search(criteria, sort=root["sort"])
else:
    items = store.search(criteria, sort=root["sort"], limit=limit, offset=start)
    if asked["count"]:
        total = store.count(criteria)
"""
    + _EMBED
    + _ORDER
    + _WRITE
    + """\
if asked["whole"]:
    if asked["count"]:
        total = len(items)
    items = items[start:None if limit is None else start + limit]
"""
    + _SPAN
    + _HEADERS
    + _ONE
    + "REPLY = make_response(status, items, headers)\n"
)

# Rows that are counted and added up (aggregate_functions.html).
_LIST_GROUPS = (
    _THERE
    + _ASKED
    + """\
start, total = root["offset"], None
if asked["count"]:
    total = len(store.group(asked["by"], criteria))
computed = asked["computed"]
rows = store.group(
    asked["by"],
    criteria,
    sum=computed.get("sum"),
    avg=computed.get("avg"),
    min=computed.get("min"),
    max=computed.get("max"),
    count=computed.get("count"),
    sort=asked["order"],
    limit=root["limit"],
    offset=start,
)
items = []
for found in rows:
    out = {}
    for column in root["columns"]:
        value, cast = found.get(column["steps"][0]), column["cast"]
        if cast and value is not None:
CAST
        out[column["name"]] = value
    for each in root["aggregates"]:
        function, field, cast = each["function"], each["field"], each["cast"]
        value = found["count"] if field is None else found[f"{function}_{field}"]
        if function == "sum" and not found[f"count_{field}"]:
            value = None
        if cast and value is not None:
CAST
        out[each["name"]] = value
    items.append(out)
""".replace("CAST\n", textwrap.indent(_CAST, " " * 12))
    + _SPAN
    + _HEADERS
    + _ONE
    + "REPLY = make_response(status, items, headers)\n"
)

_LIST_ALL = (
    _THERE
    + """\
items = store.search()
headers = {
    "Content-Range": f"0-{len(items) - 1}/*" if items else "*/*",
}
REPLY = make_response(200, items, headers)
"""
)

# What was written, as `return` and `select` ask for it. `items` are the records, `status` and `empty` the two
# statuses, with a body and without.
_WRITTEN = (
    """\
count = len(items)
if asked["most"] is not None and count > asked["most"]:
    said = f"PGRST124: Query result exceeds max-affected preference constraint\\n"
    abort(400, said + f"The query affects {count} rows")
total = count if asked["count"] else None
"""
    + _HEADERS
    + """\
if asked["return"] == "representation":
"""
    + "".join(f"    {line}\n" for line in (_EMBED + _WRITE + _ONE).splitlines())
    + """\
    REPLY = make_response(status, items, headers)
else:
    if asked["single"] and count != 1:
        said = f"PGRST116: Cannot coerce the result to a single JSON object\\n"
        abort(406, said + f"The result contains {count} rows")
    if asked["return"] == "headers-only" and count == 1 and place:
        headers["Location"] = f"/{'/'.join(ctx['segments'])}?id=eq.{url_quote(str(items[0]['id']))}"
    REPLY = make_response(empty, None, headers)
"""
)

_CREATE = (
    _ROOT
    + """\
columns, table = asked["columns"], asked["table"]
rows = [] if table else ctx["body_json"]
if not isinstance(rows, list):
    rows = [rows]
if table:
    known = store.schema()["fields"]
    for values in table["rows"]:
        row = {}
        for name, value in zip(table["columns"], values):
            kinds = [kind for kind in known.get(name, []) if kind != "null"]
            cast = "boolean" if kinds == ["boolean"] else ""
            if kinds and not [kind for kind in kinds if kind not in ("integer", "number")]:
                cast = "number"
            if name == "id" and value is not None and value.isdecimal() and value.isascii():
                value = as_int(value)
            elif cast and value is not None:
CAST
            row[name] = value
        rows.append(row)
if columns:
    if asked["missing"] == "default":
        rows = [{name: row[name] for name in columns if name in row} for row in rows]
    else:
        rows = [{name: row.get(name) for name in columns if name != "id" or name in row} for row in rows]
items, inserted, touched = [], 0, []
if asked["resolution"] is None:
    items = store.insert_many(rows)
    inserted = len(items)
else:
    keys = asked["conflict"]
    for row in rows:
        old = None
        if not [key for key in keys if row.get(key) is None]:
            there = store.search({key: row[key] for key in keys}, limit=1)
            old = there[0] if there else None
        if old is None:
            rec = store.insert(row)
            touched.append(rec["id"])
            items.append(rec)
            inserted += 1
        elif asked["resolution"] == "merge-duplicates":
            if old["id"] in touched:
                abort(400, "21000: ON CONFLICT DO UPDATE command cannot affect row a second time")
            if row.get("id") is not None and str(row["id"]) != str(old["id"]):
                abort(400, "PGRST100: id\\nthe id of a row that is there cannot be changed; leave id out")
            touched.append(old["id"])
            items.append(store.update(old["id"], {key: row[key] for key in row if key != "id"}))
status = 200 if asked["resolution"] == "merge-duplicates" and not inserted else 201
empty, span, place = status, "*", True
""".replace("CAST\n", textwrap.indent(_CAST, " " * 16))
    + _WRITTEN
)

_PUT = (
    _ASKED
    + """\
body = ctx["body_json"]
if isinstance(body, list):
    body = body[0]
rec = store.replace(asked["key"], body)
status, empty = 200, 204
if rec is None:
    rec = store.insert(body)
    status, empty = 201, 201
items, span, place = [rec], "*", False
"""
    + _WRITTEN
)

_PATCH = (
    _THERE
    + _ASKED
    + """\
changes = ctx["body_json"]
if asked["columns"]:
    changes = {name: changes.get(name) for name in asked["columns"]}
items = []
if changes:
    for rec in store.search(criteria, sort=root["sort"]):
        if "id" in changes and str(changes["id"]) != str(rec["id"]):
            abort(400, "PGRST100: id\\nthe id of a row that is there cannot be changed; leave id out")
        items.append(store.update(rec["id"], changes))
status, empty, place = 200, 204, False
span = f"0-{len(items) - 1}" if items else "*"
"""
    + _WRITTEN
)

_DELETE = (
    _THERE
    + _ASKED
    + """\
items = store.search(criteria, sort=root["sort"])
status, empty, span, place = 200, 204, "*", False
"""
    + _WRITTEN
    + "store.delete_all(criteria)\n"
)

CODE = {
    "list": _LIST,
    "list-all": _LIST_ALL,
    "list-rows": _LIST_ROWS,
    "list-row": _LIST_ROW,
    "list-groups": _LIST_GROUPS,
    "create": _CREATE,
    "put": _PUT,
    "patch": _PATCH,
    "patch-all": _PATCH,
    "delete": _DELETE,
    "delete-all": _DELETE,
}
