"""The record that a body means, by the record's own names and types; and the operations of a patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.contracts.asking.form_values import typed
from server.contracts.shapes import plain
from server.values.errors import Unprocessable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.contracts.asking.reader import Reader
    from server.contracts.views import View


def record_of(reader: Reader, body: Any) -> dict[str, Any]:
    """The record that a body means, by the record's own names."""
    role = reader.compiled.role
    for step in role.body.path:
        body = body.get(step) if isinstance(body, dict) else None
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise Unprocessable("The body has to be an object.")
    return named_record(reader, body, role.body.item)


def named_record(reader: Reader, body: Mapping[str, Any], view: View) -> dict[str, Any]:
    names, resource = reader.compiled.names, reader.resource
    form = reader.request.content == "form"
    record = {}
    words = reader.compiled.profile.words
    for name, given in body.items():
        own = names.get(name, name)
        if own in resource.sent and view.properties and (own,) != resource.key.path[:1]:
            continue  # only replies have it
        if own is None or plain(name) in words or not (own in resource.fields or resource.open):
            continue
        value = given
        if form:
            node = resource.fields.get(own, view.properties.get(name))
            value = typed(reader.views, node if own in resource.fields else view.properties.get(name), given)
        record[own] = value
    return record


def without_blanks(reader: Reader, record: dict[str, Any]) -> tuple[dict[str, Any], list[list[str]]]:
    """An empty text takes away: a member of a map, or all of it; what may be null is null then."""
    kept: dict[str, Any] = {}
    unset: list[list[str]] = []
    for name, value in record.items():
        view = reader.views.of(reader.resource.fields.get(name))
        if isinstance(value, dict) and not view.properties:
            unset += [[name, key] for key, each in value.items() if each == ""]
            kept[name] = {key: each for key, each in value.items() if each != ""}
        elif value == "" and view.is_object:
            unset.append([name])
            kept[name] = {} if not view.nullable or not view.properties else None
        else:
            kept[name] = None if value == "" and view.nullable else value
    return kept, unset


def patch_operations(reader: Reader) -> list[Any]:
    """The patch, which may be in an object around it, or in the words of the document's profile."""
    if reader.compiled.role.name == "patch" and reader.compiled.profile.patch is not None:
        return reader.compiled.profile.patch(reader.request.body, reader)
    body = reader.request.body
    if isinstance(body, dict):
        body = next((value for value in body.values() if isinstance(value, list)), None)
    if not isinstance(body, list):
        raise Unprocessable("A JSON Patch is an array of operations.")
    return body
