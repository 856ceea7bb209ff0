"""Ids and addresses.

A record's address is `str(id)`, so 1 and "1" are the same record; the type it was stored with is
kept in the record itself. Rows are addressed by rowid where the address is a canonical integer
("7", not "007"), which is nearly always and costs one b-tree; other text is a key of its own.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from store.errors import InvalidId

#: The largest integer that every JSON reader keeps exactly (RFC 8259 §6).
MAX_INT_ID = 2**53 - 1
#: Rowids from here up belong to records with text addresses, in order of insertion.
FIRST_TEXT_ROWID = 2**60

#: A rowid, or the text of an id that is no canonical integer.
Address: TypeAlias = int | str

_TEXT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
_CANONICAL_INT = re.compile(r"[1-9][0-9]{0,15}")


def address_of(value: object) -> Address | None:
    """The address that `value` names, or None where no record can have it. Never raises."""
    if type(value) is int:
        if 1 <= value <= MAX_INT_ID:
            return value
        # Only text ids reach beyond that range; str() of a much longer int is refused by Python itself.
        return str(value) if 0 <= value < 10**128 else None
    return _address_of_text(value) if type(value) is str else None


def _address_of_text(text: str) -> Address | None:
    if _CANONICAL_INT.fullmatch(text) and int(text) <= MAX_INT_ID:
        return int(text)
    return text if _TEXT_ID.fullmatch(text) else None


def checked_address(value: object) -> Address:
    """The address of an id that a client gives to a new record. Raises InvalidId.

    5.0 is 5: JSON has one kind of number.
    """
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is int:
        if 1 <= value <= MAX_INT_ID:
            return value
        raise InvalidId(f"id: an integer id is from 1 to {MAX_INT_ID}")
    if type(value) is not str:
        raise InvalidId(f"id: an id is an integer or text, not {_kind(value)}")
    address = _address_of_text(value)
    if address is None:
        raise InvalidId(
            "id: a text id is 1 to 128 letters, digits, '.', '_', '~' or '-', a letter or digit first"
        )
    return address


def _kind(value: object) -> str:
    names = {bool: "a boolean", float: "a fraction", type(None): "null", list: "an array", dict: "an object"}
    return names.get(type(value), "something else")
