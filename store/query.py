"""Criteria to SQL.

1. A key of criteria is a field, or `field__operator`. A field is a path into nested objects, its
   steps joined by dots: `address.city__icontains`; an array on the way is reached into (`store.reach`). Steps
   hold no quote, backslash or control character (SQLite versions differ in how they find such keys).
2. What follows the last `__` of a key is the operator. If it is none, the whole key is the field where
   the collection knows such a field or where it can't be a misspelt operator (it is not all of a-z);
   otherwise it is refused, so that `price__gtt` does not quietly find nothing.
3. A text criterion is compared by the stored value's type: "30" equals 30 and "30", "true" equals true
   and "true" (never 1). Any other criterion is compared within its own JSON type.
4. A list means "any of" (`ne`: none of). None equals null and absent; in no other comparison do null,
   absent or None match anything.
5. Values, and fields too, are bound parameters. The one exception is a field that has an index: SQLite
   uses an index on an expression only where the query spells the same expression, so its path stands in
   the SQL as a literal. That is safe because only fields of `[A-Za-z0-9_]` steps can be indexed, an
   alphabet with no quote in it. It also keeps the number of different statements small.
6. Four keys stand for no field: `$or`, `$and` and `$not` (none of them) take a list of criteria, `$text`
   words that a record has in its texts (`store.text_search`). All filters count together, however deep they
   stand.

Numbers reach SQLite as JSON text, as those in records do, so that both are read by the same parser: it is
not the one Python uses, and the two may disagree in a number's last digit.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from store import reach, text_search
from store.errors import InvalidQuery
from store.fields import can_index, path_of
from store.ids import Address, address_of
from store.json_text import encode
from store.values import Scalar, boolean_readings, bounded, number_in, plain_readings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

OPERATORS = frozenset(
    {
        *("contains", "icontains", "startswith", "endswith", "like", "ilike"),
        *("gt", "gte", "lt", "lte"),
        *("ne", "in", "isnull", "has"),
    }
)
MAX_CRITERIA = 64
MAX_PATTERN = 1_000
#: `$or` and `$and` within one another.
MAX_NESTING = 4

#: How the conditions of a list of criteria are joined, and what an empty list means.
_JOINED = {"$or": (" OR ", "0"), "$and": (" AND ", "1"), "$not": (" OR ", "0")}
_WHOLE = frozenset({*_JOINED, "$text"})
_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_NUMBERS = "('integer', 'real')"
_PLAIN = "('text', 'integer', 'real')"
_NOTHING = "0"


@dataclass(slots=True)
class Where:
    """A condition over `doc`, `rowid` and `key`, and what its named parameters stand for."""

    sql: str
    params: dict[str, Any]
    #: Fields compared for equality that an index would help.
    unindexed: tuple[str, ...] = ()


@dataclass(slots=True)
class _Operand:
    """SQL for a value, for its type as json_type() names it, and for what json_each() is to take apart."""

    value: str
    kind: str
    parts: str = ""


#: An element of an array that is taken apart: `AS item`, and `AS part` where it is an array itself.
_ITEM = _Operand("item.value", "item.type", "CASE item.type WHEN 'array' THEN item.value ELSE '[]' END")
_PART = _Operand("part.value", "part.type")


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
class _Test:
    """One criterion, taken apart."""

    key: str
    field: str
    operator: str
    value: Any

    def refuse(self, reason: str) -> InvalidQuery:
        return InvalidQuery(f"filter '{self.key[:100]}': {reason}")


def compile_criteria(
    criteria: Mapping[str, Any], *, indexed: Collection[str] = (), known: Collection[str] = ()
) -> Where:
    """The condition that records matching all criteria meet.

    `indexed` are the fields with an index, `known` those that the collection has learned.
    Raises InvalidQuery.
    """
    if not isinstance(criteria, dict):
        raise InvalidQuery("criteria are an object of fields and values")
    if len(criteria) > MAX_CRITERIA:
        raise InvalidQuery(f"more than {MAX_CRITERIA} filters")
    for key, value in criteria.items():
        if not _is_plain(key, value) or ("." in key and _arrays(key, known)):
            break
    else:
        return _plain_equality(criteria, indexed)
    scope = _Scope(Parameters("p"), indexed, known)
    tests, sql = _all_of(criteria, scope, 0)
    return Where(sql, scope.params.values, _unindexed(tests, scope))


@dataclass(slots=True)
class _Scope:
    """What all criteria of one search share."""

    params: Parameters
    indexed: Collection[str]
    known: Collection[str]
    #: Filters there may still be.
    room: int = MAX_CRITERIA


def _all_of(criteria: Mapping[str, Any], scope: _Scope, depth: int) -> tuple[list[_Test], str]:
    """The criteria that look at one field each, and the condition that all criteria meet."""
    scope.room -= len(criteria)
    if scope.room < 0:
        raise InvalidQuery(f"more than {MAX_CRITERIA} filters")
    tests = [_take_apart(key, value, scope.known) for key, value in criteria.items() if key not in _WHOLE]
    conditions = [_condition(test, scope) for test in tests]
    if len(tests) < len(criteria):
        conditions += [_whole(key, criteria[key], scope, depth) for key in criteria if key in _WHOLE]
    return tests, " AND ".join(conditions) or "1"


def _whole(key: str, value: object, scope: _Scope, depth: int) -> str:
    """The condition of a key that stands for no field."""
    if key == "$text":
        return text_search.condition(value, scope.params.bind)
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise InvalidQuery(f"{key}: takes a list of criteria")
    if depth == MAX_NESTING:
        raise InvalidQuery(f"{key}: more than {MAX_NESTING} within one another")
    sign, nothing = _JOINED[key]
    parts = [f"({_all_of(each, scope, depth + 1)[1]})" for each in value]
    found = f"({sign.join(parts) or nothing})"
    return f"NOT coalesce({found}, 0)" if key == "$not" else found


# What nearly every search is: fields that equal texts. Written once for each choice of fields.


def _is_plain(key: object, value: object) -> bool:
    """Whether it is equality with a text that stands for nothing else, not even for an object's JSON text."""
    if type(value) is not str or type(key) is not str or key == "id" or key[:1] == "$" or "__" in key:
        return False
    ascii_text = value.isascii() and key.isascii() and "\0" not in value
    return ascii_text and value[:1] not in _OTHER_BEGINNINGS and value not in _BOOLEAN_TEXTS


