"""`or=(status=open,total__gte=100)`: filters of which one is enough, as a query writes them.

    group  = "(" filter *( "," filter ) ")"
    filter = ( "or" / "and" ) "=" group  /  key "=" value
    value  = any characters but , ( ) and "  /  a text in double quotes, in which a backslash takes the
             next character as it is

Inside stands what would stand outside. Parentheses and commas group as with PostgREST; a filter is spelt as
it is everywhere else in a query. None of ( ) , = needs percent-encoding in a query (RFC 3986, section 3.4),
as | would; and ; separates parameters for some software.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from store.errors import InvalidQuery

if TYPE_CHECKING:
    from collections.abc import Callable

#: Groups within one another.
MAX_DEPTH = 3

_KEY = re.compile(r'([^=,()"]+)=')
_VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,()"]*)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

Group = list[dict[str, Any]]


def parse(name: str, text: str, criterion: Callable[[str, str], dict[str, Any]]) -> Group:
    """The criteria of a group; `criterion` makes them of a key and a value. Raises InvalidQuery."""
    group, end = _Reader(name, text, criterion).group(0, 1)
    if end != len(text):
        raise InvalidQuery(f"{name}: nothing may follow the closing parenthesis")
    return group


class _Reader:
    """Every method takes where to read, and gives what is there and where it ends."""

    def __init__(self, name: str, text: str, criterion: Callable[[str, str], dict[str, Any]]) -> None:
        self._name = name
        self._text = text
        self._criterion = criterion

    def group(self, at: int, depth: int) -> tuple[Group, int]:
        if depth > MAX_DEPTH:
            raise InvalidQuery(f"{self._name}: more than {MAX_DEPTH} groups within one another")
        if self._text[at : at + 1] != "(":
            raise self._unreadable()
        group: Group = []
        while not group or self._text[at : at + 1] == ",":
            criteria, at = self._filter(at + 1, depth)
            group.append(criteria)
        if self._text[at : at + 1] != ")":
            raise self._unreadable()
        return group, at + 1

    def _filter(self, at: int, depth: int) -> tuple[dict[str, Any], int]:
        found = _KEY.match(self._text, at)
        if found is None:
            raise self._unreadable()
        key, at = found[1], found.end()
        if key in {"or", "and"}:
            group, at = self.group(at, depth + 1)
            return {f"${key}": group}, at
        value, at = self._value(at)
        return self._criterion(key, value), at

    def _value(self, at: int) -> tuple[str, int]:
        found = _VALUE.match(self._text, at)
        if found is None:
            raise self._unreadable()
        quoted, plain = found.groups()
        return plain if quoted is None else _ESCAPED.sub(r"\1", quoted), found.end()

    def _unreadable(self) -> InvalidQuery:
        return InvalidQuery(
            f"{self._name}: takes filters in parentheses, such as (status=open,total__gte=100); a value with "
            "a comma or a parenthesis in it stands in double quotes"
        )
