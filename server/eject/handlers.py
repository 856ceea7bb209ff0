"""A plan's code as the body of a function, its meaning unchanged.

What it reads of the plan's fixed members is written out first, see `folding`. Then:

1. `REPLY = ...` where the plan ends with it becomes `return ...`; where it does anything else with REPLY, the
   name stays and is returned at the end.
2. A plan may use a helper's or builtin's name for a value of its own. In a function such a name would be
   local from its first line on, so it gets an underscore at its end.
3. The function's parameters are those of the given names that the code uses.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from attrs import frozen

from server.eject.folding import asks_for_more_than_criteria, folded
from server.eject.lambdas import give_own_names
from server.planning.policy.names import ALLOWED_BUILTINS, HELPER_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.eject.api import Route

#: What a handler is given, in the order of its parameters, with its type.
GIVEN: Final = {
    "ctx": "Json",
    "plan": "Json",
    "params": "Json",
    "store": "ResourceStore",
    "session_store": "SessionStore",
}
_REPLY: Final = "REPLY"
_IMPORTED: Final = HELPER_NAMES | {"make_response", "abort"}


@frozen
class Body:
    """A function's statements, the given names it takes, and the helpers that it calls."""

    text: str
    parameters: tuple[str, ...]
    helpers: frozenset[str]
    #: Whether it wants to be told by `plan` what the route is about.
    about: bool


class NotWritable(Exception):
    """A plan's code has no text that means the same, so there is no handler to be made of it."""


def body_of(route: Route) -> Body:
    """Make a function's body of a plan's code, which has passed the policy.

    What is folded in are texts that no policy has looked at. So the result is read back: what does not mean
    the same as the tree is not written. Such a plan is taken as it stands. Raises NotWritable.
    """
    made = _body(folded(_parsed(route.code), route)) or _body(_parsed(route.code))
    if made is None:
        raise NotWritable(f"the plan for {route.method} {route.template} cannot be written as a function")
    return made


def body_of_program(code: str) -> Body:
    """The same of a dialect's program, which serves collections of any name. Raises NotWritable."""
    made = _body(_parsed(code))
    if made is None:
        raise NotWritable("a dialect's program cannot be written as a function")
    return made


def _parsed(code: str) -> ast.Module:
    return give_own_names(ast.parse(code), taken=_IMPORTED | ALLOWED_BUILTINS)


def _body(tree: ast.Module) -> Body | None:
    """None where the text that it would have reads as something else."""
    about = asks_for_more_than_criteria(tree)
    for name in sorted(_rebound(tree)):
        _rename(tree, name)
    tree.body = _returning(tree.body) if _ends_with_reply(tree) else _keeping(tree.body)
    ast.fix_missing_locations(tree)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    parameters = tuple(name for name in GIVEN if name in used)
    text = _text_of(tree)
    return None if text is None else Body(text, parameters, frozenset(used & _IMPORTED), about)


def _text_of(tree: ast.Module) -> str | None:
    """`ast.unparse` picks the quotes of an f-string part by part: parts side by side can end it."""
    try:
        text = ast.unparse(tree)
        return text if ast.dump(ast.parse(text)) == ast.dump(tree) else None
    except (SyntaxError, ValueError):
        return None


# Rule 1


def _ends_with_reply(tree: ast.Module) -> bool:
    """Whether each use of REPLY is an assignment with which the plan ends."""
    uses = sum(isinstance(node, ast.Name) and node.id == _REPLY for node in ast.walk(tree))
    return uses == sum(1 for _ in _last_replies(tree.body))


def _last_replies(body: list[ast.stmt]) -> Iterator[ast.Assign]:
    last = body[-1] if body else None
    if isinstance(last, ast.If):
        yield from _last_replies(last.body)
        yield from _last_replies(last.orelse)
    elif isinstance(last, ast.Assign) and _is_reply(last):
        yield last


def _is_reply(node: ast.Assign) -> bool:
    return len(node.targets) == 1 and isinstance(node.targets[0], ast.Name) and node.targets[0].id == _REPLY


def _returning(body: list[ast.stmt]) -> list[ast.stmt]:
    """The body with its last assignment to REPLY a return, in each branch; early ones end the function."""
    if not body:
        return body
    *before, last = body
    if isinstance(last, ast.Assign) and _is_reply(last):
        return [*before, ast.Return(last.value)]
    if not isinstance(last, ast.If):
        return body
    last.body, last.orelse = _returning(last.body), _returning(last.orelse)
    if last.orelse and isinstance(last.body[-1], ast.Return):
        otherwise, last.orelse = last.orelse, []
        return [*before, last, *otherwise]
    return [*before, last]


def _keeping(body: list[ast.stmt]) -> list[ast.stmt]:
    start: list[ast.stmt] = [ast.parse(f"{_REPLY} = None").body[0]]
    first = body[0] if body else None
    if isinstance(first, ast.Assign) and _is_reply(first):
        start = []
    return [*start, *body, ast.Return(ast.Name(_REPLY, ast.Load()))]


# Rule 2


def _rebound(tree: ast.Module) -> set[str]:
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name)
        and not isinstance(node.ctx, ast.Load)
        and node.id in HELPER_NAMES | ALLOWED_BUILTINS
    }


def _rename(tree: ast.Module, name: str) -> None:
    """Give a plan's own value another name than the helper has, which it may read before it binds its own."""
    taken = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    other = f"{name}_"
    while other in taken:
        other += "_"
    body, first = _where_it_begins(tree.body, name)
    own = set(map(id, _names_in(tree)))
    if isinstance(first, ast.Assign) and _names_own(first, name):
        own -= set(map(id, _names_in(first.value)))
    else:
        given = ast.Assign([ast.Name(other, ast.Store())], ast.Name(name, ast.Load()))
        body.insert(body.index(first), given)
    for node in _names_in(tree):
        if node.id == name and id(node) in own:
            node.id = other


def _where_it_begins(body: list[ast.stmt], name: str) -> tuple[list[ast.stmt], ast.stmt]:
    """The innermost block that has all uses of a name, and its first statement that uses it."""
    using = [each for each in body if _uses(each, name)]
    if len(using) == 1 and isinstance(using[0], ast.If) and not _uses(using[0].test, name):
        branches = [
            branch for branch in (using[0].body, using[0].orelse) if any(_uses(s, name) for s in branch)
        ]
        if len(branches) == 1:
            return _where_it_begins(branches[0], name)
    return body, using[0]


def _uses(node: ast.AST, name: str) -> bool:
    return any(each.id == name for each in _names_in(node))


def _names_own(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)


def _names_in(node: ast.AST) -> Iterator[ast.Name]:
    return (each for each in ast.walk(node) if isinstance(each, ast.Name))
