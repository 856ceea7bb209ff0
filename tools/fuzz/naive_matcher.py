"""What criteria mean, in plain Python: slow, obvious, and written without a look at the SQL."""

from __future__ import annotations

import fnmatch
import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

OPERATORS = {
    *("contains", "icontains", "startswith", "endswith", "like", "ilike", "gt", "gte", "lt", "lte"),
    *("ne", "in", "isnull", "has"),
}


def matches(record: dict[str, Any], criteria: dict[str, Any]) -> bool:
    return all(_matches(record, key, value) for key, value in criteria.items())


def _has_words(value: Any, words: str) -> bool:
    texts = list(_texts(value))
    return all(any(word in text for text in texts) for word in words.casefold().split())


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value.casefold()
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(inner)


def _matches(record: dict[str, Any], key: str, criterion: Any) -> bool:
    if key == "$or":
        return any(matches(record, each) for each in criterion)
    if key == "$and":
        return all(matches(record, each) for each in criterion)
    if key == "$text":
        return _has_words(record, criterion if isinstance(criterion, str) else " ".join(criterion))
    return _matches_field(record, key, criterion)


def _matches_field(record: dict[str, Any], key: str, criterion: Any) -> bool:
    field, _, operator = key.rpartition("__")
    if operator not in OPERATORS:
        field, operator = key, ""
    stored, reached = _at(record, field), _reached(record, field.split("."))
    alternatives = criterion if isinstance(criterion, list) else [criterion]
    if operator == "in" and isinstance(criterion, str):
        alternatives = [part.strip() for part in criterion.split(",") if part.strip()]
    given = [item for item in alternatives if item is not None]
    if reached is not None:
        return _matches_reached(reached, operator, criterion, alternatives)
    if operator == "isnull":
        return (stored is None) is (criterion in (True, "true", "1"))
    if operator == "":
        return any(_equal(stored, item) for item in given) or (None in alternatives and stored is None)
    if stored is None:
        return False
    if operator == "ne":
        return not any(_equal(stored, item) for item in given)
    return any(_compare(operator, stored, item) for item in given)


def _matches_reached(reached: list[Any], operator: str, criterion: Any, alternatives: list[Any]) -> bool:
    """Of the values that are found in arrays on the way."""
    there = [value for value in reached if value is not None]
    given = [item for item in alternatives if item is not None]
    if operator == "isnull":
        return (not there) is (criterion in (True, "true", "1"))
    equal = any(_equal(value, item) for value in there for item in given)
    if operator == "":
        return equal or (None in alternatives and not there)
    if operator == "ne":
        return bool(there) and not equal
    return any(_compare(operator, value, item) for value in there for item in given)


def _reached(value: Any, steps: list[str]) -> list[Any] | None:
    """The values at the end of a way that leads into an array; None where it does not."""
    if isinstance(value, list) and steps:
        if len(steps) > 1 and set(steps[0]) <= set("0123456789"):
            elements, rest = value[int(steps[0]) :][:1], steps[1:]
        else:
            elements, rest = [each for each in value if isinstance(each, dict | list)], steps
        found: list[Any] = []
        for element in elements:
            deeper = _reached(element, rest)
            found += _ends(element, rest) if deeper is None else deeper
        return found
    if not steps or not isinstance(value, dict) or steps[0] not in value:
        return None
    return _reached(value[steps[0]], steps[1:])


def _ends(value: Any, steps: list[str]) -> list[Any]:
    for step in steps:
        if not isinstance(value, dict) or step not in value:
            return []
        value = value[step]
    return [value]


def _at(record: Any, field: str) -> Any:
    for step in field.split("."):
        record = record.get(step) if isinstance(record, dict) else None
    return record


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(text: str) -> float | None:
    if len(text) > 400 or not re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", text):
        return None
    number = int(text) if re.fullmatch(r"-?\d{1,20}", text) else float(text)
    return number if math.isfinite(number) else None


def _equal(stored: Any, criterion: Any) -> bool:
    if isinstance(stored, (list, dict)) or stored is None:
        return False
    if isinstance(stored, bool):
        return criterion is stored or criterion == ("true" if stored else "false")
    if isinstance(stored, str):
        return isinstance(criterion, str) and stored == criterion
    if isinstance(criterion, str):
        return bool(stored == _number(criterion))
    return not isinstance(criterion, bool) and bool(stored == criterion)


def _compare(operator: str, stored: Any, criterion: Any) -> bool:
    match operator:
        case "in":
            return _equal(stored, criterion)
        case "has":
            return isinstance(stored, list) and any(_equal(item, criterion) for item in stored)
        case "gt" | "gte" | "lt" | "lte":
            return _in_order(operator, stored, criterion)
        case "contains" if isinstance(stored, list):
            return any(_equal(item, criterion) for item in stored)
        case "icontains" if isinstance(stored, list):
            return any(isinstance(item, str) and item.casefold() == criterion.casefold() for item in stored)
        case _:
            return (
                isinstance(stored, str)
                and isinstance(criterion, str)
                and _in_text(operator, stored, criterion)
            )


def _in_order(operator: str, stored: Any, criterion: Any) -> bool:
    if _is_number(stored) and isinstance(criterion, str):
        criterion = _number(criterion)
    alike = (_is_number(stored) and _is_number(criterion)) or (
        isinstance(stored, str) and isinstance(criterion, str)
    )
    if not alike:
        return False
    return bool(
        {
            "gt": stored > criterion,
            "gte": stored >= criterion,
            "lt": stored < criterion,
            "lte": stored <= criterion,
        }[operator]
    )


def _in_text(operator: str, stored: str, text: str) -> bool:
    match operator:
        case "contains":
            return text in stored
        case "icontains":
            return text.casefold() in stored.casefold()
        case "startswith":
            return stored.startswith(text)
        case "endswith":
            return stored.endswith(text)
        case "ilike":
            return _in_text("like", stored.casefold(), text.casefold())
        case _:
            return fnmatch.fnmatchcase(stored, text.replace("[", "[[]").replace("?", "[?]"))
