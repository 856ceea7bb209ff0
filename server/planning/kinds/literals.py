"""Which literals of a plan's code are values of the request it was made for (T36).

Such a plan may answer the next request with the first one's values, so it is not reused.

1. The request's values are what its route's slots take, the path itself, query texts, and the scalars of
   the body. A number and its text are the same value: the path has ``17`` where the code has 17.
2. These say nothing and are passed over: bools and None, texts shorter than three characters, numbers from
   -1 to 10, the status given to `make_response` or `abort`, a default given to `as_int` or `as_float`,
   the literal words of the route, and the names of the request's fields and query keys.
3. Only equality counts: a text that contains a value is most likely the code's own.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from attrs import frozen

from server.planning.kinds.route import RouteTemplate, Slot, template_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.values.model import RequestContext

Value: TypeAlias = str | int | float
Place: TypeAlias = Literal["path", "query", "body"]

_SHORTEST = 3
_SMALL = (-1, 10)
#: Longer ones are no numbers that anybody writes into code; `int` refuses the very long ones.
_NUMBER = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?")


@frozen(order=True)
class Carried:
    """A literal that is one of the request's values. The value itself is in no log and no message."""

    line: int
    place: Place


def carried_values(code: str, ctx: RequestContext, route: RouteTemplate | None = None) -> tuple[Carried, ...]:
    """What in `code` (checked Python) is a value of this request, in the order of its lines.

    `route` is the plan's: a word that one of its slugs takes is a value. Without it no word of the path is.
    """
    lines: dict[Value, set[int]] = {}
    for value, line in _literals(ast.parse(code)):
        lines.setdefault(value, set()).add(line)
    if not lines:
        return ()
    names: set[Value] = set()
    places = [(place, value) for place, value in _values(ctx, route, names) if value in lines]
    found = {Carried(line, place) for place, value in places if value not in names for line in lines[value]}
    return tuple(sorted(found))


# -- of the code -----------------------------------------------------------------------------------


def _literals(node: ast.AST) -> Iterator[tuple[Value, int]]:
    """The literals that rule 2 does not pass over for themselves, with their lines."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        operand = node.operand
        if isinstance(operand, ast.Constant) and isinstance(operand.value, int | float):
            yield from _telling(-operand.value, node.lineno)
            return
    if isinstance(node, ast.Constant):
        yield from _telling(node.value, node.lineno)
    skipped = _passed_over(node) if isinstance(node, ast.Call) else ()
    for child in ast.iter_child_nodes(node):
        if child not in skipped:
            yield from _literals(child)


def _telling(value: Any, line: int) -> Iterator[tuple[Value, int]]:
    plain = _plain(value)
    if plain is None:
        return
    if isinstance(plain, str):
        telling = len(plain) >= _SHORTEST
    else:
        telling = not (_SMALL[0] <= plain <= _SMALL[1] and plain == int(plain))
    if telling:
        yield plain, line


def _passed_over(call: ast.Call) -> tuple[ast.AST, ...]:
    """The arguments of a call that are a status or a numeric default."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if name in {"make_response", "abort"}:
        place, keyword = 0, "status"
    elif name in {"as_int", "as_float"}:
        place, keyword = 1, "default"
    else:
        return ()
    named = [argument for argument in call.keywords if argument.arg == keyword]
    return (*call.args[place : place + 1], *named)


# -- of the request --------------------------------------------------------------------------------


def _values(
    ctx: RequestContext, route: RouteTemplate | None, names: set[Value]
) -> Iterator[tuple[Place, Value]]:
    """The request's values; once they are read through, `names` holds what rule 2 passes over for it."""
    for place, value in (*_path_values(ctx, route, names), *_query_values(ctx, names)):
        yield place, _as_value(value)
    waiting = [ctx.body_json]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            names.update(map(_as_value, value))
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif (plain := _plain(value)) is not None:
            yield "body", plain


def _path_values(
    ctx: RequestContext, route: RouteTemplate | None, names: set[Value]
) -> Iterator[tuple[Place, str]]:
    """Slots by their segments: a route that does not take this path has the path's own slots."""
    if route is None or route.match(ctx.segments) is None:
        route = RouteTemplate.parse(template_text(ctx.segments))
    slots = [isinstance(part, Slot) for part in route.parts]
    if any(slots):
        yield "path", ctx.path
    for segment, is_slot in zip(ctx.segments, slots, strict=True):
        if is_slot:
            yield "path", segment
        else:
            names.add(segment)


def _query_values(ctx: RequestContext, names: set[Value]) -> Iterator[tuple[Place, str]]:
    for name, value in ctx.query.items():
        names.add(_as_value(name))
        for text in [value] if isinstance(value, str) else value:
            yield "query", text


def _plain(value: Any) -> Value | None:
    """A scalar in the form in which a number and its text are equal; None for those that say nothing."""
    if value is None or isinstance(value, bool):
        return None
    return _as_value(value) if isinstance(value, str) else value if isinstance(value, int | float) else None


def _as_value(text: str) -> Value:
    if not _NUMBER.fullmatch(text):
        return text
    return float(text) if set(text) & set(".eE") else int(text)
