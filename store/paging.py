"""The order and the slice of a list: `sort`, `limit` and `offset`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from store.errors import InvalidQuery
from store.fields import path_of
from store.query import Parameters

MAX_SORT_KEYS = 8
#: More rows than SQLite can hold; limits and offsets beyond it mean the same as it.
MAX_ROWS = 2**62

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

    Ascending, numbers (and false, true as 0, 1) come before text; `-` reverses that. `int_ids` says that
    every id is an integer, so that the order by id is the order of the rows. Raises InvalidQuery.
    """
    params = Parameters("s")
    terms: list[str] = []
    for name, direction in sort_keys(sort):
        if name == "id" and int_ids:
            return Order(", ".join([*terms, f"rowid {direction}"]), params.values)
        value = f"json_extract(doc, {params.bind(path_of(name))})"
        terms.append(f"{value} IS NULL, {value} {direction}")
    return Order(", ".join([*terms, BY_ROW.sql]), params.values)


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
