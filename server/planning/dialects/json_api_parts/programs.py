"""The programs of the dialect `json-api`, one of each kind, put together from snippets.

Source: jsonapi.org/format/1.1, "Document Structure", "Fetching Data", "Creating, Updating and Deleting
Resources". In all of them `relations[kind]` has a type's relationships by name: how they are kept (`one`,
`list`, `children`), in which field, and of which type they are; `identified[kind]` fields that can hold
identifiers.
"""

from __future__ import annotations

import textwrap

_LARGEST_STEP = 1_000


def _failed(status: int, detail: str, source: str) -> str:
    """Code that ends the program; `detail` is an f-string's text, `source` an expression, {} for none."""
    where = "" if source == "{}" else f', "source": {source}'
    return (
        f'abort({status}, {{"jsonapi": {{"version": "1.1"}}, "errors": [{{"status": "{status}", '
        f'"detail": f"{detail}"{where}}}]}})\n'
    )


def _in(levels: int, code: str) -> str:
    return textwrap.indent(code, "    " * levels)


_BEGIN = """\
asked = ctx["asked"]
base, root = asked["base"], plan["resource"]
relations, identified, forms = {}, {}, {}
"""

# The relationships of the type `kind`.
_KIND = """\
if kind not in relations:
    relations[kind] = session_store[kind].relations()
    identified[kind] = session_store[kind].fields("object", "array")
    wishes = (asked["fields"] or {}).get(kind.replace("-", "").replace("_", "").lower(), [])
    has = session_store[kind].fields() if wishes else []
    for wish in wishes:
        if has and wish not in has and wish not in relations[kind]:
            UNKNOWN
""".replace(
    "UNKNOWN\n",
    _failed(400, "{kind} have no field {wish[:64]}", '{"parameter": f"fields[{kind}]"}'),
)

# `forms`: how the field `name` of the type `kind` holds identifiers, by the first record that has it: whether
# these are a list, and of which type they are; empty where it holds none.
_FORM = """\
if f"{kind} {name}" not in forms:
    having = []
    if name.replace("_", "").replace("-", "").isalnum() and "__" not in name:
        having = session_store[kind].search({f"{name}__isnull": False}, limit=20)
    having = [each.get(name) for each in having if each.get(name)]
    first = having[0] if having else None
    kept = first if isinstance(first, list) else [first]
    pointing = kept != [] and all(
        isinstance(each, dict) and len(each) == 2 and isinstance(each.get("type"), str) and "id" in each
        for each in kept
    )
    forms[f"{kind} {name}"] = [isinstance(first, list), kept[0]["type"]] if pointing else []
"""

# `linked`: what the relationship `name` of `rec` holds, as pairs; `many` is None where there is none.
_LINKED = (
    """\
entry, value = relations[kind].get(name), rec.get(name)
many, linked = None, []
if (value is None or value == []) and name in identified[kind]:
"""
    + _in(1, _FORM)
    + """\
    many = forms[f"{kind} {name}"][0] if forms[f"{kind} {name}"] else None
kept = value if isinstance(value, list) else [value]
if value is not None and name in identified[kind] and all(
    isinstance(each, dict) and len(each) == 2 and isinstance(each.get("type"), str) and "id" in each
    for each in kept
):
    many, linked = isinstance(value, list), [(each["type"], each["id"]) for each in kept]
elif entry and entry[0] == "children":
    kids = session_store[entry[2]].search({entry[1]: str(rec["id"])}, limit=LARGEST + 1)
    many, linked = True, [(entry[2], kid["id"]) for kid in kids]
elif entry and entry[0] == "list":
    many, linked = True, [(entry[2], each) for each in rec.get(entry[1]) or []]
elif entry:
    many, linked = False, [] if rec.get(entry[1]) is None else [(entry[2], rec[entry[1]])]
if len(linked) > LARGEST:
    TOO_MANY""".replace("TOO_MANY", _failed(400, "{name}: more than LARGEST resources", "{}")).replace(
        "LARGEST", str(_LARGEST_STEP)
    )
)

