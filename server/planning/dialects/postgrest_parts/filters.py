"""PostgREST's horizontal filters, as criteria of the store.

Source: docs.postgrest.org/en/v14/references/api/tables_views.html (Operators, Logical operators, Pattern
matching, Operator modifiers). SQL has three truth values: what is null meets neither a test nor its opposite,
so that a test is negated by its opposite, and `and` by `or`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import orjson
from attrs import evolve, frozen

from server.planning.dialects.postgrest_parts.text import failed, inside, split, unquoted

if TYPE_CHECKING:
    from collections.abc import Callable

Criteria: TypeAlias = dict[str, Any]


@frozen
class _Test:
    """`where` names the place in an error; `negated`: it is the opposite that is asked for."""

    field: str
    where: str
    value: str
    negated: bool = False


_MAX_DEPTH = 4
_OPPOSITES = {"gt": "lte", "gte": "lt", "lt": "gte", "lte": "gt"}
_TEXT_SEARCH = frozenset({"fts", "plfts", "phfts", "wfts"})
_RANGES = frozenset({"sl", "sr", "nxl", "nxr", "adj", "cd"})
#: Operator modifiers: `like(any).{a*,b*}`.
_MODIFIED = frozenset({"eq", "like", "ilike", "gt", "gte", "lt", "lte", "match", "imatch"})
_LISTED = "eq, neq, gt, gte, lt, lte, like, ilike, match, imatch, in, is, isdistinct, cs, ov, not, or, and"
#: What a regular expression means something by.
_SPECIAL = frozenset("\\.[]{}()*+?|^$")


def field_of(column: str, where: str) -> str:
    """The store's field: `data->a->>b` is a path into objects. Raises InvalidQuery."""
    steps = [unquoted(step.strip()) for step in column.replace("->>", "->").split("->")]
    if not all(steps) or any(step.isdecimal() for step in steps[1:]):
        raise failed(where, column, "takes a column, or a path into its objects as in data->a->>b")
    name, ends = ".".join(steps), steps[-1].rpartition("__")
    if ends[1] and ends[2].isalpha():
        raise failed(
            where, column, "a column whose name ends in two underscores and a word cannot be asked for"
        )
    if any("." in step for step in steps) or name[:1] in "$-+" or "," in name:
        raise failed(where, column, "no column has such a name")
    return name


def test(column: str, text: str, fields: list[str]) -> Criteria:
    """The criterion of `column=text`, as in `age=not.gte.18`; the field is added to `fields`."""
    field = field_of(column, column)
    fields.append(field)
    return _of(_Test(field, column, text), quoted=False)


def tree(key: str, text: str, fields: list[str], depth: int = 0) -> Criteria:
    """The criterion of `or=(a.eq.1,not.and(b.gt.2,c.is.null))`. `key` is or, and, not.or, not.and."""
    negated, word = key.startswith("not."), key.removeprefix("not.")
    parts = split(inside(text.strip(), "()", key), key)
    if depth == _MAX_DEPTH:
        raise failed(key, text, f"more than {_MAX_DEPTH} logical operators within one another")
    found = [_branch(part.strip(), fields, depth, negated=negated) for part in parts]
    return {"$or" if (word == "or") is not negated else "$and": found}


def _branch(text: str, fields: list[str], depth: int, *, negated: bool) -> Criteria:
    head = text.partition("(")[0]
    if head in ("or", "and", "not.or", "not.and"):
        name = head.removeprefix("not.")
        turned = head.startswith("not.") is not negated
        return tree(f"not.{name}" if turned else name, text[len(head) :], fields, depth + 1)
    column, rest = _column(text)
    field = field_of(column, "logic tree")
    fields.append(field)
    return _of(_Test(field, text, rest, negated), quoted=True)


def _column(text: str) -> tuple[str, str]:
    """A column, which may be quoted, and what stands after the dot."""
    if text[:1] != '"':
        column, _, rest = text.partition(".")
    else:
        end = text.find('"', 1) + 1
        column, rest = text[:end], text[end + 1 :]
    return column, rest


def _of(asked: _Test, *, quoted: bool) -> Criteria:
    """The value is still `not.gte.18`."""
    text = asked.value
    operator, dot, value = text.removeprefix("not.").partition(".")
    if not dot:
        example = f"{asked.field[:64]}=eq.{text[:32]}"
        raise failed(asked.where, text, f"an operator is missing, as in {example}; there are {_LISTED}")
    negated = text.startswith("not.") is not asked.negated
    for modifier in ("any", "all"):
        if operator.endswith(f"({modifier})"):
            test = evolve(asked, value=value, negated=negated)
            return _several(test, operator.removesuffix(f"({modifier})"), modifier)
    plain = unquoted(value) if quoted and operator != "in" else value
    return _one(evolve(asked, value=plain, negated=negated), operator)


def _several(test: _Test, word: str, modifier: str) -> Criteria:
    if word not in _MODIFIED:
        raise failed(test.where, word, f"any and all go with {', '.join(sorted(_MODIFIED))}")
    parts = split(inside(test.value, "{}", test.where), test.where)
    found = [_one(evolve(test, value=unquoted(part)), word) for part in parts]
    return {"$or" if (modifier == "any") is not test.negated else "$and": found}


