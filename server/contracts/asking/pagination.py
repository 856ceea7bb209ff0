"""Which records a list shows: filters, order, and the page, with the address of the next."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from server.contracts.asking.addressing import MINE, parents_of, prefix_values, typed_scope
from server.contracts.asking.reader import Reader, stored_path
from server.contracts.keys import address_of
from server.contracts.paging import Filter, Query, property_at
from server.contracts.shapes import plain
from server.values.errors import BadRequest


def page_of(reader: Reader) -> dict[str, Any]:
    query = reader.compiled.query
    limit, offset = _place(reader, query)
    beside = reader.beside()
    if beside.get("beside", {}).get("labels"):  # what is chosen by the program cannot be paged before
        limit, offset = None, 0
    where: dict[str, Any] = {}
    given = []
    for scope in reader.compiled.role.scopes:
        value = reader.request.params[scope.slot]
        where[".".join(scope.field)] = value
        given.append([list(scope.field), typed_scope(reader, scope) if scope.path else value])
    for scope_name in reader.compiled.mine:
        where[f"@.at.{scope_name}"] = MINE
    for name, each in query.filters.items():
        if name in reader.request.query:
            _add_filter(reader, where, each, reader.request.query[name])
    if reader.compiled.bare:
        page = {"where": where, "limit": limit, "offset": offset, "sort": _sort(reader, query)}
        return {**page, **reader.compiled.page}
    profile = reader.compiled.profile
    if profile.filter is not None and reader.text("filter"):
        where["$and"] = [profile.filter(reader.text("filter"), reader)]
    return {
        "where": where,
        "given": given,
        "limit": limit,
        "offset": offset,
        "sort": _sort(reader, query),
        "after": _cursor(reader, query.after),
        "before": _cursor(reader, query.before),
        "parents": parents_of(reader),
        "self": reader.request.path
        if profile.bare_addresses
        else reader.request.base_url + _own_target(reader),
        "url": _next_url(reader, query),
        **beside,
        "paging": {
            "page": quote(query.page, safe="$"), "offset": quote(query.offset, safe="$"),
            "cursor": quote(query.cursor or query.after or "cursor", safe="$"),
            "first": query.first, "from": query.start,
        },
    }  # fmt: skip


def _place(reader: Reader, query: Query) -> tuple[int | None, int]:
    """Limit and offset. Raises BadRequest."""
    limit = _number(reader, query.limit, query.size)
    if limit is not None and query.most is not None:
        limit = min(limit, query.most)
    offset = max((_number(reader, query.offset, query.start) or 0) - query.start, 0)
    page = _number(reader, query.page, query.first) or 0
    if query.page and reader.word(query.page) and limit:
        offset = max(page - query.first, 0) * limit
    cursor = reader.word(query.cursor) or reader.word(query.after)
    if cursor[:1] == "o" and cursor[1:].isascii() and cursor[1:].isdigit() and len(cursor) < 12:
        offset = int(cursor[1:])
    return limit, offset


def _number(reader: Reader, name: str, default: int | None) -> int | None:
    text = reader.word(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadRequest(f"{name}: has to be a whole number from 0.")
    return int(text)


def _cursor(reader: Reader, name: str) -> str | None:
    text = reader.word(name)
    if not text or (text[:1] == "o" and text[1:].isdigit()):
        return None
    return address_of(text, prefix_values(reader))


def _sort(reader: Reader, query: Query) -> str | None:
    """By a property, downwards with a minus before it or by a word of its own."""
    text = reader.word(query.sort)
    if not text:
        return None
    down = reader.word(query.direction).lower().startswith("desc")
    terms = []
    for each in text.split(",")[:4]:
        name, _, direction = each.strip().replace(":", " ").replace("/", ".").partition(" ")
        low = name.startswith("-") or down or direction.strip().lower().startswith("desc")
        own = _field(reader, name.lstrip("+-"))
        if own is not None:
            terms.append(f"-{own}" if low else own)
    return ",".join(terms) or None


def _field(reader: Reader, name: str) -> str | None:
    wanted = plain(name)
    if (wanted,) == tuple(plain(each) for each in reader.resource.key.path) and not reader.resource.flat:
        return ".".join(stored_path(reader.resource, reader.resource.key.path))
    for own in reader.resource.fields:
        if plain(own) == wanted and own.replace("_", "").isalnum() and "__" not in own:
            return ".".join(stored_path(reader.resource, (own,)))
    found = property_at(reader.views, name, reader.resource.fields)
    if found is None or not all(step.replace("_", "").isalnum() for step in found[0]):
        return None
    return ".".join(stored_path(reader.resource, found[0]))


def _add_filter(reader: Reader, where: dict[str, Any], each: Filter, value: str | list[str]) -> None:
    texts = (
        value
        if isinstance(value, list)
        else value.split(",")
        if each.key or ("," in value and not each.operator)
        else [value]
    )
    path = ".".join(stored_path(reader.resource, each.path))
    if each.kind == "boolean":
        texts = [text.lower() for text in texts]
    name = f"{path}__{each.operator}" if each.operator else path
    values = [text for text in texts if text != ""]
    if not values or not each.every.isdisjoint(values):
        return
    if each.many:
        where.setdefault("$or", [{name: text} for text in values])
    else:
        where[name] = values[0] if len(values) == 1 else values


def _own_target(reader: Reader) -> str:
    text = _query_text(reader, frozenset())
    return f"{reader.request.path}?{text}" if text else reader.request.path


def _next_url(reader: Reader, query: Query) -> str:
    own = {query.page, query.offset, query.cursor, query.after, query.before} - {""}
    text = _query_text(reader, frozenset(own))
    return f"{reader.request.base_url}{reader.request.path}?{text}{'&' if text else ''}"


def _query_text(reader: Reader, without: frozenset[str]) -> str:
    pairs = [
        (name, each)
        for name, value in reader.request.query.items()
        if name not in without
        for each in (value if isinstance(value, list) else [value])
    ]
    return "&".join(f"{quote(name, safe='$')}={quote(value, safe='')}" for name, value in pairs)
