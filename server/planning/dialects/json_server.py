"""json-server 0.17: its routes, query words and replies.

Sources: the package's README, and lib/server/router/{plural,singular,nested}.js and lib/server/mixins.js of
json-server 0.17.4 on npm; lodash-id 0.14.1 for what creating, replacing and patching do with ids.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from server.planning.dialects.frame.reading import every, first, leading_int, require_object, sort_of
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
    THERE,
    of_collection,
)
from server.planning.dialects.frame.table import Asked, Dialect, ErrorForm, Marks, Place
from server.values.errors import InvalidQuery

if TYPE_CHECKING:
    from server.planning.dialects.frame.table import Found, Problem
    from server.values.model import RequestContext

# -- paths: lib/server/router/index.js ---------------------------------------------------------------

_COLLECTION = {"GET": "list", "POST": "create", "PUT": "replace-one", "PATCH": "patch-one"}
_ITEM = {"GET": "get", "PUT": "replace", "PATCH": "patch", "DELETE": "delete"}
_NESTED = {"GET": "list-nested", "POST": "create-nested"}
PLACES = (
    Place("/db", {"GET": "get-db"}),
    Place("/{resource}", _COLLECTION),
    Place("/{resource}/{id}", _ITEM),
    Place("/{parent}/{parent_id}/{resource}", _NESTED),
)

# -- the query: lib/server/router/plural.js ----------------------------------------------------------

WORDS = frozenset({"q", "_start", "_end", "_page", "_sort", "_order", "_limit", "_embed", "_expand"})
#: Not filters: what JSONP and jQuery add.
_NO_FILTERS = frozenset({"callback", "_"})
_OPERATOR = re.compile(r"_(lte|gte|ne|like)$")
_PAGE_SIZE = 10
#: What of a regular expression `_like` takes: text, `.*` between it, `^` and `$` around it.
_BEYOND_LIKE = re.compile(r"[*+?()\[\]{}|^$\\]")


def read(ctx: RequestContext, found: Found) -> Asked:
    if found.kind in _WRITES:
        if ctx.body_json is not None or ctx.method != "POST":
            require_object(ctx)
        return Asked({})
    if not ctx.query and found.kind in _PLAIN:
        return Asked({}, _PLAIN[found.kind])
    if found.kind == "get":
        return Asked({"embed": every(ctx.query, "_embed"), "expand": every(ctx.query, "_expand")})
    return Asked(_list_asked(ctx)) if found.kind.startswith("list") else Asked({})


_WRITES = frozenset({"create", "create-nested", "replace", "patch", "replace-one", "patch-one"})
_PLAIN = {"list": "list-all", "get": "get-plain"}
_NOTHING_ASKED: dict[str, Any] = {
    "where": [], "q": "", "sort": None, "start": None, "stop": None, "total": False, "link": [],
    "embed": [], "expand": [],
}  # fmt: skip


def _list_asked(ctx: RequestContext) -> dict[str, Any]:
    query = ctx.query
    counted = any(first(query, key) for key in ("_end", "_limit", "_page"))
    start, stop, page = _slice(ctx)
    return {
        **_NOTHING_ASKED,
        "where": [_filter(key, every(query, key)) for key in query if key not in WORDS | _NO_FILTERS],
        "q": (first(query, "q") or "").lower(),
        "sort": _sort(first(query, "_sort"), first(query, "_order")),
        "start": start,
        "stop": stop,
        "total": counted,
        "link": _link(ctx, page) if page else [],
        "embed": every(query, "_embed"),
        "expand": every(query, "_expand"),
    }


def _slice(ctx: RequestContext) -> tuple[int | None, int | None, int]:
    """Start and stop as JavaScript's `slice` takes them, negative ones too, and the page's number or 0."""
    query = ctx.query
    start = leading_int(first(query, "_start")) or 0
    limit = leading_int(first(query, "_limit"))
    if first(query, "_page"):
        page = max(leading_int(first(query, "_page")) or 1, 1)
        size = limit or _PAGE_SIZE
        return (page - 1) * size, page * size, page
    if first(query, "_end"):
        return start, leading_int(first(query, "_end")) or 0, 0
    if first(query, "_limit"):
        return start, start + (limit or 0) if limit is not None else 0, 0
    return None, None, 0


def _link(ctx: RequestContext, page: int) -> list[str]:
    """The request's own address, as text before and after the page's number, the number, and the size."""
    pairs = [(key, value) for key in ctx.query for value in every(ctx.query, key)]
    text = "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in pairs)
    whole = f"{ctx.base_url}{quote(ctx.path)}?{text}"
    before, mark, after = whole.partition(f"page={page}")
    size = leading_int(first(ctx.query, "_limit")) or _PAGE_SIZE
    return [before, after if mark else whole, "page=" if mark else "", str(page), str(size)]


def _sort(names: str | None, orders: str | None) -> str | None:
    if not names:
        return None
    wanted = [order.lower() for order in (orders or "").split(",")]
    terms = []
    for place, name in enumerate(names.split(",")):
        if name.startswith(("-", "+")):
            raise InvalidQuery(
                f"_sort={name[:64]}: write _sort={name[1:64]}&_order=desc, or use the dialect json-server-1"
            )
        terms.append((name, place < len(wanted) and wanted[place] == "desc"))
    return sort_of((name, down) for name, down in terms if name)


def _filter(key: str, values: list[str]) -> dict[str, Any]:
    """A filter's field, whether it counts where no record has that field, and the store's criteria."""
    found = _OPERATOR.search(key)
    if found is None:
        return {"field": key, "always": False, "is": {key: values if len(values) > 1 else values[0]}}
    field, operator = key[: found.start()], found[1]
    ways: list[dict[str, Any]]
    if operator == "like":
        ways = [each for value in values for each in _like(key, field, value)]
    elif operator == "ne":
        ways = [{f"{field}__ne": values if len(values) > 1 else values[0]}]
    else:
        ways = [{f"{field}__{operator}": value} for value in values]
    return {"field": field, "always": True, "is": ways[0] if len(ways) == 1 else {"$or": ways}}


def _like(key: str, field: str, text: str) -> list[dict[str, Any]]:
    """The original takes a regular expression, which may take for ever: ours takes what is searched for.

    A number is found where it is the same, and so is an element of an array.
    """
    begins, ends = text.startswith("^"), text.endswith("$")
    core = text[1 if begins else 0 : -1 if ends else None]
    parts = core.split(".*")
    if any(_BEYOND_LIKE.search(part) for part in parts):
        raise InvalidQuery(
            f"{key[:64]}: takes text, with .* for any, and ^ and $ at its ends; no other pattern"
        )
    pattern = "*".join(parts)
    if begins or ends or "*" in pattern:
        found = {f"{field}__ilike": f"{'' if begins else '*'}{pattern}{'' if ends else '*'}"}
    else:
        found = {f"{field}__icontains": pattern}
    return [found, {field: text}] if text.lstrip("-").isdigit() else [found]


# -- programs ----------------------------------------------------------------------------------------

# A filter on a field that no record has is passed over, unless it has an operator.
_WHERE = """\
asked = ctx["asked"]
where = []
if asked["where"]:
    known = store.schema()["fields"]
    for each in asked["where"]:
        name = each["field"]
        there = each["always"] or name in known
        if not there and "." in name and name.partition(".")[0] in known:
            there = store.count({f"{name}__isnull": False}) > 0
        if there:
            where.append(each["is"])
