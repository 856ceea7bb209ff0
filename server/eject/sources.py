"""What an ejected project has in common with the service: modules copied whole, and parts of others.

Beginning with the modules of `tools.ejected`, imports are followed. Modules that need nothing of the
service are copied whole. Of all others only the definitions are taken that are asked for, with what these
need. So a project has little in it that it does not use, and nothing is kept up twice.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT: Final = Path(__file__).resolve().parents[2]
_ROOMS: Final = frozenset({"guest", "server", "store", "tools", "wasm_runtime"})
#: Copied whole, besides all of `tools.ejected` and `store`.
_WHOLE: Final = frozenset(
    {
        "guest.blame",
        "guest.credentials",
        "guest.helpers",
        "guest.pages",
        "guest.patches",
        "guest.reply",
        "guest.shapes",
        "guest.times",
        "server.concurrency.aside",
        "server.requests.content",
        "server.requests.headers",
        "server.requests.hosts",
        "server.requests.media_type",
        "server.requests.multipart",
        "server.requests.origin",
        "server.http.request_id",
        "server.requests.strict_json",
        "server.requests.target",
        "wasm_runtime.nesting",
        "wasm_runtime.schemas",
    }
)
_ENTRIES: Final = ("tools.ejected.serving",)
_OF_CONTRACT: Final = "tools.ejected.contracted"
_CONTRACT: Final = (
    '"""The API that openapi.json describes: what it says, how it is checked, what is by rule."""\n'
)
#: Where plans' helpers are.
_HELPERS: Final = (
    "guest.credentials",
    "guest.helpers",
    "guest.pages",
    "guest.reply",
    "guest.patches",
    "guest.shapes",
    "guest.times",
    "tools.ejected.secret_keys",
)
#: What the parts of modules that are not copied whole are, for the first line of theirs.
_DIALECTS: Final = "server.planning.dialects."
_SPEAKING: Final = "tools.ejected.speaking"
_ABOUT: Final = {
    "server.values.errors": "What can go wrong, and the status and problem type (RFC 9457) that each has.",
    "server.values.model": "Words that several modules share.",
    "server.planning.kinds.route": "Kinds of path segments, and what may stand before a collection's name.",
    "server.values.replies": "Problems (RFC 9457) without a type of their own.",
    "wasm_runtime.verdict": "Which headers of a handler's reply may leave.",
}
_PACKAGES: Final = {
    "app/runtime/__init__.py": '"""What handlers run on: routes, transactions, HTTP.\n\n'
    "A handler is called a plan in some comments, and what it runs in the guest: the service that this was\n"
    'ejected from runs it in a sandbox of that name. Here it is plain Python.\n"""\n',
    "app/store/__init__.py": '"""Records as JSON in SQLite: the store of the service of this API.\n\n'
    "Comments that speak of a guest, of WASI or of a host are about that service's sandbox.\n"
    '"""\n',
}
#: Notes for our own linter, which may be followed by a reason.
_NOTE: Final = re.compile(
    r"  # noqa: [A-Z]+[0-9]+(?:, ?[A-Z]+[0-9]+)*(?: - | +)?([^\n]*)|^# ruff: noqa:[^\n]*\n", re.MULTILINE
)


def _reason(note: re.Match[str]) -> str:
    return f"  # {note[1]}" if note[1] else ""


class SourceMissing(Exception):
    """The service's own sources are not what this module knows; a fault of the installation."""


@cache
def shared_files(wanted: frozenset[str], dialect: str = "", *, contract: bool = False) -> dict[str, str]:
    """The text of each shared file by its path in the project, with the modules of helpers that are wanted.

    `dialect`: the module of one, whose table is wanted, too. `contract`: with what it takes to serve by one.

    Raises SourceMissing, OSError.
    """
    copying = _Copying()
    if dialect:
        copying.whole(_SPEAKING)
        copying.asked[f"{_DIALECTS}{dialect}"] = {"DIALECT"}
    entries = (*_ENTRIES, *((_OF_CONTRACT,) if contract else ()))
    for name in (*entries, *(each for each in _HELPERS if _target(each) in wanted)):
        copying.whole(name)
    copying.settle()
    packages = _PACKAGES | ({"app/contract/__init__.py": _CONTRACT} if contract else {})
    return packages | {_path(name): _NOTE.sub(_reason, text) for name, text in copying.texts.items()}


