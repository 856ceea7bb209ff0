"""What a request to a JSON:API asks for: media types, and the words of its query.

Source: jsonapi.org/format/1.1, "Content Negotiation", "Fetching Data", "Query Parameters". How `filter` and
`page` are spelt is the server's to say: as most servers do, `filter[author.name][like]=` and
`page[number]=`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from server.planning.dialects.frame.reading import every, first
from server.planning.dialects.frame.table import Asked
from server.planning.dialects.json_api_parts.documents import identifiers_of, resource_of
from server.planning.kinds.route import split_prefix
from server.requests import media_type
from server.values.errors import InvalidQuery, NotAcceptable, UnsupportedMediaType
from store.names import plain

if TYPE_CHECKING:
    from server.planning.dialects.frame.table import Found
    from server.values.model import RequestContext

MEDIA_TYPE = "application/vnd.api+json"
_JSON = frozenset({MEDIA_TYPE, "application/json"})
#: Its parameters; the values of `ext` are extensions, of which none is known here.
_PARAMETERS = frozenset({"ext", "profile"})
_ANY = frozenset({"*/*", "application/*", "application/json"})

_KEY = re.compile(r"(filter|page|fields)((?:\[[^\[\]]{1,256}\]){1,2})")
_NAME = re.compile(r"[^\s,\[\]\"']{1,256}")
_PAGES = (frozenset({"number", "size"}), frozenset({"offset", "limit"}))
_PAGE_SIZE, LARGEST_PAGE = 20, 1_000
_MAX_PATHS, _MAX_STEPS = 8, 4
#: Of a filter, with the store's word; a value of `eq` is whole, elsewhere a comma means any of.
_OPERATORS = {
    "eq": "", "ne": "ne", "gt": "gt", "gte": "gte", "lt": "lt", "lte": "lte", "in": "", "like": "ilike",
    "contains": "icontains", "startswith": "startswith", "endswith": "endswith", "isnull": "isnull",
}  # fmt: skip
_SEVERAL = frozenset({"in", "ne", ""})


def read(ctx: RequestContext, found: Found) -> Asked:
    """Raises NotAcceptable, UnsupportedMediaType, InvalidQuery, BadRequest, Conflict."""
    _check_accept(ctx.dialect_headers.get("accept", ""))
    prefix, _ = split_prefix(ctx.segments)
    asked: dict[str, Any] = {"base": "".join(f"/{each}" for each in prefix), **_shown(ctx)}
    if ctx.body_text is not None and found.kind in ("create", "update", "relate"):
        _check_type(ctx)
    alone = asked["include"] is None and not asked["fields"]
    if found.kind == "list":
        where, sort, page = _where(ctx), _sort(ctx), _page(ctx)
        if alone and not where and not sort:
            return Asked(page, "list-alone")  # with no more than its program reads
        return Asked({**asked, **page, "where": where, "sort": sort})
    _only(ctx, {"include", "fields"} if found.kind not in ("relate", "delete", "linkage") else set())
    if found.kind in ("create", "update"):
        asked |= resource_of(
            ctx.body_json, found.resource, ctx.segments[-1] if found.kind == "update" else None
        )
    elif found.kind == "relate":
        asked |= {"method": ctx.method, **identifiers_of(ctx.body_json)}
    if not alone or found.kind != "get":
        return Asked(asked)
    return Asked({}, "get-alone")


def params(found: Found) -> dict[str, str]:
    """A record as a resource, and as a document of its own, where it points at nothing: for `shaped`."""
    prefix, _ = split_prefix(tuple(found.route.split("/")[1:]))
    base, kind = "".join(f"/{each}" for each in prefix), found.resource
    place = {"self": f"{base}/{kind}/{{id:path}}"}
    resource = {"type": kind, "id": "{id}", "attributes": {"**": ["id"]}, "links": place}
    document = {"jsonapi": {"version": "1.1"}, "data": resource, "links": place}
    shapes = {"shape": orjson.dumps(resource).decode(), "document": orjson.dumps(document).decode()}
    return {"kind": kind, "base": base, **shapes}


# Media types


def _check_type(ctx: RequestContext) -> None:
    """Section "Server Responsibilities": other parameters, and unknown extensions, are a 415."""
    said = ctx.dialect_headers.get("content-type", MEDIA_TYPE)
    kind = media_type.read(said)
    if kind is None or kind.name not in _JSON:
        raise _unsupported(f"A document of JSON:API is sent as {MEDIA_TYPE}.")
    if kind.name == MEDIA_TYPE and any(name.lower() not in _PARAMETERS for name, _ in kind.parameters):
        raise _unsupported(f"{MEDIA_TYPE} has no parameters but ext and profile.")
    if any(name.lower() == "ext" and value.strip() for name, value in kind.parameters):
        raise _unsupported("No extension of JSON:API is known here: leave ext out.")


def _unsupported(detail: str) -> UnsupportedMediaType:
    return UnsupportedMediaType(detail, headers={"Accept": MEDIA_TYPE}, source={"header": "Content-Type"})


def _check_accept(header: str) -> None:
    """The media type counts where it has no other parameters and no extension; so does any JSON."""
    if not header:
        return
    for part in header.split(","):
        found = media_type.read(part)
        if found is None:
            continue
        parameters = [(name.lower(), value) for name, value in found.parameters if name.lower() != "q"]
        plain = all(name == "profile" or (name == "ext" and not value.strip()) for name, value in parameters)
        if found.name in _ANY or (found.name == MEDIA_TYPE and plain):
            return
    raise NotAcceptable(
        f"There is {MEDIA_TYPE}, without ext and without parameters but profile.",
        headers={"Vary": "Accept"},
        source={"header": "Accept"},
    )


# The query


def _refused(key: str, detail: str) -> InvalidQuery:
    """Section "Query Parameters": what cannot be read is a 400 that names the parameter."""
    return InvalidQuery(f"{key[:64]}: {detail}", source={"parameter": key[:256]})


def _only(ctx: RequestContext, known: set[str]) -> None:
    for key in ctx.query:
        if key.partition("[")[0] not in known:
            listed = ", ".join(sorted(known)) or "no query parameters"
            raise _refused(key, f"is not read here; there are {listed}")


def _shown(ctx: RequestContext) -> dict[str, Any]:
    """`include` as paths, each behind its beginnings; None: nobody asked. `fields` by type."""
    text = first(ctx.query, "include")
    paths: dict[tuple[str, ...], None] = {}
    for path in filter(None, (text or "").split(",")):
        steps = tuple(_name("include", step) for step in path.split("."))
        if len(steps) > _MAX_STEPS:
            raise _refused("include", f"takes paths of at most {_MAX_STEPS} steps")
        for count in range(1, len(steps) + 1):
            paths[steps[:count]] = None
    if len(paths) > _MAX_PATHS:
        raise _refused("include", f"takes at most {_MAX_PATHS} relationships")
    return {"include": None if text is None else [list(path) for path in paths], "fields": _fields(ctx)}


def _fields(ctx: RequestContext) -> dict[str, list[str]]:
    """By the type's letters: whether a type is written with dashes or in camelCase is the client's affair."""
    found = {}
    for key in ctx.query:
        word, names = _parts(key)
        if word == "fields":
            if len(names) != 1:
                raise _refused(key, "write fields[TYPE]=name,name")
            text = first(ctx.query, key) or ""
            found[plain(names[0])] = [_name(key, name) for name in text.split(",") if name]
    return found


def _parts(key: str) -> tuple[str, list[str]]:
    """`filter[author.name][like]` is `filter` and the two names."""
    found = _KEY.fullmatch(key)
    if found is None:
        if key.partition("[")[0] in ("filter", "page", "fields"):
            raise _refused(key, "takes a name in brackets, as in filter[name]=value")
        return key, []
    return found[1], found[2][1:-1].split("][")


def _name(key: str, text: str) -> str:
    if not _NAME.fullmatch(text) or "__" in text or text.startswith("$"):
        raise _refused(key, f"'{text[:64]}' is no name")
    return text


def _where(ctx: RequestContext) -> list[dict[str, Any]]:
    where: list[dict[str, Any]] = []
    for key in ctx.query:
        word, names = _parts(key)
        if word == "filter":
            where += [_test(key, names, text) for text in every(ctx.query, key)]
        elif word not in ("include", "fields", "page", "sort"):
            raise _refused(
                key, "is no parameter of this API; there are include, fields, filter, sort and page"
            )
    return where


def _sort(ctx: RequestContext) -> list[str]:
    terms = [each for each in (first(ctx.query, "sort") or "").split(",") if each]
    for term in terms:
        _name("sort", term.removeprefix("-"))
    return terms


def _test(key: str, names: list[str], text: str) -> dict[str, Any]:
    """A filter's field, what is behind it, and the store's word and value."""
    operator = names[1] if len(names) > 1 else ""
    if operator and operator not in _OPERATORS:
        raise _refused(key, f"there is no operator {operator[:32]}; there are {', '.join(_OPERATORS)}")
    field, _, rest = _name(key, names[0]).partition(".")
    value: Any = text
    if operator in _SEVERAL and "," in text:
        value = text.split(",")
    elif operator == "isnull":
        if text not in ("true", "false"):
            raise _refused(key, "takes true or false")
        value = text == "true"
    elif operator == "like" and "*" not in text:
        value = f"*{text}*"
    word = _OPERATORS.get(operator, "")
    return {"key": key, "field": field, "rest": rest, "word": f"__{word}" if word else "", "value": value}


def _page(ctx: RequestContext) -> dict[str, Any]:
    """`start` and `size`; `self`, where no page is asked for, else what the links of `page` are made of.

    That is what stands before and behind a page's number, that number, the first page's, and a page's length.
    """
    given = {}
    for key in ctx.query:
        word, names = _parts(key)
        if word == "page":
            if len(names) != 1 or not any(names[0] in pair for pair in _PAGES):
                raise _refused(key, "there are page[number] and page[size], or page[offset] and page[limit]")
            given[names[0]] = _integer(key, first(ctx.query, key) or "")
    if not given:
        return {"start": 0, "size": None, "page": None, "self": _link(ctx)[:-1]}
    by_number = given.keys() <= _PAGES[0]
    if not by_number and not given.keys() <= _PAGES[1]:
        raise _refused("page", "takes number and size, or offset and limit, and not one of each")
    size = given.get("size" if by_number else "limit", _PAGE_SIZE)
    least = 1 if by_number else 0
    start = given.get("number" if by_number else "offset", least)
    if not 1 <= size <= LARGEST_PAGE:
        raise _refused(
            f"page[{'size' if by_number else 'limit'}]", f"a page has 1 to {LARGEST_PAGE} resources"
        )
    if start < least:
        raise _refused("page[number]", "pages are counted from 1")
    word, end = ("number", f"&page%5Bsize%5D={size}") if by_number else ("offset", f"&page%5Blimit%5D={size}")
    link, step = f"{_link(ctx)}page%5B{word}%5D=", 1 if by_number else size
    page = [link, end, start, least, step]
    return {"start": (start - 1) * size if by_number else start, "size": size, "page": page}


def _integer(key: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise _refused(key, "takes a whole number")
    return int(text)


def _link(ctx: RequestContext) -> str:
    """The request's own address but for its page, ready for another word."""
    pairs = [
        f"{quote(key, safe='')}={quote(value, safe='')}"
        for key in ctx.query
        if not key.startswith("page[")
        for value in every(ctx.query, key)
    ]
    return f"{quote(ctx.path)}?{''.join(f'{pair}&' for pair in pairs)}"
