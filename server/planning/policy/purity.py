"""Whether what a plan answers can be remembered: it is if the request and the records are all it depends on.

1. A plan that names what is another thing each time (the time, chance, a salt), or that writes to the log, is
   not remembered; nor one that uses `ctx` in any way but a member by a constant: `ctx["path"]`. It is enough
   that the name is there, whatever is done with it, so there is nothing to see through.
2. The members that are read so belong to what tells requests apart. Headers do one by one, as in
   `ctx["headers"]["accept-language"]`, or with `.get("accept-language")`; other uses of them are no members.
3. `params`, `plan` and the query are always told apart, and no request with a body is remembered.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from server.values.model import Purity

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What is another thing each time, or does something beside the reply.
CHANGING: Final = frozenset({"now", "today", "uuid4", "new_token", "hash_secret", "print"})
#: Members of ctx whose value, as a whole, can tell requests apart.
_MEMBERS: Final = frozenset(
    {"asked", "base_url", "body_json", "client", "identity", "method", "path", "query", "segments", "session"}
)
_HEADERS: Final = "headers"
_AUTHORIZATION: Final = (_HEADERS, "authorization")


def purity_of(tree: ast.Module) -> Purity | None:
    """What tells its requests apart, beside their params and query; None: it is not remembered."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    if any(node.id in CHANGING for node in names):
        return None
    found = [_member(node, parents) for node in names if node.id == "ctx"]
    found += [_AUTHORIZATION for node in names if node.id == "bearer"]
    return _pure(found)


def _pure(found: Iterable[tuple[str, ...] | None]) -> Purity | None:
    members = set(found)
    known = sorted(each for each in members if each is not None)
    return Purity(tuple(known)) if len(known) == len(members) else None


def _member(ctx: ast.Name, parents: dict[ast.AST, ast.AST]) -> tuple[str, ...] | None:
    """The member that is read of it here; None: something else is done with it."""
    member = parents[ctx]
    name = _subscript(member, ctx)
    if name == _HEADERS:
        header = _header(member, parents)
        return None if header is None else (_HEADERS, header)
    return (name,) if name in _MEMBERS else None


def _header(headers: ast.AST, parents: dict[ast.AST, ast.AST]) -> str | None:
    reading = parents[headers]
    match reading, parents.get(reading):
        case ast.Attribute(attr="get"), ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]) if (
            func is reading
        ):
            return name
        case _:
            return _subscript(reading, headers)


def _subscript(node: ast.AST, of: ast.AST) -> str | None:
    """The constant by which `of` is read; None where that is not what is done."""
    match node:
        case ast.Subscript(value=value, slice=ast.Constant(value=str(name)), ctx=ast.Load()) if value is of:
            return name
        case _:
            return None
