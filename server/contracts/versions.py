"""Versions of records, where the document has them: an `ETag` or an `If-Match` that it declares.

A record keeps its number beside it, from 1 on. The tag is ``"3"``, or ``W/"3"`` where the document shows weak
ones.
A property that is called a version has the number, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from server.contracts.document import pointer_of, steps_of
from server.contracts.shapes import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.contracts.document import Document, Operation
    from server.contracts.model import Resource
    from server.contracts.views import View, Views

_NAMES: Final = frozenset({"versionid", "resourceversion", "etag", "lockversion", "rowversion"})
#: Where clients do not say them.
_PERHAPS: Final = frozenset({"version", "revision", "rev", "versionnumber"})
_HOLDERS: Final = frozenset({"meta", "metadata", "_meta", "system", "sys"})
_BY_KEY: Final = ("get", "replace", "merge", "json-patch", "delete", "create")
_OF_ONE: Final = ("get-one", "replace-one", "merge-one", "json-patch-one", "delete-one")


@frozen
class Version:
    """`before` and `after` stand around the number in a tag; `path` leads to its property, () for none."""

    before: str
    after: str
    path: tuple[str, ...]
    kind: str

    def as_hints(self) -> list[Any]:
        return [self.before, self.after, list(self.path), self.kind]


def version_of(document: Document, views: Views, resource: Resource) -> Version | None:
    """None where the document says nothing of its records' versions."""
    told = [
        node for role in resource.roles
        if role.plain and role.name in (*_BY_KEY, *_OF_ONE)
        for node in _told(document, role.operation, role.status)
    ]  # fmt: skip
    if not told:
        return None
    weak = any("W/" in text.replace("\\/", "/") for node in told for text in _texts(node))
    path = _property(views, resource)
    kind = ""
    view = resource.item
    for step in path:
        view = views.of(view.properties.get(step))
        kind = view.kind
    return Version('W/"' if weak else '"', '"', path, kind or "string")


def _told(document: Document, operation: Operation, status: int) -> Iterator[dict[str, Any]]:
    for parameter in operation.parameters:
        if parameter.place == "header" and parameter.name.lower() == "if-match":
            yield document.resolve(parameter.pointer)
    reply = document.resolve(pointer_of((*steps_of(operation.pointer), "responses", str(status))))
    headers = reply.get("headers") if isinstance(reply, dict) else None
    for name, node in headers.items() if isinstance(headers, dict) else ():
        if name.lower() == "etag":
            found = document.resolve(node["$ref"]) if isinstance(node, dict) and "$ref" in node else node
            yield found if isinstance(found, dict) else {}


def _texts(node: dict[str, Any]) -> Iterator[str]:
    """What is said of a tag, and shown of it."""
    schema = node.get("schema")
    for holder in (node, schema if isinstance(schema, dict) else {}):
        for word in ("pattern", "example", "description", "default"):
            if isinstance(holder.get(word), str):
                yield holder[word]


def _property(views: Views, resource: Resource) -> tuple[str, ...]:
    bodies = {plain(name) for role in resource.roles for name in role.body.item.properties}
    places: list[tuple[tuple[str, ...], View]] = [((), resource.item)]
    for name, node in resource.item.properties.items():
        if plain(name) in _HOLDERS and views.of(node).is_object:
            places.append(((name,), views.of(node)))
    for above, view in places:
        for name, node in view.properties.items():
            ours = plain(name) in _NAMES or (plain(name) in _PERHAPS and (above or plain(name) not in bodies))
            if ours and (*above, name) != resource.key.path and views.of(node).kind in ("string", "integer"):
                return (*above, name)
    return ()