_NO_RELATION = """\
if many is None:
    """ + _failed(404, "{kind} have no relationship {name[:64]}", "{}")

# `extra`: what is included beside `shown`. `children`: the linkage that had to be looked for.
_INCLUDE = (
    """\
if asked["fields"]:
    kinds = [each.replace("-", "").replace("_", "").lower() for each in session_store.collections()]
    for word in asked["fields"]:
        if kinds and word not in kinds:
            NO_TYPE
extra, children, levels = [], {}, {"": shown}
loaded = {f"{kind} {rec['id']}": True for kind, rec in shown}
for path in asked["include"] or []:
    step, before = path[-1], ".".join(path[:-1])
    groups = {} if before else {root: []}
    for kind, rec in levels.get(before, []):
        groups.setdefault(kind, []).append(rec)
    further, there = [], not groups
    for kind in groups:
""".replace(
        "            NO_TYPE\n",
        _in(3, _failed(400, "fields: there is no type {word[:64]}", '{"parameter": f"fields[{word}]"}')),
    )
    + _in(2, _KIND)
    + """\
        how, field, other = relations[kind].get(step, ("", step, ""))
        there = there or how or step in identified[kind] or not session_store[kind].fields()
        wanted = {}
        if how == "children":
            ids = [str(rec["id"]) for rec in groups[kind]]
            for rid in ids:
                children[f"{kind} {rid} {step}"] = []
            found = session_store[other].search({field: ids}, limit=LARGEST + 1) if ids else []
            for kid in found:
                children.setdefault(f"{kind} {kid[field]} {step}", []).append((other, kid["id"]))
            further = further + [(other, kid) for kid in found]
        else:
            for rec in groups[kind]:
                for value in (rec.get(field), rec.get(step)):
                    for each in value if isinstance(value, list) else [value]:
                        if isinstance(each, dict) and isinstance(each.get("type"), str) and "id" in each:
                            wanted.setdefault(each["type"], {})[str(each["id"])] = True
                        elif how and isinstance(each, (str, int)):
                            wanted.setdefault(other, {})[str(each)] = True
        for other in wanted:
            if other in session_store:
                found = session_store[other].search({"id": list(wanted[other])}, limit=LARGEST + 1)
                further = further + [(other, each) for each in found]
    if not there:
        UNKNOWN
    if len(further) > LARGEST:
        TOO_MANY
    levels[".".join(path)] = further
    for kind, rec in further:
        if f"{kind} {rec['id']}" not in loaded:
            loaded[f"{kind} {rec['id']}"] = True
            extra.append((kind, rec))
""".replace(
        "        UNKNOWN\n",
        _in(
            2, _failed(400, "include: {'.'.join(path)[:200]} is no relationship", '{"parameter": "include"}')
        ),
    )
    .replace(
        "        TOO_MANY\n",
        _in(
            2,
            _failed(
                400, "include: more than LARGEST resources; ask for fewer at once", '{"parameter": "include"}'
            ),
        ),
    )
    .replace("LARGEST", str(_LARGEST_STEP))
)

