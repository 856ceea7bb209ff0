"""Whose fault an exception is: the request's, or the plan's.

A missing body key is the commonest way for an honest plan to fail, and it is the client's doing:
422, with the key named, instead of 500. The exception carries the exact expression that raised (PEP 657),
so the question is whether that expression reads the request. A name reads the request when it was
bound to an expression that does; what came out of the store does not.

Source is parsed only after an exception, so honest requests pay nothing.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

PLAN_FILE = "<plan>"
_REQUEST_PARTS = {"ctx": {"body_json", "query"}, "plan": {"payload", "criteria"}}
_STORES = frozenset({"store", "session_store"})


@dataclass(frozen=True)
class Place:
    """Where in a plan's code an exception was raised: 1-based lines, 0-based columns in UTF-8 bytes."""

    line: int
    end_line: int
    column: int
    end_column: int


def place_of(error: BaseException, file: str = PLAN_FILE) -> Place | None:
    """The innermost expression of the plan itself (of `file`), even when a helper it called raised."""
    found = None
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            found = trace
        trace = trace.tb_next
    if found is None:
        return None
    index = found.tb_lasti // 2
    line, end_line, column, end_column = next(
        islice(found.tb_frame.f_code.co_positions(), index, None), (None, None, None, None)
    )
    if line is None:
        return Place(found.tb_lineno, found.tb_lineno, 0, 0)
    return Place(line, end_line or line, column or 0, end_column or 0)


def request_fault(error: Exception, source: str, place: Place | None) -> str | None:
    """What is wrong with the request, for the client; None when the plan itself is to blame."""
    if place is None or not isinstance(error, (KeyError, TypeError, ValueError, IndexError, AttributeError)):
        return None
    tree = ast.parse(source)
    raising = _expression_at(tree, place)
    names = _Names(stores=_closure(tree, set(_STORES), _comes_from_store))
    names.request = _closure(tree, set(), lambda value, known: _reads_request(value, names, known))
    if raising is None or not _reads_request(_subject(raising), names, names.request):
        return None
    if isinstance(error, KeyError) and error.args and isinstance(error.args[0], str):
        return f"The request has no {error.args[0][:64]!r}"
    name = _named_key(raising)
    return f"{name!r} has the wrong type or value" if name else "The body has the wrong type or shape"


def parameter_name(source: str, place: Place | None) -> str | None:
    """The key that the expression at a place reads: `limit` of `as_int(ctx["query"].get("limit"))`."""
    raising = None if place is None else _expression_at(ast.parse(source), place)
    return None if raising is None else _named_key(raising)


def _subject(raising: ast.expr) -> ast.expr:
    """The part that was being read: of `body["a"]` the body, of `record.get(...)` the record."""
    return raising.value if isinstance(raising, ast.Subscript) else raising


def _expression_at(tree: ast.Module, place: Place) -> ast.expr | None:
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and _spans(node, place):
            return node
        if isinstance(node, ast.AugAssign) and _spans(node, place):
            return node.value
    return None


def _spans(node: ast.expr | ast.stmt, place: Place) -> bool:
    return (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset) == (
        place.line,
        place.end_line,
        place.column,
        place.end_column,
    )


@dataclass
class _Names:
    """Names of the plan, by what they were bound to: a store or what came out of one; the request."""

    stores: set[str]
    request: set[str] = field(default_factory=set)


def _closure(tree: ast.Module, names: set[str], belongs: Callable[[ast.expr, set[str]], bool]) -> set[str]:
    """The names, and all that are bound to an expression that belongs to them; until nothing is added."""
    while True:
        found = {
            name
            for targets, value in _bindings(tree)
            if belongs(value, names)
            for target in targets
            for name in _bound_names(target)
        }
        if found <= names:
            return names
        names = names | found


def _bindings(tree: ast.Module) -> Iterator[tuple[list[ast.expr], ast.expr]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            yield node.targets, node.value
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign)) and node.value is not None:
            yield [node.target], node.value
        elif isinstance(node, (ast.For, ast.comprehension)):
            yield [node.target], node.iter
        elif isinstance(node, ast.NamedExpr):
            yield [node.target], node.value
        elif isinstance(node, ast.Call):
            yield from _lambda_bindings(node)


def _lambda_bindings(call: ast.Call) -> Iterator[tuple[list[ast.expr], ast.expr]]:
    """What a call gives to its lambdas: `sorted(rows, key=lambda row: ...)` rows, `rows.sort(...)` too."""
    given = (*call.args, *(keyword.value for keyword in call.keywords))
    values = [each for each in call.args if not isinstance(each, ast.Lambda)]
    if isinstance(call.func, ast.Attribute):
        values.append(call.func.value)
    for function in given:
        if isinstance(function, ast.Lambda):
            names: list[ast.expr] = [ast.Name(each.arg) for each in function.args.args]
            for value in values:
                yield names, value


def _bound_names(target: ast.expr) -> Iterator[str]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name):
            yield node.id


def _reads_request(node: ast.AST, names: _Names, known: set[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in known
    if _is_request_part(node):
        return True
    if isinstance(node, ast.Call) and _comes_from_store(node, names.stores):
        return False
    return any(_reads_request(child, names, known) for child in ast.iter_child_nodes(node))


def _is_request_part(node: ast.AST) -> bool:
    """`ctx["body_json"]`, `ctx.get("query")`, `plan["payload"]` and the like."""
    if isinstance(node, ast.Subscript):
        root, key = node.value, node.slice
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        root, key = node.func.value, node.args[0]
    else:
        return False
    return (
        isinstance(root, ast.Name)
        and isinstance(key, ast.Constant)
        and key.value in _REQUEST_PARTS.get(root.id, ())
    )


def _comes_from_store(node: ast.expr, stores: set[str]) -> bool:
    """`store.get(1)`, `session_store["products"]`, or the like of a name that was bound to such."""
    root = node
    while isinstance(root, (ast.Attribute, ast.Subscript, ast.Call)):
        root = root.func if isinstance(root, ast.Call) else root.value
    return isinstance(root, ast.Name) and root.id in stores


def _named_key(node: ast.expr) -> str | None:
    """The first constant key that is read, by subscript or by `get`, and is no part of the context itself."""
    for child in ast.walk(node):
        if isinstance(child, ast.Subscript):
            key: ast.expr = child.slice
        elif isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute) and child.args:
            key = child.args[0]
        else:
            continue
        if isinstance(key, ast.Constant) and isinstance(key.value, str) and not _is_request_part(child):
            return key.value[:64]
    return None
