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
6. Three keys stand for no field: `$or` and `$and` take a list of criteria, `$text` words that a record has
   in its texts (`store.text_search`). All filters count together, however deep they stand.

Numbers reach SQLite as JSON text, as those in records do, so that both are read by the same parser: it is
not the one Python uses, and the two may disagree in a number's last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from store import reach, text_search
from store.errors import InvalidQuery
from store.fields import can_index, path_of
from store.json_text import encode
from store.operators import (
    ITEM,
    MAX_CRITERIA,
    OPERATORS,
    WRITERS,
    Operand,
    Parameters,
    Test,
    any_of,
    is_null,
    scalars,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: `$or` and `$and` within one another.
MAX_NESTING = 4

#: How the conditions of a list of criteria are joined, and what an empty list means.
_JOINED = {"$or": (" OR ", "0"), "$and": (" AND ", "1")}
_WHOLE = frozenset({*_JOINED, "$text"})


@dataclass(slots=True)
class Where:
    """A condition over `doc`, `rowid` and `key`, and what its named parameters stand for."""

    sql: str
    params: dict[str, Any]
    #: Fields compared for equality that an index would help.
    unindexed: tuple[str, ...] = ()


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


def _all_of(criteria: Mapping[str, Any], scope: _Scope, depth: int) -> tuple[list[Test], str]:
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
    return f"({sign.join(parts) or nothing})"


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


def _unindexed(tests: list[Test], scope: _Scope) -> tuple[str, ...]:
    """One index is enough to make a search fast, so a search that has one asks for no other."""
    equal = [test.field for test in tests if test.operator in {"", "in"} and test.value is not None]
    equal = [name for name in equal if not _arrays(name, scope.known)]
    if "id" in equal or any(name in scope.indexed for name in equal):
        return ()
    return tuple(name for name in equal if can_index(name))


def _take_apart(key: object, value: object, known: Collection[str]) -> Test:
    if not isinstance(key, str):
        raise InvalidQuery("the keys of criteria are text")
    if key[:1] == "$" and key not in known and _is_word(key[1:]):
        raise InvalidQuery(f"filter '{key[:100]}': no such operator; there are $or, $and and $text")
    name, operator = split_key(key, known)
    test = Test(key, name, operator, value)
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


def _operand(name: str, params: Parameters, indexed: Collection[str]) -> Operand:
    path = f"'{path_of(name)}'" if name in indexed else params.bind(path_of(name))
    return Operand(f"json_extract(doc, {path})", f"json_type(doc, {path})", f"doc, {path}")


def _condition(test: Test, scope: _Scope) -> str:
    params = scope.params
    operand = _operand(test.field, params, scope.indexed)
    plain = WRITERS[test.operator](test, operand, params)
    arrays = _arrays(test.field, scope.known)
    if not arrays:
        return f"({plain})"
    is_one = " OR ".join(f"json_type(doc, {params.bind(path_of(name))}) = 'array'" for name in arrays)
    return f"(CASE WHEN {is_one} THEN ({_reaching(test, params)}) ELSE ({plain}) END)"


# Arrays on the way to a field (store.reach)


def _arrays(name: str, known: Collection[str]) -> list[str]:
    return reach.arrays_on_the_way(name, known) if "." in name else []


def _reaching(test: Test, params: Parameters) -> str:
    """The condition on all the values that are found."""
    source = f"json_each(reach(doc, {params.bind(encode(test.field.split('.')))})) AS item"

    def some(condition: str) -> str:
        return f"EXISTS (SELECT 1 FROM {source} WHERE {condition})"  # noqa: S608  parts of ours

    is_there = some("item.value IS NOT NULL")
    values = test.value if isinstance(test.value, list) else [test.value]
    if test.operator == "isnull":
        return is_there if is_null(test, ITEM, params).endswith("NOT NULL") else f"NOT {is_there}"
    if test.operator == "ne":
        return f"{is_there} AND NOT {some(any_of(scalars(test, values), ITEM, params))}"
    if test.operator == "" and None in values:
        return f"NOT {is_there} OR {some(any_of(scalars(test, values), ITEM, params))}"
    return some(WRITERS[test.operator](test, ITEM, params))