# `resources`: `shown` and `extra` as resource objects. What is the same for all of a kind is found out once:
# `ways` are its relationships with their links' ends, `some` the members that were asked for.
_RENDER = (
    """\
resources, lately, ways, some = [], "", [], None
for kind, rec in shown + extra:
    if kind != lately:
"""
    + _in(2, _KIND)
    + """\
        lately, ways = kind, [(name, *relations[kind][name], url_quote(name)) for name in relations[kind]]
        some = (asked["fields"] or {}).get(kind.replace("-", "").replace("_", "").lower())
    rid = str(rec["id"])
    attributes, related = {**rec}, {}
    attributes.pop("id")
    place = f"{base}/{kind}/{rid if rid.isalnum() and rid.isascii() else url_quote(rid)}"
    for name in identified[kind]:
        value = rec.get(name)
        if (value is None or value == []) and name in rec:
FORM
            if forms[f"{kind} {name}"]:
                mark = url_quote(name)
                links = {"self": f"{place}/relationships/{mark}", "related": f"{place}/{mark}"}
                related[name] = {"data": [] if forms[f"{kind} {name}"][0] else None, "links": links}
                attributes.pop(name)
            continue
        kept = value if isinstance(value, list) else [value]
        if kept and all(
            isinstance(each, dict) and len(each) == 2 and isinstance(each.get("type"), str) and "id" in each
            for each in kept
        ):
            data = [{"type": each["type"], "id": str(each["id"])} for each in kept]
            mark = url_quote(name)
            links = {"self": f"{place}/relationships/{mark}", "related": f"{place}/{mark}"}
            data = data if isinstance(attributes.pop(name), list) else data[0]
            related[name] = {"data": data, "links": links}
    for name, how, field, other, mark in ways:
        if rec.get(name) is not None and field != name:
            continue
        links = {"self": f"{place}/relationships/{mark}", "related": f"{place}/{mark}"}
        if how == "one":
            value = rec.get(field, rec)
            if value is None or isinstance(value, (str, int)):
                data = None if value is None else {"type": other, "id": str(value)}
                related[name] = {"data": data, "links": links}
                attributes.pop(field)
                attributes.pop(name, None)
            continue
        if how == "children":
            linked = children.get(f"{kind} {rid} {name}")
            data = None if linked is None else [{"type": each[0], "id": str(each[1])} for each in linked]
            related[name] = {"links": links} if data is None else {"data": data, "links": links}
            attributes.pop(name, None)
        elif isinstance(rec.get(field), list):
            data = [{"type": other, "id": str(each)} for each in rec[field]]
            related[name] = {"data": data, "links": links}
            attributes.pop(field)
            attributes.pop(name, None)
    if some is not None:
        attributes = {key: attributes[key] for key in attributes if key in some}
        related = {key: related[key] for key in related if key in some}
    resource = {"type": kind, "id": rid, "attributes": attributes, "links": {"self": place}}
    if related:
        resource["relationships"] = related
    resources.append(resource)
whole = {"jsonapi": {"version": "1.1"}}
if asked["include"] is not None:
    whole["included"] = resources[len(shown):]
""".replace("FORM\n", _in(3, _FORM))
)

# As `_SHOW`, of `items` of the request's own type with nothing beside them. Records that point at nothing are
# not looked into; of what points at them there are links.
_SHOW_ALONE = (
    """\
table, looked = store.relations(), bool(store.fields("object", "array"))
if table and not looked:
    known, beside, place = store.fields(), {}, f"{params['base']}/{params['kind']}/{{id:path}}"
    for name in table:
        looked = looked or table[name][0] != "children" or name in known
        links = {"self": f"{place}/relationships/{name}", "related": f"{place}/{name}"}
        beside[name] = {"links": links}
    shape = {**parse_json(shape), "relationships": beside}
if looked:
    root, base, asked = params["kind"], params["base"], {**asked, "include": None, "fields": {}}
    relations, identified, forms = {}, {}, {}
    shown, extra, children = [(root, rec) for rec in items], [], {}
"""
    + _in(1, _RENDER)
    + """\
else:
    resources = shaped(items, shape)
    whole = {"jsonapi": {"version": "1.1"}}
"""
)

_SHOW = _INCLUDE + _RENDER

