"""json-server 1 beta: its routes, query words and replies.

Sources: the package's README, and lib/{app,service,parse-where,where-operators,matches-where,paginate}.js of
json-server 1.0.0-beta.15 on npm.
"""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

from server.planning.dialects.frame.reading import (
    every,
    first,
    json_value,
    leading_int,
    sort_of,
)
from server.planning.dialects.frame.snippets import (
    ANSWER,
    CHILDREN,
    GET,
    LIST_ALL,
    PARENT,
    PATCH,
    PATCH_ONE,
    REPLACE,
    REPLACE_ONE,
    of_collection,
)
from server.planning.dialects.frame.table import Asked, Dialect, ErrorForm, Marks, Place
from server.values.errors import BadRequest, InvalidQuery

if TYPE_CHECKING:
    from server.planning.dialects.frame.table import Found, Problem
    from server.values.model import RequestContext

PLACES = (
    Place("/{resource}", {"GET": "list", "POST": "create", "PUT": "replace-one", "PATCH": "patch-one"}),
    Place("/{resource}/{id}", {"GET": "get", "PUT": "replace", "PATCH": "patch", "DELETE": "delete"}),
)
_WORDS = frozenset({"_sort", "_page", "_per_page", "_embed", "_where"})
#: Words of 0.17, which 1 takes for fields that no record has.
_OLD = {
    "_limit": "_per_page",
    "_order": "_sort=-name",
    "_start": "_page",
    "_end": "_page",
    "_expand": "_embed",
}
_PAGE_SIZE = 10
#: The store's words for lib/where-operators.js.
_OPERATORS = {
    "lt": "lt", "lte": "lte", "gt": "gt", "gte": "gte", "eq": "", "ne": "ne", "in": "in",
    "contains": "icontains", "startsWith": "ilike", "endsWith": "ilike",
}  # fmt: skip
_MAX_RELATIONS = 8
_MAX_TESTS = 32


def read(ctx: RequestContext, found: Found) -> Asked:
    if found.kind in ("create", "replace", "patch", "replace-one", "patch-one"):
        if not isinstance(ctx.body_json, dict):
            raise BadRequest("Body must be a JSON object")
        return Asked({})
    if found.kind == "delete":
        return Asked({"dependent": every(ctx.query, "_dependent")[:_MAX_RELATIONS]})
    if found.kind == "get":
        embed = _embed(ctx)
        return Asked({"embed": embed}, "" if embed else "get-plain")
    if not ctx.query:
        return Asked({}, "list-all")
    return Asked(_list_asked(ctx))


def _list_asked(ctx: RequestContext) -> dict[str, Any]:
    query = ctx.query
    for old, new in _OLD.items():
        if old in query:
            raise InvalidQuery(f"{old}: write {new}, or use the dialect json-server")
    page = leading_int(first(query, "_page")) if "_page" in query else None
    size = leading_int(first(query, "_per_page"))
    return {
        "where": _where(ctx),
        "sort": _sort(first(query, "_sort")),
        "page": page,
        "size": _PAGE_SIZE if size is None else max(size, 1),
        "embed": _embed(ctx),
    }


def _embed(ctx: RequestContext) -> list[str]:
    names = every(ctx.query, "_embed")
    if len(names) > _MAX_RELATIONS:
        raise InvalidQuery(f"_embed: more than {_MAX_RELATIONS} relations")
    return names


def _sort(names: str | None) -> str | None:
    """sort-on: a comma between fields, a minus before one for downwards."""
    terms = [name for name in (names or "").split(",") if name.strip("-+")]
    return sort_of((name.lstrip("-"), name.startswith("-")) for name in terms)


def _where(ctx: RequestContext) -> list[dict[str, Any]]:
    """Criteria that all have to hold."""
    raw = first(ctx.query, "_where")
    if raw is not None:
        value = json_value("_where", raw)
        if not isinstance(value, dict):
            raise InvalidQuery('_where: takes an object, as in _where={"views":{"gt":100}}')
        return _tests(value, "", [0])
    found = []
    for key in ctx.query:
        if key not in _WORDS:
            field, operator = _split(key)
            text = every(ctx.query, key)[-1]
            parts = [_coerced(part.strip()) for part in text.split(",")] if operator == "in" else []
            found.append(_test(key, field, operator, parts or _coerced(text)))
    return found


