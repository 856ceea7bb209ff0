"""Records to JSON text and back: the one place that says what may be stored.

What passes here can be read back, encoded into a reply and queried: text keys, JSON types only,
finite floats, integers that SQLite holds exactly, no lone surrogates, and a depth and a number of members
that no reader of it has trouble with. (The guest's Python hashes texts to 32 bits with FNV, so whoever
chooses the names of an object can make reading it take the square of their number.)
"""

from __future__ import annotations

import sys
from itertools import chain
from math import isfinite
from typing import Any, TypeAlias

from store import json_text
from store.change_set import RECORD_DEPTH
from store.errors import InvalidRecord, StoreDamaged
from store.lazy import InParts, LazyDict, LazyList

Record: TypeAlias = dict[str, Any]

#: Members of one object, where nobody has said otherwise: tools read what the service has written.
NO_LIMIT = sys.maxsize
#: SQLite's integers are 64 bits wide; the most negative one is left out to keep the rule symmetric.
INT_LIMIT = 2**63

_SCALARS = frozenset({bool, type(None)})
_NESTED: frozenset[type] = frozenset({dict, list, LazyDict, InParts, LazyList})
_RECORDS = frozenset[type]((dict, LazyDict))
_TEXT_ALONE = frozenset({str})
#: Types whose values are all as they may be, texts in ASCII provided.
_HARMLESS = frozenset({str, bool, type(None)})
_CONTAINERS = frozenset({dict, list})
_PLAIN = frozenset({str, bool, type(None), int, float, dict, list})


class _Refused(Exception):
    """Why a value is refused; each level it passes on the way out adds its step to `path`."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.path: list[str] = []


def check(record: object, most_members: int = NO_LIMIT) -> None:
    """Raises InvalidRecord, naming the place, where a record cannot be stored."""
    if not isinstance(record, dict):
        raise InvalidRecord(f"a record is an object, not {type(record).__name__}")
    check_size(record, most_members)
    if _is_harmless(record, most_members):
        return
    try:
        _check_object(record, 1, most_members)
    except _Refused as refused:
        place = "".join(reversed(refused.path)).removeprefix(".")
        raise InvalidRecord(f"field '{place[:200]}': {refused.reason}") from None


def check_size(record: Record, most_members: int) -> None:
    """Raises InvalidRecord where the record itself has too many members; its id is not counted."""
    size = len(record) - ("id" in record)
    if size > most_members:
        raise InvalidRecord(f"the record would have {size} members, more than {most_members}")


def encode(record: Record) -> str:
    """The JSON text of a record that passed `check`.

    Not ASCII-escaped: SQLite before 3.45 compares object keys as they were written.
    """
    return json_text.encode(record)


def decode(document: str) -> Record:
    """Raises StoreDamaged where the text is none that `encode` made."""
    try:
        record: Record = json_text.decode(document)
    except (ValueError, RecursionError):
        raise StoreDamaged("a record is not JSON text") from None
    return record


def _is_harmless(record: dict[Any, Any], most: int) -> bool:
    """Whether there is nothing to look at more closely, found out in C as far as it goes."""
    if (
        type(record) not in _RECORDS
        or not _TEXT_ALONE.issuperset(map(type, record))
        or not all(map(str.isascii, record))
    ):
        return False
    nested = []
    for value in record.values():
        kind = type(value)
        if kind is int:
            if not -INT_LIMIT < value < INT_LIMIT:
                return False
        elif kind is list or kind is dict:
            nested.append(value)
        elif kind not in _HARMLESS or (kind is str and not value.isascii()):
            return False
    return not nested or _are_harmless(nested, most)


def _are_harmless(level: list[Any], most: int) -> bool:
    """The same of arrays and objects, all that are equally deep at once: there may be thousands."""
    for _ in range(RECORD_DEPTH - 1):
        objects = [each for each in level if type(each) is dict]
        values = [*chain.from_iterable(each for each in level if type(each) is list)]
        if objects:
            names = [*chain.from_iterable(objects)]
            if max(map(len, objects)) > most or not (
                _TEXT_ALONE.issuperset(map(type, names)) and "".join(names).isascii()
            ):
                return False
            values += chain.from_iterable(map(dict.values, objects))
        kinds = set(map(type, values))
        if not _are_plain(values, kinds):
            return False
        if kinds.isdisjoint(_CONTAINERS):
            return True
        level = [each for each in values if type(each) in _CONTAINERS]
    return False


def _are_plain(values: list[Any], kinds: set[type]) -> bool:
    """Whether all values are as they may be, what they contain left aside."""
    if not _PLAIN.issuperset(kinds):
        return False
    if int in kinds:
        numbers = [each for each in values if type(each) is int]
        if not -INT_LIMIT < min(numbers) <= max(numbers) < INT_LIMIT:
            return False
    if float in kinds and not all(isfinite(each) for each in values if type(each) is float):
        return False
    return str not in kinds or all(each.isascii() for each in values if type(each) is str)


def _check_object(value: dict[Any, Any], depth: int, most: int) -> None:
    for key, item in value.items():
        if type(key) is not str:
            raise _Refused(f"has a key that is {type(key).__name__}, not text")
        try:
            if not key.isascii():
                _check_text(key)
            _check(item, depth, most)
        except _Refused as refused:
            refused.path.append("." + key.encode("utf-8", "replace").decode())
            raise


def _check_array(value: list[Any], depth: int, most: int) -> None:
    for index, item in enumerate(value):
        try:
            _check(item, depth, most)
        except _Refused as refused:
            refused.path.append(f"[{index}]")
            raise


def _check(value: object, depth: int, most: int) -> None:
    kind = type(value)
    if kind is str:
        if not value.isascii():  # type: ignore[attr-defined]
            _check_text(value)  # type: ignore[arg-type]
    elif kind is int or kind is float:
        _check_number(value)  # type: ignore[arg-type]
    elif kind in _NESTED:
        _check_nested(value, depth + 1, most)  # type: ignore[arg-type]
    elif kind not in _SCALARS:
        raise _Refused(f"{kind.__name__} is no JSON type")


def _check_nested(value: dict[Any, Any] | list[Any], depth: int, most: int) -> None:
    if depth > RECORD_DEPTH:
        raise _Refused(f"nested more than {RECORD_DEPTH} deep")
    if isinstance(value, dict):
        if len(value) > most:
            raise _Refused(f"{len(value)} members, more than {most}")
        _check_object(value, depth, most)
    else:
        _check_array(value, depth, most)


def _check_number(value: float) -> None:
    if isinstance(value, float):
        if not isfinite(value):
            raise _Refused("not a finite number")
    elif not -INT_LIMIT < value < INT_LIMIT:
        raise _Refused("an integer of more than 63 bits")


def _check_text(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Refused("text with half of a surrogate pair") from None
