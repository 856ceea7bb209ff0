"""RFC 6902 as JSON Schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.openapi.operation import schema_ref

if TYPE_CHECKING:
    from server.openapi.operation import Json

#: RFC 6901: a tilde is followed by 0 or 1.
_POINTER: Json = {
    "type": "string",
    "description": "A JSON pointer (RFC 6901) into the record.",
    # At least one step: what is put in place of a whole record has to be an object.
    "pattern": "^(/([^/~]|~[01])*)+$",
}


def _operation(operators: list[str], description: str, **members: Json) -> Json:
    return {
        "type": "object",
        "description": description,
        "required": ["op", "path", *members],
        "properties": {"op": {"type": "string", "enum": operators}, "path": _POINTER, **members},
        # Others are passed over (RFC 6902 §4), but they are JSON as the service takes it.
        "additionalProperties": schema_ref("Value"),
    }


_OPERATIONS: Json = {
    "type": "array",
    "items": {"anyOf": [schema_ref(name) for name in ("JsonPatchValue", "JsonPatchMove", "JsonPatchRemove")]},
}
#: By the names of their components.
SCHEMAS: dict[str, Json] = {
    "JsonPatch": {
        "description": "Operations (RFC 6902), all or none. A record stays an object, and keeps its id.",
        # An array, said in a roundabout way: where one of several bodies plainly is one, clients that
        # openapi-python-client makes fail for all of them (`isinstance` with `list[...]`).
        "allOf": [_OPERATIONS, {"title": "Operations"}],
    },
    "JsonPatchValue": _operation(
        ["add", "replace", "test"], "Sets a value, or compares it.", value=schema_ref("Value")
    ),
    "JsonPatchMove": _operation(
        ["move", "copy"], "Takes a value from elsewhere in the record.", **{"from": _POINTER}
    ),
    "JsonPatchRemove": _operation(["remove"], "Takes a value away."),
}
EXAMPLE = [{"op": "test", "path": "/id", "value": 1}]
