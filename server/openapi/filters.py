"""The query parameters of a list: paging, sorting, and filters by the fields that there are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from server.planning.route import MAX_INT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.openapi.operation import Json
    from server.planning.schemas import Fields

DESCRIPTION = (
    "Any field can be filtered by, a dot reaches into objects, a field given twice means any of its values. "
    "`field__operator` compares otherwise: `ne`, `gt`, `gte`, `lt`, `lte`, `in`, `contains`, `icontains`, "
    "`startswith`, `endswith`, `like`, `has`, `isnull`. Only the commonest are listed here."
)
#: A query may have 64 pairs.
MAX_PARAMETERS = 60

#: A query's text; the service refuses control characters in it.
TEXT: Json = {"type": "string", "pattern": r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"}
_CHARACTER = r"[^\"\\\u0000-\u001f\u007f-\u009f.,]"
_FIRST = r"[^\"\\\u0000-\u001f\u007f-\u009f.,+\-\s]"
_TERM = rf"[+-]?{_FIRST}{_CHARACTER}*(\.{_CHARACTER}+)*"
_COUNT: Json = {"type": "integer", "minimum": 0, "maximum": MAX_INT}

_PAGING: dict[str, Json] = {
    "limit": {"description": "At most so many records.", "schema": _COUNT},
    "offset": {"description": "Leave out so many records at the beginning.", "schema": _COUNT},
    "sort": {
        "description": "Fields to sort by, separated by commas; `-` before one is descending.",
        "schema": {"type": "string", "pattern": f"^({_TERM}(,{_TERM}){{0,7}})?$", "examples": ["-id"]},
    },
}
#: Fields whose plain name is a filter and nothing else.
_PLAIN = re.compile(r"(?!(?:find|get|search)By[A-Z])[A-Za-z][A-Za-z0-9_-]*")
_OTHER_MEANING = (
    frozenset({"page", "per_page", "page_size", "fields", "embed", "expand", "q", "or", "and", "group_by"})
    | _PAGING.keys()
)
_SCALARS = frozenset({"string", "integer", "number", "boolean"})
_RANGES = {
    "gt": "is greater than",
    "gte": "is at least",
    "lt": "is less than",
    "lte": "is at most",
}


def parameters(fields: Fields) -> dict[str, Json]:
    """Parameter Objects without name and place, by query key."""
    found = dict(_PAGING)
    for name, kinds in fields:
        if _PLAIN.fullmatch(name) and "__" not in name and name not in _OTHER_MEANING:
            found |= _of_field(name, frozenset(kinds))
    return dict(list(found.items())[:MAX_PARAMETERS])


def _of_field(name: str, kinds: frozenset[str]) -> Iterator[tuple[str, Json]]:
    if kinds & _SCALARS:
        yield name, _filter(f"`{name}` equals this, or fits it where it has a `*`.")
    if kinds & {"integer", "number"}:
        for operator, words in _RANGES.items():
            yield f"{name}__{operator}", _filter(f"`{name}` {words} this.")
    if "string" in kinds:
        yield f"{name}__contains", _filter(f"`{name}` holds this text.")
    if "array" in kinds:
        yield f"{name}__has", _filter(f"`{name}` has this element.")


def _filter(what: str) -> Json:
    return {"description": what, "schema": {"$ref": "#/components/schemas/Text"}}
