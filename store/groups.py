"""Groups of records, counted and added up by SQLite.

1. Records are in one group where the fields in `by` are equal, each within its own JSON type: 1 and 1.0 are
   equal, 1, "1" and true are not. Null and absent are the same.
2. Sums and averages are those of the numbers there are; lowest and highest look at numbers and texts, numbers
   first, as sorting does. Where there are none, a sum is 0 and the others are None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from store.errors import InvalidQuery
from store.fields import path_of
from store.json_text import decode
from store.operators import Parameters
from store.paging import in_order, sort_keys, sorted_field

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BY = 4
MAX_AGGREGATES = 16

#: The functions that take fields. What a group counts in all is its member `count`.
_FUNCTIONS = ("count", "sum", "avg", "min", "max")
_NUMBERS = "('integer', 'real')"
_ORDERED = "('integer', 'real', 'text')"
_BOOLEANS = {"true": True, "false": False}


@dataclass(slots=True)
class Grouping:
    """What stands before FROM and after WHERE, and its parameters."""

    columns: str
    tail: str
    params: dict[str, Any]
    #: Fields of the groups; each has two columns, its value and its type.
    by: list[str]
    #: The answer's other members; each has one column.
    names: list[str]

    def records(self, rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
        """Raises InvalidQuery where a number is beyond what JSON can say."""
        return [self._record(row) for row in rows]

    def of_nothing(self) -> dict[str, Any]:
        """The one group that there is where nothing is grouped and nothing matches."""
        return {name: 0 if name.startswith(("count", "sum_")) else None for name in self.names}

    def _record(self, row: tuple[Any, ...]) -> dict[str, Any]:
        width = 2 * len(self.by)
        values = map(_value, row[0:width:2], row[1:width:2])
        return dict(zip([*self.by, *self.names], [*values, *map(_finite, row[width:])], strict=True))


def compile_groups(by: object, functions: Mapping[str, object], sort: object) -> Grouping:
    """`functions` are fields by function: `{"sum": "total"}`. Raises InvalidQuery."""
    params = Parameters("g")
    fields = _fields("group_by", by, MAX_BY)
    aggregates = _aggregates(functions, params)
    twice = next((field for field in fields if field in aggregates), None)
    if twice is not None:
        raise InvalidQuery(f"group_by: '{twice[:100]}' is a member of the answer already")
    columns = [*map(_group_columns, range(len(fields)), (params.bind(path_of(field)) for field in fields))]
    columns += [f"{sql} AS a{number}" for number, sql in enumerate(aggregates.values())]
    names = {field: f"v{number}" for number, field in enumerate(fields)}
    names |= {name: f"a{number}" for number, name in enumerate(aggregates)}
    groups = [column for number in range(len(fields)) for column in (f"v{number}", f"t{number}")]
    tail = f"GROUP BY {', '.join(groups)} " if groups else ""
    tail += f"ORDER BY {', '.join([*_order(sort, names), *_order(fields, names), *groups, '1'])}"
    return Grouping(", ".join(columns), tail, params.values, fields, list(aggregates))


def _aggregates(functions: Mapping[str, object], params: Parameters) -> dict[str, str]:
    """SQL by name, such as `sum_total`."""
    found = {"count": "count(*)"}
    for function in _FUNCTIONS:
        for field in _fields(function, functions.get(function), MAX_AGGREGATES):
            found[f"{function}_{field}"] = _aggregate(function, params.bind(path_of(field)))
    if len(found) > MAX_AGGREGATES:
        raise InvalidQuery(f"more than {MAX_AGGREGATES - 1} sums, averages and the like")
    return found


def _aggregate(function: str, path: str) -> str:
    value = f"json_extract(doc, {path})"
    if function == "count":
        return f"count({value})"
    kinds = _ORDERED if function in {"min", "max"} else _NUMBERS
    sql = f"{function}(CASE WHEN json_type(doc, {path}) IN {kinds} THEN {value} END)"
    return f"coalesce({sql}, 0)" if function == "sum" else sql


def _group_columns(number: int, path: str) -> str:
    # json_extract() gives 1 for true and text for an array: only the type tells them apart.
    kind = f"replace(coalesce(json_type(doc, {path}), 'null'), 'integer', 'real')"
    return f"json_extract(doc, {path}) AS v{number}, {kind} AS t{number}"


def _order(sort: object, names: Mapping[str, str]) -> list[str]:
    terms = []
    for name, direction in sort_keys(sort):
        field, folds = (name, False) if name in names else sorted_field(name)
        if field not in names:
            raise InvalidQuery(f"sort: '{name[:100]}' is none of {', '.join(names)}")
        terms.append(in_order(names[field], direction, folds=folds))
    return terms


def _fields(key: str, value: object, most: int) -> list[str]:
    parts: list[Any] = value if isinstance(value, list) else [] if value in (None, "") else [value]
    if not all(isinstance(part, str) for part in parts):
        raise InvalidQuery(f"{key}: takes field names, such as 'status,year'")
    fields = list(dict.fromkeys(name.strip() for part in parts for name in part.split(",")))
    if "" in fields:
        raise InvalidQuery(f"{key}: a field name is missing")
    if len(fields) > most:
        raise InvalidQuery(f"{key}: more than {most} fields")
    return fields


def _value(value: Any, kind: str) -> Any:
    if kind in _BOOLEANS:
        return _BOOLEANS[kind]
    return decode(value) if kind in {"array", "object"} else value


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidQuery("a sum or an average is beyond what numbers can be")
    return value
