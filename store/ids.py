"""Ids and addresses.

1. A record's address is `str(id)`, so 1 and "1" are the same record; the type it was stored with is
   kept in the record itself.
2. An id is an integer that every JSON reader keeps exactly, or a text of 1 to 128 characters, none of them a
   control character. A text is reached percent-encoded; so what no path can hold is none: `.` and `..`, alone
   or as a step between slashes, and the words that are read otherwise in an id's place (`/members/search`).
3. Rows are addressed by rowid where the address is a canonical integer from 1 up ("7", not "007"), which is
   nearly always and costs one b-tree; all other text is a key of its own, "0" and "-5" too.
4. Absent, null, "" and the nil UUID (RFC 9562 §5.9) are what typed clients send for "no id yet".
"""

from __future__ import annotations

import re
import uuid
from typing import TypeAlias

from store.errors import InvalidId
from store.names import ACTION_WORDS

#: The largest integer that every JSON reader keeps exactly (RFC 8259 §6); the lowest is its negative.
MAX_INT_ID = 2**53 - 1
#: Rowids from here up belong to records with text addresses, in order of insertion.
FIRST_TEXT_ROWID = 2**60
MAX_TEXT_ID = 128
#: RFC 9562 §5.9: it says that there is no UUID.
NIL_UUID = "00000000-0000-0000-0000-000000000000"

#: A rowid, or the text of an id that is no canonical integer from 1 up.
Address: TypeAlias = int | str

#: What nearly every text id is made of.
_PLAIN_TEXT = re.compile(r"[A-Za-z0-9_~@:+-][A-Za-z0-9._~@:+-]{0,127}")
#: C0, DEL and C1 (which a path cannot hold either), and halves of surrogate pairs, which are no text.
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SLASHES = re.compile(r"[/\\]")
_CANONICAL_INT = re.compile(r"[1-9][0-9]{0,15}")
_INT_RANGE = (
    f"an integer id is from -{MAX_INT_ID} to {MAX_INT_ID}, as not every JSON reader keeps others exactly"
)


def address_of(value: object) -> Address | None:
    """The address that `value` names, or None where no record can have it. Never raises."""
    if type(value) is int:
        if 1 <= value <= MAX_INT_ID:
            return value
        # Only text ids reach beyond that range; str() of a much longer int is refused by Python itself.
        return str(value) if -(10**127) < value < 10**128 else None
    return _address_of_text(value) if type(value) is str else None


def _address_of_text(text: str) -> Address | None:
    if _CANONICAL_INT.fullmatch(text) and int(text) <= MAX_INT_ID:
        return int(text)
    return text if _PLAIN_TEXT.fullmatch(text) or not _fault_of(text) else None


def _fault_of(text: str) -> str:
    """Why a text can be no record's address; empty where it can."""
    if not 1 <= len(text) <= MAX_TEXT_ID:
        return f"a text id has 1 to {MAX_TEXT_ID} characters"
    if _NO_TEXT.search(text):
        return "a text id has no control characters and no halves of surrogate pairs"
    if not {".", ".."}.isdisjoint(_SLASHES.split(text)):
        return "'.' and '..' are steps of a path, so no id is one of them or has one between slashes"
    return ""


def is_unset(value: object) -> bool:
    """Whether a client that gives this id to a new record means that it has none yet (rule 4)."""
    return value is None or (type(value) is str and value in ("", NIL_UUID))


def made_for(value: object) -> str | None:
    """The id that is made where a client's `value` says what kind of id it wants; None: the next integer."""
    return str(uuid.uuid4()) if value == NIL_UUID else None


def checked_address(value: object, *, reachable: bool = True) -> Address:
    """The address of an id that a client gives to a new record. Raises InvalidId.

    5.0 is 5: JSON has one kind of number. `reachable`: a path must lead to it, too.
    """
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is int:
        if -MAX_INT_ID <= value <= MAX_INT_ID:
            return value if value > 0 else str(value)
        raise InvalidId(f"id: {_INT_RANGE}; send a longer number as text")
    if type(value) is not str:
        raise InvalidId(f"id: an id is an integer or text, not {_kind(value)}")
    if reachable and value in ACTION_WORDS:
        raise InvalidId(f"id: '{value}' cannot be an id, as GET /.../{value} is read otherwise")
    address = _address_of_text(value)
    if address is None:
        raise InvalidId(f"id: {_fault_of(value)}")
    return address


def _kind(value: object) -> str:
    names = {bool: "a boolean", float: "a fraction", type(None): "null", list: "an array", dict: "an object"}
    return names.get(type(value), "something else")
