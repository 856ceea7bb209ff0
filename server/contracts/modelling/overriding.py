"""What a person says in `contract.toml`, in the place of what the rules say: keys, roles, scopes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attrs import evolve

from server.contracts.calls import key_word
from server.contracts.document import ContractError
from server.contracts.key_names import is_counted
from server.contracts.modelling.collection_roles import created_role
from server.contracts.modelling.key_inference import view_at
from server.contracts.modelling.scope_inference import scopes_of
from server.contracts.paths import Slot, alike, last_word, slots_in

if TYPE_CHECKING:
    from server.contracts.model import Role, RoleName
    from server.contracts.modelling.draft import Draft
    from server.contracts.overrides import Override, Overrides


def override_collections(draft: Draft, overrides: Overrides) -> None:
    """What a person says of keys. Raises ContractError."""
    for resource in draft.resources:
        said = overrides.collections.get(resource.name)
        if said is None:
            continue
        resource.told = said
        key = resource.key
        if said.key:
            view = view_at(draft.views, resource.item, said.key)
            kind: Literal["integer", "string"] = "integer" if view.kind == "integer" else "string"
            key = evolve(key, path=said.key, view=view, kind=kind, counted=is_counted(said.key[-1]))
        if said.pattern:
            # What it makes keys by, in place of the examples that may be shown of it.
            view = evolve(key.view, said={"pattern": said.pattern})
            key = evolve(key, view=view, kind="string")
        resource.key = key


def overridden_role(draft: Draft, role: Role, said: Override) -> Role | None:
    """The role that a person gives it; None where that says nothing of it."""
    if said.role == "planned":
        return evolve(role, why="contract.toml says so")
    path = role.path
    ends_in_slot = bool(path) and isinstance(path[-1], Slot)
    resource = next((each for each in draft.resources if each.name == said.collection), None)
    if said.collection and resource is None:
        names = ", ".join(sorted(each.name for each in draft.resources)[:20])
        raise ContractError(f"contract.toml: there is no collection {said.collection!r}; there are {names}")
    if not said.role:
        if resource is not None:
            draft.items.setdefault(alike(path), resource) if ends_in_slot else None
            draft.homes.setdefault(alike(path), resource)
        return None
    resource = resource or draft.items.get(alike(path)) or draft.homes.get(alike(path))
    if resource is None:
        raise ContractError(
            f"contract.toml: operations.'{role.operation.method} {role.operation.template}': "
            "name the collection, too"
        )
    name: RoleName = said.role  # type: ignore[assignment]
    if name in ("list", "create"):
        return evolve(created_role(draft, role, resource, path, name), said="")
    slots = slots_in(path)
    if not slots:
        word = key_word(role.operation, role.body.item.properties, last_word(path), resource.key.path)
        return evolve(role, name=name, plain=True, resource=resource, key_word=word)
    last = max(place for place, part in enumerate(path) if isinstance(part, Slot))
    scopes = scopes_of(draft.views, path[:last], resource.item, resource.key)
    return evolve(role, name=name, plain=True, resource=resource, key_slot=slots[-1], scopes=scopes)


def rebound(role: Role) -> Role:
    """With the values of slots where a person says that they are kept."""
    told = {} if role.resource is None else role.resource.told.scopes
    if not told:
        return role
    scopes = tuple(evolve(each, path=told[each.slot]) if each.slot in told else each for each in role.scopes)
    return evolve(role, scopes=scopes)
