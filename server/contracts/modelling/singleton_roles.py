"""Roles of operations on a singleton: one object at a path that is a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from server.contracts.modelling.item_roles import item_role
from server.contracts.modelling.resource_discovery import new_resource
from server.contracts.modelling.scope_inference import scopes_of
from server.contracts.modelling.similarity import is_part, same
from server.contracts.operation_facts import patch_of
from server.contracts.paths import Slot, alike

if TYPE_CHECKING:
    from server.contracts.model import Role, RoleName
    from server.contracts.modelling.draft import Draft, PathItem
    from server.contracts.views import View, Views


def singleton_role(draft: Draft, role: Role, node: PathItem) -> Role | None:  # noqa: C901 - a table
    """One object at a path that is a word, which some method writes."""
    methods, path = node.operations, node.path
    get = methods.get("GET")
    if (
        get is None
        or not draft.reply(get).of_one
        or (alike(path) in draft.homes and not draft.homes[alike(path)].single)
    ):
        return None
    parent = draft.items.get(alike(path[:-1]))
    if (
        parent is not None
        and isinstance(path[-2], Slot)
        and is_part(draft.reply(get).item, parent.item)
        and _alike_within(draft.views, draft.reply(get).item, parent.item)
    ):
        part = item_role(draft, evolve(role, path=path[:-1]), parent)
        return evolve(part, path=path, said=f"{part.title} (a part of the record)")
    writers = [methods[each] for each in ("PUT", "PATCH", "POST") if each in methods]
    view = draft.reply(get).item
    if not any(
        draft.body(each).kind in ("object", "wrapped") and (same(draft.body(each).item, view) or view.free)
        for each in writers
    ):
        return None
    resource = draft.homes.get(alike(path))
    if resource is None:
        resource = new_resource(draft, path, view, single=True)
        resource.creatable = True
        draft.homes[alike(path)] = resource
    role = evolve(role, resource=resource, scopes=scopes_of(draft.views, path, view, resource.key))
    match role.operation.method:
        case "GET" | "HEAD":
            return evolve(role, name="get-one", plain=True, said="singleton")
        case "PUT":
            return evolve(role, name="replace-one", plain=True, said="singleton-replace")
        case "PATCH":
            patched: RoleName = "merge-one"
            if patch_of(role.operation, draft.views) == "json-patch":
                patched = "json-patch-one"
            return evolve(role, name=patched, plain=True, said="singleton-patch")
        case "DELETE":
            return evolve(role, name="delete-one", plain=True, said="singleton-delete")
        case "POST" if role.body.kind in ("object", "wrapped"):
            return evolve(role, name="merge-one", plain=True, said="singleton-patch")
        case _:
            return None


def _alike_within(views: Views, one: View, other: View) -> bool:
    """Whether properties of the same name have schemas of the same name, where they have one."""
    for name, node in one.properties.items():
        first, second = views.of(node), views.of(other.properties.get(name))
        if first.is_object and second.is_object and first.name and second.name and first.name != second.name:
            return False
    return True
