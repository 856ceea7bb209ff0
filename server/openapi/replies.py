"""The replies that are not an operation's own: problem documents, and headers and media types of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.openapi.operation import schema_ref
from server.values.replies import phrase

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
    "406": "No media type that there is fits `Accept`.",
    "409": "There is a record with this id already, or a JSON Patch does not fit the record.",
    "412": "`If-Match` does not hold; nothing was done.",
    "413": "The body is too large.",
    "415": "The body's type is not taken.",
    "422": "It can be read, but not stored; or the reply would be too large.",
}
DEFAULT = "default"

_TEXT: Json = {"type": "string"}
#: Header Objects. What is required is in every such response.
HEADERS: dict[str, Json] = {
    "ETag": {"description": "A digest of the body, for `If-None-Match`.", "required": True, "schema": _TEXT},
    "RecordETag": {
        "description": "The record's tag, for `If-Match`; there where the body is the record as stored.",
        "schema": _TEXT,
    },
    "Total": {
        "description": "How many match in all.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "TotalOfPages": {
        "description": "How many match in all; there where a page was asked for.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Link": {
        "description": "`first`, `last`, `next` and `prev` (RFC 8288), where a page was asked for.",
        "schema": _TEXT,
    },
    "Location": {"description": "The record's path; of several records there is none.", "schema": _TEXT},
    "PreferenceApplied": {"description": "What of `Prefer` was done.", "schema": _TEXT},
    "Replayed": {
        "description": "`true` where this is the first answer to the `Idempotency-Key` once more.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
_SHARED: dict[str, Json] = {
    "NotModified": {"description": "`If-None-Match` lists the tag of what is here."},
    "Done": {"description": "Done. With `Prefer: return=minimal` there is nothing to show."},
}


def refer(status: str) -> Json:
    return refer_to(_name(status))


def refer_to(name: str) -> Json:
    return {"$ref": f"#/components/responses/{name}"}


def headers(**names: str) -> Json:
    """References to `HEADERS`: ``headers(ETag="RecordETag")``; an underscore stands for a hyphen."""
    return {
        header.replace("_", "-"): {"$ref": f"#/components/headers/{name}"} for header, name in names.items()
    }


def problems(statuses: Iterable[str]) -> dict[str, Json]:
    """References to the problems with these statuses, and to all others."""
    return {status: refer(status) for status in (*statuses, DEFAULT)}


def components() -> dict[str, Json]:
    """What `refer` and `refer_to` refer to, of no collection."""
    others = _problem("Any other problem, such as a service that is overloaded.")
    told = {_name(status): _problem(text) for status, text in _MEANINGS.items()}
    return {**_SHARED, **told, _name(DEFAULT): others}


def _name(status: str) -> str:
    return "Problem" if status == DEFAULT else phrase(int(status)).replace(" ", "")


def _problem(description: str) -> Json:
    content = {PROBLEM_JSON: {"schema": schema_ref("Problem")}}
    return {"description": description, "content": content}