#: Of a number's JSON text, an object's and an array's.
_OTHER_BEGINNINGS = frozenset("-0123456789{[")
_BOOLEAN_TEXTS = frozenset({"true", "false"})


def _plain_equality(criteria: Mapping[str, Any], indexed: Collection[str]) -> Where:
    sql, fixed, names, unindexed = _plain_sql(tuple(criteria), tuple([key in indexed for key in criteria]))
    params = fixed.copy()
    params.update(zip(names, criteria.values(), strict=True))
    return Where(sql, params, unindexed)


@lru_cache(maxsize=256)
def _plain_sql(
    fields: tuple[str, ...], indexed: tuple[bool, ...]
) -> tuple[str, dict[str, Any], list[str], tuple[str, ...]]:
    """The condition, its parameters, the names of those for the values, and what an index would help."""
    params = Parameters("p")
    operands = [
        _operand(name, params, (name,) if has else ()) for name, has in zip(fields, indexed, strict=True)
    ]
    marks = [params.bind(None) for _ in fields]
    conditions = [f"{operand.value} = {mark}" for operand, mark in zip(operands, marks, strict=True)]
    unindexed = () if any(indexed) else tuple(name for name in fields if can_index(name))
    return " AND ".join(conditions) or "1", params.values, [mark[1:] for mark in marks], unindexed


def _unindexed(tests: list[_Test], scope: _Scope) -> tuple[str, ...]:
    """One index is enough to make a search fast, so a search that has one asks for no other."""
    equal = [test.field for test in tests if test.operator in {"", "in"} and test.value is not None]
    equal = [name for name in equal if not _arrays(name, scope.known)]
    if "id" in equal or any(name in scope.indexed for name in equal):
        return ()
    return tuple(name for name in equal if can_index(name))