def _split(key: str) -> tuple[str, str]:
    """`views:gt` and, as in 0.17, `views_gt`. Raises InvalidQuery for an operator that there is not."""
    field, colon, operator = key.rpartition(":")
    if colon and operator:
        if operator not in _OPERATORS:
            raise InvalidQuery(f"'{key[:64]}': there is no operator '{operator[:32]}'; there are {_LISTED}")
        return field, operator
    field, _, operator = key.rpartition("_")
    return (field, operator) if field and operator in _OPERATORS else (key, "eq")


_LISTED = ", ".join(_OPERATORS)


def _coerced(text: str) -> Any:
    """What lib/parse-where.js makes of a text: `coerceValue`."""
    if text in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[text]
    number = _number(text)
    return text if number is None else number


def _number(text: str) -> int | float | None:
    """JavaScript's Number(), of decimal numbers alone."""
    if not text.strip() or len(text) > 64 or not all(letter in "0123456789.eE+- " for letter in text):
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _tests(where: dict[str, Any], path: str, count: list[int]) -> list[dict[str, Any]]:
    """lib/matches-where.js: fields with operators, objects within objects, and `or` at any level."""
    found: list[dict[str, Any]] = []
    for name, value in where.items():
        count[0] += 1
        if count[0] > _MAX_TESTS:
            raise InvalidQuery(f"_where: more than {_MAX_TESTS} tests")
        field = f"{path}.{name}" if path else name
        if name == "or" and isinstance(value, list):
            ways = [_all(_tests(each, path, count)) for each in value if isinstance(each, dict)]
            found.append({"$or": ways})
        elif not isinstance(value, dict):
            raise InvalidQuery(
                f'_where: {field[:64]} takes an object, as in {{"eq": ...}}; there are {_LISTED}'
            )
        elif any(operator in _OPERATORS for operator in value):
            found += [_test("_where", field, key, each) for key, each in value.items() if key in _OPERATORS]
        else:
            found += _tests(value, field, count)
    return found


def _all(tests: list[dict[str, Any]]) -> dict[str, Any]:
    return tests[0] if len(tests) == 1 else {"$and": tests}


def _test(key: str, field: str, operator: str, value: Any) -> dict[str, Any]:
    """The store's criterion. A value of one JSON type is equal to none of another."""
    if operator == "in":
        values = value if isinstance(value, list) else [value]
        return {"$or": [_equal(key, field, each) for each in values]}
    if isinstance(value, (dict, list)):
        raise InvalidQuery(f"{key[:64]}: {operator} takes a single value")
    if operator == "eq":
        return _equal(key, field, value)
    if operator == "ne":
        # A field that is not there is not unequal either, but null is.
        return {f"{field}__ne": value}
    text = str(value)
    if operator in ("startsWith", "endsWith"):
        if "*" in text:
            raise InvalidQuery(f"{key[:64]}: takes text without *")
        return {f"{field}__ilike": f"{text}*" if operator == "startsWith" else f"*{text}"}
    if operator == "contains":
        # It looks into texts alone, and into no array (matches-where.js).
        inside = {f"{field}__icontains": text}
        return (
            {"$and": [inside, {f"{field}__ilike": "*"}]} if "*" in text else {f"{field}__ilike": f"*{text}*"}
        )
    return {f"{field}__{_OPERATORS[operator]}": value}


def _equal(key: str, field: str, value: Any) -> dict[str, Any]:
    if isinstance(value, (dict, list)):
        raise InvalidQuery(f"{key[:64]}: takes single values")
    return {field: value}


# -- programs ----------------------------------------------------------------------------------------

# A plural is what points at the record, a singular what the record points at; an unknown one is no error.
_RELATED = (
    'for name in asked["embed"]:\n    if name in session_store:\n'
    + textwrap.indent(CHILDREN, " " * 8)
    + "    else:\n"
    + textwrap.indent(PARENT, " " * 8)
)