"""

# `q` looks into every value, numbers too, however deep.
_FOUND = """\
criteria = {"$and": where} if where else {}
start, stop, total = asked["start"], asked["stop"], None
if asked["q"]:
    hits = []
    for rec in store.search(criteria, sort=asked["sort"]):
        left = [dict(rec)]
        while left:
            value = left.pop()
            if isinstance(value, dict):
                left.extend(value.values())
            elif isinstance(value, list):
                left.extend(value)
            elif value and asked["q"] in str(value).lower():
                hits.append(rec)
                break
    items = hits[start:stop]
    if asked["total"]:
        total = len(hits)
elif asked["total"] and (start or 0) >= 0 and (stop or 0) >= 0:
    limit = None if stop is None else max(stop - (start or 0), 0)
    items, total = store.list(limit=limit, offset=start or 0, sort=asked["sort"], where=criteria)
else:
    if asked["total"]:
        total = store.count(criteria)
    if start is not None and start < 0:
        start = max(total + start, 0)
    if stop is not None and stop < 0:
        stop = max(total + stop, 0)
    limit = None if stop is None else max(stop - (start or 0), 0)
    items = store.search(criteria, sort=asked["sort"], limit=limit, offset=start or 0)
"""

# Children are found by the field that points at their parent, in any style; an unknown relation is no error.
_RELATED = (
    'for name in asked["embed"]:\n'
    + textwrap.indent(CHILDREN, "    ")
    + 'for name in asked["expand"]:\n'
    + textwrap.indent(PARENT, "    ")
)

_LIST_REPLY = """\
headers = {}
if total is not None:
    headers["X-Total-Count"] = str(total)
    headers["Access-Control-Expose-Headers"] = "X-Total-Count, Link" if asked["link"] else "X-Total-Count"