def _one(test: _Test, word: str) -> Criteria:
    if word in _OPPOSITES:
        return {f"{test.field}__{_OPPOSITES[word] if test.negated else word}": test.value}
    write = _WRITERS.get(word)
    if write is not None:
        return write(test)
    if word.partition("(")[0] in _TEXT_SEARCH:
        raise failed(test.where, word, "there is no full-text search; write ilike, as in title=ilike.*word*")
    if word in _RANGES:
        instead = "there are no range columns; write gt, gte, lt, lte, or cs and ov for arrays"
        raise failed(test.where, word, instead)
    raise failed(test.where, word, f"there is no such operator; there are {_LISTED}")


def _eq(test: _Test) -> Criteria:
    return {f"{test.field}__ne" if test.negated else test.field: test.value}


def _neq(test: _Test) -> Criteria:
    return _eq(evolve(test, negated=not test.negated))


def _in(test: _Test) -> Criteria:
    text = inside(test.value, "()", test.where)
    values = [unquoted(part.strip()) for part in split(text, test.where)] if text else []
    return {f"{test.field}__ne" if test.negated else test.field: values}


def _is(test: _Test) -> Criteria:
    word = test.value.lower()
    if word in ("null", "unknown", "not_null"):
        return {f"{test.field}__isnull": (word != "not_null") is not test.negated}
    if word not in ("true", "false"):
        raise failed(test.where, word, "is takes null, not_null, true, false or unknown")
    return _differs(test.field, word == "true") if test.negated else {test.field: word == "true"}


def _isdistinct(test: _Test) -> Criteria:
    return {test.field: test.value} if test.negated else _differs(test.field, test.value)


def _differs(field: str, value: str | bool) -> Criteria:  # noqa: FBT001  a value to compare with
    """Null differs from every value."""
    return {"$or": [{f"{field}__isnull": True}, {f"{field}__ne": value}]}


def _turned(test: _Test, criteria: Criteria) -> Criteria:
    """Where it is negated: of what is there, that which does not meet the criteria."""
    return {f"{test.field}__isnull": False, "$not": [criteria]} if test.negated else criteria


def _like(test: _Test) -> Criteria:
    return _turned(test, {f"{test.field}__like": _pattern(test)})


def _ilike(test: _Test) -> Criteria:
    return _turned(test, {f"{test.field}__ilike": _pattern(test)})


def _pattern(test: _Test) -> str:
    """LIKE's pattern as the store's: `*` and `%` are any text; `_` would be any character."""
    found, escaped = [], False
    for letter in test.value:
        if not escaped and letter == "_":
            instead = "_ for any character is not there; write \\_ for an underscore, or *"
            raise failed(test.where, test.value, instead)
        if escaped and letter == "*":
            raise failed(test.where, test.value, "a pattern cannot look for an asterisk")
        if escaped or letter != "\\":
            found.append("*" if letter == "%" and not escaped else letter)
        escaped = letter == "\\" and not escaped
    return "".join(found)


def _match(test: _Test) -> Criteria:
    return _turned(test, {f"{test.field}__like": _expression(test)})


def _imatch(test: _Test) -> Criteria:
    return _turned(test, {f"{test.field}__ilike": _expression(test)})


def _expression(test: _Test) -> str:
    """The pattern of a regular expression that is no more than text with its ends."""
    value = test.value
    begins, ends = value.startswith("^"), value.endswith("$")
    text = value[begins : len(value) - ends]
    if not _SPECIAL.isdisjoint(text):
        raise failed(test.where, value, "of regular expressions there are text, ^text, text$ and ^text$")
    return f"{'' if begins else '*'}{text}{'' if ends else '*'}"


def _cs(test: _Test) -> Criteria:
    return _turned(test, {"$and": [{f"{test.field}__has": each} for each in _elements(test)]})


def _ov(test: _Test) -> Criteria:
    return _turned(test, {f"{test.field}__has": _elements(test)})


def _elements(test: _Test) -> list[Any]:
    """`{a,b}`, or of a jsonb column `["a","b"]`."""
    value = test.value
    if value[:1] != "[":
        text = inside(value, "{}", test.where)
        if text[:1] == '"' and '":' in text:
            raise failed(test.where, value, "takes an array; write data->a=eq.b for what an object holds")
        return [unquoted(part.strip()) for part in split(text, test.where)] if text else []
    try:
        found = orjson.loads(value)
    except ValueError:
        raise failed(test.where, value, "is not JSON") from None
    if any(isinstance(each, (dict, list)) for each in found):
        raise failed(test.where, value, "takes an array of texts, numbers, true and false")
    return list(found)


_WRITERS: dict[str, Callable[[_Test], Criteria]] = {
    "eq": _eq,
    "neq": _neq,
    "in": _in,
    "is": _is,
    "isdistinct": _isdistinct,
    "like": _like,
    "ilike": _ilike,
    "match": _match,
    "imatch": _imatch,
    "cs": _cs,
    "ov": _ov,
}
