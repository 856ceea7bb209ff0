"""Query parameters that filter by a collection's fields: components, referred to by all of its reads."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from server.openapi import parameters
from server.openapi.operation import schema_ref
from server.planning.kinds.schemas import MAX_DESCRIBED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from server.openapi.operation import Json
    from server.planning.kinds.schemas import Fields

DESCRIPTION = (
    "Any field can be filtered by, a dot reaches into objects and arrays of them; given twice, it means any "
    "of its values. "
    "`field__operator` compares otherwise: `ne`, `gt`, `gte`, `lt`, `lte`, `in`, `contains`, `icontains`, "
    "`startswith`, `endswith`, `like`, `ilike`, `has`, `isnull`. Only the commonest are listed here."
)
#: A query may have 64 pairs, and the longest list of an operation's own keys has 15.
MAX_FILTERS = 45

#: Fields whose plain name is a filter and nothing else.
_PLAIN = re.compile(r"(?!(?:find|get|search)By[A-Z])[A-Za-z][A-Za-z0-9_-]*")
_SCALARS = frozenset({"string", "integer", "number", "boolean"})
_NUMBERS = frozenset({"integer", "number"})
_TEXTS = frozenset({"string"})
_ORDERED = _NUMBERS | _TEXTS
_ANY = _SCALARS | {"array", "object", "null"}

#: What a filter means, by the types that it is of use with; the commonest first, should they be too many.
_TIERS: tuple[tuple[tuple[str, frozenset[str], str], ...], ...] = (
    (
        ("", _SCALARS, "equals this, or fits it where it has a `*`"),
        ("has", frozenset({"array"}), "has this element"),
    ),
    (
        ("gt", _NUMBERS, "is greater than this"),
        ("gte", _NUMBERS, "is at least this"),
        ("lt", _NUMBERS, "is less than this"),
        ("lte", _NUMBERS, "is at most this"),
        ("contains", _TEXTS, "holds this text"),
    ),
    (
        ("in", _SCALARS, "equals one of these, separated by commas"),
        ("isnull", _ANY, "is null or absent, or is not"),
    ),
    (
        ("ne", _SCALARS, "is there and differs from this"),
        ("icontains", _TEXTS, "holds this text, in any case"),
        ("startswith", _TEXTS, "begins with this"),
        ("endswith", _TEXTS, "ends with this"),
    ),
    (
        ("gt", _TEXTS, "comes after this"),
        ("gte", _TEXTS, "is this or comes after it"),
        ("lt", _TEXTS, "comes before this"),
        ("lte", _TEXTS, "is this or comes before it"),
    ),
)
_TRUTH: Json = {"type": "string", "enum": ["true", "false", "1", "0"]}
_TEXT: Json = schema_ref("Text")
_NUMBER: Json = schema_ref("Number")
_NO_TEXT = frozenset({"integer", "number", "boolean", "null"})


def components(collection: str, fields: Fields) -> dict[str, Json]:
    """Parameter Objects by their components' names."""
    return {
        f"{collection}.{key}": {
            "name": key,
            "in": "query",
            "description": text,
            "schema": _schema(key, dict(fields)),
        }
        for key, text in _filters(fields).items()
    }


def _schema(key: str, fields: Mapping[str, tuple[str, ...]]) -> Json:
    if key.endswith("__isnull"):
        return _TRUTH
    kinds = fields.get(key, ())
    return _NUMBER if kinds and _NO_TEXT.issuperset(kinds) else _TEXT


def references(collection: str, fields: Fields, *, apart_from: Iterable[str] = ()) -> dict[str, Json]:
    """References by query key; `apart_from` are keys that mean something else."""
    keys = dict.fromkeys(key for key in _filters(fields) if key not in apart_from)
    return {key: parameters.refer(f"{collection}.{key}") for key in keys}


@lru_cache(maxsize=MAX_DESCRIBED)
def _filters(fields: Fields) -> Mapping[str, str]:
    """What each means, by query key; asked anew for every operation of a collection."""
    plain = [(name, frozenset(kinds)) for name, kinds in fields if _is_plain(name)]
    found = list(chain.from_iterable(_of_tier(tier, plain) for tier in _TIERS))
    kept = dict(reversed(found[:MAX_FILTERS]))  # of the same key twice, the first counts
    return {key: kept[key] for key in sorted(kept)}


def _of_tier(
    tier: Iterable[tuple[str, frozenset[str], str]], fields: Iterable[tuple[str, frozenset[str]]]
) -> Iterator[tuple[str, str]]:
    for name, kinds in fields:
        for operator, fitting, words in tier:
            if kinds & fitting:
                yield f"{name}__{operator}" if operator else name, f"`{name}` {words}."


def _is_plain(name: str) -> bool:
    return _PLAIN.fullmatch(name) is not None and "__" not in name and name not in parameters.NO_FILTERS
