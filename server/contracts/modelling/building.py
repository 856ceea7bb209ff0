"""Making the model of a document: `server.contracts.model` says what it is, and by which rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from server.contracts.model import Model, takes_many
from server.contracts.modelling.call_roles import find_calls
from server.contracts.modelling.completion import complete, may_make, without_relations
from server.contracts.modelling.draft import Draft, PathItem
from server.contracts.modelling.overriding import override_collections, rebound
from server.contracts.modelling.parents import tenant_of, with_parents
from server.contracts.modelling.resource_discovery import find_resources
from server.contracts.modelling.roles import role_of
from server.contracts.modelling.scope_inference import settle_scope
from server.contracts.paths import alike, path_of
from server.contracts.versions import version_of

if TYPE_CHECKING:
    from server.contracts.document import Document
    from server.contracts.model import Role
    from server.contracts.overrides import Overrides


def model_of(document: Document, overrides: Overrides | None = None) -> Model:
    draft = Draft(document, overrides)
    for operation in draft.document.operations:
        path = path_of(operation.template, draft.document.base_path)
        node = draft.path_items.setdefault(alike(path), PathItem(path))
        node.operations.setdefault(operation.method, operation)
    find_resources(draft)
    find_calls(draft)
    if draft.overrides is not None:
        override_collections(draft, draft.overrides)
    found = [
        draft.calls.get(operation.id) or role_of(draft, node, operation)
        for node in draft.path_items.values()
        for operation in node.operations.values()
    ]
    if draft.overrides is not None:
        draft.overrides.require_collections(each.name for each in draft.resources)
    found = [_as_bulk(draft, rebound(role)) for role in found]
    for role in found:
        if role.resource is not None:
            role.resource.roles.append(role)
            if role.plain and (role.name in ("create", "create-many") or may_make(role)):
                role.resource.creatable = True
    for resource in draft.resources:
        settle_scope(draft, resource)
        complete(draft.views, resource)
    found = [without_relations(role) for role in found]
    tenant = tenant_of(draft, found)
    roles = {role.operation.id: with_parents(draft, role, tenant) for role in found}
    for resource in draft.resources:
        resource.roles = [role for role in roles.values() if role.resource is resource]
        if not draft.chosen.profile.version:
            resource.version = version_of(draft.document, draft.views, resource)
    resources = tuple(draft.resources)
    linked = draft.chosen.profile.links(draft.views, resources)
    return Model(draft.document, draft.views, resources, roles, draft.chosen, linked)


def _as_bulk(draft: Draft, role: Role) -> Role:
    """One that takes many requests in one has no plan: each of them has its own operation's."""
    if not takes_many(draft.chosen.profile, role.operation):
        return role
    why = "bulk: what it is asked, the other operations answer"
    return evolve(role, name="example", plain=False, resource=None, why=why, said="bulk")
