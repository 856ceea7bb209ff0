"""Finds a package's regular expressions, and makes texts that each of them is slowest with.

1. A compiled pattern is found where a module keeps it, also within a dict or a tuple; one that a function
   hands to `re` by the syntax tree, and so is one in a plan's text (`re_match`).
2. How a pattern is tried is how it is used: by the names of the methods that are called on its name.
3. A text is a beginning that the pattern takes, one short piece many times over, and an end that it refuses.
   Pieces are blanks, separators, quotes, and what the pattern itself is made of.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import re
from collections import defaultdict
from re import _constants as ops
from re import _parser
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_METHODS: Final = frozenset(
    {"match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer", "compile"}
)
_BLANKS: Final = (" ", "\t", "\n", " \t")
_SEPARATORS: Final = (",", ";", "=", ":", "/", "-", ".", " ,", "; ", ", ", "a,", "a;", "a=a,", "a-")
_QUOTES: Final = ('"', "'", "`", "\\", '\\"', '"",', '"a" ')
_PLAIN: Final = ("a", "A", "0", "_", "aA", "a0", "0.", "*")
_ENDS: Final = ("\x00", "!")
#: Characters of a beginning: what comes later is tried by the pieces.
_BEGINNING: Final = 10


@frozen
class Found:
    """A pattern, where it is, and the method by which it meets a text."""

    where: str
    pattern: re.Pattern[Any]
    method: str

    def __str__(self) -> str:
        return f"{self.where}.{self.method}"

    def meet(self, text: str) -> None:
        """Have the pattern read a text."""
        given = text if isinstance(self.pattern.pattern, str) else text.encode("latin-1", "replace")
        if self.method in {"sub", "subn"}:
            self.pattern.sub("" if isinstance(given, str) else b"", given)
        elif self.method == "finditer":
            for _ in self.pattern.finditer(given):
                pass
        else:
            getattr(self.pattern, self.method)(given)

    def texts(self, characters: int) -> Iterator[str]:
        """Texts of about this length."""
        for beginning in self._beginnings():
            for piece in self._pieces():
                middle = (piece * (characters // len(piece) + 1))[:characters]
                for end in _ENDS:
                    yield f"{beginning}{middle}{end}"

    def _tree(self) -> Any:
        source = self.pattern.pattern
        text = source if isinstance(source, str) else source.decode("latin-1")
        return _parser.parse(text, self.pattern.flags & ~re.UNICODE if source != text else self.pattern.flags)

    def _beginnings(self) -> list[str]:
        """What a text that fits begins with, at each length."""
        least, more = _sample(self._tree(), more=False), _sample(self._tree(), more=True)
        lengths = range(_BEGINNING + 1)
        return list(dict.fromkeys(each[:length] for each in (least, more) for length in lengths))

    def _pieces(self) -> list[str]:
        own = {each for each in _literals(self._tree()) if each}
        samples = {_sample(self._tree(), more=more)[:40] for more in (False, True)}
        known = [*_BLANKS, *_SEPARATORS, *_QUOTES, *_PLAIN]
        return list(dict.fromkeys([*known, *sorted(own | (samples - {""}))]))


def found_in(root: Path, rooms: Iterable[str]) -> list[Found]:
    """Every pattern in the modules of these packages, whose directory is `root`."""
    paths = [path for room in rooms for path in sorted((root / room).rglob("*.py"))]
    sources = {_name(root, path): path.read_text("utf-8") for path in paths}
    trees = {name: ast.parse(text) for name, text in sources.items() if _speaks_of_patterns(text)}
    used = _uses(map(ast.parse, sources.values()))
    found: dict[tuple[object, str], Found] = {}
    for name, tree in trees.items():
        module = importlib.import_module(name)
        for each in (*_kept(name, vars(module), used), *_given(name, tree, vars(module))):
            found.setdefault((each.pattern, each.method), each)
    return sorted(found.values(), key=str)


def _speaks_of_patterns(text: str) -> bool:
    return re.search(r"\bre\.[a-z]|re_match\(", text) is not None


def _name(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _uses(trees: Iterable[ast.AST]) -> dict[str, set[str]]:
    """The methods that are called on each name, wherever it is imported to."""
    used: dict[str, set[str]] = defaultdict(set)
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in _METHODS:
                held = node.value.value if isinstance(node.value, ast.Subscript) else node.value
                name = held.id if isinstance(held, ast.Name) else getattr(held, "attr", "")
                used[name].add(node.attr)
    return used


def _kept(module: str, names: dict[str, Any], used: dict[str, set[str]]) -> Iterator[Found]:
    for name, value in names.items():
        for pattern in _within(value):
            # One whose use cannot be told, such as one in a table, is tried in the hardest way.
            for method in sorted(used.get(name, set()) - {"compile"}) or ["search"]:
                yield Found(f"{module}.{name}", pattern, method)


def _within(value: Any) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        yield from _within(tuple(value.values()))
    elif isinstance(value, tuple | list | set | frozenset):
        for each in value:
            yield from _within(each)


def _given(module: str, tree: ast.AST, names: dict[str, Any]) -> Iterator[Found]:
    """What is handed to `re` itself, and what plans of the project hand to `re_match`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _in_function(module, node, names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "re_match(" in node.value:
            yield from _in_plan(f"{module}:{node.lineno}", node.value)


def _in_function(module: str, function: ast.AST, names: dict[str, Any]) -> Iterator[Found]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and node.args and (method := _method(node.func)):
            pattern = _compiled(node.args[0], names)
            if pattern is not None:
                yield Found(f"{module}:{node.lineno}", pattern, method)


def _method(function: ast.expr) -> str | None:
    if isinstance(function, ast.Name) and function.id == "re_match":
        return "search"
    if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)):
        return None
    if function.value.id != "re" or function.attr not in _METHODS:
        return None
    return "search" if function.attr == "compile" else function.attr


