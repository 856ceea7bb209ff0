"""What a plan reads of itself, written out: `plan["resource"]` is the same for all requests of a handler.

1. `plan["resource"]`, `["action"]`, `["route"]` and `["response_hints"]` are constants; `plan["payload"]` is
   `ctx["body_json"]`; `plan["identifier"]` is a slot, where it is nothing but one. `plan["criteria"]` stays.
2. A name that is bound once, to such a constant, is written out too.
3. A plan that does anything else with `plan` is left as it is.
"""

from __future__ import annotations

import ast
import re
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from server.eject.api import Route

_WHOLE_SLOT: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?::[a-z]+)?\}")
_CRITERIA: Final = "criteria"


def folded(tree: ast.Module, route: Route) -> ast.Module:
    """The tree, changed in place, as far as it can be done."""
    uses = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "plan"]
    read = [node.value for node in ast.walk(tree) if _reads_a_member(node)]
    known = _known(route)
    wanted = {_key(node) for node in ast.walk(tree) if _reads_a_member(node)}
    if len(uses) != len(read) or not wanted <= known.keys() | {_CRITERIA}:
        return tree
    tree = _Folder(known).visit(tree)
    _write_out(tree)
    tree = _Joined().visit(tree)
    return ast.fix_missing_locations(tree)


def asks_for_more_than_criteria(tree: ast.Module) -> bool:
    """Whether `plan` is used for anything that a route's decorator has to say."""
    uses = sum(isinstance(node, ast.Name) and node.id == "plan" for node in ast.walk(tree))
    reads = [node for node in ast.walk(tree) if _reads_a_member(node) and _key(node) == _CRITERIA]
    return uses != len(reads)


def _known(route: Route) -> dict[str, ast.expr]:
    known = {
        "resource": _constant(route.resource),
        "action": _constant(route.action),
        "route": _constant(route.template),
        "response_hints": _constant(route.hints),
        "payload": ast.parse('ctx["body_json"]', mode="eval").body,
    }
    slot = _WHOLE_SLOT.fullmatch(route.identifier or "")
    if route.identifier is None:
        known["identifier"] = ast.Constant(None)
    elif slot is not None:
        known["identifier"] = ast.parse(f"params[{slot[1]!r}]", mode="eval").body
    return known


def _constant(value: Any) -> ast.expr:
    return ast.parse(repr(value), mode="eval").body


def _reads_a_member(node: ast.AST) -> TypeGuard[ast.Subscript]:
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Load)
        and isinstance(node.value, ast.Name)
        and node.value.id == "plan"
        and isinstance(node.slice, ast.Constant)
    )


def _key(node: ast.AST) -> Any:
    assert isinstance(node, ast.Subscript)  # noqa: S101 - of what `_reads_a_member` has found
    assert isinstance(node.slice, ast.Constant)  # noqa: S101
    return node.slice.value


class _Folder(ast.NodeTransformer):
    def __init__(self, known: dict[str, ast.expr]) -> None:
        self._known = known

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        if _reads_a_member(node) and _key(node) in self._known:
            return ast.parse(ast.unparse(self._known[_key(node)]), mode="eval").body
        return _member(node) or node


def _member(node: ast.Subscript) -> ast.expr | None:
    """`{"field": "member_id"}["field"]` as its value."""
    if not isinstance(node.value, ast.Dict) or not isinstance(node.slice, ast.Constant):
        return None
    pairs = zip(node.value.keys, node.value.values, strict=True)
    return next((v for k, v in pairs if isinstance(k, ast.Constant) and k.value == node.slice.value), None)


def _write_out(tree: ast.Module) -> None:
    """Rule 2, until nothing is left to be written out."""
    while (found := next(_bound_to_constants(tree), None)) is not None:
        statement, name, value = found
        tree.body.remove(statement)
        tree.body = [_WriteOut(name, value).visit(each) for each in tree.body]


def _bound_to_constants(tree: ast.Module) -> Iterator[tuple[ast.Assign, str, ast.expr]]:
    for place, statement in enumerate(tree.body):
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            continue
        name = statement.targets[0].id
        before = ast.Module(tree.body[:place], [])
        if len(statement.targets) == 1 and _is_fixed(statement.value) and name != "REPLY":
            used = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
            once = sum(not isinstance(node.ctx, ast.Load) for node in used) == 1
            early = any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(before))
            if (
                once
                and not early
                and (_only_members(tree, name) or isinstance(statement.value, ast.Constant))
            ):
                yield statement, name, statement.value


def _is_fixed(node: ast.expr) -> bool:
    if isinstance(node, ast.Dict):
        return all(isinstance(each, ast.Constant) for each in (*node.keys, *node.values))
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _only_members(tree: ast.Module, name: str) -> bool:
    """Whether a dict's name is used for nothing but reading members of it."""
    loads = sum(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
        for node in ast.walk(tree)
    )
    members = sum(
        isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Load)
        and isinstance(node.value, ast.Name)
        and node.value.id == name
        and isinstance(node.slice, ast.Constant)
        for node in ast.walk(tree)
    )
    return loads == members


class _WriteOut(ast.NodeTransformer):
    def __init__(self, name: str, value: ast.expr) -> None:
        self._name = name
        self._value = value

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._value if node.id == self._name else node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        return _member(node) or node


class _Joined(ast.NodeTransformer):
    """Texts within f-strings become part of them."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        self.generic_visit(node)
        node.values = list(_merged(map(_as_text, node.values)))
        if all(isinstance(value, ast.Constant) for value in node.values):
            return node.values[0] if node.values else ast.Constant("")
        return node


def _merged(values: Iterable[ast.expr]) -> Iterator[ast.expr]:
    """Texts that have come side by side as one, as the parser has them."""
    for is_text, group in groupby(values, lambda value: isinstance(value, ast.Constant)):
        if is_text:
            yield ast.Constant("".join(str(each.value) for each in group if isinstance(each, ast.Constant)))
        else:
            yield from group


def _as_text(value: ast.expr) -> ast.expr:
    if (
        isinstance(value, ast.FormattedValue)
        and isinstance(value.value, ast.Constant)
        and isinstance(value.value.value, str)
        and value.conversion == -1
        and value.format_spec is None
    ):
        return value.value
    return value
