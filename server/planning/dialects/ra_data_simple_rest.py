"""ra-data-simple-rest: what react-admin's data provider of that name asks for.

Sources: the package's README and src/index.ts, version 5.15.3 on npm. It has no server of its own: its README
says what one has to answer. Filters are the provider's `filter` object; what react-admin's inputs put there
(`q`, and names that end in `_gte` and the like) is read as its guides have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.planning.dialects.frame.reading import first, json_value, require_object, sort_of
from server.planning.dialects.frame.table import Asked, Dialect, ErrorForm, Marks, Place
from server.values.errors import InvalidQuery

if TYPE_CHECKING:
    from server.planning.dialects.frame.table import Found, Problem
    from server.values.model import RequestContext

_WORDS = ("sort", "range", "filter", "embed")
_OPERATORS = frozenset({"gte", "lte", "gt", "lt", "ne", "neq", "like"})
_SAME = {"neq": "ne"}
_MAX_RELATIONS = 8

PLACES = (
    Place("/{resource}", {"GET": "list", "POST": "create"}),
    Place("/{resource}/{id}", {"GET": "get", "PUT": "replace", "DELETE": "delete"}),
)


def read(ctx: RequestContext, found: Found) -> Asked:
    if found.kind in ("create", "replace"):
        require_object(ctx)
        return Asked({})
    for key in ctx.query:
        if key not in _WORDS:
            raise InvalidQuery(f"{key[:64]}: there are {', '.join(_WORDS)}, each with JSON as its value")
    if found.kind == "list":
        return Asked(_list_asked(ctx))
    if found.kind == "get" and "embed" in ctx.query:
        return Asked({"embed": _embed(ctx)}, "get-embedded")
    return Asked({})


def _list_asked(ctx: RequestContext) -> dict[str, Any]:
    start, stop = _range(ctx)
    return {
        "where": _filter(ctx),
        "sort": _sort(ctx),
        "start": start,
        "limit": None if stop is None else max(stop - start + 1, 0),
        "embed": _embed(ctx),
    }


def _json(ctx: RequestContext, key: str) -> Any:
    text = first(ctx.query, key)
    return None if not text else json_value(key, text)


def _range(ctx: RequestContext) -> tuple[int, int | None]:
    """`[0, 24]`: the first and the last record, counted from 0."""
    found = _json(ctx, "range")
    if found is None:
        return 0, None
    if not isinstance(found, list) or len(found) != 2 or not all(map(_is_place, found)):
        raise InvalidQuery("range: takes the first and the last record, as in range=[0,24]")
    return found[0], found[1]


def _is_place(value: Any) -> bool:
    return type(value) is int and -1 <= value < 2**53


def _sort(ctx: RequestContext) -> str | None:
    """`["title", "ASC"]`."""
    found = _json(ctx, "sort")
    if found is None:
        return None
    if not isinstance(found, list) or len(found) != 2 or not all(isinstance(each, str) for each in found):
        raise InvalidQuery('sort: takes a field and ASC or DESC, as in sort=["title","ASC"]')
    field, order = found
    if order.upper() not in ("ASC", "DESC") or not field or field[0] in "+-" or "," in field:
        raise InvalidQuery('sort: takes a field and ASC or DESC, as in sort=["title","ASC"]')
    return sort_of([(field, order.upper() == "DESC")])


def _filter(ctx: RequestContext) -> list[dict[str, Any]]:
    """Each filter's criteria, and the field that has to be there."""
    found = _json(ctx, "filter")
    if found is None:
        return []
    if not isinstance(found, dict):
        raise InvalidQuery('filter: takes an object, as in filter={"author_id":12}')
    return [_test(name, value) for name, value in found.items()]


def _test(name: str, value: Any) -> dict[str, Any]:
    if name == "q":
        return _asked(name, "", {"$text": _text(value)})
    field, _, operator = name.rpartition("_")
    if field and operator in _OPERATORS:
        operator = _SAME.get(operator, operator)
        word = "icontains" if operator == "like" else operator
        return _asked(name, field, {f"{field}__{word}": _scalar(name, value)}, value)
    return _asked(name, name, _equal(name, value))


def _asked(name: str, field: str, criteria: dict[str, Any], equal: Any = None) -> dict[str, Any]:
    """`equal` is what is asked for where there is a field of the whole name."""
    whole = criteria if equal is None else _equal(name, equal)
    return {"name": name, "field": field, "is": criteria, "equal": whole}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidQuery("filter: q takes a text")
    return value


