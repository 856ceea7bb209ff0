"""The ejected project's OpenAPI 3.1 document: its routes, and no more than they enforce."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from server.eject.api import slots, without_kinds
from server.openapi.learned import MEDIA_TYPES, statuses_in
from server.openapi.schemas import is_nameable
from server.values.replies import phrase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.eject.api import Collections, Route
    from server.eject.modules import Module
    from server.planning.dialects.frame.table import Dialect

_SLOT_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "int": {"type": "integer", "minimum": 0},
    "uuid": {"type": "string", "format": "uuid"},
}
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "error", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "error": {"type": "string", "description": "The same as `detail`."},
        "request_id": {"type": "string"},
    },
}
_BODILESS: Final = frozenset({"204", "205", "304"})


def document(
    title: str, modules: Iterable[Module], collections: Collections, dialect: Dialect | None = None
) -> dict[str, Any]:
    """The whole document. Routes that differ in query or body alone are one operation of it.

    Of a dialect it has the places of each collection.
    """
    paths: dict[str, dict[str, Any]] = {} if dialect is None else _spoken(dialect, collections)
    for module in modules:
        for name, route in ((name, route) for name, alike in module.routes.items() for route in alike):
            operations = paths.setdefault(without_kinds(route.template), {})
            method = route.method.lower()
            operations[method] = _merged(operations.get(method), _operation(name, route, collections))
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "0.1.0"},
        "paths": paths,
        "components": {"schemas": {"Problem": _PROBLEM} | dict(map(_schema, collections.items()))},
    }


def _spoken(dialect: Dialect, collections: Collections) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    pairs = [
        (name, place) for name in collections for place in dialect.places if "{parent}" not in place.path
    ]
    for name, place in pairs:
        path = place.path.replace("{resource}", name)
        parameters = [
            {"name": slot, "in": "path", "required": True, "schema": {"type": "string"}}
            for slot in slots(path)
        ]
        for method, kind in place.kinds.items():
            if dialect.is_served(kind):
                words = dialect.query.get(kind, {})
                known = [
                    {"name": word, "in": "query", "description": says, "schema": {"type": "string"}}
                    for word, says in words.items()
                ]
                paths.setdefault(path, {}).setdefault(
                    method.lower(),
                    {
                        "operationId": "_".join(
                            [method.lower(), kind, *re.findall(r"[A-Za-z0-9]+", path)]
                        ).replace("-", "_"),
                        "tags": [name],
                        "summary": f"{kind} {name}",
                        "parameters": parameters + known,
                        "responses": {"default": {"description": "The reply."}},
                    },
                )
    return paths


def _operation(name: str, route: Route, collections: Collections) -> dict[str, Any]:
    known = sorted(route.query or ())
    parameters = [
        {"name": slot, "in": "path", "required": True, "schema": _slot(route, slot)}
        for slot in slots(route.template)
    ] + [{"name": key, "in": "query", "schema": {"type": "string"}} for key in known]
    operation: dict[str, Any] = {
        "operationId": name,
        "tags": [route.resource],
        "summary": f"{route.action} {route.resource}",
        "parameters": parameters,
        "responses": _responses(route.code),
    }
    if route.body is not None:
        schema: dict[str, Any] = {}
        if route.resource in collections:
            schema = {"$ref": f"#/components/schemas/{route.resource}"}
        schema = {"type": "array", "items": schema} if isinstance(route.body, list) else schema
        kinds = [MEDIA_TYPES[kind] for kind in route.content if kind in MEDIA_TYPES]
        content = {kind: {"schema": schema, "example": route.body} for kind in kinds}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _slot(route: Route, name: str) -> dict[str, Any]:
    kind = re.search(rf"\{{{name}:([a-z]+)\}}", route.template)
    return _SLOT_SCHEMAS.get(kind[1] if kind else "", {"type": "string"})


def _responses(code: str) -> dict[str, Any]:
    """What the code answers with: its statuses are literals, nearly always; `default` are the others."""
    found: dict[str, Any] = {status: _response(status) for status in statuses_in(code)}
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return found | {
        "default": {"description": "Any other reply.", "content": {"application/problem+json": problem}}
    }


def _response(status: str) -> dict[str, Any]:
    kind = "application/json" if status < "400" else "application/problem+json"
    content: dict[str, Any] = {} if status in _BODILESS else {"content": {kind: {}}}
    return {"description": phrase(int(status)), **content}


def _merged(one: dict[str, Any] | None, other: dict[str, Any]) -> dict[str, Any]:
    if one is None:
        return other
    names = {(each["name"], each["in"]) for each in one["parameters"]}
    one["parameters"] += [each for each in other["parameters"] if (each["name"], each["in"]) not in names]
    one["responses"] = {**other["responses"], **one["responses"]}
    for media_type, content in other.get("requestBody", {}).get("content", {}).items():
        body = one.setdefault("requestBody", {"content": {}})
        before = body["content"].get(media_type)
        if before is None:
            body["content"][media_type] = content
        elif before["schema"] != content["schema"]:
            before["schema"] = {"anyOf": [before["schema"], content["schema"]]}
    return one


def _schema(item: tuple[str, Any]) -> tuple[str, dict[str, Any]]:
    """Fields as they were seen: what a record may have, which nothing enforces."""
    name, fields = item
    properties = {
        field: {"description": f"So far: {' or '.join(kinds) or 'not known'}."}
        for field, kinds in fields.items()
        if is_nameable(field)
    }
    return name, {"type": "object", "properties": properties}
