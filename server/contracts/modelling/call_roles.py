"""Roles of operations that are named as calls (RPC), such as `users.create`, and the resources of those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attrs import evolve

from server.contracts.calls import Call, calls_in, key_word
from server.contracts.model import Key, Resource, Role
from server.contracts.modelling.key_inference import key_path, view_at
from server.contracts.modelling.resource_discovery import collection_name
from server.contracts.modelling.similarity import same
from server.contracts.operation_facts import success_of
from server.contracts.views import ANY

if TYPE_CHECKING:
    from server.contracts.modelling.draft import Draft


def find_calls(draft: Draft) -> None:
    operations = [
        (operation, node.path) for node in draft.path_items.values() for operation in node.operations.values()
        if draft.overrides is None or draft.overrides.of(operation) is None
    ]  # fmt: skip
    for calls in calls_in(operations, draft.homes):
        shapes = [draft.reply(each.operation) for each in calls.members if each.verb != "delete"]
        items = [each.item for each in shapes if each.of_one or each.of_many]
        item = max(items, key=lambda each: len(each.properties), default=ANY)
        if not item.properties:
            continue
        key = key_path(draft.views, item, "", calls.members[0].noun, "", composite=False)
        view = view_at(draft.views, item, key)
        kind: Literal["integer", "string"] = "integer" if view.kind == "integer" else "string"
        resource = Resource(collection_name(draft, calls.home), item, [], Key("", key, kind, view=view))
        made = [_called(draft, each, resource) for each in calls.members] if key else []
        if sum(role is not None for role in made) > 1:
            draft.resources.append(resource)
            draft.calls |= {role.operation.id: role for role in made if role is not None}


def _called(draft: Draft, call: Call, resource: Resource) -> Role | None:
    """The call's role; None where its shape is another one's."""
    operation = call.operation
    reply, body = draft.reply(operation), draft.body(operation)
    word = key_word(operation, body.item.properties, call.noun, resource.key.path)
    role = Role(
        operation, call.path, "example", plain=True, resource=resource, reply=reply, body=body,
        status=success_of(operation)[0], said=f"call ({call.verb})",
    )  # fmt: skip
    one = reply.of_one and same(reply.item, resource.item)
    match call.verb:
        case "create" if one and body.of_one:
            return evolve(role, name="create")
        case "list" if reply.of_many and same(reply.item, resource.item):
            return evolve(role, name="list")
        case "get" if one and word:
            return evolve(role, name="get", key_word=word)
        case "update" if word and body.of_one and (one or reply.kind == "none"):
            return evolve(role, name="merge", key_word=word)
        case "delete" if word:
            return evolve(role, name="delete", key_word=word)
        case _:
            return None
