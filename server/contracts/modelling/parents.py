"""Which records have to be there before those below them, and whose API it is (its tenant)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve

from server.contracts.paths import Slot, alike

if TYPE_CHECKING:
    from server.contracts.model import Resource, Role
    from server.contracts.modelling.draft import Draft

#: Of the operations, and of the resources below one.
_TENANT_SHARE: Final = 0.7
_TENANT_KINDS: Final = 6


def tenant_of(draft: Draft, roles: list[Role]) -> Resource | None:
    """Whose API it is: a record that nearly everything is below. A client has one before it begins."""
    below: dict[int, set[str]] = {}
    counted: dict[int, int] = {}
    for role in roles:
        for place in range(1, len(role.path)):
            parent = draft.items.get(alike(role.path[:place]))
            if parent is not None:
                below.setdefault(id(parent), set()).add(role.resource.name if role.resource else "")
                counted[id(parent)] = counted.get(id(parent), 0) + 1
    for resource in draft.resources:
        share = counted.get(id(resource), 0) / len(roles)
        if share >= _TENANT_SHARE and len(below.get(id(resource), ())) >= _TENANT_KINDS:
            return resource
    return None


def with_parents(draft: Draft, role: Role, tenant: Resource | None) -> Role:
    """A record whose path is before the last word of the role's, where there is a way of making one."""
    if role.resource is None:
        return role
    found = []
    for place, part in enumerate(role.path[:-1], 1):
        parent = draft.items.get(alike(role.path[:place]))
        if not isinstance(part, Slot) or parent is None or parent is role.resource:
            continue
        wanted = role.resource.told.parents
        if part.name in wanted if wanted is not None else parent.creatable and parent is not tenant:
            found.append((parent, part.name))
    return evolve(role, parents=tuple(found))
