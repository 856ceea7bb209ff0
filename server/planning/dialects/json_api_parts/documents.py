"""Documents that a JSON:API client sends: resources to be made and changed, and linkage.

Source: jsonapi.org/format/1.1, "Document Structure", "Creating, Updating and Deleting Resources". An error
points at its place in the document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.values.errors import BadRequest, Conflict
from store.names import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_LINKAGE = 1_000


def resource_of(document: Any, resource: str, id_: str | None) -> dict[str, Any]:
    """`id`, `attributes` and `relations` of a resource of this type; `id_`: the one that it has to have.

    Raises BadRequest and Conflict.
    """
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        raise _wrong("/data", "a resource is wanted: an object with type and attributes")
    _check_type(data, resource)
    given = _check_id(data, id_)
    attributes = _object(data, "attributes")
    relationships = _object(data, "relationships")
    for name in (*attributes, *relationships):
        place = "attributes" if name in attributes else "relationships"
        if name in ("id", "type"):
            raise _wrong(f"/data/{place}/{name}", f"nothing is called {name} but the resource's own")
        if name in attributes and name in relationships:
            raise _wrong(f"/data/relationships/{name}", "there is an attribute of that name")
    relations = [_relation(name, value, data.get("lid")) for name, value in relationships.items()]
    return {"id": given, "attributes": attributes, "relations": relations}


def identifiers_of(document: Any) -> dict[str, Any]:
    """The linkage that is a relationship's whole document. Raises BadRequest."""
    if not isinstance(document, dict) or "data" not in document:
        raise _wrong("/data", "linkage is wanted: null, an identifier, or a list of them")
    return {"relations": [_linkage("", "/data", document["data"], None)]}


def _check_type(data: dict[str, Any], resource: str) -> None:
    """A type is a collection's name, in whatever style it is written."""
    said = data.get("type")
    if not isinstance(said, str):
        raise _wrong("/data/type", "a resource has a type, which is a text")
    if plain(said) != plain(resource):
        raise Conflict(
            f"A resource of type {said[:64]} does not belong here: this path has {resource}.",
            source={"pointer": "/data/type"},
        )


def _check_id(data: dict[str, Any], wanted: str | None) -> str | None:
    given = data.get("id")
    if given is not None and not isinstance(given, str):
        raise _wrong("/data/id", "an id is a text")
    if wanted is None or given == wanted:
        return given
    if given is None:
        raise _wrong("/data/id", "the resource that is changed has its id here, too")
    raise Conflict("The document has another id than the path.", source={"pointer": "/data/id"})


def _object(data: dict[str, Any], name: str) -> dict[str, Any]:
    found = data.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _wrong(f"/data/{name}", "an object is wanted")
    return found


def _relation(name: str, value: Any, own: object) -> dict[str, Any]:
    pointer = f"/data/relationships/{name}"
    if not isinstance(value, dict) or "data" not in value:
        raise _wrong(pointer, "a relationship has data: null, an identifier, or a list of them")
    return _linkage(name, f"{pointer}/data", value["data"], own)


def _linkage(name: str, pointer: str, data: Any, own: object) -> dict[str, Any]:
    """`many` tells a list from one, which null is, too."""
    many = isinstance(data, list)
    found = data if isinstance(data, list) else [] if data is None else [data]
    if len(found) > _MAX_LINKAGE:
        raise _wrong(pointer, f"more than {_MAX_LINKAGE} identifiers")
    return {
        "name": name,
        "pointer": pointer,
        "many": many,
        "data": list(_identifiers(found, pointer, many=many, own=own)),
    }


def _identifiers(found: list[Any], pointer: str, *, many: bool, own: object) -> Iterator[dict[str, str]]:
    for place, each in enumerate(found):
        where = f"{pointer}/{place}" if many else pointer
        if not isinstance(each, dict) or not isinstance(each.get("type"), str):
            raise _wrong(where, "an identifier has a type and an id, which are texts")
        if own is not None and each.get("lid") == own and "id" not in each:
            raise _wrong(f"{where}/lid", "a resource that points at itself is made first and changed then")
        if not isinstance(each.get("id"), str):
            raise _wrong(f"{where}/id", "an identifier has a type and an id, which are texts")
        yield {"type": each["type"], "id": each["id"]}


def _wrong(pointer: str, detail: str) -> BadRequest:
    return BadRequest(f"{pointer}: {detail}.", source={"pointer": pointer[:256]})
