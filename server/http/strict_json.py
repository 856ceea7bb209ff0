"""JSON as RFC 8259 has it, and stricter where two readers could disagree (T45).

Refused, beyond what is not JSON at all:

1. anything but UTF-8 (also a byte order mark, and lone surrogates by escape);
2. NaN, Infinity, and numbers that are infinite as a double;
3. a key twice in one object, also when one of them is spelled with escapes;
4. nesting deeper than 64;
5. integers of 64 bits or more (|n| >= 2^63), numbers of more than 400 characters.

orjson does 1 and 2, and its own recursion is bounded, so it may see the text first. 3, 4 and 5
are *excluded* by three cheap counts for most small bodies; only a text that could break a rule is
read again by `json` with hooks, and only one that does is scanned for the place.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from server.errors import InvalidJson
from wasm_runtime.nesting import depth_within

MAX_DEPTH = 64
MAX_INTEGER = 2**63
MAX_NUMBER_CHARACTERS = 400

#: Without a run of 19 digits a number is neither an integer of 64 bits nor longer than 400 characters.
_LONG_DIGITS = re.compile(rb"\d{19}")
_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}:]|-?\d[\d.eE+-]*', re.DOTALL)


class _RuleBroken(Exception):
    """Some rule is broken somewhere; hooks of `json` do not know the place."""


def read(data: bytes) -> Any:
    """The value that `data` is. Raises InvalidJson, whose detail names the line and the column."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _not_utf8(data) or _invalid(error.msg, error.lineno, error.colno) from None
    if _is_harmless(data, value):
        return value
    text = data.decode()
    if not depth_within(data, MAX_DEPTH) or _breaks_a_rule(text):
        raise _invalid(*_first_fault(text))
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
        and _LONG_DIGITS.search(data) is None
    )


def _breaks_a_rule(text: str) -> bool:
    """Whether rule 3 or 5 is broken. The text is JSON, and not deep."""
    hooks: dict[str, Any] = {"object_pairs_hook": _distinct}
    if _LONG_DIGITS.search(text.encode()):
        hooks |= {"parse_int": _short_integer, "parse_float": _short_number}
    try:
        json.loads(text, **hooks)
    except _RuleBroken:
        return True
    return False


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > 1 and len(dict(pairs)) != len(pairs):
        raise _RuleBroken


def _short_integer(digits: str) -> None:
    if _number_fault(digits):
        raise _RuleBroken


_short_number = _short_integer


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
    open_objects: list[set[str]] = []
    string_at, string = 0, '""'
    for match in _TOKENS.finditer(text):
        at, piece = match.start(), match.group()
        if piece in "[{":
            open_objects.append(set())
            if len(open_objects) > MAX_DEPTH:
                return f"nested deeper than {MAX_DEPTH}", at
        elif piece in "]}":
            open_objects.pop()
        elif piece == ":":
            key = json.loads(string)
            if key in open_objects[-1]:
                return "the same key twice in one object", string_at
            open_objects[-1].add(key)
        elif piece.startswith('"'):
            string_at, string = at, piece
        elif fault := _number_fault(piece):
            return fault, at
    raise AssertionError("a rule is broken, but nowhere")
