"""What a criterion's value equals: a text may stand for a number, or for true or false."""

from __future__ import annotations

import math
import re
from typing import TypeAlias

from store.records import INT_LIMIT

Scalar: TypeAlias = str | int | float | bool

_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def plain_readings(value: Scalar) -> list[str | int | float]:
    """The texts and numbers that a criterion equals."""
    if isinstance(value, bool):
        return []
    if isinstance(value, str):
        number = number_in(value)
        return [value] if number is None else [value, number]
    return [bounded(value)]


def boolean_readings(value: Scalar) -> list[str]:
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return [value] if value in ("true", "false") else []


def number_in(text: str) -> int | float | None:
    """The number a text stands for, by JSON's grammar; None for all else ("nan", "0x1", "1_0", " 1")."""
    if len(text) > 400 or not _JSON_NUMBER.fullmatch(text):
        return None
    if text.lstrip("-").isdigit() and len(text) <= 20:
        return bounded(int(text))
    number = float(text)
    return number if math.isfinite(number) else None


def bounded(number: float) -> int | float:
    """Integers that no record can hold become what SQLite would make of them."""
    if isinstance(number, int) and not -INT_LIMIT < number < INT_LIMIT:
        return float(max(-(10**300), min(number, 10**300)))
    return number
