"""JSON pointers (RFC 6901) into a document, also as references write them (`#/components/schemas/A`)."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

_NONE: Any = object()


def joined(pointer: str, *parts: str | int) -> str:
    """The pointer to a member, or to an item."""
    return pointer + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def from_reference(reference: str) -> str | None:
    """The pointer that a reference within its document means; None: it leads elsewhere, or is an anchor's."""
    if reference == "#":
        return ""
    return unquote(reference[1:]) if reference.startswith("#/") else None


def parts_of(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def found(document: Any, pointer: str) -> Any:
    """What stands there. Raises LookupError."""
    at = document
    for part in parts_of(pointer.removeprefix("#")):
        if isinstance(at, dict):
            at = at[part]
        elif isinstance(at, list) and part.isascii() and part.isdigit():
            at = at[int(part)]
        else:
            raise LookupError(pointer)
    return at
