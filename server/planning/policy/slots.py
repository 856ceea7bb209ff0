"""Whether code reads slots that its route does not have: no danger, but a KeyError at every request."""

from __future__ import annotations

import ast
from difflib import get_close_matches
from typing import TYPE_CHECKING

from server.planning.policy.rules import shown
from server.planning.policy.violation import Violation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


def unknown_slots(tree: ast.Module, slots: Collection[str]) -> list[Violation]:
    """`params["name"]` for every name that is no slot, and that the code neither puts there nor tests for."""
    keys = list(_keys(tree))
    known = {*slots, *(name for name, node in keys if isinstance(node.ctx, ast.Store)), *_tested(tree)}
    return [
        Violation(node.lineno, node.col_offset, "slot", f"params[{shown(name)}]: {_hint(name, slots)}")
        for name, node in keys
        if name not in known
    ]


def _keys(tree: ast.Module) -> Iterator[tuple[str, ast.Subscript]]:
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=ast.Name(id="params"), slice=ast.Constant(value=str(name))):
                yield name, node
            case _:
                pass


def _tested(tree: ast.Module) -> Iterator[str]:
    """The names in `"name" in params`: code that asks reads them only where they are."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(
                left=ast.Constant(value=str(name)),
                ops=[ast.In() | ast.NotIn()],
                comparators=[ast.Name(id="params")],
            ):
                yield name
            case _:
                pass


def _hint(name: str, slots: Collection[str]) -> str:
    if not slots:
        return "the route has no slots; take values from ctx"
    near = get_close_matches(name, slots, n=1)
    if near:
        return f"the route has no such slot; did you mean {shown(near[0])}?"
    return f"the route has no such slot; it has {', '.join(map(shown, slots))}"
