"""JSON Schemas of what a collection holds and takes, and examples of their shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from attrs import frozen

from server.openapi.operation import schema_ref

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.openapi.operation import Json
    from server.planning.kinds.schemas import CollectionSchema, Fields
    from server.planning.kinds.shape import JsonType

#: Whose types a document has: those that are enforced, if any are; or those that were learned, as claims.
Types: TypeAlias = Literal["enforced", "learned"]

#: Steps of a path are no ids, and are no part of one between slashes or backslashes.
_NO_STEP = r"(?!(.*[/\\])?\.{1,2}([/\\].*)?$)"
_NO_WORD = "(?!(search|find|query|filter|count|stats)$)"
_CHARACTER = r"[^\u0000-\u001f\u007f-\u009f]"
TEXT_ID = f"^{_NO_STEP}{_NO_WORD}{_CHARACTER}{{1,128}}$"
#: Two of them, of characters that are 12 bytes each percent-encoded, still fit into a path.
ID_IN_PATH = f"^{_NO_STEP}{_NO_WORD}{_CHARACTER}{{1,64}}$"
#: RFC 8259 §6: beyond these, readers disagree; the service takes what SQLite holds exactly.
LARGEST_ID = 2**53 - 1
LARGEST_INTEGER = 2**63 - 1

ID: Json = {
    "description": 'The record\'s id; 1 and "1" are the same.',
    "anyOf": [
        {"type": "integer", "minimum": -LARGEST_ID, "maximum": LARGEST_ID},
        {"type": "string", "pattern": TEXT_ID},
    ],
}
_VALUE: Json = schema_ref("Value")
#: 1e308 is taken, and 10^308 in digits is not. JSON Schema cannot tell them apart (2020-12 Core §4.2.2), so
#: there are no bounds, which would forbid the first; the description says the rest.
_ANY_NUMBER: Json = {"type": "number"}
#: What a field may hold.
VALUE: Json = {
    "description": "Any JSON. Integers written in digits have at most 63 bits and a sign.",
    "anyOf": [
        {"type": ["null", "boolean", "string"]},
        _ANY_NUMBER,
        {"type": "array", "items": _VALUE},
        {"type": "object", "additionalProperties": _VALUE},
    ],
}
#: A value of each JSON type.
SHAPES: dict[str, Any] = {
    "string": "string",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "array": [],
    "object": {},
    "null": None,
}


def is_nameable(field: str) -> bool:
    """Whether a document can have a member of this name in `properties` or an example.

    What reads documents looks for `$ref` in whatever object it finds (as Redoc and reference parsers do), and
    takes the other names with a `$` for JSON Schema's own. JavaScript sets a prototype by `__proto__`.
    """
    return not field.startswith("$") and field != "__proto__"


@frozen
class CollectionSchemas:
    """The schemas of one collection. `enforced`: its types are claims, and not only descriptions."""

    name: str
    schema: CollectionSchema
    enforced: bool

    def record(self) -> Json:
        """What is stored, and answered: an id, too, but where `fields` leaves it out."""
        fields = {name: self._field_of(name, kinds) for name, kinds in self._fields()}
        return self._object("A record", self._id(), fields)

    def slot(self) -> Json:
        """What stands in a path for a record."""
        return {"type": "string", "pattern": ID_IN_PATH, "examples": ["1"]}

    def made(self, record: Json) -> Json:
        """A body that makes records, or what it made: one of them or several."""
        return {"anyOf": [record, {"type": "array", "items": record}]}

    def page(self) -> Json:
        """What a list answers."""
        return {
            "type": "object",
            "description": f"Records of {self.name}.",
            "required": ["items", "page"],
            "properties": {
                "items": {"type": "array", "items": schema_ref(f"{self.name}.record")},
                "page": schema_ref("Page"),
            },
        }

    def new(self) -> Json:
        """What makes a record. Without an id it is given one."""
        unset: list[Json] = [{"type": "null"}, {"type": "string", "maxLength": 0}]
        id_ = self._id()
        text = f"{id_['description']} Null and an empty text are as none."
        return self._given("A new record", {"description": text, "anyOf": [*id_["anyOf"], *unset]})

    def changes(self) -> Json:
        """What a record is replaced with, or what of it is set."""
        ignored = {"description": "Taken no notice of: the path says which record it is."}
        return self._given("Fields of a record", ignored)

    def merged(self) -> Json:
        """What a record is merged with by RFC 7396: null takes a field away."""
        kept = self.changes()
        fields = {name: _or_null(field) for name, field in kept["properties"].items()}
        return {**kept, "properties": fields}

    def example(self) -> Json:
        """A body of the collection's shape, without an id."""
        return {name: shape for name, shape in self.example_record().items() if name != "id"}

    def example_record(self) -> Json:
        inside = dict(self.schema.inside)
        others = {name: _shape_of(kinds, inside.get(name, ())) for name, kinds in self._fields()}
        return {"id": 1, **others}

    def _given(self, what: str, id_: Json) -> Json:
        return self._object(what, id_, self._given_fields()) | self._open()

    def _given_fields(self) -> Json:
        return {name: self._given_field(name, kinds) for name, kinds in self._fields()}

    def _given_field(self, name: str, kinds: tuple[str, ...]) -> Json:
        if self.enforced and kinds:
            return _kept(kinds)
        return self._field_of(name, kinds) | _VALUE

    def _open(self) -> Json:
        """Of the fields that are not named."""
        return {"additionalProperties": _VALUE}

    def _object(self, what: str, id_: Json, fields: Json) -> Json:
        more = " It may have others, and need have none of these." if self.schema.more else ""
        if left_out := [name for name, _ in self.schema.fields if not is_nameable(name)]:
            more += (
                f" It has fields that a document cannot describe, too: {', '.join(map(_quoted, left_out))}."
            )
        return {
            "type": "object",
            "description": f"{what} of {self.name}.{more}",
            "properties": fields if self.schema.single else {"id": id_, **fields},
        }

    def _fields(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        fields = self.schema.fields
        return ((name, kinds) for name, kinds in fields if name != "id" and is_nameable(name))

    def _id(self) -> Json:
        kinds = dict(self.schema.fields).get("id", ())
        if not self.enforced or not kinds:
            return ID
        kept = [each for each in ID["anyOf"] if each["type"] in kinds]
        return {"description": ID["description"], "anyOf": kept} if kept else ID

    def _field_of(self, _name: str, kinds: tuple[str, ...]) -> Json:
        if not kinds:
            return {"description": "Nothing is known of its type."}
        if self.enforced:
            return _typed(kinds)
        return {"description": f"So far: {' or '.join(kinds)}."}


def _quoted(name: str) -> str:
    return f"`{name}`"


def _or_null(field: Json) -> Json:
    if "anyOf" in field:
        return {**field, "anyOf": [*field["anyOf"], {"type": "null"}]}
    if "type" not in field:
        return field
    kinds = [field["type"]] if isinstance(field["type"], str) else field["type"]
    return {**field, "type": list(dict.fromkeys([*kinds, "null"]))}


_KEPT: dict[str, Json] = {
    "integer": {"type": "integer", "minimum": -LARGEST_INTEGER, "maximum": LARGEST_INTEGER},
    "number": _ANY_NUMBER,
    "array": {"type": "array", "items": _VALUE},
    "object": {"type": "object", "additionalProperties": _VALUE},
}


def _kept(kinds: tuple[str, ...]) -> Json:
    """The types that a field keeps, as far as the service takes them."""
    each = [_KEPT.get(kind, {"type": kind}) for kind in kinds if kind != "integer" or "number" not in kinds]
    return each[0] if len(each) == 1 else {"anyOf": each}


def _typed(kinds: tuple[str, ...]) -> Json:
    return {"type": kinds[0] if len(kinds) == 1 else list(kinds)}


def _shape_of(kinds: tuple[str, ...], inside: Fields = ()) -> Any:
    kind = next((kind for kind in kinds if kind != "null"), "null")
    if inside and kind in {"array", "object"}:
        within = {name: _shape_of(inner) for name, inner in inside if is_nameable(name)}
        return [within] if kind == "array" else within
    return SHAPES[kind]


def example_of(kind: JsonType) -> Any:
    """A value of a type that a request's body had."""
    if kind.fields is not None:
        return {name: example_of(inner) for name, inner in kind.fields if is_nameable(name)}
    if kind.array is not None:
        return [example_of(kind.array)]
    return _shape_of((*kind.scalars, *kind.shallow))
