"""The schemas of a collection as they were learned: for generators of clients, which make types of them.

What they say is so of the records that there are. No rule keeps the next one to it, but `schema.enforce`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from server.openapi.schemas import ID_IN_PATH, CollectionSchemas, is_nameable

if TYPE_CHECKING:
    from server.openapi.operation import Json
    from server.planning.kinds.schemas import Fields

_INTEGER = "integer"
_SOME_JSON: Json = {"description": "Nothing is known of its type."}


@frozen
class TypedSchemas(CollectionSchemas):
    """A union where several types were seen; `required` is what all records have."""

    def record(self) -> Json:
        kept = CollectionSchemas.record(self)
        required = [name for name in kept["properties"] if name in self.schema.everywhere]
        return {**kept, **({"required": required} if required else {}), "description": self._told(kept)}

    def new(self) -> Json:
        """The id may be left out, as it may in any document; null and empty ones are for untyped clients."""
        kept = self.changes()
        description = str(kept["description"]).replace("Fields of a record", "A new record")
        properties = {"id": self._id(), **kept["properties"]}
        return {**kept, "description": description, "properties": properties}

    def changes(self) -> Json:
        """The path says which record it is, so there is no id."""
        kept = CollectionSchemas.changes(self)
        return {
            **kept,
            "properties": {name: each for name, each in kept["properties"].items() if name != "id"},
        }

    def slot(self) -> Json:
        kinds = self._kinds_of_id()
        integer: Json = {"type": _INTEGER}
        text: Json = {"type": "string", "pattern": ID_IN_PATH}
        if not kinds or kinds == {_INTEGER, "string"}:
            return {"anyOf": [integer, text]}
        return integer if kinds == {_INTEGER} else text

    def made(self, record: Json) -> Json:
        return record

    def _told(self, kept: Json) -> str:
        return f"{kept['description']} With `fields` it has those alone, with `embed` and `expand` more."

    def _given_fields(self) -> Json:
        return {name: self._field_of(name, kinds) for name, kinds in self._fields()}

    def _open(self) -> Json:
        return {}

    def _kinds_of_id(self) -> set[str]:
        return {*dict(self.schema.fields).get("id", ())} & {_INTEGER, "string"}

    def _id(self) -> Json:
        kinds = sorted(self._kinds_of_id() or {_INTEGER, "string"})
        described: Json = {"description": 'The record\'s id; 1 and "1" are the same.'}
        return described | (
            {"type": kinds[0]} if len(kinds) == 1 else _union([{"type": kind} for kind in kinds])
        )

    def _field_of(self, name: str, kinds: tuple[str, ...]) -> Json:
        inside = dict(self.schema.inside).get(name, ())
        elements = dict(self.schema.elements).get(name, ())
        return _union([self._type(kind, inside, elements) for kind in _told_apart(kinds)])

    @staticmethod
    def _type(kind: str, inside: Fields, elements: tuple[str, ...]) -> Json:
        if kind == "array" and elements:
            return {"type": "array", "items": _union(_types(elements, inside))}
        return _type(kind, inside)


def _types(kinds: tuple[str, ...], inside: Fields = ()) -> list[Json]:
    return [_type(kind, inside) for kind in _told_apart(kinds)]


def _told_apart(kinds: tuple[str, ...]) -> list[str]:
    """Every integer is a number."""
    return [kind for kind in kinds if kind != _INTEGER or "number" not in kinds]


def _type(kind: str, inside: Fields) -> Json:
    if kind == "object":
        return _object(inside)
    if kind == "array":
        return {"type": "array", "items": _object(inside) if inside else {}}
    return {"type": kind}


def _object(inside: Fields) -> Json:
    fields = {name: _union(_types(kinds)) for name, kinds in inside if is_nameable(name)}
    return {"type": "object", **({"properties": fields} if fields else {})}


def _union(types: list[Json]) -> Json:
    """One schema of several; those that are no more than a type's name are said in one word each."""
    if not types:
        return _SOME_JSON
    if len(types) == 1:
        return types[0]
    if all(each.keys() == {"type"} for each in types) and "object" not in [each["type"] for each in types]:
        return {"type": [each["type"] for each in types]}
    return {"anyOf": types}