def _in_plan(where: str, text: str) -> Iterator[Found]:
    for quoted in re.findall(r're_match\(("[^"\n]*"|\'[^\'\n]*\')', text):
        yield Found(where, re.compile(ast.literal_eval(quoted)), "search")


class _Names(dict[str, Any]):
    def __missing__(self, _key: str) -> str:
        return "name"


def _compiled(node: ast.expr, names: dict[str, Any]) -> re.Pattern[Any] | None:
    """None where only who calls knows the pattern; a name that only the call knows stands for a word."""
    if isinstance(node, ast.Name) and not isinstance(names.get(node.id), str | bytes):
        return None
    value = eval(compile(ast.Expression(node), "", "eval"), {}, _Names(vars(builtins) | names))
    return re.compile(value) if isinstance(value, str | bytes) else None


def _sample(tree: Any, *, more: bool) -> str:
    """A text that fits, or nearly: the shortest one, or the one with something in each optional part."""
    return "".join(_samples(tree, more))


def _samples(tree: Any, more: bool) -> Iterator[str]:
    for op, given in tree:
        if op is ops.LITERAL:
            yield chr(given)
        elif op is ops.NOT_LITERAL:
            yield "a" if given != ord("a") else "b"
        elif op is ops.ANY:
            yield "a"
        elif op is ops.IN:
            yield _member(given)
        elif op in (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT):
            least, most, inner = given
            yield _sample(inner, more=more) * (max(least, 1) if more and most else least)
        elif op is ops.SUBPATTERN:
            yield _sample(given[3], more=more)
        elif op is ops.ATOMIC_GROUP:
            yield _sample(given, more=more)
        elif op is ops.BRANCH:
            yield _sample(given[1][-1 if more else 0], more=more)


_CANDIDATES: Final = "aA0 -_.,:;/\"'\\\t\n=!~"


def _member(members: list[tuple[Any, Any]]) -> str:
    """A character of a set."""
    if members and members[0][0] is ops.NEGATE:
        written = re.compile("[" + "".join(_written(*each) for each in members[1:]) + "]")
        return next((each for each in _CANDIDATES if not written.match(each)), "a")
    op, given = members[0]
    return {ops.LITERAL: lambda: chr(given), ops.RANGE: lambda: chr(given[0])}.get(op, lambda: _of(given))()


def _of(category: Any) -> str:
    return {ops.CATEGORY_SPACE: " ", ops.CATEGORY_DIGIT: "0"}.get(category, "a")


def _written(op: Any, given: Any) -> str:
    if op is ops.LITERAL:
        return re.escape(chr(given))
    if op is ops.RANGE:
        return f"{re.escape(chr(given[0]))}-{re.escape(chr(given[1]))}"
    return {ops.CATEGORY_SPACE: r"\s", ops.CATEGORY_DIGIT: r"\d", ops.CATEGORY_WORD: r"\w"}.get(given, "")


def _literals(tree: Any) -> Iterator[str]:
    """What the pattern is made of: runs of its literals, a character of each set, each repeated part."""
    run = ""
    for op, given in tree:
        if op is ops.LITERAL:
            run += chr(given)
            continue
        yield from (run, run[-1:])
        run = ""
        if op is ops.IN:
            yield from (_member([each]) for each in given if each[0] is not ops.NEGATE)
            yield _member(given)
        for inner in _inner(op, given):
            yield _sample(inner, more=False)
            yield _sample(inner, more=True)
            yield from _literals(inner)
    yield from (run, run[-1:])


def _inner(op: Any, given: Any) -> Iterable[Any]:
    if op in (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT):
        return (given[2],)
    if op is ops.SUBPATTERN:
        return (given[3],)
    if op is ops.BRANCH:
        return tuple(given[1])
    if op in (ops.ASSERT, ops.ASSERT_NOT):
        return (given[1],)
    return (given,) if op is ops.ATOMIC_GROUP else ()
