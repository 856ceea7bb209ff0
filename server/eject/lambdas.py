"""Names of their own for what lambdas take: a change of the plan's names then never meets them.

`for row in rows` and `key=lambda row: ...` in one plan are two names to Python. What writes a constant out,
or renames a value, goes by the name alone. So a lambda's name that is used elsewhere too is changed first.
"""

from __future__ import annotations

import ast
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


def give_own_names(tree: ast.Module, *, taken: Collection[str]) -> ast.Module:
    """The tree, changed in place: no lambda's name is used outside it, and none is one of `taken`."""
    everywhere = Counter(_names_in(tree))
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]:
        inside = Counter(_names_in(function))
        for name in {each.arg for each in function.args.args}:
            if name in taken or inside[name] < everywhere[name]:
                other = f"{name}_"
                while other in everywhere or other in taken:
                    other += "_"
                everywhere[name] -= inside[name]
                everywhere[other] = inside[name]
                _rename(function, name, other)
    return tree


def _names_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.ExceptHandler) and node.name is not None:
            yield node.name


def _rename(function: ast.Lambda, name: str, other: str) -> None:
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id == name:
            node.id = other
        elif isinstance(node, ast.arg) and node.arg == name:
            node.arg = other