def helper_modules() -> dict[str, str]:
    """The module of the project that each helper and reply function of a plan is found in, by its name."""
    found: dict[str, str] = {}
    for name in _HELPERS:
        for statement in _module(name).tree.body:
            if isinstance(statement, ast.FunctionDef | ast.Assign):
                found |= {each: _target(name) for each in _defined(statement)}
    return found


def _is_whole(name: str) -> bool:
    parts = name.startswith(_DIALECTS) and name.count(".") > _DIALECTS.count(".")
    whole = name in _WHOLE or name.startswith(("tools.ejected.", "store.", "server.contracts."))
    return parts or whole


def _target(name: str) -> str:
    """The project's name for a module: store and contract stay rooms, all else is the runtime."""
    room, _, inner = name.partition(".")
    if name.startswith("server.contracts."):
        return f"app.contract.{inner.removeprefix('contracts.')}"
    if name.startswith(_DIALECTS):
        return f"app.dialect.{inner.rpartition('.')[2]}"
    return f"app.store.{inner}" if room == "store" else f"app.runtime.{inner.rpartition('.')[2]}"


def _path(name: str) -> str:
    return _target(name).replace(".", "/") + ".py"


@define
class _Module:
    """A module's text and tree. `lines` are those of the text."""

    name: str
    lines: list[str]
    tree: ast.Module

    def text(self, statement: ast.stmt) -> str:
        """A statement with its decorators and the comment above it."""
        decorators = getattr(statement, "decorator_list", [])
        first = min([statement.lineno, *(each.lineno for each in decorators)]) - 1
        while first and self.lines[first - 1].startswith("#"):
            first -= 1
        return "\n".join(self.lines[first : statement.end_lineno])


@cache
def _module(name: str) -> _Module:
    path = _ROOT / (name.replace(".", "/") + ".py")
    if not path.exists():
        raise SourceMissing(f"{name} is no module")
    text = path.read_text("utf-8")
    if name.startswith(_DIALECTS) and name.count(".") == _DIALECTS.count("."):
        text = _with_handlers(text)
    return _Module(name, text.splitlines(), ast.parse(text))


def _with_handlers(text: str) -> str:
    """A dialect's table with functions in the place of its programs."""
    handlers = text.replace("    code=CODE,\n", "    code=HANDLERS,\n")
    if handlers == text:
        raise SourceMissing("a dialect's table does not say code=CODE")
    return handlers.replace("DIALECT = ", "from app.dialect.handlers import HANDLERS\n\nDIALECT = ", 1)


