"""Roles of operations on one record's path, and on the paths of its relationships."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from server.contracts.modelling.key_inference import made_at
from server.contracts.modelling.scope_inference import scopes_of
from server.contracts.modelling.similarity import SAME, overlap, replaces, same
from server.contracts.operation_facts import patch_of
from server.contracts.paths import Word, alike, slots_in

if TYPE_CHECKING:
    from server.contracts.model import Resource, Role, RoleName
    from server.contracts.modelling.draft import Draft


def relationship_role(draft: Draft, role: Role) -> Role | None:
    """What is about a record's relationship, where the document's profile has such paths."""
    word, path = draft.chosen.profile.relationships, role.path
    if not word or len(path) < 3 or not isinstance(path[-1], Word):
        return None
    links = path[-2] == Word(word)
    home = path[:-2] if links else path[:-1]
    resource = draft.items.get(alike(home))
    linked = draft.chosen.profile.links(draft.views, tuple(draft.resources))
    name = path[-1].text
    if resource is None or name not in linked.of(resource.name):
        return None
    method = role.operation.method
    kinds: dict[str, RoleName] = dict.fromkeys(("PATCH", "POST", "DELETE"), "relate") if links else {}
    kinds["GET"] = kinds["HEAD"] = "linkage" if links else "related"
    if method not in kinds:
        return None
    return evolve(
        role, name=kinds[method], resource=resource, plain=True, relation=name,
        key_slot=slots_in(home)[-1], scopes=scopes_of(draft.views, home[:-1], resource.item, resource.key),
        said={"linkage": "relationship", "relate": "relationship-change"}.get(kinds[method], "related"),
    )  # fmt: skip


def item_role(draft: Draft, role: Role, resource: Resource) -> Role:
    path = role.path
    role = evolve(
        role, resource=resource, key_slot=slots_in(path)[-1],
        scopes=scopes_of(draft.views, path[:-1], resource.item, resource.key),
    )  # fmt: skip
    reply, body = role.reply, role.body
    match role.operation.method:
        case "GET" | "HEAD":
            return evolve(
                role,
                name="get",
                plain=reply.kind != "scalar",
                why=_unless(reply.kind != "scalar", "its reply is no object"),
            )
        case "DELETE":
            if resource.key.given == "client" and not resource.key.path and body.kind != "none":
                return evolve(role, why="it has a body")
            return evolve(role, name="delete", plain=True)
        case "PUT":
            return _put_role(draft, role, resource)
        case "PATCH":
            kind: RoleName = patch_of(role.operation, draft.views)
            if kind == "merge" and draft.chosen.profile.patch is not None:
                kind = "patch"
            return evolve(role, name=kind, plain=True, said="patch")
        case "POST":
            fits = body.kind in ("object", "wrapped") and (
                (reply.of_one and same(reply.item, resource.item)) or
                (reply.kind == "none" and overlap(body.item, resource.item) >= SAME)
            )  # fmt: skip
            if fits and role.status != 201:
                return evolve(role, name="merge", plain=True, said="update")
            return evolve(role, why="action: POST on a record", said="action")
        case _:
            return evolve(role, why="no method that records have")


def _put_role(draft: Draft, role: Role, resource: Resource) -> Role:
    body = role.body
    if body.kind == "none":
        return evolve(role, why="relation: PUT without a body", said="relation-set")
    if body.kind not in ("object", "wrapped"):
        return evolve(role, why="its body is no object")
    full = same(body.item, resource.item, SAME) and replaces(body.item, resource.item)
    needed = made_at(draft, role.path[:-1])[1].required
    if needed and not needed & body.item.required:
        full = False  # what making one asks for need not be said again
    return evolve(role, name="replace" if full else "merge", plain=True, said="replace")


def _unless(good: bool, why: str) -> str:  # noqa: FBT001 - a condition and its reason
    return "" if good else why
