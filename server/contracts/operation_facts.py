"""What an operation says of its success and of its content, whatever its records are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from server.contracts.shapes import json_content

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.contracts.document import Operation
    from server.contracts.views import Views


def success_of(operation: Operation) -> tuple[int, Mapping[str, str] | None]:
    """The status of success that the operation declares for what it does, and its content."""
    found = sorted(key for key in operation.replies if key.startswith("2") and key != "default")
    wanted = {"POST": ("201", "200"), "DELETE": ("204", "200", "202"), "PUT": ("200", "201", "204")}
    for key in (*wanted.get(operation.method, ("200",)), *found):
        if key in operation.replies:
            status = int(key) if key.isdigit() else int(key[0]) * 100
            if (
                operation.method == "DELETE"
                and key == "204"
                and "200" in operation.replies
                and operation.replies["200"]
            ):
                continue
            return status, operation.replies[key]
    default = operation.replies.get("default")
    if not found and operation.method in ("GET", "HEAD") and default:
        return 200, default
    return (204 if operation.method == "DELETE" else 200), None


def writable(bodies: Mapping[str, str]) -> Mapping[str, str]:
    """Bodies of forms count as JSON's."""
    return {
        ("application/json" if "form" in each or "patch" in each else each): schema
        for each, schema in bodies.items()
    }


def speaks_json(operation: Operation) -> bool:
    bodies = operation.request_bodies
    if (
        bodies
        and json_content(bodies) is None
        and not any(each.startswith("application/x-www-form") for each in bodies)
    ):
        return False
    content = success_of(operation)[1]
    return not content or json_content(content) is not None


def uploads(operation: Operation) -> bool:
    return any(
        each.startswith(("multipart/", "application/octet", "image/")) for each in operation.request_bodies
    )


def patch_of(operation: Operation, views: Views) -> Literal["merge", "json-patch"]:
    for media_type, schema in operation.request_bodies.items():
        if media_type.startswith("application/json-patch+json"):
            return "json-patch"
        view = views.at(schema)
        if view.kind == "array" and {"op", "path"} <= set(views.of(view.items).properties):
            return "json-patch"
    return "merge"