if asked["link"] and items and len(items) < total:
    before, after, word, page, size = asked["link"]
    last = (total + int(size) - 1) // int(size)
    numbers = {"first": 1, "prev": int(page) - 1, "next": int(page) + 1, "last": last}
    links = []
    for name, number in numbers.items():
        if 1 <= number <= last:
            address = f"{before}{word}{number}{after}" if word else after
            links.append(f'<{address}>; rel="{name}"')
    headers["Link"] = ", ".join(links)
REPLY = make_response(200, items, headers)
"""

# The field that points at the parent counts whether or not the parent is there.
_OWN_WHERE = """\
links = store.links(plan["response_hints"]["parent"])
where = [{"$or": [{link: str(params["parent_id"])} for link in links]}]
"""

_VIEWED = (
    """\
asked = ctx["asked"]
items = [rec]
"""
    + _RELATED
    + """\
REPLY = make_response(200, items[0])
"""
)

_CREATE = """\
body = ctx["body_json"] or {}
single = store.singleton()
place = "/" + "/".join(ctx["segments"])
if single is not None:
    headers = {"Location": place, "Access-Control-Expose-Headers": "Location"}
    REPLY = make_response(201, single.replace(body), headers)
else:
"""

_INSERT = """\
if not body.get("id") and store.schema()["fields"].get("id") == ["string"]:
    body = {**body, "id": new_token()[:7]}
rec = store.insert(body)
headers = {"Location": f"{place}/{url_quote(str(rec['id']))}", "Access-Control-Expose-Headers": "Location"}
REPLY = make_response(201, rec, headers)
"""

_OWN_BODY = """\
hints = plan["response_hints"]
body = ctx["body_json"] or {}
links = store.links(hints["parent"], body)
body = {**body, links[0]: str(params["parent_id"])}
place = f"/{plan['resource']}"
"""

# Records that point at what is deleted go with it.
_DELETE = (
    GET
    + """\
store.delete(params["id"])
for name in session_store.collections():
    children = session_store[name]
    if children.singleton() is None:
        known = children.schema()["fields"]
        for link in children.links(plan["resource"]):
            if link in known:
                children.delete_all({link: str(rec["id"])})
REPLY = make_response(200, {})
"""
)

_ONE = """\
if plan["resource"] in session_store and store.singleton() is None:
    abort(404)
single = store.singleton(True)
"""

_DB = """\
whole = {}
for name in session_store.collections():
    single = session_store[name].singleton()
    whole[name] = session_store[name].search() if single is None else single.get()
REPLY = make_response(200, whole)
"""


_LISTED = _WHERE + _FOUND + _RELATED + _LIST_REPLY
CODE = {
    "list-all": LIST_ALL,
    "list": of_collection(_LISTED),
    "list-nested": THERE + _WHERE.replace("where = []\n", _OWN_WHERE) + _FOUND + _RELATED + _LIST_REPLY,
    "get-plain": GET + ANSWER,
    "get": GET + _VIEWED,
    "get-db": _DB,
    "create": _CREATE + textwrap.indent(_INSERT, "    "),
    "create-nested": _OWN_BODY + _INSERT,
    "replace": REPLACE,
    "patch": PATCH,
    "delete": _DELETE,
    "replace-one": _ONE + REPLACE_ONE,
    "patch-one": _ONE + PATCH_ONE,
}


def error(problem: Problem) -> ErrorForm:
    """404 and `{}` for what is not there, and for a method too; else the service's own words."""
    if problem.status in (404, 405, 501):
        return ErrorForm(404, {})
    return ErrorForm(problem.status, dict(problem.document))


_LIST_WORDS = {
    "_sort": "Fields, separated by commas.",
    "_order": "`asc` or `desc` for each of them.",
    "_page": "Which page, from 1.",
    "_limit": "How many; of a page 10 unless it says otherwise.",
    "_start": "The first one, from 0; negative from the end.",
    "_end": "The one behind the last.",
    "q": "A text that is in any of its values.",
    "_embed": "Collections that point at it, to come with it.",
    "_expand": "What it points at, in the singular, to come with it.",
}

DIALECT = Dialect(
    name="json-server",
    tool="json-server 0.17.4",
    places=PLACES,
    code=CODE,
    read=read,
    error=error,
    reply_headers=(("Cache-Control", "no-cache"), ("Pragma", "no-cache"), ("Expires", "-1")),
    marks=Marks(
        rank=2,
        words=WORDS - {"q"},
        endings=("_gte", "_lte", "_ne", "_like"),
    ),
    query={
        "list": _LIST_WORDS,
        "list-nested": _LIST_WORDS,
        "get": {key: _LIST_WORDS[key] for key in ("_embed", "_expand")},
    },
    filters="A field's name filters by it, with `_gte`, `_lte`, `_ne` or `_like` behind it otherwise.",
)
