"""Forms that are allowed in one place only: a key's lambda, `:=` in a condition, `format` of a fixed text.

1. A lambda is written into the call that uses it: as `key` of sorted, min, max and sort, or what map
   and filter call. So it has no name, calls nothing by itself, and stands beside the values that it gets.
2. `:=` is allowed in conditions, some of which no assignment of its own can come before: elif, while, the
   `if` of a comprehension.
3. `"...".format` is allowed on a text in the code, with plain fields: it then reads no attribute and no item.
4. `iter` is called with one value; with two it makes an iterator of any function.
"""

from __future__ import annotations

import ast
import string
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_WITH_KEY = frozenset({"sorted", "min", "max"})
_WITH_FUNCTION = frozenset({"map", "filter"})


def lambdas_of(call: ast.Call) -> Iterator[ast.Lambda]:
    """The lambdas that a call may be given."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    sorts = isinstance(call.func, ast.Attribute) and call.func.attr == "sort"
    if name in _WITH_KEY or sorts:
        for keyword in call.keywords:
            if keyword.arg == "key" and isinstance(keyword.value, ast.Lambda):
                yield keyword.value
    elif name in _WITH_FUNCTION and call.args and isinstance(call.args[0], ast.Lambda):
        yield call.args[0]


def parameters_of(function: ast.Lambda) -> set[str]:
    """All names that a lambda takes, in whatever way."""
    return {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}


def takes_plain_names(function: ast.Lambda) -> bool:
    """Whether it takes one name or more, and nothing else: no default, no `*`, no `/`."""
    takes = function.args
    other = (takes.posonlyargs, takes.vararg, takes.kwonlyargs, takes.kwarg, takes.defaults)
    return bool(takes.args) and not any(other)


def is_one_value(call: ast.Call) -> bool:
    """Whether it is called with one value, by position."""
    return len(call.args) == 1 and not call.keywords and not isinstance(call.args[0], ast.Starred)


def is_plain_format(text: ast.expr) -> bool:
    """Whether it is a text whose fields are all `{}`, `{0}` or `{name}`, each with a plain format or none."""
    if not isinstance(text, ast.Constant) or not isinstance(text.value, str):
        return False
    try:
        parts = list(string.Formatter().parse(text.value))
    except ValueError:
        return False
    return all(
        name is None or (_is_plain_field(name) and "{" not in (spec or "")) for _, name, spec, _ in parts
    )


def _is_plain_field(name: str) -> bool:
    return name == "" or name.isdecimal() or (name.isidentifier() and not name.startswith("_"))
