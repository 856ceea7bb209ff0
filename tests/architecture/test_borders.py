"""The borders between the rooms: which may import which, and that every module stands alone.

The contracts are in `.importlinter`; here they are run, and shown to fail. What they cannot say is here: that
guest and store need nothing but the standard library, and that no module needs another to be imported first.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from typing import TYPE_CHECKING

import grimp
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / ".importlinter"

#: What each contract is there for: a module, and an import it must not have.
TRESPASSES = {
    "server": [("server.pipeline", "store.table"), ("server.app", "tools.layout")],
    "record": [
        ("server.record.keeper", "wasm_runtime.limits"),
        ("server.record.client", "server.sessions.names"),
        ("server.record.process", "server.app"),
    ],
    "server-layers": [
        ("server.values.model", "server.http.handler"),
        ("server.openapi.document", "server.operations.api"),
    ],
    "planning-layers": [
        ("server.planning.kinds.shape", "server.planning.drafting.author"),
        ("server.planning.learned.routes", "server.planning.planner"),
    ],
    "wasm_runtime": [("wasm_runtime.pool", "server.values.model"), ("wasm_runtime.worker", "store.table")],
    "store": [("store.table", "server.values.model"), ("store.table", "wasm_runtime.limits")],
    "guest": [("guest.app", "server.values.model"), ("guest.app", "wasm_runtime.limits")],
    "nobody-imports-guest": [("tools.layout", "guest.app"), ("server.values.model", "guest.reply")],
    "nobody-imports-ejected": [
        ("server.eject.project", "tools.ejected.routing"),
        ("tools.layout", "tools.ejected"),
    ],
    "http": [("server.pipeline", "aiohttp"), ("server.planning.kinds.route", "aiohttp.web")],
    "providers": [("server.planning.kinds.route", "openai"), ("server.requests.auth", "anthropic.types")],
    "http-clients": [("server.planning.providers.base", "httpx"), ("guest.app", "urllib3")],
    "telemetry": [("server.pipeline", "opentelemetry.trace"), ("server.telemetry.logs", "prometheus_client")],
    "wasmtime": [("server.app", "wasmtime"), ("tools.layout", "wasmtime.component")],
}

#: A circle, which the contract that is there for it has to find.
CIRCLE = [("store.catalogue", "store.table"), ("store.table", "store.catalogue")]

#: Imports every module named, in turn, as if none of ours had been imported before.
IMPORT_EACH = """
import importlib, sys, traceback
names, failed = sys.argv[1:], 0
rooms = {name.partition(".")[0] for name in names}
for name in names:
    for ours in [loaded for loaded in sys.modules if loaded.partition(".")[0] in rooms]:
        del sys.modules[ours]
    try:
        importlib.import_module(name)
    except BaseException:
        failed = 1
        print(name, file=sys.stderr)
        traceback.print_exc()
sys.exit(failed)
"""


def modules_of(room: str) -> list[str]:
    return sorted(module_name(file, ROOT) for file in (ROOT / room).rglob("*.py"))


def module_name(file: Path, root: Path) -> str:
    return ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=cwd, capture_output=True, text=True, check=False)


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    return run(
        "-c", "from importlinter.cli import lint_imports_command as lint; lint()", "--no-cache", cwd=root
    )


def foreign_imports(tree: ast.Module, own: set[str]) -> Iterator[str]:
    """The packages that a module imports and that are neither its own nor the standard library's."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "" if node.level == 0 else "a relative import"]
        for name in names:
            package = name.partition(".")[0]
            if package not in sys.stdlib_module_names | own:
                yield package


# --- the contracts ------------------------------------------------------------------------------------


