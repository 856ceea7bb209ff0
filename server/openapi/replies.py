"""The replies that are not an operation's own: problem documents, and what every response has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.replies import phrase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.openapi.operation import Json

PROBLEM_JSON = "application/problem+json"

#: RFC 9457, with the members that every problem document of the service has.
PROBLEM: Json = {
    "type": "object",
    "description": "What went wrong (RFC 9457). `type` has a page of the service, or is `about:blank`.",
    "required": ["type", "title", "status", "detail", "error", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "error": {"type": "string", "description": "The same as `detail`."},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "Where several places are wrong: each of them.",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "A JSON pointer (RFC 6901)."},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}

_MEANINGS = {
    "400": "Path, query, header or body cannot be read.",
    "401": "A bearer token is needed.",
    "404": "There is no such record.",
    "409": "There is a record with this id already.",
    "413": "The body is too large.",
    "415": "The body's type is not taken.",
    "422": "It can be read, but not stored; or the reply would be too large.",
}
DEFAULT = "default"


def refer(status: str) -> Json:
    return {"$ref": f"#/components/responses/{_name(status)}"}


def problems(statuses: Iterable[str]) -> dict[str, Json]:
    """References to the problems with these statuses, and to all others."""
    return {status: refer(status) for status in (*statuses, DEFAULT)}


def components() -> dict[str, Json]:
    """What `refer` refers to."""
    others = _problem("Any other problem, such as a service that is overloaded.")
    return {_name(status): _problem(text) for status, text in _MEANINGS.items()} | {_name(DEFAULT): others}


def _name(status: str) -> str:
    return "Problem" if status == DEFAULT else phrase(int(status)).replace(" ", "")


def _problem(description: str) -> Json:
    content = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": description, "content": content}