def _take_apart(key: object, value: object, known: Collection[str]) -> _Test:
    if not isinstance(key, str):
        raise InvalidQuery("the keys of criteria are text")
    if key[:1] == "$" and key not in known and _is_word(key[1:]):
        raise InvalidQuery(f"filter '{key[:100]}': no such operator; there are $or, $and, $not and $text")
    name, operator = split_key(key, known)
    test = _Test(key, name, operator, value)
    try:
        _check_text(value)
    except UnicodeEncodeError:
        raise test.refuse("text with half of a surrogate pair") from None
    return test


def _check_text(value: object) -> None:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str):
            item.encode()


def split_key(key: str, known: Collection[str] = ()) -> tuple[str, str]:
    """A criterion's field and operator ("" is equality), by rule 2. Raises InvalidQuery."""
    name, _, suffix = key.rpartition("__")
    if name and suffix in OPERATORS:
        return name, suffix
    if name and _is_word(suffix) and key not in known:
        raise InvalidQuery(f"filter '{key[:100]}': no operator '{suffix[:32]}'")
    return key, ""


def _is_word(text: str) -> bool:
    """Whether it is all of a-z, as operators are."""
    return text.isascii() and text.isalpha() and text.islower()


def _operand(name: str, params: Parameters, indexed: Collection[str]) -> _Operand:
    path = f"'{path_of(name)}'" if name in indexed else params.bind(path_of(name))
    return _Operand(f"json_extract(doc, {path})", f"json_type(doc, {path})", f"doc, {path}")


def _condition(test: _Test, scope: _Scope) -> str:
    params = scope.params
    operand = _operand(test.field, params, scope.indexed)
    plain = _WRITERS[test.operator](test, operand, params)
    arrays = _arrays(test.field, scope.known)
    if not arrays:
        return f"({plain})"
    is_one = " OR ".join(f"json_type(doc, {params.bind(path_of(name))}) = 'array'" for name in arrays)
    return f"(CASE WHEN {is_one} THEN ({_reaching(test, params)}) ELSE ({plain}) END)"


# Arrays on the way to a field (store.reach)


def _arrays(name: str, known: Collection[str]) -> list[str]:
    return reach.arrays_on_the_way(name, known) if "." in name else []


def _reaching(test: _Test, params: Parameters) -> str:
    """The condition on all the values that are found."""
    source = f"json_each(reach(doc, {params.bind(encode(test.field.split('.')))})) AS item"

    def some(condition: str) -> str:
        return f"EXISTS (SELECT 1 FROM {source} WHERE {condition})"  # noqa: S608  parts of ours

    is_there = some("item.value IS NOT NULL")
    values = test.value if isinstance(test.value, list) else [test.value]
    if test.operator == "isnull":
        return is_there if _is_null(test, _ITEM, params).endswith("NOT NULL") else f"NOT {is_there}"
    if test.operator == "ne":
        return f"{is_there} AND NOT {some(_any_of(_scalars(test, values), _ITEM, params))}"
    if test.operator == "" and None in values:
        return f"NOT {is_there} OR {some(_any_of(_scalars(test, values), _ITEM, params))}"
    return some(_WRITERS[test.operator](test, _ITEM, params))


# Equality and its kin


def _equal(test: _Test, operand: _Operand, params: Parameters) -> str:
    if test.value is None:
        return f"{operand.value} IS NULL"
    values = test.value if isinstance(test.value, list) else [test.value]
    found = _any_of(_scalars(test, values), operand, params)
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


