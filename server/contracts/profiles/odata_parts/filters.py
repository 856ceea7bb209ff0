"""OData's `$filter` (4.01, Part 2: URL Conventions, section 5.1.1) as the store's criteria.

    Name eq 'ann' and (Age gt 3 or not contains(Address/City,'ome')) and Id in (1,2)

Of functions there are contains, startswith and endswith, and tolower and toupper around a property, which is
then compared in any case. Lambdas (`any`, `all`), arithmetic and functions of time are refused. Reading is
linear in the text's length, and bounded in depth.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from server.contracts.profiles.frame.filtering import FilterParser, shown
from server.values.errors import BadRequest

if TYPE_CHECKING:
    from server.contracts.profiles.frame.table import Criteria, Reading

_TOKEN: Final = re.compile(r"\s*(?:(?P<sign>[(),])|(?P<word>[^\s(),']*'(?:[^']|'')*'|[^\s(),']+))")
_OPERATORS: Final = {"eq": "", "ne": "ne", "gt": "gt", "ge": "gte", "lt": "lt", "le": "lte"}
_FUNCTIONS: Final = {"contains": "contains", "startswith": "startswith", "endswith": "endswith"}
_FOLDING: Final = frozenset({"tolower", "toupper"})
_WORDS: Final = {"true": True, "false": False, "null": None}


class FilterError(BadRequest):
    """A filter that cannot be read."""

    def __init__(self, detail: str) -> None:
        fault = {"in": "query", "name": "$filter", "keyword": "filter", "detail": detail}
        super().__init__(f"$filter: {detail}", errors=[fault])


def read(text: str, reading: Reading) -> Criteria:
    """Raises FilterError."""
    return _Parser.of(text, reading).whole()


class _Parser(FilterParser):
    word = _TOKEN
    error = FilterError

    def one(self, within: str) -> Criteria:
        token = self.take()
        if token == "(":  # noqa: S105 - a parenthesis
            return self.inside(within, ")")
        if token.lower() == "not":
            with self.deeper():
                return {"$not": [self.one(within)]}
        if token.lower() in _FUNCTIONS and self.is_next("("):
            return self._function(_FUNCTIONS[token.lower()])
        path, folded = self._property(token)
        return self._compared(path, self.take().lower(), folded=folded)

    def _property(self, token: str) -> tuple[str, bool]:
        """Where it is in a stored record, and whether letters are compared in any case."""
        folded = token.lower() in _FOLDING and self.is_next("(")
        if folded:
            self.take("(")
            token = self.take()
            self.take(")")
        found = self.reading.found(token.replace("/", "."))
        if found is None:
            raise FilterError(f"there is no property {shown(token)}")
        return ".".join(found[0]), folded

    def _function(self, operator: str) -> Criteria:
        self.take("(")
        path, folded = self._property(self.take())
        self.take(",")
        value = _value(self.take())
        self.take(")")
        if not isinstance(value, str):
            raise FilterError(f"{operator} takes a text")
        found: Criteria = {f"{path}__{'icontains' if folded and operator == 'contains' else operator}": value}
        if self.is_next("eq") or self.is_next("ne"):
            same = self.take().lower() == "eq"
            return found if (_value(self.take()) is True) is same else {"$not": [found]}
        return found

    def _compared(self, path: str, operator: str, *, folded: bool) -> Criteria:
        if operator == "in":
            return {path: self._list()}
        if operator not in _OPERATORS:
            raise FilterError(f"there is no operator {shown(operator)}")
        value = _value(self.take())
        if value is None:
            return {f"{path}__isnull": "false" if operator == "ne" else "true"}
        if folded and isinstance(value, str) and operator == "eq" and "*" not in value:
            return {f"{path}__ilike": value}
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return {f"{path}__{_OPERATORS[operator]}" if _OPERATORS[operator] else path: text}

    def _list(self) -> list[str]:
        self.take("(")
        values = [str(_value(self.take()))]
        while self.is_next(","):
            self.place += 1
            values.append(str(_value(self.take())))
        self.take(")")
        return values


def _value(token: str) -> Any:
    """A text in quotes, with its type's name before them or not; a number, a time, a uuid as they are."""
    if token in {"(", ")", ","}:
        raise FilterError(f"{shown(token)} is no value")
    if token.endswith("'"):
        return token[token.index("'") + 1 : -1].replace("''", "'")
    return _WORDS.get(token.lower(), token)
