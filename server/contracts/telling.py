"""What a model is shown of an operation that is not plain: its part of the document, how siblings store.

Schemas are no values, and the document is the operator's text, as house rules are. What is shown is cut to
a size, from its end; types nest four levels, and one that is within itself is named only.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from server.contracts.document import value_at
from server.contracts.type_texts import TypeTexts

if TYPE_CHECKING:
    from server.contracts.contract import Contract
    from server.contracts.document import Operation, Parameter
    from server.contracts.model import Resource, Role

_MAX_BYTES: Final = 12 * 1024
_MAX_PROSE: Final = 800
_MAX_SHORT: Final = 100
_MAX_LEVELS: Final = 4
_MAX_NAMES: Final = 60
_ABOUT: Final = (
    "The operation's own description. The reply has to fit `success`, status and type, names as they are. "
    "abort(status, text) is put into the form that the API gives errors, so give a text; "
    "fail(status, text, field) names a field. Where `list` is true, answer "
    "envelope(ctx['list'], items, total, limit, offset), which puts around the items what the API has there. "
    "`stored` has the collections that other operations use: the record at an address has the fields of its "
    "type; where `address` says so, the API's own `id` is in record['@']['id'], which you keep as it is."
)


def told_to_model(contract: Contract, role: Role) -> dict[str, Any]:
    """As JSON. It depends on the operation's part of the document and its resources alone."""
    for levels in (_MAX_LEVELS, 2):
        told = _Teller(contract, levels).operation(role)
        if len(json.dumps(told)) <= _MAX_BYTES:
            return told
    return _Teller(contract, 1).operation(role) | {"stored": []}


class _Teller:
    def __init__(self, contract: Contract, levels: int) -> None:
        self._contract = contract
        self._types = TypeTexts(contract.model.views, levels)

    def operation(self, role: Role) -> dict[str, Any]:
        operation = role.operation
        node = value_at(self._contract.document.raw, operation.pointer)
        node = node if isinstance(node, dict) else {}
        told: dict[str, Any] = {
            "about": _ABOUT,
            "operation": f"{operation.method} {operation.template}",
            "summary": _cut(node.get("summary"), _MAX_SHORT),
            "description": _cut(node.get("description"), _MAX_PROSE),
            "parameters": [self._parameter(each) for each in operation.parameters[:_MAX_NAMES]],
            "body": {each: self._types.at(schema) for each, schema in operation.request_bodies.items()},
            "list": self._contract.compiler.list_form(role) is not None,
            "success": {"status": role.status, "type": self._reply(operation, role.status)},
            "errors": [each for each in operation.replies if each[:1] in "45"],
            "stored": [self._stored(each) for each in self._near(role)],
        }
        return {name: value for name, value in told.items() if value}

    def _parameter(self, each: Parameter) -> str:
        needed = "" if each.required else "?"
        return f"{each.place} {each.name}{needed}: {self._types.at(each.schema)}"

    def _reply(self, operation: Operation, status: int) -> str:
        content = operation.reply_for(status) or {}
        return next((self._types.at(schema) for schema in content.values()), "no content")

    def _near(self, role: Role) -> list[Resource]:
        """The resources that the path names, and those of the types that come and go."""
        words = {getattr(part, "text", "").lower() for part in role.path}
        names = {role.reply.item.name, role.body.item.name} - {""}
        return [
            each
            for each in self._contract.model.resources
            if each.name.lower() in words or each.item.name in names or each is role.resource
        ][:6]

    def _stored(self, resource: Resource) -> dict[str, Any]:
        key = ".".join(resource.key.path) or resource.key.slot
        address = "its id" if resource.flat else f"id = {key}"
        if resource.scoped:
            address = f"id = '{'/'.join(resource.scoped)}/{key}', the values joined"
        roles = (
            f"{each.title}: {each.operation.method} {each.operation.template}" for each in resource.roles
        )
        return {
            "collection": resource.name,
            "address": address,
            "type": self._types.of(resource.item),
            "used_by": list(roles)[:12],
        }


def _cut(text: Any, most: int) -> str:
    return " ".join(text.split())[:most] if isinstance(text, str) else ""