# `criteria` of the filters, each by an attribute, a relationship, or an attribute of what it leads to.
_WHERE = (
    """\
kind, known, where = root, store.fields(), []
"""
    + _KIND
    + """\
for test in asked["where"]:
    field, rest, word, value = test["field"], test["rest"], test["word"], test["value"]
    how, link, other = relations[root].get(field, ("", "", ""))
    form, name = [], field
    if field in identified[root] and not how:
FORM
        form = forms[f"{kind} {name}"]
    if field == "q" and "q" not in known and not rest and not word:
        where.append({"$text": value if isinstance(value, str) else " ".join(value)})
    elif form and not form[0] and rest in ("", "id"):
        where.append({f"{field}.id{word}": value})
    elif form:
        if form[0]:
            SEVERAL
        if rest.partition(".")[0] not in session_store[form[1]].fields():
            UNKNOWN
        found = session_store[form[1]].search({f"{rest}{word}": value}, limit=LARGEST + 1)
        if len(found) > LARGEST:
            MANY_OF
        of_type = {f"{field}.type": form[1]}
        where.append({"$and": [of_type, {f"{field}.id": [str(each["id"]) for each in found]}]})
    elif field in known or field == "id" or not known:
        where.append({f"{field}.{rest}{word}" if rest else f"{field}{word}": value})
    elif not how:
        UNKNOWN
    elif how == "one" and rest in ("", "id"):
        where.append({f"{link}{word}": value})
    else:
        near = session_store[other]
        if rest not in ("", "id") and rest.partition(".")[0] not in near.fields():
            UNKNOWN
        found = near.search({f"{rest or 'id'}{word}": value}, limit=LARGEST + 1)
        if len(found) > LARGEST:
            TOO_MANY
        if how == "children":
            where.append({"id": [str(kid[link]) for kid in found if kid.get(link) is not None]})
        else:
            where.append({f"{link}__has" if how == "list" else link: [str(kid["id"]) for kid in found]})
criteria = {"$and": where} if where else {}
for term in asked["sort"]:
    field = term.removeprefix("-").partition(".")[0]
    if known and field != "id" and field not in known:
        SORT
    if "." in term and field in identified[root]:
        name = field
FORM
        if forms[f"{kind} {name}"]:
            ACROSS
""".replace(
        "UNKNOWN\n",
        _failed(400, "{root} have no field {field[:64]} to filter by", '{"parameter": test["key"]}'),
    )
    .replace(
        "TOO_MANY\n",
        _failed(400, "more than LARGEST {other} are meant by it", '{"parameter": test["key"]}'),
    )
    .replace(
        "ACROSS\n",
        _failed(400, "{term[:64]}: sort by an attribute of {root} themselves", '{"parameter": "sort"}'),
    )
    .replace(
        "SEVERAL\n",
        _failed(
            400,
            "{field[:64]} leads to several; filter {form[1]}, which they are",
            '{"parameter": test["key"]}',
        ),
    )
    .replace(
        "MANY_OF\n",
        _failed(400, "more than LARGEST {form[1]} are meant by it", '{"parameter": test["key"]}'),
    )
    .replace("FORM\n", _in(2, _FORM))
    .replace(
        "SORT\n", _failed(400, "{root} have no attribute {field[:64]} to sort by", '{"parameter": "sort"}')
    )
    .replace("LARGEST", str(_LARGEST_STEP))
)

# `page` is what stands before and behind a page's number in a link, that number, the one of the first page,
# and how far it is to the next; null: the request names no page.
_PAGED = """\
if asked["page"] is None:
    links = {"self": asked["self"]}
else:
    link, end, at, first, step = asked["page"]
    links = {
        "self": f"{link}{at}{end}",
        "first": f"{link}{first}{end}",
        "prev": f"{link}{max(at - step, first)}{end}" if at > first else None,
        "next": f"{link}{at + step}{end}" if asked["start"] + asked["size"] < total else None,
        "last": f"{link}{max(total - 1, 0) // asked['size'] * step + first}{end}",
    }
whole["data"], whole["links"], whole["meta"] = resources, links, {"total": total}
REPLY = make_response(200, whole)
"""

_LISTED = """\
sort = asked["sort"] or None
items, total = store.list(limit=asked["size"], offset=asked["start"], sort=sort, where=criteria)
"""

_LIST = (
    _BEGIN
    + _WHERE
    + _LISTED
    + "shown = [(root, rec) for rec in items]\n"
    + _SHOW
    + "resources = resources[: len(shown)]\n"
    + _PAGED
)

# Without a filter, a sort, and anything to be included or left out.
_LIST_ALONE = (
    """\
asked, shape = ctx["asked"], params["shape"]
items, total = store.list(limit=asked["size"], offset=asked["start"])
"""
    + _SHOW_ALONE
    + _PAGED
)

