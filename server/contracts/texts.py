"""Texts that a pattern, a format or a length asks for: always the same one for the same rules and number."""

from __future__ import annotations

import re
import uuid
from typing import Any, Final

#: No text that is made is longer; and no pattern is looked into that is.
MOST_CHARACTERS: Final = 2_000
#: What stands for a class that takes many characters, those that read best first.
_PREFERRED: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-. /:@"
_CATEGORIES: Final = {
    "CATEGORY_DIGIT": re.compile(r"[0-9]"),
    "CATEGORY_NOT_DIGIT": re.compile(r"[^0-9]"),
    "CATEGORY_SPACE": re.compile(r"\s"),
    "CATEGORY_NOT_SPACE": re.compile(r"\S"),
    "CATEGORY_WORD": re.compile(r"[0-9A-Za-z_]"),
    "CATEGORY_NOT_WORD": re.compile(r"[^0-9A-Za-z_]"),
}
_WORDS: Final = "text"
_NAMESPACE: Final = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


def by_format(name: str, number: int = 0) -> str | None:
    """A text of a format; `number` tells several apart. None: nothing is known of it."""
    made = _FORMATS.get(name)
    return None if made is None else made.format(n=number, d=number % 28 + 1, uuid=uuid_of(number))


def uuid_of(number: int) -> str:
    return str(uuid.uuid5(_NAMESPACE, str(number)))


_FORMATS: Final = {
    "date": "2026-01-{d:02d}",
    "date-time": "2026-01-{d:02d}T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "P{d}D",
    "email": "user{n}@example.com",
    "idn-email": "user{n}@example.com",
    "hostname": "host{n}.example.com",
    "idn-hostname": "host{n}.example.com",
    "ipv4": "192.0.2.{d}",
    "ipv6": "2001:db8::{d}",
    "uri": "https://example.com/{n}",
    "url": "https://example.com/{n}",
    "iri": "https://example.com/{n}",
    "uri-reference": "/{n}",
    "iri-reference": "/{n}",
    "uri-template": "/{n}",
    "uuid": "{uuid}",
    "json-pointer": "/{n}",
    "relative-json-pointer": "0/{n}",
    "regex": "^.*$",
    "byte": "dGV4dA==",
    "binary": "text",
    "password": "password{n}",
}


def of_length(least: int, most: int | None, number: int = 0) -> str:
    """A text between two lengths, `most` None for any."""
    text = _WORDS if number == 0 else f"{_WORDS}{number}"
    text = text.ljust(min(least, MOST_CHARACTERS), "x")
    return text if most is None else text[: max(most, 0)]


def by_pattern(pattern: str, least: int = 0, most: int | None = None, number: int = 0) -> str | None:
    """A text that the pattern should take, `least` characters long or longer; the caller checks it.

    None: the pattern cannot be read, or asks for what is not known here.
    """
    if len(pattern) > MOST_CHARACTERS:
        return None
    try:
        parsed = re._parser.parse(pattern)  # type: ignore[attr-defined]  # noqa: SLF001  the one that there is
    except (re.error, RecursionError, OverflowError):
        return None
    for spare in dict.fromkeys((0, max(least, 0), 1)):
        made = _Maker(number, spare, most if most is not None else MOST_CHARACTERS)
        try:
            text = made.sequence(parsed)
        except (_CannotError, RecursionError):
            return None
        if len(text) >= least:
            return text
    return None


class _CannotError(Exception):
    """There is no rule here for what the pattern asks for."""


class _Maker:
    """One text. `spare` characters are added where the pattern first allows them."""

    def __init__(self, number: int, spare: int, most: int) -> None:
        self._number = number
        self._spare = spare
        self._left = most
        self._groups: dict[int, str] = {}

    def sequence(self, parts: Any) -> str:
        return "".join([self._part(str(op), argument) for op, argument in parts])

    def _part(self, op: str, argument: Any) -> str:  # noqa: C901  a kind of node a case
        match op:
            case "LITERAL":
                return self._char(chr(argument))
            case "NOT_LITERAL":
                return self._char(self._choice(lambda char: ord(char) != argument))
            case "ANY":
                return self._char(self._choice(lambda char: char != "\n"))
            case "IN":
                return self._char(self._choice(lambda char: _in_class(argument, char)))
            case "AT" | "ASSERT" | "ASSERT_NOT":
                return ""
            case "BRANCH":
                return self.sequence(argument[1][self._number % len(argument[1])])
            case "SUBPATTERN":
                text = self.sequence(argument[3])
                if argument[0] is not None:
                    self._groups[argument[0]] = text
                return text
            case "GROUPREF":
                return self._groups.get(argument, "")
            case "ATOMIC_GROUP":
                return self.sequence(argument)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                return self._repeated(*argument)
            case _:
                raise _CannotError

    def _repeated(self, least: int, most: int, parts: Any) -> str:
        count = least
        if self._spare and int(most) > least:
            more = min(int(most) - least, self._spare)
            self._spare -= more
            count += more
        if count > MOST_CHARACTERS:
            raise _CannotError
        return "".join([self.sequence(parts) for _ in range(count)])

    def _char(self, char: str) -> str:
        self._left -= 1
        if self._left < 0:
            raise _CannotError
        return char

    def _choice(self, takes: Any) -> str:
        """The number's digit is shown by the first classes that have digits, from its end."""
        digit, rest = self._number % 10, self._number // 10
        if takes(str(digit)):
            self._number = rest
            return str(digit)
        for char in _PREFERRED:
            if takes(char):
                return char
        for code in range(32, 0x250):
            if takes(chr(code)):
                return chr(code)
        raise _CannotError


def _in_class(members: Any, char: str) -> bool:
    negated = bool(members) and str(members[0][0]) == "NEGATE"
    return negated != any(_is_member(str(op), argument, char) for op, argument in members)


def _is_member(op: str, argument: Any, char: str) -> bool:
    match op:
        case "LITERAL":
            return ord(char) == int(argument)
        case "RANGE":
            return bool(argument[0] <= ord(char) <= argument[1])
        case "CATEGORY":
            category = _CATEGORIES.get(str(argument))
            return category is not None and category.fullmatch(char) is not None
        case _:
            return False
