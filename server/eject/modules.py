"""The modules of an ejected project's resources: handlers for the routes, with names and docstrings.

Routes of one path that do the same, such as one without a body and one with a form, have one handler.
"""

from __future__ import annotations

import builtins
import json
import keyword
import re
from textwrap import indent
from typing import TYPE_CHECKING, Final

from attrs import frozen

from server.eject.api import without_kinds
from server.eject.handlers import GIVEN, body_of
from server.eject.sources import helper_modules
from store.names import singular

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.eject.api import Route
    from server.eject.handlers import Body

_NOT_A_NAME: Final = re.compile(r"[^a-z0-9_]+")
_PLAIN_TEXT: Final = re.compile(r"[A-Za-z0-9 ,_-]+")
_VERBS_OF_ONE: Final = {"GET": "get", "PUT": "replace", "PATCH": "update", "DELETE": "delete", "POST": "post"}
_VERBS_OF_MANY: Final = {"GET": "list", "PUT": "put", "PATCH": "patch", "DELETE": "delete", "POST": "create"}
_STORES: Final = {"ResourceStore": "app.store.resource_store", "SessionStore": "app.store.session_store"}


@frozen
class Module:
    """A resource's module: its file's name without `.py`, its text, its functions' routes by name."""

    name: str
    resource: str
    text: str
    routes: dict[str, list[Route]]


def modules(routes: Iterable[Route]) -> list[Module]:
    """A module for each resource, in the order in which the routes name them."""
    by_resource: dict[str, list[Route]] = {}
    for route in routes:
        by_resource.setdefault(route.resource, []).append(route)
    found: dict[str, Module] = {}
    for resource, own in by_resource.items():
        name = _free(_word(resource), {*found, "routes"})
        found[name] = _module(name, resource, own)
    return list(found.values())


def package(found: Iterable[Module]) -> str:
    """`app/resources/__init__.py`."""
    names = sorted(module.name for module in found)
    imported = f"from app.resources import {', '.join(names)}\n\n" if names else ""
    return (
        '"""The resources of the API, a module each."""\n\n'
        "from __future__ import annotations\n\n"
        f"{imported}"
        "#: Every route of the application.\n"
        f"ROUTES = [{', '.join(f'*{name}.routes' for name in names)}]\n"
    )


def _module(name: str, resource: str, routes: list[Route]) -> Module:
    bodies: dict[str, Body] = {}
    named: dict[str, list[Route]] = {}
    for alike, body in _alike(routes):
        own = _free(_name_of(alike, set(named)), set(named))
        named[own], bodies[own] = alike, body
    functions = [_function(own, alike, bodies[own]) for own, alike in named.items()]
    what = f"Handlers of /{resource}." if _at_home(resource, routes) else f"Handlers of {resource}."
    head = [
        f'"""{what}"""',
        "from __future__ import annotations",
        imports(list(bodies.values())),
        f"routes = Routes({json.dumps(resource)})",
    ]
    return Module(name, resource, "\n\n".join([*head, *functions]) + "\n", named)


def _alike(routes: list[Route]) -> list[tuple[list[Route], Body]]:
    """Routes together that are of one path, and whose handlers would be the same."""
    found: dict[tuple[str, str, Body], list[Route]] = {}
    for route in routes:
        path = without_kinds(route.template)
        found.setdefault((route.method, path, body_of(route)), []).append(route)
    return [(alike, body) for (_, _, body), alike in found.items()]


def _at_home(resource: str, routes: list[Route]) -> bool:
    return any(route.template.split("/")[1] == resource for route in routes)


def imports(bodies: list[Body], *, routes: bool = True) -> str:
    """What the handlers call, and for type checkers what they are given; `routes`: they stand at some."""
    where = helper_modules()
    found: dict[str, set[str]] = {"app.runtime.routing": {"Routes"}} if routes else {}
    for name in {name for body in bodies for name in body.helpers}:
        found.setdefault(where[name], set()).add(name)
    types = {GIVEN[name] for body in bodies for name in body.parameters}
    typing = {_STORES[each]: {each} for each in types - {"Json"}}
    lines = [
        f"from typing import {'TYPE_CHECKING, ' if typing else ''}Any, TypeAlias",
        "",
        _from_lines(found),
    ]
    if typing:
        lines += ["", "if TYPE_CHECKING:", indent(_from_lines(typing), "    ")]
    return "\n".join([*lines, "", "Json: TypeAlias = dict[str, Any]"])


def _from_lines(names_of: dict[str, set[str]]) -> str:
    return "\n".join(f"from {name} import {', '.join(sorted(names_of[name]))}" for name in sorted(names_of))


def _function(name: str, routes: list[Route], body: Body) -> str:
    parameters = ", ".join(f"{each}: {GIVEN[each]}" for each in body.parameters)
    decorators = [f"@routes.{route.method.lower()}({', '.join(_options(route, body))})" for route in routes]
    lines = [
        *dict.fromkeys(decorators),
        f"def {name}({parameters}) -> Json:",
        f'    """{_docstring(routes[0])}"""',
        indent(body.text, "    "),
    ]
    return "\n".join(lines)


