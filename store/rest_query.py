"""A REST query string to criteria, by the habits of people who write such queries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from store import filter_groups, spelling
from store.errors import InvalidQuery
from store.names import PRESENTATION, RESERVED, WHOLE
from store.operators import OPERATORS
from store.schema import MAX_FIELDS

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Mapping

_FINDER = re.compile(r"(?:find|get|search)By([A-Z][A-Za-z0-9]*)(__[a-z]+)?")
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
#: `?age>30` has the key `age>30`, and `?age>=30` the key `age>` with the value 30.
_SIGN = re.compile(r"([^<>!]+)(>|<|!)([^<>!]*)")
#: PostgreSQL's way into JSON.
_ARROW = re.compile(r"->>?")
_SIGNS = {(">", False): "gt", (">", True): "gte", ("<", False): "lt", ("<", True): "lte", ("!", True): "ne"}
#: Operators that hardly end a field's name where what is before them is a field: not `in`, as in `check_in`.
_ENDINGS = OPERATORS - {"in", "has"}

_READS = (".get(", ".pop(", "[")
_PARTS = tuple(f"{name}{read}" for name in ("ctx", "plan") for read in _READS)


class ReadBy:
    """The query keys that a program reads under names of its own: `query.get("min_price")`, `"min" in query`.

    Its parts of `ctx` and `plan` are none: `ctx["query"]` reads no key called `query`.
    """

    def __init__(self, source: str) -> None:
        self._source = source

    def __contains__(self, key: object) -> bool:
        return any(self._is_read(f"{quote}{key}{quote}") for quote in "\"'")

    def _is_read(self, text: str) -> bool:
        source = self._source
        place = source.find(text)
        while place >= 0:
            is_read = source.endswith(_READS, 0, place) or source.startswith(" in ", place + len(text))
            if is_read and not source.endswith(_PARTS, 0, place):
                return True
            place = source.find(text, place + 1)
        return False


def criteria_of(query: Mapping[str, Any], known: Collection[str], own: Container[str] = ()) -> dict[str, Any]:
    """Criteria from a query's keys and values; `known` are the collection's fields.

    `own`: keys that a program reads, whose spelling is not looked at.

    Raises InvalidQuery for a group of filters (`or=`, `and=`) that cannot be read, and for an operator that
    is spelt as it would be elsewhere.
    """
    criteria = {}
    whole = False
    for key, value in query.items():
        if key not in RESERVED:
            field = _field_of(key, known) if "By" in key else key
            if key in known or key not in own:
                _check(key, field, value, known)
            name, sought = _criterion(field, value)
            criteria[name] = sought
        elif key in WHOLE:
            whole = True
    return criteria | _whole(query, known) if whole else criteria


def _check(key: str, field: str, value: Any, known: Collection[str]) -> None:
    if key not in known:
        _check_spelling(key, value, known)
    spelling.check_filter(field, value, known, OPERATORS)


def _check_spelling(key: str, value: Any, known: Collection[str]) -> None:
    """Refuse a key that is no field, but an operator in other words: it would quietly find nothing."""
    if "->" in key:
        steps = [step.strip(" '\"") for step in _ARROW.split(key)]
        right = spelling.spelt(".".join(steps), "", value) if all(steps) else "author.born=value"
        raise InvalidQuery(f"'{key[:100]}': a dot leads to a field within another; write {right}")
    sign = _SIGN.fullmatch(key)
    if sign is not None:
        name, mark, rest = sign.groups()
        operator = _SIGNS.get((mark, value != "" and not rest))
        if operator is not None:
            right = spelling.spelt(name, operator, rest or value)
            raise InvalidQuery(f"'{key[:100]}': no such sign stands in a key; write {right}")
    name, _, suffix = key.rpartition("_")
    # Of a collection with very many fields not all are known.
    if name in known and len(known) < MAX_FIELDS and spelling.is_ending(suffix, _ENDINGS):
        right = spelling.operated(name, suffix, value, OPERATORS)
        raise InvalidQuery(f"'{key[:100]}': there is no such field; write {right}")


def _whole(query: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """`q`, `or` and `and` as criteria. All of several groups must be met."""

    def one(key: str, value: str) -> dict[str, Any]:
        if key in PRESENTATION:
            raise InvalidQuery(f"'{key}' is no filter; it stands outside of the parentheses")
        return criteria_of({key: value}, known)

    groups: list[dict[str, Any]] = [
        {f"${name}": filter_groups.parse(name, text, one)}
        for name in ("or", "and")
        for text in _all(query.get(name))
    ]
    criteria: dict[str, Any] = {"$text": query["q"]} if "q" in query else {}
    return criteria | (groups[0] if len(groups) == 1 else {"$and": groups} if groups else {})


def _all(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _field_of(key: str, known: Collection[str]) -> str:
    """`findByFirstName` is the field that the collection spells so, in whatever style."""
    finder = _FINDER.fullmatch(key)
    if finder is None:
        return key
    name, operator = finder.group(1), finder.group(2) or ""
    words = [word.lower() for word in _CAPITAL.split(name)]
    camel = name[0].lower() + name[1:]
    spellings = ("_".join(words), camel, name, "".join(words))
    return next((spelling for spelling in spellings if spelling in known), camel) + operator


def _criterion(key: str, value: Any) -> tuple[str, Any]:
    """`name=hart*` is a pattern, in any case; a repeated key is a list, and with `__in` a list of lists."""
    name, _, operator = key.rpartition("__")
    if name and operator in OPERATORS:
        repeated = operator == "in" and isinstance(value, list)
        return key, ",".join(value) if repeated else value
    values = value if isinstance(value, list) else [value]
    patterned = any(isinstance(item, str) and "*" in item for item in values)
    return (f"{key}__ilike" if patterned else key), value
