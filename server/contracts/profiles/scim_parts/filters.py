"""SCIM filters (RFC 7644 §3.4.2.2) as the store's criteria.

    userName eq "ann" and (emails co "@x" or not (active eq true)) and emails[type eq "work"]

Texts are compared in any case, as they are unless a schema says `caseExact` (RFC 7643 §2.2). Of what is in
brackets each comparison may hold for another element of the list. Reading is linear in the text's length.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson

from server.contracts.profiles.frame.filtering import FilterParser, shown
from server.values.errors import BadRequest

if TYPE_CHECKING:
    from server.contracts.profiles.frame.table import Criteria, Reading

_TOKEN: Final = re.compile(
    r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<sign>[()\[\]])|(?P<word>[^\s()\[\]"]+))', re.ASCII
)
_OPERATORS: Final = {
    "eq": "", "ne": "ne", "co": "icontains", "sw": "startswith", "ew": "endswith",
    "gt": "gt", "ge": "gte", "lt": "lt", "le": "lte",
}  # fmt: skip
_WORDS: Final = {"true": True, "false": False, "null": None}
#: What a list's element is called by, where a filter names the list alone.
_VALUE: Final = "value"


class FilterError(BadRequest):
    """A filter that cannot be read; RFC 7644 §3.12 calls it `invalidFilter`."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"filter: {detail}",
            errors=[{"in": "query", "name": "filter", "keyword": "invalidFilter", "detail": detail}],
        )


def read(text: str, reading: Reading) -> Criteria:
    """Raises FilterError."""
    return _Parser.of(text, reading).whole()


class _Parser(FilterParser):
    word = _TOKEN
    error = FilterError

    def all_of(self, parts: list[Criteria]) -> Criteria:
        joined: Criteria = {}
        for part in parts:
            if not joined.keys().isdisjoint(part):
                return {"$and": parts}
            joined |= part
        return joined

    def one(self, within: str) -> Criteria:
        token = self.take()
        if token == "(":  # noqa: S105 - a parenthesis
            return self.inside(within, ")")
        if token.lower() == "not":
            if self.take() != "(":
                raise FilterError("not stands before a parenthesis")
            return {"$not": [self.inside(within, ")")]}
        name = f"{within}.{token}" if within else token
        if self.is_next("["):
            self.place += 1
            return self.inside(name, "]")
        return self._compared(name, self.take().lower())

    def _compared(self, name: str, operator: str) -> Criteria:
        path, kind = field_of(name, self.reading)
        if operator == "pr":
            return {f"{path}__isnull": "false"}
        if operator not in _OPERATORS:
            raise FilterError(f"there is no operator {shown(operator)}")
        value = _value(self.take())
        return _comparison(path, kind, _OPERATORS[operator], value)


def _comparison(path: str, kind: str, operator: str, value: Any) -> Criteria:
    if value is None:
        return {f"{path}__isnull": "false" if operator == "ne" else "true"}
    if isinstance(value, str):
        if operator == "" and kind != "boolean" and "*" not in value:
            return {f"{path}__ilike": value}
        if operator in ("startswith", "endswith") and "*" not in value:
            return {f"{path}__ilike": f"{value}*" if operator == "startswith" else f"*{value}"}
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return {f"{path}__{operator}" if operator else path: text}


def field_of(name: str, reading: Reading) -> tuple[str, str]:
    """Where the attribute is in a stored record, and its type. Raises FilterError."""
    plain_name = name.rpartition(":")[2] if name.lower().startswith("urn:") else name
    found = reading.found(plain_name)
    if found is None:
        raise FilterError(f"there is no attribute {shown(name)}")
    path, view = found
    if view.kind == "array":
        item = reading.views.of(view.items)
        own = next((each for each in item.properties if each.lower() == _VALUE), "")
        path, view = ((*path, own), reading.views.of(item.properties[own])) if own else (path, item)
    return ".".join(path), view.kind


def _value(token: str) -> Any:
    if token[:1] == '"':
        try:
            return orjson.loads(token)
        except ValueError:
            raise FilterError(f"{shown(token)} is no text") from None
    if token.lower() in _WORDS:
        return _WORDS[token.lower()]
    try:
        number = orjson.loads(token)
    except ValueError:
        raise FilterError(f"{shown(token)} is no value; texts stand in quotes") from None
    if not isinstance(number, (int, float)):
        raise FilterError(f"{shown(token)} is no value")
    return number
