"""OData's `$filter` (4.01, Part 2: URL Conventions, section 5.1.1) as the store's criteria.

    Name eq 'ann' and (Age gt 3 or not contains(Address/City,'ome')) and Tags/any(t: t eq 'x')

Of functions there are contains, startswith and endswith, and tolower and toupper around a property, which is
then compared in any case. In `any` there is one comparison, or several that are joined by `or`: the store
does not know whether two of them hold for the same element. `all`, arithmetic and functions of time are
refused. Reading is linear in the text's length, and bounded in depth.
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
        if token.lower().endswith(("/any", "/all")) and self.is_next("("):
            return self._lambda(token, within)
        if within and (token.lower() == "not" or self.is_next("ne")):
            raise FilterError("any takes what an element is, not what it is not")
        if token.lower() == "not":
            with self.deeper():
                return {"$not": [self.one(within)]}
        if token.lower() in _FUNCTIONS and self.is_next("("):
            return self._function(_FUNCTIONS[token.lower()], within)
        path, folded = self._property(token, within)
        if within and token == within.partition(" ")[0]:
            return self._member(path)
        found = self._compared(path, self.take().lower(), folded=folded)
        if within and any(key.endswith("__isnull") for key in found):
            raise FilterError("any takes what an element is, and not null")
        return found

    def both(self, within: str) -> Criteria:
        found = super().both(within)
        if within and len(found) == 1 and "$and" in found:
            raise FilterError("any takes comparisons that are joined by or")
        return found

    def _lambda(self, token: str, within: str) -> Criteria:
        """`Tags/any(t: t eq 'x')`; `within` is then the element's name, a blank, and what it is one of."""
        path, _, kind = token.rpartition("/")
        if kind.lower() == "all" or within:
            raise FilterError("all, and any in any, are not known")
        self._property(path, "")
        self.take("(")
        name, _, rest = self.take().partition(":")
        if rest:  # `t:t` is one word
            self.place -= 1
            self.tokens[self.place] = rest
        elif self.is_next(":"):
            self.take()
        if not name.isidentifier():
            raise FilterError(f"{shown(name)} is no name for an element")
        return self.inside(f"{name} {path}", ")")

    def _member(self, path: str) -> Criteria:
        """A list's element that is a text or a number itself."""
        operator = self.take().lower()
        if operator == "in":
            return {"$or": [{f"{path}__has": value} for value in self._list()]}
        if operator != "eq":
            raise FilterError(f"elements of {shown(path)} are compared by eq and in alone")
        value = _value(self.take())
        if value is None:
            raise FilterError("any takes what an element is, and not null")
        return {f"{path}__has": str(value).lower() if isinstance(value, bool) else str(value)}

    def _property(self, token: str, within: str) -> tuple[str, bool]:
        """Where it is in a stored record, and whether letters are compared in any case."""
        folded = token.lower() in _FOLDING and self.is_next("(")
        if folded:
            self.take("(")
            token = self.take()
            self.take(")")
        name, _, path = within.partition(" ")
        if within:
            first, slash, rest = token.partition("/")
            if first != name:
                raise FilterError(f"in any {shown(name)} is compared, and nothing else")
            if folded and not slash:
                raise FilterError(f"elements of {shown(path)} are compared by eq and in alone")
            token = path + slash + rest
        found = self.reading.found(token.replace("/", "."))
        if found is None:
            raise FilterError(f"there is no property {shown(token)}")
        return ".".join(found[0]), folded

    def _function(self, operator: str, within: str) -> Criteria:
        self.take("(")
        token = self.take()
        path, folded = self._property(token, within)
        if within and token == within.partition(" ")[0]:
            raise FilterError(f"elements of {shown(path)} are compared by eq and in alone")
        self.take(",")
        value = _value(self.take())
        self.take(")")
        if not isinstance(value, str):
            raise FilterError(f"{operator} takes a text")
        found: Criteria = {f"{path}__{'icontains' if folded and operator == 'contains' else operator}": value}
        if self.is_next("eq") or self.is_next("ne"):
            same = self.take().lower() == "eq"
            if within and not same:
                raise FilterError("any takes what an element is, not what it is not")
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
