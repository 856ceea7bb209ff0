"""What the slots before a key stand for, and which of them an address has before its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from server.contracts.key_names import key_query
from server.contracts.model import Given, Key, Resource, Scope
from server.contracts.modelling.key_inference import HOLDERS, key_giver
from server.contracts.paths import Path, Slot, Word
from server.contracts.shapes import plain
from store.names import singular

if TYPE_CHECKING:
    from server.contracts.modelling.draft import Draft
    from server.contracts.views import View, Views


def scopes_of(views: Views, path: Path, view: View, key: Key) -> tuple[Scope, ...]:
    """Of the slots in `path`, which is without the key's."""
    found = []
    for place, part in enumerate(path):
        if isinstance(part, Slot):
            before = path[place - 1] if place else None
            stem = singular(plain(before.text)) if isinstance(before, Word) else ""
            found.append(
                Scope(_scope_name(part.name, stem), part.name, _scope_path(views, view, part.name, stem, key))
            )
    return tuple(found)


def _scope_path(views: Views, view: View, slot: str, stem: str, key: Key) -> tuple[str, ...]:
    own = plain(slot)
    wanted = [own] if own not in ("id", "sid", "uuid", "name", "key") else []
    wanted += [f"{stem}id", f"{stem}sid", f"{stem}uuid", f"{stem}{own}", stem] if stem else []
    places: list[tuple[tuple[str, ...], View]] = [((), view)]
    places += [
        ((name,), inner)
        for name, node in view.properties.items()
        if plain(name) in HOLDERS and (inner := views.of(node)).is_object
    ]
    for above, holder in places:
        names = {plain(name): name for name in holder.properties}
        for each in wanted:
            name = names.get(each)
            if name is None or (*above, name) == key.path:
                continue
            if views.of(holder.properties[name]).kind in ("string", "integer", "number", ""):
                return (*above, name)
    return ()


def settle_scope(draft: Draft, resource: Resource) -> None:
    """Who chooses keys, and what is before them in an address."""
    if not resource.paths or resource.single:
        return
    given = {
        "either"
        if key_query(role.operation, resource.key)
        else key_giver(draft.views, resource.key, role.body, resource.item)
        for role in resource.roles
        if role.name in ("create", "create-many")
    }
    if not given and any(role.operation.method == "PUT" and role.plain for role in resource.roles):
        given.add("client")
    by: Given = "client" if given == {"client"} else "either" if {"client", "either"} & given else "service"
    resource.key = evolve(resource.key, given=by)
    key = resource.key
    within = [
        {each.name for each in scopes_of(draft.views, path[:-1], resource.item, key)}
        for path in resource.paths
    ]
    common = set.intersection(*within)
    unique = key.given == "service" and not key.counted
    unique = unique or "uuid" in str(key.view.said.get("format", "")).lower()
    first = [each.name for each in scopes_of(draft.views, resource.paths[0][:-1], resource.item, key)]
    resource.scoped = () if unique else tuple(each for each in first if each in common)


def _scope_name(slot: str, stem: str) -> str:
    own = plain(slot)
    if stem and own in ("id", "sid", "uuid", "name", "key", stem, f"{stem}id", f"{stem}sid", f"{stem}uuid"):
        return stem
    return own or slot
