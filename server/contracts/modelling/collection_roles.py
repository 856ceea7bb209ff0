"""Roles of operations on a collection's path: lists, searches, creates; and which are none of these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve

from server.contracts.modelling.key_inference import key_giver
from server.contracts.modelling.resource_discovery import pathless_resource, resource_by_schema
from server.contracts.modelling.scope_inference import scopes_of
from server.contracts.modelling.similarity import SAME, same
from server.contracts.modelling.singleton_roles import singleton_role
from server.contracts.paths import Path, Word, alike, last_word, text_of
from server.contracts.shapes import Shape, plain
from store.names import singular

if TYPE_CHECKING:
    from server.contracts.model import Resource, Role, RoleName
    from server.contracts.modelling.draft import Draft, PathItem

_SEARCHES: Final = ("search", "find", "filter", "query", "lookup")
_AUTH: Final = frozenset(
    {"login", "logout", "signin", "signout", "token", "tokens", "session", "oauth", "auth", "authenticate"}
)


def word_role(draft: Draft, role: Role, node: PathItem) -> Role:  # noqa: C901, PLR0912 - a table
    path, method = node.path, role.operation.method
    home = draft.homes.get(alike(path))
    reply, body = role.reply, role.body
    if plain(last_word(path)) in _AUTH and home is None:
        return evolve(role, why="it logs in or out", said="auth")
    if method in ("GET", "HEAD"):
        if reply.of_many:
            if home is not None and (same(reply.item, home.item, 0.5) or not reply.item.properties):
                return list_role(draft, role, home, path)
            return _search(draft, role, path) or sublist_role(draft, role, path, "")
        return singleton_role(draft, role, node) or evolve(
            role, why="it shows something that no operation makes", said="view"
        )
    if method == "POST":
        return _post(draft, role, node, home)
    if method == "PUT":
        if home is not None and body.kind in ("object", "wrapped"):
            if role.status == 201:
                return created_role(draft, role, home, path, "create")
            if key_giver(draft.views, home.key, body) != "service":
                name: RoleName = "replace" if same(body.item, home.item, SAME) else "merge"
                scopes = scopes_of(draft.views, path, home.item, home.key)
                said = "update by the body's key"
                return evolve(role, resource=home, name=name, plain=True, scopes=scopes, said=said)
        like = resource_by_schema(draft, role, path)
        if role.status == 201 and like is not None:
            return created_role(draft, role, like, path, "create")
    if method in ("PUT", "PATCH", "DELETE"):
        found = singleton_role(draft, role, node)
        if found is not None:
            return found
    what = "bulk" if body.kind == "array" else "action"
    if method == "DELETE" and home is not None:
        what = "clear"
    return evolve(role, why=f"{what}: {method} on {text_of(path)}", said=what)


def _post(draft: Draft, role: Role, node: PathItem, home: Resource | None) -> Role:
    path, reply, body = node.path, role.reply, role.body
    if home is not None:
        if body.kind == "array":
            return created_role(draft, role, home, path, "create-many")
        fits = (
            same(reply.item, home.item)
            or same(body.item, home.item)
            or (body.item.free and reply.kind in ("object", "wrapped", "none"))
            or (reply.kind == "none" and body.kind in ("object", "wrapped"))
            or _tells_key(reply, home)
        )
        if fits and body.kind != "scalar":
            return created_role(draft, role, home, path, "create")
        return evolve(role, why="action: neither its body nor its reply is a record", said="action")
    above = draft.homes.get(alike(path[:-1])) if len(path) > 1 and isinstance(path[-1], Word) else None
    if above is not None and body.kind == "array" and same(body.item, above.item, SAME):
        return created_role(draft, role, above, path[:-1], "create-many")
    like = resource_by_schema(draft, role, path)
    if like is not None:
        return created_role(draft, role, like, path, "create")
    single = singleton_role(draft, role, node)
    if single is not None:
        return single
    listing = node.operations.get("GET")
    if listing is not None and draft.reply(listing).of_many and body.kind in ("object", "wrapped"):
        item = draft.reply(listing).item
        if same(body.item, item) or same(reply.item, item):
            return created_role(draft, role, pathless_resource(draft, path, item), path, "create")
    return evolve(role, why=f"action: POST on {text_of(path)}", said="action")


def _tells_key(reply: Shape, home: Resource) -> bool:
    """Whether the reply is little more than the new record's key."""
    return reply.of_one and bool(home.key.path) and home.key.path[-1] in reply.item.properties


def created_role(draft: Draft, role: Role, resource: Resource, path: Path, name: RoleName) -> Role:
    scopes = scopes_of(draft.views, path, resource.item, resource.key)
    return evolve(role, name=name, resource=resource, plain=True, scopes=scopes)


def list_role(draft: Draft, role: Role, resource: Resource, path: Path, said: str = "") -> Role:
    scopes = scopes_of(draft.views, path, resource.item, resource.key)
    return evolve(role, name="list", resource=resource, plain=True, scopes=scopes, said=said)


def _search(draft: Draft, role: Role, path: Path) -> Role | None:
    """A search that only says which records."""
    home = draft.homes.get(alike(path[:-1])) if path and isinstance(path[-1], Word) else None
    if (
        home is None
        or not plain(last_word(path)).startswith(_SEARCHES)
        or not same(role.reply.item, home.item)
    ):
        return None
    names = {plain(name) for name in home.item.properties}
    required = [each for each in role.operation.parameters if each.place == "query" and each.required]
    unknown = [
        each.name
        for each in required
        if plain(each.name) not in names and singular(plain(each.name)) not in names
    ]
    if unknown:
        return evolve(
            role, resource=home, why=f"search: {unknown[0]} is no property of a record", said="search"
        )
    return list_role(draft, role, home, path[:-1], "search")


def sublist_role(draft: Draft, role: Role, path: Path, why: str) -> Role:
    """A list of records that have their own path elsewhere, or none."""
    if role.operation.method not in ("GET", "HEAD") or not role.reply.of_many:
        return evolve(role, why=why or "its reply is no list")
    item = role.reply.item
    if not item.is_object or not item.properties:
        return evolve(role, why="a list of what are no records", said="view")
    like = resource_by_schema(draft, role, path)
    if like is not None and _is_choice(path, like):
        return evolve(
            role, resource=like, why=f"view: nothing says which of {like.name} it shows", said="view"
        )
    if like is not None:
        return list_role(draft, role, like, path, "sub-list")
    return list_role(draft, role, pathless_resource(draft, path, item), path, "list")


def _is_choice(path: Path, resource: Resource) -> bool:
    """Whether it is a word right below the records' own list, which would else be the same list again."""
    above = alike(path[:-1])
    return isinstance(path[-1], Word) and any(alike(each[:-1]) == above for each in resource.paths)
