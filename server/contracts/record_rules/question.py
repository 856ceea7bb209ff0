"""What a model is shown of a resource's schema, and the form of its answer.

It hangs on the schema alone, so a changed document is asked about again only where a schema has changed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from server.contracts.record_rules.rules import WAYS
from server.contracts.type_texts import TypeTexts

if TYPE_CHECKING:
    from server.contracts.model import Model, Resource

#: Roles whose plans keep records by these rules.
WRITES: Final = frozenset({"create", "create-many", "replace", "merge", "json-patch", "patch"})
_LEVELS: Final = (4, 2, 1)
_MAX_BYTES: Final = 12 * 1024
_MAX_PROSE: Final = 160
_MAX_DESCRIBED: Final = 60

_TEXT: Final = {"type": "string"}
_TEXTS: Final = {"type": "array", "items": _TEXT}


def _rows(**members: Any) -> dict[str, Any]:
    row = {
        "type": "object",
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }
    return {"type": "array", "items": row}


_MEMBERS: Final[dict[str, Any]] = {
    "initial": _rows(field=_TEXT, value={**_TEXT, "description": 'As JSON: "\\"draft\\"", "0", "null".'}),
    "unique": _rows(fields=_TEXTS),
    "derived": _rows(field=_TEXT, way={"type": "string", "enum": list(WAYS)}, of=_TEXTS, between=_TEXT),
}
#: As the strict modes of providers want it.
ANSWER_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": _MEMBERS,
    "required": list(_MEMBERS),
    "additionalProperties": False,
}


def is_asked_about(resource: Resource) -> bool:
    """Whether clients write its records, and its schema names properties beside the key."""
    written = any(role.plain and role.name in WRITES for role in resource.roles)
    return written and not resource.single and any((name,) != resource.key.path for name in resource.fields)


def shown(model: Model, resource: Resource) -> dict[str, Any]:
    """As JSON: the collection's name, the types of its records, what clients say, and descriptions."""
    told: dict[str, Any] = {}
    for levels in _LEVELS:
        told = _shown(model, resource, levels)
        if len(json.dumps(told)) <= _MAX_BYTES:
            break
    return told


def _shown(model: Model, resource: Resource, levels: int) -> dict[str, Any]:
    texts = TypeTexts(model.views, levels)
    return {
        "collection": resource.name,
        "key": ".".join(resource.key.path) or resource.key.slot,
        "within": sorted({scope.name for role in resource.roles for scope in role.scopes}),
        "record": texts.of(resource.item),
        "clients_say": sorted({texts.of(role.body.item) for role in resource.roles if role.name in WRITES}),
        "only_replies": sorted(set(resource.fields) - said_by_clients(model, resource)),
        "descriptions": _descriptions(model, resource) if levels > 1 else {},
    }


def said_by_clients(model: Model, resource: Resource) -> set[str]:
    """Properties that some body may have."""
    return {
        name
        for role in resource.roles
        if role.name in WRITES
        for name, node in role.body.item.properties.items()
        if model.views.of(node).said.get("readOnly") is not True
    }


def _descriptions(model: Model, resource: Resource) -> dict[str, str]:
    found = {}
    for name, node in list(resource.fields.items())[:_MAX_DESCRIBED]:
        reference = node.get("$ref") if isinstance(node, dict) else None
        own = model.document.resolve(reference) if isinstance(reference, str) else node
        text = own.get("description") if isinstance(own, dict) else None
        if isinstance(text, str) and text.strip():
            found[name] = " ".join(text.split())[:_MAX_PROSE]
    return found
