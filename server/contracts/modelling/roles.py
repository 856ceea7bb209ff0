"""An operation's role: which rule decides it, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from server.contracts.model import Role
from server.contracts.modelling.collection_roles import sublist_role, word_role
from server.contracts.modelling.item_roles import item_role, relationship_role
from server.contracts.modelling.overriding import overridden_role
from server.contracts.modelling.resource_discovery import is_collection
from server.contracts.operation_facts import speaks_json, success_of, uploads
from server.contracts.paths import Slot, alike

if TYPE_CHECKING:
    from server.contracts.document import Operation
    from server.contracts.modelling.draft import Draft, PathItem


def role_of(draft: Draft, node: PathItem, operation: Operation) -> Role:
    status = _status(draft, operation)
    role = Role(
        operation, node.path, "example", plain=False, reply=draft.reply(operation),
        body=draft.body(operation), status=status,
    )  # fmt: skip
    override = draft.overrides.of(operation) if draft.overrides is not None else None
    said = None if override is None else overridden_role(draft, role, override)
    if said is not None:
        return said
    if not speaks_json(operation):
        kind = "upload" if uploads(operation) else "download"
        return evolve(role, why=f"{kind}: its content is no JSON", said=kind)
    relation = relationship_role(draft, role)
    if relation is not None:
        return relation
    if node.path and isinstance(node.path[-1], Slot) and not is_collection(draft, node):
        resource = draft.items.get(alike(node.path))
        if resource is not None:
            return item_role(draft, role, resource)
        return sublist_role(draft, role, node.path, "a slot that leads to no single record")
    return word_role(draft, role, node)


def _status(draft: Draft, operation: Operation) -> int:
    """Of a success: as it is declared, else as the document's profile has it."""
    status = success_of(operation)[0]
    if any(each.startswith("2") for each in operation.replies):
        return status
    return draft.chosen.profile.statuses.get(operation.method, status)
