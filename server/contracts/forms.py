"""Forms whose names have brackets, typed by the schema: `card[exp]=12&items[0][n]=1&expand[]=a` (also `a.b`).

The convention of PHP and Rack, which many APIs that take forms share; OpenAPI's `deepObject` is its simplest
case. A name that the schema has as it stands, brackets and all, is that name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from server.contracts.looking import Look, look, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

_INDEX: Final = re.compile(r"[0-9]{1,4}", re.ASCII)
#: Brackets of one name.
MOST_STEPS: Final = 32


class FormError(ValueError):
    """A name that contradicts another, or has too many brackets; the text names it."""


def read_form(document: Mapping[str, Any], nodes: list[Any], pairs: Mapping[str, Any]) -> dict[str, Any]:
    """The object that a form is, by the schemas of its whole. Raises FormError."""
    seen = look(document, nodes)
    tree: dict[str, Any] = {}
    for name, value in pairs.items():
        steps = [name] if name in seen.properties else steps_of(name)
        _put(tree, steps, value, name)
    return {key: _typed(document, seen.below(key), value) for key, value in tree.items()}


def steps_of(name: str) -> list[str]:
    """`a[b][]` is a, b and "". Raises FormError."""
    head, bracket, rest = name.partition("[")
    inner = rest.removesuffix("]").split("][")
    if (
        not head
        or not bracket
        or not rest.endswith("]")
        or any(set(each) & {"[", "]"} for each in (head, *inner))
    ):
        return [name]
    steps = [head, *inner]
    if len(steps) > MOST_STEPS:
        raise FormError(f"{name[:64]}: it has more than {MOST_STEPS - 1} brackets")
    return steps


def _put(tree: dict[str, Any], steps: list[str], value: Any, name: str) -> None:
    at = tree
    for step in steps[:-1]:
        below = at.setdefault(step, {})
        if not isinstance(below, dict):
            raise FormError(f"{name[:64]}: it is a value elsewhere")
        at = below
    last = steps[-1]
    if isinstance(at.get(last), dict):
        raise FormError(f"{name[:64]}: it has parts elsewhere")
    at[last] = value


def _typed(document: Mapping[str, Any], nodes: list[Any], value: Any) -> Any:
    """What stands at a place: a text, texts, or a tree of such."""
    seen = look(document, nodes)
    if isinstance(value, dict):
        return _branch(document, seen, value)
    if isinstance(value, list):
        if seen.is_list or not seen.types:
            return [_typed(document, seen.items, each) for each in value]
        return value
    if not isinstance(value, str):
        return value
    if seen.is_list and not seen.types & {"string", "integer", "number", "boolean"}:
        return [] if value == "" else [_typed(document, seen.items, value)]
    return read_text(value, seen)


def _branch(document: Mapping[str, Any], seen: Look, tree: dict[str, Any]) -> Any:
    """A list where its names are places, or nothing, and no object is wanted; else an object."""
    if set(tree) == {""}:
        values = tree[""] if isinstance(tree[""], list) else [tree[""]]
        return [_typed(document, seen.items, each) for each in values]
    placed = all(_INDEX.fullmatch(step) for step in tree)
    if placed and (seen.is_list or not seen.is_object):
        return [_typed(document, seen.items, tree[step]) for step in sorted(tree, key=int)]
    return {step: _typed(document, seen.below(step), value) for step, value in tree.items()}