def _scalars(test: _Test, values: list[Any]) -> list[Scalar]:
    """The values of a list of alternatives, without None, which is never equal to a value."""
    for value in values:
        if isinstance(value, (dict, list)):
            raise test.refuse(
                "compare with a value; reach into objects with a dotted field, arrays with __has"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise test.refuse("not a finite number")
    return [value for value in values if value is not None]


def _any_of(values: list[Scalar], operand: _Operand, params: Parameters) -> str:
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


def _not_equal(test: _Test, operand: _Operand, params: Parameters) -> str:
    present = f"{operand.value} IS NOT NULL"
    if test.value is None:
        return present
    values = test.value if isinstance(test.value, list) else [test.value]
    return f"{present} AND NOT ({_any_of(_scalars(test, values), operand, params)})"


def _in(test: _Test, operand: _Operand, params: Parameters) -> str:
    if test.value is None:
        return _NOTHING
    if isinstance(test.value, str):
        parts = [part.strip() for part in test.value.split(",")]
        return _equal(_Test(test.key, test.field, "", [part for part in parts if part]), operand, params)
    if not isinstance(test.value, list):
        raise test.refuse("takes a list or a comma-separated text")
    values = [value for value in test.value if value is not None]
    return _equal(_Test(test.key, test.field, "", values), operand, params)


def _has(test: _Test, operand: _Operand, params: Parameters) -> str:
    values = test.value if isinstance(test.value, list) else [test.value]
    return _element(_any_of(_scalars(test, values), _PART, params), operand)


def _element(condition: str, operand: _Operand) -> str:
    """Some element of a stored array meets a condition over `part`."""
    found = f"EXISTS (SELECT 1 FROM json_each({operand.parts}) AS part WHERE {condition})"  # noqa: S608  parts of ours
    return f"{operand.kind} = 'array' AND {found}"


def _is_null(test: _Test, operand: _Operand, _params: Parameters) -> str:
    wanted = {True: True, False: False, "true": True, "false": False, "1": True, "0": False}
    if not isinstance(test.value, (bool, str)) or test.value not in wanted:
        raise test.refuse("takes true or false")
    return f"{operand.value} IS {'' if wanted[test.value] else 'NOT '}NULL"


# Order


def _compare(test: _Test, operand: _Operand, params: Parameters) -> str:
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


def _texts(test: _Test) -> list[str]:
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


def _in_text(ways: list[str], operand: _Operand) -> str:
    return f"{operand.kind} = 'text' AND ({' OR '.join(ways)})" if ways else _NOTHING


def _contains(test: _Test, operand: _Operand, params: Parameters) -> str:
    values = test.value if isinstance(test.value, list) else [test.value]
    if not any(isinstance(value, str) for value in values):
        return _has(test, operand, params)
    inside = [f"instr({operand.value}, {params.bind(text)}) > 0" for text in _texts(test)]
    return f"{_in_text(inside, operand)} OR {_has(test, operand, params)}"


def _contains_folded(test: _Test, operand: _Operand, params: Parameters) -> str:
    folded = [params.bind(text.casefold()) for text in _texts(test)]
    inside = [f"instr(fold({operand.value}), {text}) > 0" for text in folded]
    same = [f"fold(part.value) = {text}" for text in folded]
    element = _in_text(same, _PART)
    return f"{_in_text(inside, operand)} OR {_element(element, operand)}"


def _starts_with(test: _Test, operand: _Operand, params: Parameters) -> str:
    ways = [
        f"substr({operand.value}, 1, {params.bind(len(text))}) = {params.bind(text)}" for text in _texts(test)
    ]
    return _in_text(ways, operand)


def _ends_with(test: _Test, operand: _Operand, params: Parameters) -> str:
    ways = [
        f"substr({operand.value}, {params.bind(-len(text))}) = {params.bind(text)}" if text else "1"
        for text in _texts(test)
    ]
    return _in_text(ways, operand)


def _like(test: _Test, operand: _Operand, params: Parameters) -> str:
    ways = [f"{operand.value} GLOB {params.bind(_glob(text))}" for text in _texts(test)]
    return _in_text(ways, operand)


def _like_folded(test: _Test, operand: _Operand, params: Parameters) -> str:
    ways = [f"fold({operand.value}) GLOB {params.bind(_glob(text.casefold()))}" for text in _texts(test)]
    return _in_text(ways, operand)


def _glob(pattern: str) -> str:
    """Only `*` is special to us; GLOB has `?` and `[` as well."""
    return re.sub(r"\*+", "*", re.sub(r"[?\[]", r"[\g<0>]", pattern))


_Writer: TypeAlias = "Callable[[_Test, _Operand, Parameters], str]"

_WRITERS: dict[str, _Writer] = {
    "": _equal,
    "ne": _not_equal,
    "in": _in,
    "has": _has,
    "isnull": _is_null,
    "contains": _contains,
    "icontains": _contains_folded,
    "startswith": _starts_with,
    "endswith": _ends_with,
    "like": _like,
    "ilike": _like_folded,
    **dict.fromkeys(_COMPARISONS, _compare),
}
