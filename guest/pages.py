"""What a query asks to see of a list, the page and its records' fields; and what is around it.

Helpers that a plan may call.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from guest.reply import RequestFault, abort

DEFAULT_PAGE_SIZE = 20
MAX_FIELDS = 64

_DIGITS = re.compile(r"[0-9]{1,17}")
#: As `as_int` has it; an offset beyond it means the same as it.
_LARGEST = 2**53 - 1
_SIZES = ("limit", "per_page", "page_size")


def page_of(query: dict[str, Any]) -> tuple[int | None, int]:
    """The page that a query asks for, by limit and offset, or page (from 1) and per_page or page_size.

    limit, offset = page_of(ctx["query"]). limit is None where the query names no page, and 20 where it gives
    page alone. What can't be read: 400.
    """
    sizes = [key for key in _SIZES if query.get(key)]
    if len(sizes) > 1:
        raise RequestFault(400, f"{sizes[0]} and {sizes[1]} say the same; give one of them")
    limit = _number(query, sizes[0], 0 if sizes == ["limit"] else 1) if sizes else None
    if not query.get("page"):
        return limit, _number(query, "offset", 0) if query.get("offset") else 0
    if query.get("offset"):
        raise RequestFault(400, "page and offset say the same; give one of them")
    size = DEFAULT_PAGE_SIZE if limit is None else limit
    return size, min((_number(query, "page", 1) - 1) * size, _LARGEST)


def _number(query: dict[str, Any], key: str, lowest: int) -> int:
    text = query[key]
    if isinstance(text, int) and not isinstance(text, bool) and text >= lowest:
        return text
    if not isinstance(text, str) or not _DIGITS.fullmatch(text) or not lowest <= int(text) <= _LARGEST:
        raise RequestFault(400, f"{key}: takes an integer from {lowest} up")
    return int(text)


def envelope(
    form: Any, items: list[Any], total: int | None = None, limit: int | None = None, offset: int = 0
) -> Any:
    """A list as the API's description has it: `envelope(ctx["list"], items, total)`.

    total None: all there are. form None: lists have nothing around them.
    """
    if not form:
        return items
    whole = offset + len(items) if total is None else total
    facts = _facts(items, whole, limit, offset)
    if form.get("within"):
        items = [{form["within"][0]: item} for item in items]
    body: dict[str, Any] = {}
    _set(body, form["place"], items)
    for path, kind, fixed, kept in form["around"]:
        value = facts.get(kind) if kind else fixed
        if value is not None or kept:
            _set(body, path, dict(value) if isinstance(value, dict) else value)
    return body


def _facts(items: list[Any], total: int, limit: int | None, offset: int) -> dict[str, Any]:
    """What members around a list may tell (server/contracts/envelopes.py names them)."""
    size = max(limit if limit is not None else len(items), 1)
    return {
        "total": total,
        "count": len(items),
        "limit": limit if limit is not None else len(items),
        "offset": offset,
        "start": offset + 1,
        "page": offset // size + 1,
        "pages": (total + size - 1) // size,
        "more": offset + len(items) < total,
        "less": offset > 0,
        "true": True,
        "one": 1,
    }


def _set(body: dict[str, Any], path: list[str], value: Any) -> None:
    for step in path[:-1]:
        inner = body.get(step)
        if not isinstance(inner, dict):
            inner = body[step] = {}
        body = inner
    body[path[-1]] = value


def fail(status: int, text: str, field: str | None = None) -> NoReturn:
    """End the plan here with an error in the API's own form; `field`: what it is about.

    `fail(422, "has been taken", "email")`.
    """
    abort(status, f"{field}: {text}" if field else text)


def pick(value: Any, fields: Any) -> Any:
    """A record, or a list of them, with these fields only: `pick(rec, ctx["query"].get("fields"))`.

    fields is "name,author.born" or a list of such; dots reach into objects, and into those of an array.
    None: the value as it is. A field that is not there is left out.
    """
    if fields is None or fields == "":
        return value
    tree = _tree(fields)
    return [_picked(each, tree) for each in value] if isinstance(value, list) else _picked(value, tree)


def _tree(fields: Any) -> dict[str, Any]:
    """`"a,b.c"` is `{"a": {}, "b": {"c": {}}}`; nothing below a name: all of it."""
    parts = fields if isinstance(fields, list) else [fields]
    if not all(isinstance(part, str) for part in parts):
        raise RequestFault(400, "takes field names, such as 'name,author.born'")
    names = [name.strip() for part in parts for name in part.split(",")]
    if len(names) > MAX_FIELDS:
        raise RequestFault(400, f"more than {MAX_FIELDS} fields")
    tree: dict[str, Any] = {}
    for steps in sorted((name.split(".") for name in names), key=len):
        if not all(steps):
            raise RequestFault(400, "a field name is missing")
        _grow(tree, steps)
    return tree


def _grow(tree: dict[str, Any], steps: list[str]) -> None:
    """Shorter names come first, and a name that is there already takes in what is below it."""
    *above, last = steps
    for step in above:
        if tree.get(step) == {}:
            return
        tree = tree.setdefault(step, {})
    tree.setdefault(last, {})


def _picked(value: Any, tree: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_picked(each, tree) for each in value if isinstance(each, (dict, list))]
    if not isinstance(value, dict):
        return value
    return {
        name: _picked(value[name], deeper) if deeper else value[name]
        for name, deeper in tree.items()
        if name in value and (not deeper or isinstance(value[name], (dict, list)))
    }
