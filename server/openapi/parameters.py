"""Parameters that operations share: written once, as components of their own name, and referred to.

The words of docs/query-language.md, and the request headers that mean something whatever a plan does. What
is no matter of one value (`page` does not go with `offset`) OpenAPI cannot say; it is told in words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.planning.kinds.route import MAX_INT
from store.names import RESERVED, foreign_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from server.openapi.operation import Json
    from server.openapi.schemas import Types

#: A query's text; the service refuses control characters in it.
TEXT: Json = {"type": "string", "pattern": r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"}
#: What a field equals that never held a text: an operator in front of it is refused.
_NO_OPERATOR = "(?!(eq|neq|ne|gt|gte|lt|lte|in|is|not|like|ilike)[.:]|[=<>!])"
NUMBER: Json = {"type": "string", "pattern": f"^{_NO_OPERATOR}{TEXT['pattern'][1:]}"}

# A field: steps without a quotation mark or a backslash, joined by dots. No step begins or ends with a blank.
_INNER = r"[^\"\\\u0000-\u001f\u007f-\u009f.,]"
_OUTER = r"[^\"\\\u0000-\u001f\u007f-\u009f.,\s]"
STEP = rf"{_OUTER}({_INNER}*{_OUTER})?"
FIELD = rf"{STEP}(\.{STEP})*"
_SORTED_BY = rf"[+-]?(?![+-]){FIELD}"
#: Blanks, without those that are control characters.
_BLANK = r"[^\S\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]"
_WORD = r"[^\s\u0000-\u001f\u007f-\u009f]+"

#: Of `or=` and `and=` what is sure to be read in every collection; their grammar is not a regular one.
_COMPARED = r"id__(lt|lte|gt|gte|ne)=-?[0-9]{1,9}"
_GROUP: Json = {"type": "string", "pattern": rf"^\({_COMPARED}(,{_COMPARED}){{0,7}}\)$"}
#: Likewise of what groups are sorted by.
_SORTED_GROUPS: Json = {
    "description": "Members of the answer, separated by commas; `-` before one: descending. `count` is one.",
    "schema": {"type": "string", "pattern": "^[+-]?count$", "examples": ["-count"]},
}

_PAGE = ("limit", "offset", "page", "per_page", "page_size")
_VIEW = ("fields", "embed", "expand")
_WHOLE = ("q", "or", "and")
_FUNCTIONS = ("count", "sum", "avg", "min", "max")

#: Query keys of each kind of operation, besides its filters.
OF_FILTERS = _WHOLE
OF_RECORD = _VIEW
OF_LIST = (*_PAGE, "sort", *_VIEW, *_WHOLE)
OF_STATS = ("group_by", *_FUNCTIONS, *_PAGE, "sort", *_WHOLE)
#: Words for what others say already, which do not go with these: for people, and not for a checker.
SAID_OTHERWISE = frozenset({"page", "per_page", "page_size"})
#: Names that are no plain filter anywhere.
NO_FILTERS = RESERVED | {"group_by"}


def refer(name: str) -> Json:
    return {"$ref": f"#/components/parameters/{name}"}


def references(names: Iterable[str]) -> dict[str, Json]:
    return {name: refer(name) for name in names}


def query_components(
    collections: Sequence[str], *, complete: bool, types: Types = "enforced"
) -> dict[str, Json]:
    """Parameter Objects by name. `complete`: whether `collections` are all that there are."""
    found = {
        **_paging(typed=types == "learned"),
        **_wholes(),
        **_views(collections, complete=complete),
        **_grouping(),
    }
    if types == "enforced":
        found = {name: each for name, each in found.items() if name not in SAID_OTHERWISE}
    written = {name: {"name": name, "in": "query", **each} for name, each in found.items()}
    return {**written, "sort_groups": {"name": "sort", "in": "query", **_SORTED_GROUPS}}


def header_components(types: Types = "enforced") -> dict[str, Json]:
    named = {name for method in _HEADERS_OF for name in headers_of(method, types)}
    return {
        name: {"name": name, "in": "header", "description": text, "schema": schema}
        for name, (text, schema) in _HEADERS.items()
        if name in named
    }


def headers_of(method: str, types: Types = "enforced") -> tuple[str, ...]:
    """The request headers that count for a method, in lower case, whatever plan answers it.

    Whether a condition holds, or a key has come before, depends on what is stored. So these are for
    generated clients; a checker, to which a good value is one that is taken, is not told of them.
    """
    named = _HEADERS_OF.get(method, ())
    return named if types == "learned" else tuple(name for name in named if name == "Prefer")


# --- the query ----------------------------------------------------------------------------------------


def _paging(*, typed: bool) -> dict[str, Json]:
    pages = "Not beside `offset`."
    sizes = "As `limit`; one of these words is enough."
    return {
        "limit": _integer("At most so many.", 0, empty=not typed),
        "offset": _integer("Leave out so many at the beginning.", 0, empty=not typed),
        "page": _integer(f"Which page, from 1; of 20 where no size is given. {pages}", 1),
        "per_page": _integer(sizes, 1),
        "page_size": _integer(sizes, 1),
        "sort": _described(
            "Fields to sort by, separated by commas; `-` before one: descending; `__nocase` after one: any "
            "case. Of `stats`: its members.",
            _listed(_SORTED_BY, 8, "-id"),
        ),
    }


def _wholes() -> dict[str, Json]:
    inside = "A value with a comma or a parenthesis stands in double quotes; groups may be three deep."
    return {
        "q": _described(
            "Words that a record has in its texts, in any case, at any depth. At most 1,000 characters.",
            {"type": "string", "pattern": rf"^{_BLANK}*({_WORD}({_BLANK}+{_WORD}){{0,15}})?{_BLANK}*$"},
        ),
        "or": _described(
            f"Filters in parentheses, of which one is enough. {inside}",
            {**_GROUP, "examples": ["(id__lt=3,id__gt=9)"]},
        ),
        "and": _described(
            f"Filters in parentheses, all of which are needed. {inside}",
            {**_GROUP, "examples": ["(id__gt=3,id__lt=9)"]},
        ),
    }


def _views(collections: Sequence[str], *, complete: bool) -> dict[str, Json]:
    parents = [foreign_key(name).removesuffix("_id") for name in collections]
    steps = "A dot goes one step further. At most 8 in all, and 1,000 records a step."
    return {
        "fields": _described(
            "These fields and no others, separated by commas; dots reach into objects.",
            _listed(FIELD, 64, "id"),
        ),
        "embed": _described(
            f"Collections whose records point here, to come with it. {steps}",
            _related(collections, complete=complete),
        ),
        "expand": _described(
            f"What a field `<name>_id` points at, to come below that name. {steps}",
            _related(parents, complete=complete),
        ),
    }


def _grouping() -> dict[str, Json]:
    most = "All these together: at most 15."
    return {
        "group_by": _described(
            "Fields by which records are told apart, at most 4; without it all are one group.",
            _listed(FIELD, 4, "id"),
        ),
        "count": _described(f"Fields: how many records have one. {most}", _listed(FIELD, 15)),
        "sum": _described(f"Fields: the sum of their numbers. {most}", _listed(FIELD, 15)),
        "avg": _described(f"Fields: the average of their numbers. {most}", _listed(FIELD, 15)),
        "min": _described(f"Fields: the lowest number or text. {most}", _listed(FIELD, 15)),
        "max": _described(f"Fields: the highest number or text. {most}", _listed(FIELD, 15)),
    }


def _described(text: str, schema: Json) -> Json:
    return {"description": text, "schema": schema}


def _integer(text: str, minimum: int, *, empty: bool = False) -> Json:
    """`empty`: an empty text is as none, as forms send it."""
    number: Json = {"type": "integer", "minimum": minimum, "maximum": MAX_INT}
    return _described(text, {"anyOf": [number, {"type": "string", "maxLength": 0}]} if empty else number)


def _listed(item: str, most: int, *examples: str) -> Json:
    schema: Json = {"type": "string", "pattern": f"^({item}(,{item}){{0,{most - 1}}})?$"}
    return {**schema, "examples": list(examples)} if examples else schema


def _related(names: Sequence[str], *, complete: bool) -> Json:
    """Names of what there is; of a session with more collections than are listed nothing can be ruled out."""
    if not complete or not names:
        return _listed(FIELD, 8)
    one = f"({'|'.join(sorted(set(names)))})"
    steps = rf"{one}(\.{one})?"
    # Eight relations in all: eight of one step, or four of two.
    return {"type": "string", "pattern": f"^({one}(,{one}){{0,7}}|{steps}(,{steps}){{0,3}})?$"}


# --- headers ------------------------------------------------------------------------------------------

_TAG = r'(W/)?"[\u0021\u0023-\u007e]*"'
_TAGS: Json = {"type": "string", "pattern": rf"^(\*|{_TAG}(, ?{_TAG})*)$"}
_HEADERS: dict[str, tuple[str, Json]] = {
    "If-None-Match": (
        "Entity tags of what the client has, or `*`: if it is that still, the answer is a 304.",
        _TAGS,
    ),
    "If-Match": (
        "The `ETag` of the record as it was seen, or `*`: if it is another by now: a 412, and nothing done.",
        _TAGS,
    ),
    "Idempotency-Key": (
        "A text of its own, such as a UUID: sent again with it, a request is done once, and answered alike.",
        {"type": "string", "pattern": r"^[\u0021-\u007e]([\u0020-\u007e]{0,253}[\u0021-\u007e])?$"},
    ),
    "Prefer": (
        "`return=minimal`: no body where it succeeds. `tx=rollback`: a dry run. `code=429`: that reply.",
        {"type": "string", "pattern": r"^[\u0009\u0020-\u007e]*$", "examples": ["return=representation"]},
    ),
}
_HEADERS_OF = {
    "get": ("If-None-Match",),
    "post": ("Idempotency-Key", "Prefer"),
    "put": ("If-Match", "Prefer"),
    "patch": ("If-Match", "Idempotency-Key", "Prefer"),
    "delete": ("If-Match", "Prefer"),
}