def _equal(name: str, value: Any) -> dict[str, Any]:
    """Values are compared as an address is: 1 and "1" are the same id."""
    if isinstance(value, list):
        return {name: [_plain(_scalar(name, each)) for each in value]}
    return {name: _plain(_scalar(name, value))}


def _plain(value: Any) -> Any:
    return str(value) if type(value) is int else value


def _scalar(name: str, value: Any) -> Any:
    if isinstance(value, (dict, list)):
        raise InvalidQuery(f"filter: {name[:64]} takes a value, or a list of values for any of them")
    return value


def _embed(ctx: RequestContext) -> list[str]:
    found = _json(ctx, "embed")
    names = [found] if isinstance(found, str) else [] if found is None else found
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise InvalidQuery('embed: takes names, as in embed=["comments"]')
    if len(names) > _MAX_RELATIONS:
        raise InvalidQuery(f"embed: more than {_MAX_RELATIONS} relations")
    return names


# -- programs ----------------------------------------------------------------------------------------

_WHERE = """\
asked = ctx["asked"]
where = []
if asked["where"]:
    known = store.schema()["fields"]
    for each in asked["where"]:
        exact = each["name"] in known
        where.append(each["equal"] if exact else each["is"])
        if exact and "array" in known[each["name"]]:
            value = each["equal"][each["name"]]
            where[-1] = {"$or": [each["equal"], {f"{each['name']}__has": value}]}
        word = each["name"] if exact else each["field"].partition(".")[0]
        if word and known and word not in known:
            abort(400, f"filter: there is no field {word[:64]}; there are {', '.join(list(known)[:32])}")
criteria = {"$and": where} if where else {}
"""

# A plural is what points at the record, anything else what the record points at.
_RELATED = """\
for name in asked["embed"]:
    if name in session_store:
        items = store.embed(items, name)
    else:
        items = store.expand(items, name)
"""

_LIST = (
    _WHERE
    + """\
items, total = store.list(limit=asked["limit"], offset=asked["start"], sort=asked["sort"], where=criteria)
"""
    + _RELATED
    + """\
start = asked["start"]
place = f"{start}-{start + len(items) - 1}" if items else "*"
headers = {
    "Content-Range": f"{plan['resource']} {place}/{total}",
    "X-Total-Count": str(total),
    "Access-Control-Expose-Headers": "Content-Range, X-Total-Count",
}
REPLY = make_response(200, items, headers)
"""
)

_FOUND = """\
if rec is None:
    abort(404, f"No record {plan['identifier']} in {plan['resource']}")
"""
_RECORD = "REPLY = make_response(200, rec)\n"
_GET = 'rec = store.get(params["id"])\n' + _FOUND

CODE = {
    "list": _LIST,
    "get": _GET + _RECORD,
    "get-embedded": _GET
    + 'asked = ctx["asked"]\nitems = [rec]\n'
    + _RELATED
    + "REPLY = make_response(200, items[0])\n",
    "create": """\
rec = store.insert(ctx["body_json"])
REPLY = make_response(201, rec, {"Location": f"/{'/'.join(ctx['segments'])}/{url_quote(str(rec['id']))}"})
""",
    # The provider's `update` sends the whole record, but `updateMany` what is to be changed, in the same way.
    "replace": 'rec = store.update(params["id"], ctx["body_json"])\n' + _FOUND + _RECORD,
    # It reads the id of what was deleted from the reply.
    "delete": _GET + 'store.delete(params["id"])\n' + _RECORD,
}


def error(problem: Problem) -> ErrorForm:
    """The provider shows `message` (ra-core's fetchJson); the rest is the service's own."""
    return ErrorForm(problem.status, {**problem.document, "message": problem.detail})


_LIST_WORDS = {
    "sort": "A field and `ASC` or `DESC`, as JSON.",
    "range": "The first and the last one, from 0, as JSON.",
    "filter": "An object of fields and values, as JSON.",
    "embed": "Names of relations, as JSON.",
}

DIALECT = Dialect(
    name="ra-data-simple-rest",
    tool="ra-data-simple-rest 5.15.3",
    places=PLACES,
    code=CODE,
    read=read,
    error=error,
    marks=Marks(rank=0, values={"range": "[", "filter": "{", "sort": "["}),
    query={"list": _LIST_WORDS, "get": {"embed": _LIST_WORDS["embed"]}},
)
