"""JSON as RFC 8259 has it, and stricter where two readers could disagree (T45).

Refused, beyond what is not JSON at all:

1. anything but UTF-8 (also a byte order mark, and lone surrogates by escape);
2. NaN, Infinity, and numbers that are infinite as a double;
3. a key twice in one object, also when one of them is spelled with escapes;
4. nesting deeper than 64;
5. integers of 64 bits or more (|n| >= 2^63), numbers of more than 400 characters.

orjson does 1 and 2, and its own recursion is bounded, so it sees the text first. 3, 4 and 5 are decided by
counting, all of it in C: a member that was lost is missing when the value is written again. Only a text that
breaks a rule is scanned for the place.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from server.values.errors import InvalidJson
from wasm_runtime.nesting import depth_within, without_texts

MAX_DEPTH = 64
MAX_INTEGER = 2**63
MAX_NUMBER_CHARACTERS = 400

#: Without a run of 19 digits a number is neither an integer of 64 bits nor longer than 400 characters.
_SHORT_NUMBER = 18
_LONG_DIGITS = b"0" * (_SHORT_NUMBER + 1)
#: Every digit becomes a 0, all else a blank.
_DIGITS_ALONE = bytes(0x30 if 0x30 <= each <= 0x39 else 0x20 for each in range(256))
#: What no number has in it becomes a blank.
_NUMBERS_ALONE = bytes(each if each in b"0123456789.eE+-" else 0x20 for each in range(256))
_NO_KEYS: set[str] = set()
_KEY, _OPENS, _CLOSES, _NUMBER = 2, 3, 4, 5
#: A key with its colon, all that opens, all that closes, a number of 19 characters or more; or another text.
#: A text always ends in what is JSON: that its end may lack keeps the time linear for all that is not.
_TOKENS = re.compile(
    r'("[^"\\]*+(?:\\.[^"\\]*+)*+"?+)(?:[ \t\r\n]*+(:))?+|([\[{]++)|([\]}]++)|(-?+\d[\d.eE+-]{18,}+)',
    re.DOTALL,
)


def read(data: bytes) -> Any:
    """The value that `data` is. Raises InvalidJson, whose detail names the line and the column."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _not_utf8(data) or _invalid(error.msg, error.lineno, error.colno) from None
    if _is_harmless(data, value):
        return value
    if not depth_within(data, MAX_DEPTH) or _breaks_a_rule(data, value):
        raise _invalid(*_first_fault(data.decode()))
    return value


def _not_utf8(data: bytes) -> InvalidJson | None:
    """Orjson says line 1, column 1 of every byte that is not UTF-8; here it is where it is."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        return _invalid("not UTF-8", before.count("\n") + 1, len(before) - before.rfind("\n"))
    return None


def _invalid(reason: str, line: int, column: int) -> InvalidJson:
    return InvalidJson(f"Invalid JSON: {reason} (line {line}, column {column})", line=line, column=column)


def _is_harmless(data: bytes, value: Any) -> bool:
    """Whether counting alone shows that rules 3, 4 and 5 hold.

    Every member has its colon, so as many colons as distinct keys at the top means that no key was
    lost and that there are no other objects with members.
    """
    keys = len(value) if type(value) is dict else 0
    return (
        data.count(b":") == keys
        and data.count(b"[") + data.count(b"{") <= MAX_DEPTH
        and not _has_long_digits(data)
    )


def _has_long_digits(data: bytes) -> bool:
    """In two passes in C: a pattern takes twelve times as long, with the interpreter's lock held."""
    return len(data) > _SHORT_NUMBER and _LONG_DIGITS in data.translate(_DIGITS_ALONE)


def _breaks_a_rule(data: bytes, value: Any) -> bool:
    """Whether rule 3 or 5 is broken. The text is JSON, and not deep."""
    sent, kept = without_texts(data), without_texts(orjson.dumps(value))
    return sent.count(b":") != kept.count(b":") or _has_bad_number(sent)


def _has_bad_number(text: bytes) -> bool:
    """Of JSON without its texts. A word such as `true` leaves a letter, which is no long number."""
    if not _has_long_digits(text):
        return False
    numbers = text.translate(_NUMBERS_ALONE).split()
    return any(_number_fault(each.decode()) for each in numbers if len(each) > _SHORT_NUMBER)


def _number_fault(digits: str) -> str | None:
    if len(digits) > MAX_NUMBER_CHARACTERS:
        return f"a number of more than {MAX_NUMBER_CHARACTERS} characters"
    if digits.lstrip("-").isdigit() and abs(int(digits)) >= MAX_INTEGER:
        return "an integer of more than 63 bits"
    return None


def _first_fault(text: str) -> tuple[str, int, int]:
    """Reason, line and column of the first place where rule 3, 4 or 5 is broken."""
    reason, at = _scan(text)
    return reason, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def _scan(text: str) -> tuple[str, int]:
    #: The keys so far of each object; arrays share what nothing is added to.
    open_objects: list[set[str]] = []
    for match in _TOKENS.finditer(text):
        kind = match.lastindex
        if kind == _KEY:
            name = _unescaped(match[1])
            if name in open_objects[-1]:
                return "the same key twice in one object", match.start()
            open_objects[-1].add(name)
        elif kind == _OPENS:
            room = MAX_DEPTH - len(open_objects)
            if len(match[3]) > room:
                return f"nested deeper than {MAX_DEPTH}", match.start() + room
            open_objects += [set() if each == "{" else _NO_KEYS for each in match[3]]
        elif kind == _CLOSES:
            del open_objects[-len(match[4]) :]
        elif kind == _NUMBER and (fault := _number_fault(match[5])):
            return fault, match.start()
    raise AssertionError("a rule is broken, but nowhere")


def _unescaped(key: str) -> str:
    return json.loads(key) if "\\" in key else key[1:-1]