_FOUND = """\
rec = store.get(params["id"])
if rec is None:
    """ + _failed(404, "There is no resource {params['id']} of type {root}", "{}")

_ONE = (
    "shown = [(root, rec)]\n"
    + _SHOW
    + """\
whole["data"] = resources[0]
whole["links"] = {"self": resources[0]["links"]["self"]}
"""
)

_GET_ALONE = (
    'root = params["kind"]\n'
    + _FOUND
    + """\
if store.relations() or store.fields("object", "array"):
    asked, base = {"include": None, "fields": {}}, params["base"]
    relations, identified, forms = {}, {}, {}
"""
    + _in(1, _ONE)
    + """\
else:
    whole = shaped(rec, params["document"])
REPLY = make_response(200, whole)
"""
)

_RELATED = (
    _BEGIN
    + _FOUND
    + 'kind, name = root, str(params["relation"])\n'
    + _KIND
    + _LINKED
    + _NO_RELATION
    + """\
wanted, shown = {}, []
for other, rid in linked:
    wanted.setdefault(other, []).append(str(rid))
for other in wanted:
    if other in session_store:
        found = {str(each["id"]): each for each in session_store[other].search({"id": wanted[other]})}
        shown = shown + [(other, found[rid]) for rid in wanted[other] if rid in found]
root = shown[0][0] if shown else root
if not shown:
    asked = {**asked, "include": None if asked["include"] is None else []}
"""
    + _SHOW
    + """\
data = resources[: len(shown)]
whole["data"] = data if many else data[0] if data else None
whole["links"] = {"self": "/" + "/".join(url_quote(each) for each in ctx["segments"])}
REPLY = make_response(200, whole)
"""
)

_LINKAGE = (
    _BEGIN
    + _FOUND
    + 'kind, name = root, str(params["relation"])\n'
    + _KIND
    + _LINKED
    + _NO_RELATION
    + """\
data = [{"type": other, "id": str(rid)} for other, rid in linked]
place = f"{base}/{root}/{url_quote(str(rec['id']))}"
links = {"self": f"{place}/relationships/{url_quote(name)}", "related": f"{place}/{url_quote(name)}"}
data = data if many else data[0] if data else None
REPLY = make_response(200, {"jsonapi": {"version": "1.1"}, "links": links, "data": data})
"""
)

# `clean`: the record's members. `later`: fields of other records that are to point at it.
_RESOLVED = (
    """\
kind = root
"""
    + _KIND
    + """\
names, known, later = session_store.collections(), store.fields(), []
for each in given:
    name, targets = each["name"], []
    for place, identifier in enumerate(each["data"]):
        said = identifier["type"]
        letters = said.replace("-", "").replace("_", "").lower()
        alike = [each for each in names if each.replace("-", "").replace("_", "").lower() == letters]
        other = said if said in session_store or not alike else alike[0]
        target = session_store[other].get(identifier["id"]) if other in session_store else None
        if target is None and "kept" not in identifier:
            pointer = f"{each['pointer']}/{place}" if each["many"] else each["pointer"]
            MISSING
        targets.append((other, identifier["id"] if target is None else target["id"]))
    how, field, other = relations[root].get(name, ("", "", ""))
    kinds = list(dict.fromkeys([target[0] for target in targets]))
    link = store.links(kinds[0], clean)[0] if len(kinds) == 1 else ""
    word = name.replace("-", "").replace("_", "").lower()
    kept = [{"type": target[0], "id": str(target[1])} for target in targets]
    if (how == "one") if each["many"] else how in ("list", "children"):
        pointer, shape = each["pointer"], "identifier or null" if how == "one" else "list"
        SHAPE
    if how == "children" and kinds in ([], [other]):
        later.append((other, field, [str(target[1]) for target in targets]))
    elif each["many"]:
        if how == "list" and kinds in ([], [other]):
            clean[field] = [target[1] for target in targets]
        elif link and kinds[0].replace("-", "").replace("_", "").lower() == word:
            clean[f"{link}s"] = [target[1] for target in targets]
        elif targets or name in known:
            clean[name] = kept
        elif name in session_store:
            clean[f"{store.links(name, clean)[0]}s"] = []
    else:
        if how == "one":
            clean[field] = None
        if name in known:
            clean[name] = None
        if link.replace("-", "").replace("_", "").lower() == f"{word}id":
            clean[link] = targets[0][1]
        elif targets:
            clean[name] = kept[0]
""".replace(
        "MISSING\n",
        _failed(
            404, "There is no resource {identifier['id'][:64]} of type {said[:64]}", '{"pointer": pointer}'
        ),
    ).replace("SHAPE\n", _failed(400, "{name}: data is a {shape} here", '{"pointer": pointer}'))
)

