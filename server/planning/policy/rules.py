"""The rules: one short method for each kind of node that has something of its own to check."""

from __future__ import annotations

import ast
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING

from server.planning.policy.forms import (
    is_one_value,
    is_plain_format,
    lambdas_of,
    parameters_of,
    takes_plain_names,
)
from server.planning.policy.hints import (
    ATTRIBUTE_HINTS,
    FORBIDDEN_HINTS,
    NAME_HINTS,
    NODE_HINTS,
    NODE_WORDS,
)
from server.planning.policy.names import (
    ALLOWED_BUILTINS,
    ALLOWED_METHODS,
    FORBIDDEN_NAMES,
    GIVEN_NAMES,
    MAX_COMPREHENSIONS,
    MAX_INT,
    PLAIN_NODES,
    PROTECTED_NAMES,
    STORE_METHODS,
)
from server.planning.policy.violation import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DICTS = frozenset({"ctx", "plan", "params"})
_LOOP_EXIT = "leaves a try that has a finally, where it could swallow abort()"


def violations_in(tree: ast.Module) -> list[Violation]:
    """All violations in a tree that is not too deep to recurse over; empty when it may run."""
    rules = _Rules(tree)
    rules.visit(tree)
    return rules.found


def shown(name: str) -> str:
    """A name as messages quote it: short, whatever the code had."""
    return repr(name if len(name) <= 40 else name[:39] + "…")


