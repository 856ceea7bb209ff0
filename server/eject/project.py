"""The project as a whole: its files by their paths, formatted, and packed into an archive."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
from functools import cache
from importlib.metadata import requires
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen
from ruff.__main__ import find_ruff_bin

from server.eject.describing import document
from server.eject.modules import modules, package
from server.eject.sources import helper_modules, shared_files
from server.eject.spoken import handlers, module_of
from server.eject.spoken import package as package_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.eject.api import Collections, Route
    from server.eject.modules import Module
    from server.planning.dialects.frame.table import Dialect
    from server.values.model import ContentKind

_TEMPLATES: Final = Path(__file__).parent / "templates"
_FORMAT_SECONDS: Final = 60
#: What a project runs with; the versions are those that the service asks for.
_NEEDS: Final = ("aiohttp", "attrs", "orjson")
#: And one with a contract.
_CONTRACT_NEEDS: Final = ("jsonschema-rs", "PyYAML")
_NEEDED_BY: Final = {"app.runtime.patches": "jsonpatch"}
_NAME: Final = re.compile(r"[^a-z0-9]+")
_BODIES: Final[dict[ContentKind, str]] = {
    "none": "no body",
    "json": "JSON",
    "form": "a form",
    "merge-patch": "JSON Merge Patch",
    "json-patch": "JSON Patch",
}
_ORIGINS: Final = {True: "learned", False: "convention"}
_PACKAGE: Final = """\
\"\"\"The API of a session, ejected from metaservice.\"\"\"

#: What `ctx["session"]["id"]` is in handlers.
SESSION = {session!r}
"""


@frozen
class Ejected:
    """What a project is made of. `left_out` says in words what of the session is not in it."""

    session: str
    routes: list[Route]
    collections: Collections
    exchanges: list[dict[str, Any]]
    left_out: list[str]
    with_data: bool = False
    #: The dialect that it speaks; what it has nothing for goes to the routes.
    dialect: Dialect | None = None
    #: The document that the session is served by; None: it has none.
    contract: Mapping[str, Any] | None = None

    @property
    def failing(self) -> list[dict[str, Any]]:
        """The example requests that their handlers failed on."""
        return [each for each in self.exchanges if "failed" in each]


def write(ejected: Ejected, directory: Path) -> None:
    """Write the project below a directory that is there. Raises OSError, SourceMissing."""
    for path, text in files(ejected).items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    _format(directory)


def files(ejected: Ejected) -> dict[str, str]:
    """The text of each file, not formatted yet."""
    found = modules(ejected.routes)
    if ejected.contract is not None:
        return _by_contract(ejected, found)
    helpers = set(helper_modules().values())
    dialect = ejected.dialect
    spoken = {} if dialect is None else _spoken(dialect)
    texts = [*(each.text for each in found), *spoken.values()]
    wanted = frozenset(name for name in helpers if any(f"from {name} import" in text for text in texts))
    name = _NAME.sub("-", ejected.session.lower()).strip("-") or "ejected"
    return {
        "README.md": _readme(ejected),
        "pyproject.toml": _template("pyproject.toml").format(
            name=f"{name}-api", needs=_needs(wanted), beside=_beside(ejected)
        ),
        ".gitignore": "__pycache__/\n/data/\n",
        "openapi.json": _json(document(f"{ejected.session} API", found, ejected.collections, dialect)),
        "app/__init__.py": _PACKAGE.format(session=ejected.session),
        "app/__main__.py": _with_speaker(_template("main.py"), dialect),
        **spoken,
        "app/resources/__init__.py": package(found),
        **{f"app/resources/{module.name}.py": module.text for module in found},
        **shared_files(wanted, "" if dialect is None else module_of(dialect)),
        "tests/exchanges.json": _json(ejected.exchanges),
        "tests/conftest.py": _with_speaker(_template("conftest.py"), dialect),
        "tests/test_exchanges.py": _template("test_exchanges.py"),
        **({"tests/test_http.py": _template("test_http.py")} if dialect is None else {}),
    }


def _by_contract(ejected: Ejected, found: list[Module]) -> dict[str, str]:
    """The same of a project that serves a contract: its own document and edge, tests in its form."""
    helpers = set(helper_modules().values())
    wanted = frozenset(name for name in helpers if any(f"from {name} import" in each.text for each in found))
    name = _NAME.sub("-", ejected.session.lower()).strip("-") or "ejected"
    return {
        "README.md": _readme(ejected),
        "pyproject.toml": _template("pyproject.toml").format(
            name=f"{name}-api", needs=_needs(wanted, *_CONTRACT_NEEDS), beside=_beside(ejected)
        ),
        ".gitignore": "__pycache__/\n/data/\n",
        "openapi.json": _json(ejected.contract),
        "app/__init__.py": _PACKAGE.format(session=ejected.session),
        "app/__main__.py": _template("contract_main.py"),
        "app/resources/__init__.py": package(found),
        **{f"app/resources/{module.name}.py": module.text for module in found},
        **shared_files(wanted, contract=True),
        "tests/exchanges.json": _json(ejected.exchanges),
        "tests/conftest.py": _template("contract_conftest.py"),
        "tests/test_exchanges.py": _template("contract_exchanges.py"),
        "tests/test_http.py": _template("contract_http.py"),
    }


def _spoken(dialect: Dialect) -> dict[str, str]:
    return {"app/dialect/__init__.py": package_of(dialect), "app/dialect/handlers.py": handlers(dialect)}


def _with_speaker(text: str, dialect: Dialect | None) -> str:
    """A template, whose application speaks the dialect."""
    if dialect is None:
        return text
    text = text.replace(
        "from app.resources import ROUTES\n",
        "from app.dialect import SPEAKER\nfrom app.resources import ROUTES\n",
    )
    return text.replace("session=SESSION)", "session=SESSION, speaker=SPEAKER)")


def packed(directory: Path, archive: Path) -> None:
    """Put all files below a directory into a tar file."""
    with tarfile.open(archive, "w") as tar:
        for path in sorted(each for each in directory.rglob("*") if each.is_file()):
            tar.add(path, path.relative_to(directory).as_posix(), recursive=False, filter=_anonymous)


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mode = 0o644
    return info


def _format(directory: Path) -> None:
    """With ruff, by the project's own settings. It sees texts and no environment."""
    ruff = find_ruff_bin()
    for command in (["check", "--select", "I", "--fix-only", "--quiet"], ["format", "--quiet"]):
        subprocess.run(  # noqa: S603 - our own formatter, on files that we wrote
            [ruff, *command, "--no-cache", "."], cwd=directory, env={}, timeout=_FORMAT_SECONDS, check=True
        )