_POINTED = """\
for other, field, ids in later:
    there = session_store[other]
    for kid in there.search({field: str(rec["id"])}):
        if str(kid["id"]) not in ids:
            there.update(kid["id"], {field: None})
    for rid in ids:
        there.update(rid, {field: rec["id"]})
"""

_RESET = "relations, identified, forms = {}, {}, {}\n"

_CREATE = (
    _BEGIN
    + 'clean, given = {**asked["attributes"]}, asked["relations"]\n'
    + _RESOLVED
    + 'rec = store.insert({**({"id": asked["id"]} if asked["id"] else {}), **clean})\n'
    + _POINTED
    + _RESET
    + _ONE
    + 'REPLY = make_response(201, whole, {"Location": resources[0]["links"]["self"]})\n'
)

_UPDATE = (
    _BEGIN
    + _FOUND
    + 'clean, given = {**asked["attributes"]}, asked["relations"]\n'
    + _RESOLVED
    + 'rec = store.update(params["id"], clean)\n'
    + _POINTED
    + _RESET
    + _ONE
    + "REPLY = make_response(200, whole)\n"
)

_RELATE = (
    _BEGIN
    + _FOUND
    + """\
kind, name, one = root, str(params["relation"]), asked["relations"][0]
"""
    + _KIND
    + _LINKED
    + """\
if asked["method"] == "PATCH" and many is not None and many != one["many"]:
    OTHER
if asked["method"] != "PATCH":
    if many is False or not one["many"]:
        ONLY_MANY
    said = [f"{each['type'].replace('-', '').replace('_', '').lower()} {each['id']}" for each in one["data"]]
    kept = [{"type": other, "id": str(rid), "kept": True} for other, rid in linked]
    marks = [f"{other.replace('-', '').replace('_', '').lower()} {rid}" for other, rid in linked]
    if asked["method"] == "POST":
        data = kept + [each for each, mark in zip(one["data"], said) if mark not in marks]
    else:
        data = [each for each, mark in zip(kept, marks) if mark not in said]
    one = {**one, "data": data}
clean, given = {}, [{**one, "name": name}]
""".replace(
        "ONLY_MANY\n",
        _failed(
            403, "{name[:64]}: only PATCH changes what leads to one; a list is added to and taken from", "{}"
        ),
    ).replace(
        "OTHER\n",
        _failed(
            400,
            "{name[:64]}: data is {'a list' if many else 'an identifier or null'} here",
            '{"pointer": "/data"}',
        ),
    )
    + _RESOLVED
    + """\
if clean:
    rec = store.update(rec["id"], clean)
"""
    + _POINTED
    + "REPLY = make_response(204)\n"
)

CODE = {
    "list": _LIST,
    "list-alone": _LIST_ALONE,
    "get-alone": _GET_ALONE,
    "get": _BEGIN + _FOUND + _ONE + "REPLY = make_response(200, whole)\n",
    "related": _RELATED,
    "linkage": _LINKAGE,
    "create": _CREATE,
    "update": _UPDATE,
    "relate": _RELATE,
    "delete": _BEGIN + _FOUND + 'store.delete(params["id"])\nREPLY = make_response(204)\n',
}