class _Rules(ast.NodeVisitor):
    def __init__(self, tree: ast.Module) -> None:
        self.found: list[Violation] = []
        self._place = (1, 0)
        #: The names that code in each open scope may read: the module's, then one a comprehension.
        self._scopes = [_assigned(tree)]
        self._in_refused = False
        self._jumps_refused = False
        #: Whether a condition is being read, and the lambdas of calls that may have one.
        self._in_condition = False
        self._lambdas: set[ast.Lambda] = set()
        if not any(map(_is_reply, ast.walk(tree))):
            self._report("reply", "nothing assigns REPLY; end with REPLY = make_response(status, body)")

    def visit(self, node: ast.AST) -> None:
        outer = self._place
        self._place = (getattr(node, "lineno", outer[0]), getattr(node, "col_offset", outer[1]))
        kind = type(node).__name__
        rule = getattr(self, f"visit_{kind}", self._descend if kind in PLAIN_NODES else self._refuse)
        rule(node)
        self._place = outer

    def _descend(self, node: ast.AST) -> None:
        self._each(ast.iter_child_nodes(node))

    def _each(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def _refuse(self, node: ast.AST) -> None:
        """Refuse a node, and go on inside, where the code that will be kept may have faults of its own."""
        kind = type(node).__name__
        # Parts of a refused node, such as parameters and patterns, go with it.
        if isinstance(node, ast.stmt | ast.expr | ast.operator) or not self._in_refused:
            hint = NODE_HINTS.get(kind, "write it another way")
            self._report("node", f"{NODE_WORDS.get(kind, kind.lower())} is not allowed: {hint}")
        # Its parameters and the like are no names of ours, and complaints about them would mislead.
        outer, self._in_refused = self._in_refused, True
        self._descend(node)
        self._in_refused = outer

    def _report(self, rule: str, message: str) -> None:
        self.found.append(Violation(*self._place, rule, message))

    # Names

    def visit_Name(self, node: ast.Name) -> None:
        if not self._nameable(node.id):
            return
        if isinstance(node.ctx, ast.Del):
            self._report("delete", f"names can't be deleted: assign None to {shown(node.id)} instead")
        elif isinstance(node.ctx, ast.Store):
            self._bindable(node.id)
        else:
            self._readable(node.id)

    def _nameable(self, name: str) -> bool:
        if name.startswith("_") and name != "_":
            self._report("underscore", f"{shown(name)} starts with an underscore: choose another name")
            return False
        if name in FORBIDDEN_NAMES:
            hint = FORBIDDEN_HINTS.get(name, "choose another name, or do without")
            self._report("name", f"{shown(name)} is not available in plan code: {hint}")
            return False
        return True

    def _bindable(self, name: str) -> None:
        if name in PROTECTED_NAMES:
            self._report("rebind", f"{shown(name)} can't be assigned: choose another name for your value")

    def _known(self, name: str) -> bool:
        return name in GIVEN_NAMES or name in ALLOWED_BUILTINS or any(name in s for s in self._scopes)

    def _readable(self, name: str) -> None:
        if name == "iter" and not any(name in s for s in self._scopes):
            self._report("iter", "iter is called with one value, as iter(rows), and is no value of its own")
        elif not self._known(name) and not self._in_refused:
            hint = NAME_HINTS.get(name, "assign it first, or use a given name or helper")
            self._report("name", f"{shown(name)} is not defined: {hint}")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = node.attr
        if not isinstance(node.ctx, ast.Load):
            self._report("attribute", f'attributes can\'t be changed: use value["{name[:40]}"] on a dict')
        elif name == "format" and is_plain_format(node.value):
            pass
        elif name not in ALLOWED_METHODS and not self._is_unknown(node.value):
            self._report("attribute", f".{name[:40]} is not an allowed method: {_attribute_hint(node)}")
        elif isinstance(node.value, ast.Name) and node.value.id in {"dict", "list"} and name != "fromkeys":
            # Records decode themselves when their own method is called; dict's would find them empty.
            kind = node.value.id
            self._report("attribute", f"{kind}.{name[:40]}: call the method of the {kind} itself")
        self.visit(node.value)

    def _is_unknown(self, node: ast.expr) -> bool:
        """Whether the node will be refused as a name: then its attributes, say `datetime.now`, go with it."""
        return isinstance(node, ast.Name) and not self._known(node.id) and not self._in_refused

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg is not None and node.arg.startswith("_"):
            self._report(
                "underscore", f"the argument {shown(node.arg)} starts with an underscore: use a dict"
            )
        self.visit(node.value)

    # Values

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if not isinstance(value, str | int | float | None):
            self._report("literal", f"{type(value).__name__} literals are not allowed: use text or numbers")
        elif isinstance(value, int) and value > MAX_INT:
            self._report("literal", "whole numbers in code go up to 2**63: use a smaller one")

    def visit_FormattedValue(self, node: ast.FormattedValue) -> None:
        self.visit(node.value)
        if node.format_spec is not None:
            self._format_spec(node.format_spec)

    def _format_spec(self, spec: ast.expr) -> None:
        """Pythons before and after PEP 701 read braces, quotes and backslashes in here differently."""
        for part in ast.iter_child_nodes(spec):
            if isinstance(part, ast.Constant) and not _is_plain_spec(part.value):
                self._report("format", "a format after ':' may not hold quotes, braces or backslashes")
            self.visit(part)

    # Comprehensions

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        with self._scope({name for g in node.generators for name in _stored(g.target)}):
            self._descend(node)

    @contextmanager
    def _scope(self, names: set[str]) -> Iterator[None]:
        self._scopes.append(names)
        if len(self._scopes) == MAX_COMPREHENSIONS + 2:
            self._report("nesting", f"comprehensions nest at most {MAX_COMPREHENSIONS} deep: use for loops")
        yield
        self._scopes.pop()

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension  # noqa: N815  as NodeVisitor names them

    def visit_comprehension(self, node: ast.comprehension) -> None:
        if node.is_async:
            self._report("node", "async for is not allowed: use for")
        self._each((node.target, node.iter))
        self._conditions(node.ifs)

    # Calls, and forms that are allowed in one place

    def visit_Call(self, node: ast.Call) -> None:
        self._lambdas.update(lambdas_of(node))
        if not (isinstance(node.func, ast.Name) and node.func.id == "iter" and is_one_value(node)):
            self.visit(node.func)
        self._each((*node.args, *node.keywords))

    def visit_Lambda(self, node: ast.Lambda) -> None:
        if node not in self._lambdas:
            self._refuse(node)
            return
        names = parameters_of(node)
        if not takes_plain_names(node):
            self._report("lambda", "a lambda takes plain names here, as in key=lambda row: row[0]")
        for name in names:
            if self._nameable(name):
                self._bindable(name)
        with self._scope(names):
            self.visit(node.body)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        if self._in_condition:
            self._descend(node)
        else:
            self._refuse(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._conditions((node.test,))
        self._each((node.body, node.orelse))

    def _conditions(self, nodes: Iterable[ast.expr]) -> None:
        outer, self._in_condition = self._in_condition, True
        self._each(nodes)
        self._in_condition = outer

    # Statements

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is None:
            self._report("annotation", "a declaration without a value does nothing: assign a value")
        self.visit(node.target)
        # It is left out of what runs, so its names, such as Optional, need not be there.
        outer, self._in_refused = self._in_refused, True
        self.visit(node.annotation)
        self._in_refused = outer
        if node.value is not None:
            self.visit(node.value)

    def visit_If(self, node: ast.If) -> None:
        self._conditions((node.test,))
        self._each((*node.body, *node.orelse))

    def visit_For(self, node: ast.For) -> None:
        self._each((node.target, node.iter))
        self._loop(node)

    def visit_While(self, node: ast.While) -> None:
        self._conditions((node.test,))
        self._loop(node)

    def _loop(self, node: ast.For | ast.While) -> None:
        with self._jumps(refused=False):
            self._each(node.body)
        self._each(node.orelse)

    def visit_Try(self, node: ast.Try) -> None:
        with self._jumps(refused=self._jumps_refused or bool(node.finalbody)):
            self._descend(node)
        if any(isinstance(n, ast.Try) and n.finalbody for s in node.finalbody for n in ast.walk(s)):
            # CPython compiles a finally body twice, so nesting costs powers of two.
            self._report("finally", "a finally may not hold another one: put its lines after the try")

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name is not None and self._nameable(node.name):
            self._bindable(node.name)
        self._descend(node)

    @contextmanager
    def _jumps(self, *, refused: bool) -> Iterator[None]:
        outer, self._jumps_refused = self._jumps_refused, refused
        yield
        self._jumps_refused = outer

    def _jump(self, node: ast.Break | ast.Continue) -> None:
        if self._jumps_refused:
            word = type(node).__name__.lower()
            self._report("finally", f"{word} {_LOOP_EXIT}: put the lines of the finally after the try")

    visit_Break = visit_Continue = _jump  # noqa: N815


def _attribute_hint(node: ast.Attribute) -> str:
    if node.attr.startswith("_"):
        return "nothing that starts with an underscore can be reached"
    if isinstance(node.value, ast.Name) and node.value.id in _DICTS:
        return f'{node.value.id} is a dict: use {node.value.id}["{node.attr[:40]}"]'
    if node.attr not in ATTRIBUTE_HINTS and _is_store(node.value):
        near = get_close_matches(node.attr, STORE_METHODS, n=1)
        return f"did you mean {near[0]}?" if near else f"a store has {', '.join(sorted(STORE_METHODS))}"
    fallback = (
        f'use value["{node.attr[:40]}"] for a key of a dict, or a method of text, list, dict, set or store'
    )
    return ATTRIBUTE_HINTS.get(node.attr, fallback)


def _is_store(node: ast.expr) -> bool:
    """Whether it is `store`, or a collection of `session_store`."""
    match node:
        case ast.Name(id="store"):
            return True
        case ast.Subscript(value=ast.Name(id="session_store")):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="session_store"), attr="collection")):
            return True
        case _:
            return False


def _is_plain_spec(text: object) -> bool:
    return isinstance(text, str) and text.isprintable() and not set(text) & set("{}'\"\\")


def _is_reply(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(t, ast.Name) and t.id == "REPLY" for t in node.targets
    )


def _stored(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _assigned(tree: ast.Module) -> set[str]:
    """The names that the module's own scope binds, wherever in it; so not the targets of comprehensions."""
    names: set[str] = set()
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name is not None:
            names.add(node.name)
        skipped = node.target if isinstance(node, ast.comprehension) else None
        todo.extend(child for child in ast.iter_child_nodes(node) if child is not skipped)
    return names
