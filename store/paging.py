"""The order and the slice of a list: `sort`, `limit` and `offset`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from store.errors import InvalidQuery
from store.fields import path_of
from store.operators import Parameters

MAX_SORT_KEYS = 8
#: More rows than SQLite can hold; limits and offsets beyond it mean the same as it.
MAX_ROWS = 2**62

#: At the end of a sort key: SQLite's word for a collation that passes over case.
NO_CASE = "__nocase"

_DIGITS = re.compile(r"[0-9]{1,30}")


@dataclass(slots=True)
class Order:
    """An ORDER BY list and its parameters."""

    sql: str
    params: dict[str, Any]


#: The order of a list that none was asked for, and what settles ties in others.
BY_ROW = Order("rowid", {})


def compile_sort(sort: object, *, int_ids: bool = False) -> Order:
    """`"-price,name"`, or a list of such: null and absent come last both ways, ties by row.

    Ascending, numbers (and false, true as 0, 1) come before text; `-` reverses that. `name__nocase` takes
    texts without regard to case. `int_ids` says that every id is an integer from 1, so that the order
    by id is the order of the rows. Raises InvalidQuery.
    """
    params = Parameters("s")
    terms: list[str] = []
    for name, direction in sort_keys(sort):
        if name == "id" and int_ids:
            return Order(", ".join([*terms, f"rowid {direction}"]), params.values)
        field, folds = sorted_field(name)
        value = f"json_extract(doc, {params.bind(path_of(field))})"
        terms.append(in_order(value, direction, folds=folds))
    return Order(", ".join([*terms, BY_ROW.sql]), params.values)


def sorted_field(name: str) -> tuple[str, bool]:
    """The field that a sort key names, and whether its texts are taken without regard to case."""
    return name.removesuffix(NO_CASE), name.endswith(NO_CASE)


def in_order(value: str, direction: str, *, folds: bool) -> str:
    """Terms of ORDER BY for a value in SQL; of texts that differ in case alone the order is as without."""
    folded = f"CASE typeof({value}) WHEN 'text' THEN fold({value}) ELSE {value} END {direction}, "
    return f"{value} IS NULL, {folded if folds else ''}{value} {direction}"


def sort_keys(sort: object) -> list[tuple[str, str]]:
    """Names with ASC or DESC. Raises InvalidQuery."""
    parts: list[Any] = sort if isinstance(sort, list) else [] if sort in (None, "") else [sort]
    if not all(isinstance(part, str) for part in parts):
        raise InvalidQuery("sort: takes field names, such as '-price,name'")
    keys = [_sort_key(term.strip()) for part in parts for term in part.split(",")]
    if len(keys) > MAX_SORT_KEYS:
        raise InvalidQuery(f"sort: more than {MAX_SORT_KEYS} fields")
    return keys


def _sort_key(term: str) -> tuple[str, str]:
    name = term[1:] if term[:1] in ("-", "+") else term
    if not name or name[0] in "-+":
        raise InvalidQuery("sort: a field name is missing")
    return name, "DESC" if term[0] == "-" else "ASC"


def row_count(name: str, value: object, default: int) -> int:
    """A limit or an offset: an integer from 0 up, or its digits as a query has them. Raises InvalidQuery."""
    if value is None:
        return default
    if type(value) is int and 0 <= value <= MAX_ROWS:
        return value
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidQuery(f"{name}: takes an integer from 0 up")
    return min(value, MAX_ROWS)
