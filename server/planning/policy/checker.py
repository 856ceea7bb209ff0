"""`check`: from the text of a model to code that may run, or to the list of what is wrong with it."""

from __future__ import annotations

import ast
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from server.planning.policy.names import MAX_DEPTH, MAX_NODES, MAX_SOURCE_BYTES
from server.planning.policy.purity import purity_of
from server.planning.policy.rules import violations_in
from server.planning.policy.slots import unknown_slots
from server.planning.policy.violation import CodeRefused, Violation
from server.values.model import SourceCode, ValidatedCode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

#: What parsing and compiling hostile text is known to raise, besides SyntaxError (THREATS 11).
_PARSER_ERRORS = (ValueError, RecursionError, MemoryError, OverflowError, SystemError)
_FSTRING_HINT = (
    "; inside the braces of an f-string use the other kind of quotes and no backslash,"
    " or give the value a name first"
)
#: `catch_warnings` swaps a global of the process.
_warnings_lock = threading.Lock()


def check(code: SourceCode, slots: Collection[str] | None = None) -> ValidatedCode:
    """The code that may run in place of `code`: the `ast.unparse` of its checked, normalised tree.

    `slots` are the names of its route's, where code that reads others is to be refused, too.
    Idempotent. Raises CodeRefused, and nothing else whatever the text.
    """
    try:
        return _checked(code, slots)
    except CodeRefused as refused:
        raise CodeRefused(refused.violations, code.text) from None


def _checked(code: SourceCode, slots: Collection[str] | None) -> ValidatedCode:
    if code.language != "python":
        raise _refused("language", "the code must be Python")
    tree = _parse(code.text)
    violations = violations_in(tree) + ([] if slots is None else unknown_slots(tree, slots))
    if violations:
        raise CodeRefused(tuple(sorted(violations)))
    _normalise(tree)
    with _parsing(code.text):
        # The compiler refuses what the grammar lets pass, such as `break` outside a loop. Nothing runs here.
        compile(tree, "<plan>", "exec", dont_inherit=True)
    return ValidatedCode(_text_of(tree), purity_of(tree))


def _parse(text: str) -> ast.Module:
    """The tree of `text`, within all limits; a newer Python reads it as 3.11 would, as far as it can."""
    if len(text.encode(errors="surrogatepass")) > MAX_SOURCE_BYTES:
        raise _refused("size", f"the code is over {MAX_SOURCE_BYTES} bytes: write less")
    with _parsing(text):
        tree = ast.parse(text, "<plan>", feature_version=(3, 11))
    _measure(tree)
    return tree


@contextmanager
def _parsing(text: str) -> Iterator[None]:
    """Silence the parser's warnings, which are about style, and turn its errors into a refusal."""
    try:
        with _warnings_lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except SyntaxError as error:
        hint = _FSTRING_HINT if 'f"' in text or "f'" in text else ""
        message = f"not valid Python: {error.msg[:100]}{hint}"
        raise _refused("syntax", message, error.lineno or 0, max((error.offset or 1) - 1, 0)) from None
    except _PARSER_ERRORS as error:
        raise _refused(
            "syntax", f"not readable as Python ({type(error).__name__}): write plain text"
        ) from None


def _measure(tree: ast.Module) -> None:
    """Hold the tree against the limits, without recursion: it may be thousands deep."""
    count = 0
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH + 1):
        count += len(level)
        if count > MAX_NODES:
            raise _refused("size", f"the code has over {MAX_NODES} syntax nodes: write less")
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    if level:
        line = next((node.lineno for node in level if isinstance(node, ast.expr | ast.stmt)), 0)
        raise _refused("depth", f"nested more than {MAX_DEPTH} deep: use more, simpler statements", line)


def _text_of(tree: ast.Module) -> str:
    """The tree as text, which is parsed again to be sure that it means the same."""
    try:
        text = ast.unparse(tree)
    except ValueError:
        raise _refused("fstring", "an f-string can't be written safely" + _FSTRING_HINT) from None
    again = _parse(text)
    if ast.dump(again) != ast.dump(tree):
        raise _refused("fstring", "an f-string or text reads ambiguously" + _FSTRING_HINT)
    return text


def _normalise(tree: ast.Module) -> None:
    """Rewrite, in place, what would mean something else in the guest than its author can have meant."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            node.type = ast.Name("Exception", ast.Load())
        elif isinstance(node, ast.Constant):
            node.kind = None
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(node, block, None)
            if isinstance(statements, list):
                statements[:] = map(_without_annotation, statements)
    ast.fix_missing_locations(tree)


def _without_annotation(node: ast.stmt) -> ast.stmt:
    """`x: int = 1` as `x = 1`: what annotations do when they run differs between Pythons."""
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        return ast.copy_location(ast.Assign([node.target], node.value), node)
    return node


def _refused(rule: str, message: str, line: int = 0, column: int = 0) -> CodeRefused:
    return CodeRefused((Violation(line, column, rule, message),))
