"""The description that the contestant `contract` serves: members as the workloads have them."""

from __future__ import annotations

from typing import Any, Final

_TEXT: Final = {"type": "string"}
_INTEGER: Final = {"type": "integer"}
_MEMBER: Final = {"$ref": "#/components/schemas/Member"}


def _reply(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "", "content": {"application/json": {"schema": schema}}}


def _word(name: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {**_INTEGER, "minimum": 0}}


DOCUMENT: Final[dict[str, Any]] = {
    "openapi": "3.1.0",
    "info": {"title": "Members", "version": "1"},
    "paths": {
        "/members": {
            "get": {
                "parameters": [_word("limit"), _word("offset")],
                "responses": {"200": _reply({"type": "array", "items": _MEMBER})},
            },
            "post": {
                "requestBody": {"required": True, "content": {"application/json": {"schema": _MEMBER}}},
                "responses": {"201": _reply(_MEMBER)},
            },
        },
        "/members/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": _INTEGER}],
            "get": {"responses": {"200": _reply(_MEMBER)}},
        },
    },
    "components": {
        "schemas": {
            "Member": {
                "type": "object",
                "required": ["id", "name", "email", "age", "active", "city"],
                "properties": {
                    "id": {**_INTEGER, "readOnly": True},
                    "name": _TEXT,
                    "email": {**_TEXT, "format": "email"},
                    "age": {**_INTEGER, "minimum": 0},
                    "active": {"type": "boolean"},
                    "city": _TEXT,
                },
            }
        }
    },
}