@define
class _Copying:
    """`texts` are the finished modules by their names; `asked` what is wanted of the others."""

    texts: dict[str, str] = field(factory=dict)
    asked: dict[str, set[str]] = field(factory=dict)

    def whole(self, name: str) -> None:
        if name in self.texts:
            return
        module = _module(name)
        self.texts[name] = ""
        self.texts[name] = "\n".join(self._turned(module.tree, module.lines)) + "\n"

    def settle(self) -> None:
        """Take parts until nobody asks for more."""
        done: dict[str, set[str]] = {}
        while done != self.asked:
            done = {name: set(names) for name, names in self.asked.items()}
            for name, names in done.items():
                self.texts[name] = self._part(_module(name), names)

    def _want(self, name: str, names: list[str]) -> None:
        """Have what an import names. A submodule that it names is a module of its own."""
        for each in names:
            inner = _ROOT / name.replace(".", "/") / each
            if inner.is_dir():  # a package that finds its modules by itself
                for file in sorted(inner.rglob("*.py")):
                    self.whole(".".join(file.relative_to(_ROOT).with_suffix("").parts))
            elif (_ROOT / name.replace(".", "/") / f"{each}.py").exists():
                self.whole(f"{name}.{each}")
            elif _is_whole(name):
                self.whole(name)
            else:
                self.asked.setdefault(name, set()).add(each)

    def _turned(self, tree: ast.AST, lines: list[str]) -> list[str]:
        """The lines with the imports of our own rooms turned to the project's."""
        turned = list(lines)
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or (node.module or "").partition(".")[0] not in _ROOMS:
                continue
            self._want(node.module or "", [alias.name for alias in node.names])
            first, last = node.lineno - 1, node.end_lineno or node.lineno
            note = turned[last - 1].partition("#")[2]
            turned[first] = (
                " " * node.col_offset
                + f"from {self._package(node)} import {_names(node)}"
                + (f"  #{note}" if note else "")
            )
            turned[first + 1 : last] = [""] * (last - first - 1)
        return turned

    def _package(self, node: ast.ImportFrom) -> str:
        """Where the names of an import are to be found in the project."""
        name = node.module or ""
        if f"{name}.".startswith("server.contracts."):
            return f"app.contract{name.removeprefix('server.contracts')}"
        if (_ROOT / name.replace(".", "/")).is_dir():
            inside = "app.dialect" if f"{name}.".startswith(_DIALECTS) else "app.runtime"
            return {"store": "app.store", "server.contracts": "app.contract"}.get(name, inside)
        return _target(name)

    def _part(self, module: _Module, wanted: set[str]) -> str:
        """The definitions of these names, and what they need."""
        statements = list(_statements(module.tree))
        kept = _closure(statements, wanted)
        missing = wanted - {name for statement in kept for name in _defined(statement)}
        if missing:
            raise SourceMissing(f"{module.name} has no {', '.join(sorted(missing))}")
        imports = self._imports([each for each in kept if isinstance(each, ast.Import | ast.ImportFrom)])
        rest = [module.text(each) for each in kept if not isinstance(each, ast.Import | ast.ImportFrom)]
        about = _ABOUT.get(module.name, "Parts of what the service has under this name.")
        head = [f'"""{about}"""', "from __future__ import annotations", "\n".join(imports)]
        return "\n\n".join([*filter(None, head), *rest]) + "\n"

    def _imports(self, nodes: list[ast.Import | ast.ImportFrom]) -> list[str]:
        plain = sorted(ast.unparse(node) for node in nodes if isinstance(node, ast.Import))
        by_module: dict[str, list[str]] = {}
        for node in nodes:
            if isinstance(node, ast.ImportFrom):
                by_module.setdefault(self._imported_from(node), []).append(_names(node))
        froms = [
            f"from {name} import {', '.join(sorted(names))}" for name, names in sorted(by_module.items())
        ]
        return plain + froms

    def _imported_from(self, node: ast.ImportFrom) -> str:
        if (node.module or "").partition(".")[0] not in _ROOMS:
            return node.module or ""
        self._want(node.module or "", [alias.name for alias in node.names])
        return self._package(node)


def _names(node: ast.ImportFrom) -> str:
    return ", ".join(ast.unparse(alias) for alias in node.names)


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Definitions, and imports of one name each, those for types alone among them."""
    for statement in tree.body:
        if isinstance(statement, ast.If):
            yield from _statements(ast.Module(statement.body, []))
        elif isinstance(statement, ast.ImportFrom):
            if statement.module != "__future__":
                yield from (ast.ImportFrom(statement.module, [alias], 0) for alias in statement.names)
        elif isinstance(statement, ast.Import):
            yield from (ast.Import([alias]) for alias in statement.names)
        else:
            yield statement


def _defined(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Assign(targets=targets):
            return {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {(alias.asname or alias.name).partition(".")[0] for alias in names}
        case _:
            return set()


def _closure(statements: list[ast.stmt], wanted: set[str]) -> list[ast.stmt]:
    """The statements that define these names, and all that those name, in the order of the module."""
    names, kept = set(wanted), []
    while True:
        kept = [each for each in statements if _defined(each) & names]
        named = {node.id for each in kept for node in ast.walk(each) if isinstance(node, ast.Name)}
        if named <= names:
            return kept
        names |= named