def _options(route: Route, body: Body) -> list[str]:
    options = [json.dumps(route.template)]
    if route.takes != "any":
        options.append(f'body="{route.takes}"')
    if _names_content(route):
        options.append(f'content="{route.content[0]}"')
    if _names_query(route):
        options.append(f"query={route.query!r}")
    if route.elsewhere:
        options.append(f"elsewhere={route.elsewhere!r}")
    if body.about:
        options.append(f"action={route.action!r}")
        options += [f"identifier={route.identifier!r}"] * (route.identifier is not None)
        options += [f"response_hints={route.hints!r}"] * bool(route.hints)
    return options


def _names_content(route: Route) -> bool:
    """Where it is not what a route takes that does not say."""
    if route.learned:
        return route.method in ("POST", "PUT", "PATCH") or route.content != ("none",)
    return route.content[:1] in (("merge-patch",), ("json-patch",))


def _names_query(route: Route) -> bool:
    """A plan for no query is as good for any; but what it reads would be taken for what was asked for."""
    return bool(route.query) or (route.query is not None and route.method == "GET")


def _docstring(route: Route) -> str:
    if not route.learned:
        text = _CONVENTIONS.get(_kind(route), route.action.capitalize() + " {many}.")
        return text.format(many=route.resource, one=singular(route.resource))
    if route.action == "do" or not _PLAIN_TEXT.fullmatch(route.action):
        return f"{_name(route).replace('_', ' ').capitalize()}."
    action = f"{route.action[:1].upper()}{route.action[1:]}"
    named = singular(route.resource).lower() in route.action.lower()
    return f"{action}." if named else f"{action} {route.resource}."


def _kind(route: Route) -> str:
    patches = {"merge-patch": "merge", "json-patch": "json-patch"}
    return patches.get(route.content[0], route.action) if route.content else route.action


_CONVENTIONS: Final = {
    "list": "A page of {many}; the query filters, sorts and pages.",
    "search": "The {many} that the query asks for, as a bare array.",
    "count": "How many of {many} match the query.",
    "stats": "Groups of {many}, counted and added up as the query asks for.",
    "create": "A new record of {many}.",
    "create several": "Several new records of {many}, all or none.",
    "get": "One record of {many}.",
    "replace": "Another record in the place of one of {many}.",
    "patch": "Set fields of a record of {many}; null is stored.",
    "merge": "Merge a patch into a record of {many} (RFC 7396); null removes.",
    "json-patch": "Apply the operations of a JSON Patch to a record of {many} (RFC 6902).",
    "delete": "Remove a record of {many}.",
}


# Names


def _name_of(routes: list[Route], taken: set[str]) -> str:
    """The shortest that one of them would have; a convention beside something learned says that it is one."""
    name = min(map(_name, routes), key=len)
    return f"{name}_by_convention" if name in taken and not routes[0].learned else name


def _name(route: Route) -> str:
    """Of the function: `get_member`, `list_members`, `cancel_order`, `list_member_orders`."""
    pieces = [piece for piece in route.template.split("/")[1:] if piece]
    words = [_word(piece) for piece in pieces if not piece.startswith("{")]
    if not words:
        return f"{route.method.lower()}_{_word(route.resource)}"
    *above, last = words
    owners = "".join(f"{singular(word)}_" for word in above if not _is_prefix(word))
    if pieces[-1].startswith("{"):
        return f"{_VERBS_OF_ONE[route.method]}_{owners}{singular(last)}" + _suffix(route)
    if last in ("search", "count", "stats") and above:
        return f"{last}_{'_'.join([*map(singular, above[:-1]), above[-1]])}" + _suffix(route)
    if len(pieces) > 1 and last != _word(route.resource):
        verb = last if route.method == "POST" else f"{route.method.lower()}_{last}"
        return f"{verb}_{owners}".rstrip("_") + _suffix(route)
    if route.method == "POST" and route.takes != "array":
        last = singular(last)
    return f"{_VERBS_OF_MANY[route.method]}_{owners}{last}" + _suffix(route)


def _is_prefix(word: str) -> bool:
    return word == "api" or re.fullmatch(r"v[0-9]+", word) is not None


def _suffix(route: Route) -> str:
    parts = []
    if route.content in (("merge-patch",), ("json-patch",), ("form",)):
        parts.append(_word(route.content[0]))
    if route.query:
        parts += ["by", *map(_word, route.query)]
    return "".join(f"_{part}" for part in parts)[:60].rstrip("_")


def _word(text: str) -> str:
    """Text as a part of a name in Python."""
    return _NOT_A_NAME.sub("_", text.lower().replace("-", "_")).strip("_") or "x"


def _free(name: str, taken: set[str]) -> str:
    name = f"{name}_" if keyword.iskeyword(name) or hasattr(builtins, name) else name
    name = name if name.isidentifier() else f"x_{name}"
    free, number = name, 2
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free