def _readme(ejected: Ejected) -> str:
    rows = [
        f"| {each.method} | `{each.template}` | {_taken(each)} | {each.resource} | {_ORIGINS[each.learned]} |"
        for each in ejected.routes
    ]
    left_out = [f"- {line}" for line in ejected.left_out]
    failing = [f"- {each['method']} `{each['route']}`: {each['failed']}" for each in ejected.failing]
    return _template("README.md").format(
        session=ejected.session,
        routes="\n".join(dict.fromkeys([*_places(ejected.dialect), *rows])),
        spoken="" if ejected.dialect is None else _SPOKEN.format(tool=ejected.dialect.tool),
        left_out="\n".join(["", "Left out:", "", *left_out, ""]) if left_out else "",
        failing=("\n".join(["", _FAILING, "", *failing, ""]) if failing else "")
        + ("" if ejected.contract is None else _OF_CONTRACT),
        seed=_SEED if ejected.with_data else "It begins with none.",
    )


def _places(dialect: Dialect | None) -> list[str]:
    return [
        f"| {method} | `{place.path}` |  | any | {dialect.name} |"
        for place in (() if dialect is None else dialect.places)
        for method, kind in place.kinds.items()
        if dialect is not None and dialect.is_served(kind)
    ]


def _beside(ejected: Ejected) -> str:
    """What stands beside the package and is installed with it."""
    names = ["openapi.json"] + ["seed"] * ejected.with_data
    return "\n".join(f'"{name}" = "app/{name}"' for name in names)


def _taken(route: Route) -> str:
    """What tells a route from others of its path: its body, and its query."""
    said = []
    if route.content and route.method in ("POST", "PUT", "PATCH"):
        kind = route.content[0]
        said.append(f"JSON {route.takes}" if kind == "json" and route.takes != "any" else _BODIES[kind])
    if route.query or (route.query == () and route.method == "GET"):
        said.append(f"query: {', '.join(route.query) or 'none'}")
    return "; ".join(said)


_FAILING: Final = (
    "These failed in the service on their example request, and need mending; their tests ask for the status\n"
    "that they failed with, if a limit of the sandbox was not the reason:"
)
_SPOKEN: Final = """
Requests are in the words of {tool}, and so are replies and errors. `app/dialect/` has what reads them,
and the handlers that answer, each for collections of any name: one is there once something was created in
it. What it has nothing for goes to the other routes. Writing to all of a collection at once is refused.
"""
_OF_CONTRACT: Final = """
## The contract

`openapi.json` says which paths there are: requests are routed by its templates, checked by its schemas, and
refused in its form. `app/contract/` reads it. What a handler asks for is in `ctx["asked"]`. Where it declares
an `ETag` or an `If-Match`, versions are compared. Replies are checked by it: what breaks it is in the log
and in `X-Contract-Violations`; with `CONTRACT_REPLIES=enforce` it is a 500, and nothing is kept. What is said
below of paths without a route, of types and of conditions holds where the contract says nothing.
"""
_SEED: Final = (
    "A new one begins with those in `seed/`, which are the session's as they were, one JSON file for each\n"
    "collection; delete that directory to begin with none."
)


def _needs(wanted: frozenset[str], *more: str) -> str:
    """The lines of `dependencies`."""
    packages = (*_NEEDS, *more, *(package for module, package in _NEEDED_BY.items() if module in wanted))
    said = {re.split(r"[^A-Za-z0-9_-]", line)[0]: line for line in requires("metaservice") or ()}
    return "\n".join(f'  "{said.get(name, name)}",' for name in packages)


@cache
def _template(name: str) -> str:
    return (_TEMPLATES / f"{name}.txt").read_text("utf-8")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