# Beyond the last page is the last page.
_LISTED_CODE = (
    """\
asked = ctx["asked"]
criteria = {"$and": asked["where"]} if asked["where"] else {}
page, size = asked["page"], asked["size"]
if page is None:
    items = store.search(criteria, sort=asked["sort"])
else:
    total = store.count(criteria)
    pages = max((total + size - 1) // size, 1)
    page = max(min(page, pages), 1)
    items = store.search(criteria, sort=asked["sort"], limit=size, offset=(page - 1) * size)
"""
    + _RELATED
    + """\
if page is None:
    REPLY = make_response(200, items)
else:
    whole = {
        "first": 1,
        "prev": page - 1 if page > 1 else None,
        "next": page + 1 if page < pages else None,
        "last": pages,
        "pages": pages,
        "items": total,
        "data": items,
    }
    REPLY = make_response(200, whole)
"""
)

# Ids are texts, and the service's to give.
_CREATE = """\
if store.singleton() is not None:
    abort(404)
body = dict(ctx["body_json"])
if body.get("id"):
    abort(422, "id: this dialect gives ids itself; leave it out, or use the dialect json-server")
body["id"] = new_token(8)
rec = store.insert(body)
REPLY = make_response(201, rec, {"Location": f"/{'/'.join(ctx['segments'])}/{url_quote(rec['id'])}"})
"""

# What points at a deleted record points at nothing, and goes with it where `_dependent` names its collection.
_DELETE = (
    GET
    + """\
store.delete(params["id"])
asked = ctx["asked"]
for name in session_store.collections():
    children = session_store[name]
    if children.singleton() is None and name != plan["resource"]:
        known = children.schema()["fields"]
        for link in children.links(plan["resource"]):
            if link in known:
                if name in asked["dependent"]:
                    children.delete_all({link: str(rec["id"])})
                else:
                    for child in children.search({link: str(rec["id"])}):
                        children.update(child["id"], {link: None})
REPLY = make_response(200, rec)
"""
)

_ONE = """\
single = store.singleton()
if single is None:
    if plan["resource"] in session_store:
        abort(404)
    single = store.singleton(True)
"""

CODE = {
    "list-all": LIST_ALL,
    "list": of_collection(_LISTED_CODE),
    "get-plain": GET + ANSWER,
    "get": GET
    + 'asked = ctx["asked"]\nitems = [rec]\n'
    + _RELATED
    + "REPLY = make_response(200, items[0])\n",
    "create": _CREATE,
    "replace": REPLACE,
    "patch": PATCH,
    "delete": _DELETE,
    "replace-one": _ONE + REPLACE_ONE,
    "patch-one": _ONE + PATCH_ONE,
}


def error(problem: Problem) -> ErrorForm:
    """lib/app.js: an object with `error`; a path or method that is not known is a 404."""
    if problem.status in (404, 405, 501):
        return ErrorForm(404, {"error": "Not Found"})
    return ErrorForm(problem.status, {"error": problem.detail})


_LIST_WORDS = {
    "_sort": "Fields, separated by commas; `-` before one: descending.",
    "_page": "Which page, from 1: an envelope comes then.",
    "_per_page": "How many a page has, 10 unless it says otherwise.",
    "_embed": "Collections that point at it, or what it points at in the singular.",
    "_where": "Filters as JSON, in the place of others.",
}

DIALECT = Dialect(
    name="json-server-1",
    tool="json-server 1.0.0-beta.15",
    places=PLACES,
    code=CODE,
    read=read,
    error=error,
    marks=Marks(
        rank=1,
        words=frozenset({"_per_page", "_where", "_dependent"}),
        endings=tuple(f":{operator}" for operator in _OPERATORS),
    ),
    query={
        "list": _LIST_WORDS,
        "get": {"_embed": _LIST_WORDS["_embed"]},
        "delete": {"_dependent": "Collections whose records that point at it go with it."},
    },
    filters="A field's name filters by it, with `:gt`, `:contains` and the like behind it otherwise.",
)