def test_the_borders_hold() -> None:
    """Every contract of `.importlinter` is kept."""
    done = lint_imports(ROOT)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def trespassing(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """The contracts, run on rooms with the same modules whose only imports are those forbidden."""
    root = tmp_path_factory.mktemp("rooms")
    root.joinpath(".importlinter").write_text(CONTRACTS.read_text())
    for room in ("server", "wasm_runtime", "guest", "store", "tools"):
        for file in (ROOT / room).rglob("*.py"):
            copy = root / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.touch()
    forbidden = [pair for pairs in TRESPASSES.values() for pair in pairs]
    for importer, imported in [*forbidden, *CIRCLE, *allowed(), *ignored()]:
        file = root.joinpath(*importer.split("."))
        file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
        with file.open("a") as source:
            source.write(f"import {imported}\n")
    return lint_imports(root)


def allowed() -> list[tuple[str, str]]:
    """Imports that a contract is about and permits."""
    return [
        ("server.app", "wasm_runtime.pool"),
        ("guest.app", "store.table"),
        ("tools.layout", "server.app"),
        ("server.http.handler", "aiohttp.web"),
        ("server.__main__", "aiohttp"),
        ("server.planning.providers.connection", "httpx2"),
        ("server.planning.providers.connection", "openai"),
        ("wasm_runtime.engine", "wasmtime"),
    ]


def ignored() -> list[tuple[str, str]]:
    """Imports the contracts let pass by name; one that is gone is an error, so that the list gets shorter."""
    lines = "\n".join(section.get("ignore_imports", "") for section in contracts().values()).splitlines()
    imports = [line.split("->") for line in lines if "->" in line]
    return [(importer.strip(), imported.strip()) for importer, imported in imports]


def contracts() -> dict[str, dict[str, str]]:
    parser = ConfigParser()
    parser.read_string(CONTRACTS.read_text())
    prefix = "importlinter:contract:"
    sections = [name for name in parser.sections() if name.startswith(prefix)]
    return {name.removeprefix(prefix): dict(parser[name]) for name in sections}


def test_every_contract_is_tried() -> None:
    """No contract is here that no trespass shows to work."""
    assert contracts().keys() == {*TRESPASSES, "store-circles"}


@pytest.mark.parametrize("contract", TRESPASSES)
def test_a_trespass_is_found(contract: str, trespassing: subprocess.CompletedProcess[str]) -> None:
    """Each contract is broken by what it is there to forbid, and names the culprit."""
    assert f"{contracts()[contract]['name']} BROKEN" in trespassing.stdout, trespassing.stderr
    for importer, imported in TRESPASSES[contract]:
        package = imported.partition(".")[0]
        found = (f"{importer} -> {imported}", f"{importer} -> {package}")
        assert any(line in trespassing.stdout for line in found), trespassing.stdout


def test_a_circle_breaks_its_contract(trespassing: subprocess.CompletedProcess[str]) -> None:
    """One of its imports is named, as the one to go."""
    assert f"{contracts()['store-circles']['name']} BROKEN" in trespassing.stdout, trespassing.stderr
    one, other = CIRCLE[0]
    found = [
        f"{a.removeprefix('store')} -> {b.removeprefix('store')}" for a, b in ((one, other), (other, one))
    ]
    assert any(line in trespassing.stdout for line in found), trespassing.stdout


def test_what_is_allowed_is_not_called_a_trespass(trespassing: subprocess.CompletedProcess[str]) -> None:
    """The contracts forbid no more than they are there for."""
    for importer, imported in allowed():
        assert f"- {importer} -> {imported.partition('.')[0]} (" not in trespassing.stdout


# --- only the standard library ------------------------------------------------------------------------


@pytest.mark.parametrize(("room", "own"), [("store", {"store"}), ("guest", {"guest", "store"})])
def test_only_the_standard_library(room: str, own: set[str]) -> None:
    """What is built into the guest needs nothing but Python, but for what is built in with it.

    `wit_world` exists there, for app.py; jsonpatch and what it needs are copied there.
    """
    foreign = {(name, package) for name in modules_of(room) for package in foreign_imports(parsed(name), own)}

    guests = {
        ("guest.app", "wit_world"),
        ("guest.patches", "jsonpatch"),
        ("guest.patches", "jsonpointer"),
    }
    assert foreign == (guests if room == "guest" else set())


def parsed(name: str) -> ast.Module:
    path = ROOT.joinpath(*name.split("."))
    return ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text())


@pytest.mark.parametrize(
    ("source", "foreign"),
    [
        ("import orjson", ["orjson"]),
        ("import json, attrs.validators as v", ["attrs"]),
        ("from attrs import frozen", ["attrs"]),
        ("if x:\n    def f():\n        import orjson", ["orjson"]),
        ("from . import table", ["a relative import"]),
        ("from __future__ import annotations\nimport json\nfrom store.table import Table", []),
    ],
)
def test_a_foreign_import_is_seen(source: str, foreign: list[str]) -> None:
    """Also with others in one line, by parts of a package, inside a function, or relative."""
    assert list(foreign_imports(ast.parse(source), {"store"})) == foreign


# --- each module alone --------------------------------------------------------------------------------


def in_circles(rooms: Sequence[str]) -> list[str]:
    """The modules whose imports may lead back to them: for all others any order will do.

    Imports inside functions count, so some of these are in no circle when they are imported.
    """
    graph = grimp.build_graph(*rooms, exclude_type_checking_imports=True, cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) | parents(name) for name in graph.modules}
    left: set[str] = set()
    while left != set(imports):
        left = set(imports)
        imported = set().union(*imports.values())
        imports = {name: each & left for name, each in imports.items() if name in imported and each & left}
    return sorted(left)


def parents(name: str) -> set[str]:
    """The packages that are imported before the module."""
    parts = name.split(".")
    return {".".join(parts[:end]) for end in range(1, len(parts))}


def test_each_module_imports_alone() -> None:
    """No module needs another of ours to have been imported before it, and none warns or speaks."""
    rooms = ("server", "wasm_runtime", "store")
    names = [name for room in rooms for name in modules_of(room)]
    circles = in_circles(rooms)

    done = run("-W", "error", "-c", IMPORT_EACH, *circles)
    each = run(
        "-W",
        "error",
        "-c",
        "import importlib, sys\nfor n in sys.argv[1:]: importlib.import_module(n)",
        *names,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (each.returncode, each.stdout, each.stderr) == (0, "", "")
    assert 0 < len(circles) < len(names)


def test_a_circle_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that hides where the modules are imported in the lucky order."""
    room = tmp_path / "room"
    room.mkdir()
    room.joinpath("__init__.py").touch()
    room.joinpath("a.py").write_text("from room.b import B\nA = 1\n")
    room.joinpath("b.py").write_text("B = 1\nfrom room.a import A\n")

    room.joinpath("c.py").write_text("from room.a import A\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert in_circles(["room"]) == ["room.a", "room.b"]
    lucky = run("-c", IMPORT_EACH, "room.b", cwd=tmp_path)
    both = run("-c", IMPORT_EACH, "room.b", "room.a", cwd=tmp_path)

    assert lucky.returncode == 0, lucky.stderr
    assert both.returncode == 1
    assert "room.a\nTraceback" in both.stderr


def test_the_record_is_kept_from_all_else_in_the_server() -> None:
    """The contract names every module and package of the server but the record itself."""
    named = contracts()["record"]["forbidden_modules"].split()
    there = {
        path.stem
        for path in (ROOT / "server").iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists()) and path.stem != "__init__"
    }
    assert {name.removeprefix("server.") for name in named if name.startswith("server.")} == there - {
        "record"
    }
