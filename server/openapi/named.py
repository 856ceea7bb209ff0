"""Query parameters that name what a collection has: its fields, and the collections that it is related to.

What is not among them is refused, so each collection that knows its fields has components of its own:
``orders.sort``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from server.openapi import parameters
from server.openapi.parameters import FIELD, STEP
from store.names import foreign_key, links_among

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from server.openapi.operation import Json
    from server.planning.kinds.schemas import CollectionSchema, Fields

#: What a list of names can have in it, and a pattern that two kinds of readers agree about.
_NAME = re.compile(r"[A-Za-z0-9_$@ -]+")
_STEPS = "A dot goes one step further. At most 8 in all, and 1,000 records a step."
_MOST = "All these together: at most 15."
_EMBED = "Collections whose records point here, to come with it."
_EXPAND = "What a field `<name>_id` points at, to come below that name."
_SORT = (
    "Fields to sort by, separated by commas; `-` before one: descending; `__nocase` after one: texts in any "
    "case. Of `stats`: its members."
)
_FUNCTIONS = {
    "count": "how many records have one",
    "sum": "the sum of their numbers",
    "avg": "the average of their numbers",
    "min": "the lowest number or text",
    "max": "the highest number or text",
}


def components(name: str, schemas: Mapping[str, CollectionSchema], *, complete: bool) -> dict[str, Json]:
    """Parameter Objects by their components' names. `complete`: whether `schemas` are all that there are."""
    return {
        f"{name}.{key}": {"name": key, "in": "query", "description": text, "schema": schema}
        for key, text, schema in _all(name, schemas, complete=complete)
    }


def references(name: str, keys: Iterable[str], there: Iterable[str]) -> dict[str, Json]:
    """References by query key, to those of the components that are `there`, or to what is the same for all.

    Where the fields are known, a relation without a component of its own is none.
    """
    known = f"{name}.sort" in there
    return {
        key: parameters.refer(f"{name}.{key}" if f"{name}.{key}" in there else key)
        for key in keys
        if not known or key not in ("embed", "expand") or f"{name}.{key}" in there
    }


def _all(
    name: str, schemas: Mapping[str, CollectionSchema], *, complete: bool
) -> Iterator[tuple[str, str, Json]]:
    fields = schemas[name].fields
    if not fields:
        return
    inner = _fields(fields, frozenset({"object", "array"}))
    yield (
        "sort",
        _SORT,
        _listed(rf"[+-]?{_fields(fields, frozenset({'object'}))}(__nocase)?", 8, "-id", empty="?"),
    )
    yield (
        "fields",
        "These fields and no others, separated by commas; dots reach into objects.",
        _listed(inner, 64, "id"),
    )
    yield (
        "group_by",
        "Fields by which records are told apart, at most 4; without it all are one group.",
        _listed(inner, 4, "id"),
    )
    for function, text in _FUNCTIONS.items():
        yield function, f"Fields: {text}. {_MOST}", _listed(inner, 15)
    yield from _relations(name, schemas, complete=complete)


def _relations(
    name: str, schemas: Mapping[str, CollectionSchema], *, complete: bool
) -> Iterator[tuple[str, str, Json]]:
    """Of a session with more collections than are listed nothing can be ruled out."""
    children = {each: _children(each, schemas) for each in _children(name, schemas)}
    parents = {
        _as_parent(each): [*map(_as_parent, _parents(each, schemas))] for each in _parents(name, schemas)
    }
    for key, text, steps in (("embed", _EMBED, children), ("expand", _EXPAND, parents)):
        if steps or not complete:
            yield key, f"{text} {_STEPS}", _related(steps) if complete else _listed(FIELD, 8)


def _children(name: str, schemas: Mapping[str, CollectionSchema]) -> list[str]:
    return [each for each, schema in schemas.items() if links_among(name, dict(schema.fields))]


def _parents(name: str, schemas: Mapping[str, CollectionSchema]) -> list[str]:
    return [each for each in schemas if links_among(each, dict(schemas[name].fields))]


def _as_parent(collection: str) -> str:
    return foreign_key(collection).removesuffix("_id")


def _related(steps: Mapping[str, Sequence[str]]) -> Json:
    one = f"({'|'.join(sorted(steps))})"
    two = "|".join(
        rf"{name}(\.({'|'.join(sorted(further))}))?" if further else name for name, further in steps.items()
    )
    # Eight relations in all: eight of one step, or four of two.
    return {"type": "string", "pattern": f"^({one}(,{one}){{0,7}}|({two})(,({two})){{0,3}})$"}


def _fields(fields: Fields, leading_on: frozenset[str]) -> str:
    """A pattern for the names of fields, and for those within the ones of such types."""
    plain: list[str] = []
    leading: list[str] = []
    for name, kinds in fields:
        if _NAME.fullmatch(name) and name == name.strip():
            (leading if not kinds or leading_on & {*kinds} else plain).append(name.replace("$", r"\$"))
    if not plain and not leading:
        return FIELD
    ways = [f"({'|'.join(plain)})"] if plain else []
    ways += [rf"({'|'.join(leading)})(\.{STEP}){{0,30}}"] if leading else []
    return f"({'|'.join(ways)})"


def _listed(item: str, most: int, *examples: str, empty: str = "") -> Json:
    schema: Json = {"type": "string", "pattern": f"^({item}(,{item}){{0,{most - 1}}}){empty}$"}
    return {**schema, "examples": list(examples)} if examples else schema
