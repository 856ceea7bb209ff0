"""What each operator of a criterion is in SQL (rules 3 to 5 of `store.query`)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from store.errors import InvalidQuery
from store.ids import Address, address_of
from store.json_text import encode
from store.values import Scalar, boolean_readings, bounded, number_in, plain_readings

if TYPE_CHECKING:
    from collections.abc import Callable

OPERATORS = frozenset(
    {
        *("contains", "icontains", "startswith", "endswith", "like", "ilike"),
        *("gt", "gte", "lt", "lte"),
        *("ne", "in", "isnull", "has"),
    }
)
MAX_CRITERIA = 64
MAX_PATTERN = 1_000
_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_NUMBERS = "('integer', 'real')"
_PLAIN = "('text', 'integer', 'real')"
_NOTHING = "0"


@dataclass(slots=True)
class Operand:
    """SQL for a value, for its type as json_type() names it, and for what json_each() is to take apart."""

    value: str
    kind: str
    parts: str = ""


#: An element of an array that is taken apart: `AS item`, and `AS part` where it is an array itself.
ITEM = Operand("item.value", "item.type", "CASE item.type WHEN 'array' THEN item.value ELSE '[]' END")
_PART = Operand("part.value", "part.type")


@dataclass(slots=True)
class Parameters:
    """Hands out parameter names in order, so that equal shapes of criteria give equal SQL text."""

    prefix: str
    values: dict[str, Any] = field(default_factory=dict)

    def bind(self, value: object) -> str:
        name = f"{self.prefix}{len(self.values)}"
        self.values[name] = value
        return f":{name}"


@dataclass(slots=True)
class Test:
    """One criterion, taken apart."""

    key: str
    field: str
    operator: str
    value: Any

    def refuse(self, reason: str) -> InvalidQuery:
        return InvalidQuery(f"filter '{self.key[:100]}': {reason}")


# Equality and its kin


def _equal(test: Test, operand: Operand, params: Parameters) -> str:
    if test.value is None:
        return f"{operand.value} IS NULL"
    values = test.value if isinstance(test.value, list) else [test.value]
    found = any_of(scalars(test, values), operand, params)
    if test.field == "id":
        found = _by_address(values, params) + found
    return f"({found}) OR {operand.value} IS NULL" if None in values else found


def _by_address(values: list[Any], params: Parameters) -> str:
    """A shortcut to the rows whose `id` can be among the values, where they are of one kind."""
    addresses = {_only_address(value) for value in values}
    for kind, column in ((int, "rowid"), (str, "key")):
        if addresses and all(type(address) is kind for address in addresses):
            return f"{_one_of(column, list(addresses), params)} AND "
    return ""


def _only_address(value: object) -> Address | None:
    """The one address whose record can have an id equal to `value`; "5.0" equals 5 as well as "5.0"."""
    if isinstance(value, float) and value.is_integer():
        return address_of(int(value))
    address = address_of(value)
    if isinstance(value, str) and isinstance(address, str) and number_in(value) is not None:
        return None
    return address


def scalars(test: Test, values: list[Any]) -> list[Scalar]:
    """The values of a list of alternatives, without None, which is never equal to a value."""
    for value in values:
        if isinstance(value, (dict, list)):
            raise test.refuse(
                "compare with a value; reach into objects with a dotted field, arrays with __has"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise test.refuse("not a finite number")
    return [value for value in values if value is not None]


def any_of(values: list[Scalar], operand: Operand, params: Parameters) -> str:
    """Type and value both equal to one of the values.

    json_extract() gives 1 and 0 for true and false, which only the type tells from numbers: so the
    first comparison, which an index can answer, is over all values, and the types are checked after it.
    """
    if not values:
        return _NOTHING
    plain = [item for value in values for item in plain_readings(value)]
    booleans = sorted({reading for value in values for reading in boolean_readings(value)})
    if not booleans:
        return f"{_among(operand.value, plain, params)} AND {operand.kind} IN {_PLAIN}"
    every = [*plain, *(word == "true" for word in booleans)]
    first = _among(operand.value, every, params)
    kinds = ", ".join(f"'{word}'" for word in booleans)
    exact = f"{operand.kind} IN ({kinds})"
    if plain:
        exact += f" OR {operand.kind} IN {_PLAIN} AND {_among(operand.value, plain, params)}"
    return f"{first} AND ({exact})"


def _among(value: str, readings: list[Any], params: Parameters) -> str:
    if len(readings) == 1:
        return f"{value} = json_extract({params.bind(encode(readings[0]))}, '$')"
    return _one_of(value, readings, params)


def _one_of(value: str, values: list[Any], params: Parameters) -> str:
    """One parameter, however many values, so that the SQL stays the same."""
    return f"{value} IN (SELECT value FROM json_each({params.bind(encode(values))}))"  # noqa: S608


def _not_equal(test: Test, operand: Operand, params: Parameters) -> str:
    present = f"{operand.value} IS NOT NULL"
    if test.value is None:
        return present
    values = test.value if isinstance(test.value, list) else [test.value]
    return f"{present} AND NOT ({any_of(scalars(test, values), operand, params)})"


def _in(test: Test, operand: Operand, params: Parameters) -> str:
    if test.value is None:
        return _NOTHING
    if isinstance(test.value, str):
        parts = [part.strip() for part in test.value.split(",")]
        return _equal(Test(test.key, test.field, "", [part for part in parts if part]), operand, params)
    if not isinstance(test.value, list):
        raise test.refuse("takes a list or a comma-separated text")
    values = [value for value in test.value if value is not None]
    return _equal(Test(test.key, test.field, "", values), operand, params)


def _has(test: Test, operand: Operand, params: Parameters) -> str:
    values = test.value if isinstance(test.value, list) else [test.value]
    return _element(any_of(scalars(test, values), _PART, params), operand)


def _element(condition: str, operand: Operand) -> str:
    """Some element of a stored array meets a condition over `part`."""
    found = f"EXISTS (SELECT 1 FROM json_each({operand.parts}) AS part WHERE {condition})"  # noqa: S608  parts of ours
    return f"{operand.kind} = 'array' AND {found}"


def is_null(test: Test, operand: Operand, _params: Parameters) -> str:
    wanted = {True: True, False: False, "true": True, "false": False, "1": True, "0": False}
    if not isinstance(test.value, (bool, str)) or test.value not in wanted:
        raise test.refuse("takes true or false")
    return f"{operand.value} IS {'' if wanted[test.value] else 'NOT '}NULL"


# Order


def _compare(test: Test, operand: Operand, params: Parameters) -> str:
    value, sign = test.value, _COMPARISONS[test.operator]
    if isinstance(value, (list, dict)) or (isinstance(value, float) and not math.isfinite(value)):
        raise test.refuse("takes one text or number")
    if value is None or isinstance(value, bool):
        return _NOTHING
    number = number_in(value) if isinstance(value, str) else bounded(value)
    ways = []
    if number is not None:
        bound = f"json_extract({params.bind(encode(number))}, '$')"
        ways.append(f"{operand.kind} IN {_NUMBERS} AND {operand.value} {sign} {bound}")
    if isinstance(value, str):
        ways.append(f"{operand.kind} = 'text' AND {operand.value} {sign} {params.bind(value)}")
    return " OR ".join(ways)


# Parts of text


def _texts(test: Test) -> list[str]:
    """The alternatives of an operator that looks into text. None is no alternative: it matches nothing."""
    values = test.value if isinstance(test.value, list) else [test.value]
    texts = [value for value in values if value is not None]
    if not all(isinstance(text, str) for text in texts):
        raise test.refuse("takes text")
    if any(len(text) > MAX_PATTERN for text in texts):
        raise test.refuse(f"takes at most {MAX_PATTERN} characters")
    if len(texts) > MAX_CRITERIA:
        raise test.refuse(f"takes at most {MAX_CRITERIA} alternatives")
    return texts


def _in_text(ways: list[str], operand: Operand) -> str:
    return f"{operand.kind} = 'text' AND ({' OR '.join(ways)})" if ways else _NOTHING


def _contains(test: Test, operand: Operand, params: Parameters) -> str:
    values = test.value if isinstance(test.value, list) else [test.value]
    if not any(isinstance(value, str) for value in values):
        return _has(test, operand, params)
    inside = [f"instr({operand.value}, {params.bind(text)}) > 0" for text in _texts(test)]
    return f"{_in_text(inside, operand)} OR {_has(test, operand, params)}"


def _contains_folded(test: Test, operand: Operand, params: Parameters) -> str:
    folded = [params.bind(text.casefold()) for text in _texts(test)]
    inside = [f"instr(fold({operand.value}), {text}) > 0" for text in folded]
    same = [f"fold(part.value) = {text}" for text in folded]
    element = _in_text(same, _PART)
    return f"{_in_text(inside, operand)} OR {_element(element, operand)}"


def _starts_with(test: Test, operand: Operand, params: Parameters) -> str:
    ways = [
        f"substr({operand.value}, 1, {params.bind(len(text))}) = {params.bind(text)}" for text in _texts(test)
    ]
    return _in_text(ways, operand)


def _ends_with(test: Test, operand: Operand, params: Parameters) -> str:
    ways = [
        f"substr({operand.value}, {params.bind(-len(text))}) = {params.bind(text)}" if text else "1"
        for text in _texts(test)
    ]
    return _in_text(ways, operand)


def _like(test: Test, operand: Operand, params: Parameters) -> str:
    ways = [f"{operand.value} GLOB {params.bind(_glob(text))}" for text in _texts(test)]
    return _in_text(ways, operand)


def _like_folded(test: Test, operand: Operand, params: Parameters) -> str:
    ways = [f"fold({operand.value}) GLOB {params.bind(_glob(text.casefold()))}" for text in _texts(test)]
    return _in_text(ways, operand)


def _glob(pattern: str) -> str:
    """Only `*` is special to us; GLOB has `?` and `[` as well."""
    return re.sub(r"\*+", "*", re.sub(r"[?\[]", r"[\g<0>]", pattern))


_Writer: TypeAlias = "Callable[[Test, Operand, Parameters], str]"

WRITERS: dict[str, _Writer] = {
    "": _equal,
    "ne": _not_equal,
    "in": _in,
    "has": _has,
    "isnull": is_null,
    "contains": _contains,
    "icontains": _contains_folded,
    "startswith": _starts_with,
    "endswith": _ends_with,
    "like": _like,
    "ilike": _like_folded,
    **dict.fromkeys(_COMPARISONS, _compare),
}
