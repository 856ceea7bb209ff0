"""A media type with its parameters (RFC 9110 §8.3.1), read from left to right without going back.

Each pattern is matched at one place and gives nothing back of what it took, so that the work is
proportional to the text whatever stands in it.
"""

from __future__ import annotations

import re

from attrs import frozen

#: Characters of a Content-Type: real ones have some fifty, RFC 6838 §4.2 allows 255 for the type alone.
MAX_CHARACTERS = 1_024
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"  # noqa: S105 - the grammar's word
_TYPE = re.compile(rf"{_TOKEN}/{_TOKEN}")
_SIGN = re.compile(r"[ \t]*+;[ \t]*+")
_PARAMETER = re.compile(rf'({_TOKEN})=({_TOKEN}|"[\t !#-\[\]-~]*+")')


@frozen
class MediaType:
    """`name` is in lower case, such as `application/json`; `parameters` are as they were sent."""

    name: str
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def charset(self) -> str:
        """The first one that is named and not UTF-8, else `utf-8`; in lower case."""
        named = (value.lower() for name, value in self.parameters if name.lower() == "charset")
        return next((each for each in named if each not in {"utf-8", "utf8"}), "utf-8")


def read(text: str) -> MediaType | None:
    """None for what is no media type, or a longer one than anybody needs."""
    text = text.strip(" \t")
    found = _TYPE.match(text) if len(text) <= MAX_CHARACTERS else None
    if found is None:
        return None
    parameters = _parameters(text, found.end())
    return None if parameters is None else MediaType(found[0].lower(), parameters)


def is_text_of(text: str, name: str) -> bool:
    """Whether it is the type of this name, in UTF-8."""
    found = read(text)
    return found is not None and found.name == name and found.charset == "utf-8"


def _parameters(text: str, at: int) -> tuple[tuple[str, str], ...] | None:
    """Those from `at` to the end. RFC 9110 §5.6.6 lets a semicolon stand without one."""
    found: list[tuple[str, str]] = []
    while at < len(text):
        sign = _SIGN.match(text, at)
        if sign is None:
            return None
        at = sign.end()
        if parameter := _PARAMETER.match(text, at):
            at = parameter.end()
            found.append((parameter[1], parameter[2].strip('"')))
    return tuple(found)
