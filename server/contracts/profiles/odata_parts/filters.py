"""OData's `$filter` (4.01, Part 2: URL Conventions, section 5.1.1) as the store's criteria.

    Name eq 'ann' and (Age gt 3 or not contains(Address/City,'ome')) and Id in (1,2)

Of functions there are contains, startswith and endswith, and tolower and toupper around a property, which is
then compared in any case. Lambdas (`any`, `all`), arithmetic and functions of time are refused. Reading is
linear in the text's length, and bounded in depth.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from server.values.errors import BadRequest

if TYPE_CHECKING:
    from server.contracts.profiles.frame.table import Criteria, Reading

_TOKEN: Final = re.compile(r"\s*(?:(?P<sign>[(),])|(?P<word>[^\s(),']*'(?:[^']|'')*'|[^\s(),']+))")
_OPERATORS: Final = {"eq": "", "ne": "ne", "gt": "gt", "ge": "gte", "lt": "lt", "le": "lte"}
_FUNCTIONS: Final = {"contains": "contains", "startswith": "startswith", "endswith": "endswith"}
_FOLDING: Final = frozenset({"tolower", "toupper"})
_WORDS: Final = {"true": True, "false": False, "null": None}
MOST_DEPTH: Final = 8
MOST_TOKENS: Final = 256


class FilterError(BadRequest):
    """A filter that cannot be read."""

    def __init__(self, detail: str) -> None:
        fault = {"in": "query", "name": "$filter", "keyword": "filter", "detail": detail}
        super().__init__(f"$filter: {detail}", errors=[fault])


def read(text: str, reading: Reading) -> Criteria:
    """Raises FilterError."""
    tokens = list(_tokens(text))
    if len(tokens) > MOST_TOKENS:
        raise FilterError(f"it has more than {MOST_TOKENS} words")
    parser = _Parser(tokens, reading)
    found = parser.either()
    if parser.place < len(tokens):
        raise FilterError(f"{_shown(tokens[parser.place])} is not expected there")
    return found


def _tokens(text: str) -> list[str]:
    found, place, text = [], 0, text.rstrip()
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise FilterError("a text is not closed")
        found.append(token[0].strip())
        place = token.end()
    return found


@define
class _Parser:
    tokens: list[str]
    reading: Reading
    place: int = 0
    depth: int = field(default=0)

    def _next(self, wanted: str = "") -> str:
        if self.place >= len(self.tokens):
            raise FilterError("it ends too early")
        self.place += 1
        token = self.tokens[self.place - 1]
        if wanted and token != wanted:
            raise FilterError(f"{wanted} is missing")
        return token

    def _is(self, word: str) -> bool:
        return self.place < len(self.tokens) and self.tokens[self.place].lower() == word

    def either(self) -> Criteria:
        parts = [self.both()]
        while self._is("or"):
            self.place += 1
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else {"$or": parts}

    def both(self) -> Criteria:
        parts = [self.one()]
        while self._is("and"):
            self.place += 1
            parts.append(self.one())
        return parts[0] if len(parts) == 1 else {"$and": parts}

    def one(self) -> Criteria:
        token = self._next()
        if token == "(":  # noqa: S105 - a parenthesis
            self.depth += 1
            if self.depth > MOST_DEPTH:
                raise FilterError(f"it nests deeper than {MOST_DEPTH} levels")
            found = self.either()
            self._next(")")
            self.depth -= 1
            return found
        if token.lower() == "not":
            self.depth += 1
            if self.depth > MOST_DEPTH:
                raise FilterError(f"it nests deeper than {MOST_DEPTH} levels")
            found = {"$not": [self.one()]}
            self.depth -= 1
            return found
        if token.lower() in _FUNCTIONS and self._is("("):
            return self._function(_FUNCTIONS[token.lower()])
        path, folded = self._property(token)
        return self._compared(path, self._next().lower(), folded=folded)

    def _property(self, token: str) -> tuple[str, bool]:
        """Where it is in a stored record, and whether letters are compared in any case."""
        folded = token.lower() in _FOLDING and self._is("(")
        if folded:
            self._next("(")
            token = self._next()
            self._next(")")
        found = self.reading.found(token.replace("/", "."))
        if found is None:
            raise FilterError(f"there is no property {_shown(token)}")
        return ".".join(found[0]), folded

    def _function(self, operator: str) -> Criteria:
        self._next("(")
        path, folded = self._property(self._next())
        self._next(",")
        value = _value(self._next())
        self._next(")")
        if not isinstance(value, str):
            raise FilterError(f"{operator} takes a text")
        found: Criteria = {f"{path}__{'icontains' if folded and operator == 'contains' else operator}": value}
        if self._is("eq") or self._is("ne"):
            same = self._next().lower() == "eq"
            return found if (_value(self._next()) is True) is same else {"$not": [found]}
        return found

    def _compared(self, path: str, operator: str, *, folded: bool) -> Criteria:
        if operator == "in":
            return {path: self._list()}
        if operator not in _OPERATORS:
            raise FilterError(f"there is no operator {_shown(operator)}")
        value = _value(self._next())
        if value is None:
            return {f"{path}__isnull": "false" if operator == "ne" else "true"}
        if folded and isinstance(value, str) and operator == "eq" and "*" not in value:
            return {f"{path}__ilike": value}
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return {f"{path}__{_OPERATORS[operator]}" if _OPERATORS[operator] else path: text}

    def _list(self) -> list[str]:
        self._next("(")
        values = [str(_value(self._next()))]
        while self._is(","):
            self.place += 1
            values.append(str(_value(self._next())))
        self._next(")")
        return values


def _value(token: str) -> Any:
    """A text in quotes, with its type's name before them or not; a number, a time, a uuid as they are."""
    if token in {"(", ")", ","}:
        raise FilterError(f"{_shown(token)} is no value")
    if token.endswith("'"):
        return token[token.index("'") + 1 : -1].replace("''", "'")
    return _WORDS.get(token.lower(), token)


def _shown(token: str) -> str:
    return repr(token[:40])
