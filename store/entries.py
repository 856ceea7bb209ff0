"""A row of the catalogue as it is stored, and what may be in it: one rule for the store and for the host."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from store.fields import can_index
from store.singleton import SINGLES

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What a collection may be called.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
MAX_INDEXES = 16
_MAX_NUMBER = 2**31 - 1
_MAX_NEXT_ID = 2**53


class EntryRow(NamedTuple):
    """A collection: `schema` and `indexes` are JSON text, `updated_at` is UTC in ISO 8601."""

    name: str
    number: int
    next_id: int
    updated_at: str
    schema: str
    indexes: str


def unreadable(row: Sequence[Any]) -> str | None:
    """Why a row of six values, of which any guest may have made anything, is none; None where it is one."""
    name, number, next_id, updated_at, schema, indexes = row
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return "a collection has a name that none can have"
    if type(number) is not int or not 1 <= number <= _MAX_NUMBER:
        return f"the number of {name} is none"
    if type(next_id) is not int or not 1 <= next_id <= _MAX_NEXT_ID:
        return f"the next id of {name} is none"
    if not all(map(_is_text, (updated_at, schema, indexes))):
        return f"what is known of {name} is no text"
    try:
        fields, indexed = json.loads(schema), json.loads(indexes)
    except (ValueError, RecursionError):
        return f"what is known of {name} is no JSON"
    return (
        None if _are_known(fields) and _are_indexes(indexed) else f"what is known of {name} is not readable"
    )


def _is_text(value: Any) -> bool:
    """Such as UTF-8 can encode."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def _are_known(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _are_fields(value.get("fields", {}))
        and value.get("single", "") in SINGLES
    )


def _are_fields(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(kinds, list) and all(isinstance(kind, str) for kind in kinds) for kinds in value.values()
    )


def _are_indexes(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= MAX_INDEXES
        and all(isinstance(name, str) and can_index(name) for name in value)
    )
