"""The schemas of a contract become plain JSON Schema 2020-12, which a checker compiles.

1. A contract's schemas stand all over its document and refer to each other. What is reached from the pointers
   that are wanted is copied below `$defs`; nothing refers to anything outside.
2. By direction: a request need not have what is `readOnly` (and may have it, whatever its form: it is not
   stored), a reply must not have what is `writeOnly`. As `required` may stand beside the properties it names,
   in another part of an `allOf`, such names are handed down through whatever applies to the same value.
3. `nullable`, `discriminator`, boolean `exclusiveMinimum`, `items` as a list become what 2020-12 has.
4. What cannot be meant is relaxed, and listed: patterns that do not compile, types that are none, references
   that lead nowhere, parts of an `allOf` each of which refuses the other's properties, values for keywords
   that would make all schemas invalid.
5. What would take too long is relaxed, too: `server.contracts.bounds`.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Literal, TypeGuard

import orjson
from attrs import define, field, frozen

from server.contracts.bounds import Vertex, bounded
from server.contracts.document import pointer_of, value_at
from server.contracts.patterns import Patterns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Direction = Literal["request", "reply"]

_TYPES: Final = frozenset({"null", "boolean", "object", "array", "number", "string", "integer"})
_NUMBERS: Final = ("minimum", "maximum")
_COUNTS: Final = (
    *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
    *("minContains", "maxContains"),
)
_CROSSING: Final = (
    ("minimum", "maximum"),
    *((f"min{of}", f"max{of}") for of in ("Length", "Items", "Properties", "Contains")),
)
#: Keywords whose value is a schema for the same value, a list of such, or for parts of the value.
_SAME: Final = ("not", "if", "then", "else")
_SAME_LISTS: Final = ("allOf", "anyOf", "oneOf")
_PARTS: Final = (
    "additionalProperties",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_HIDING: Final = {"request": "readOnly", "reply": "writeOnly"}
_CLOSING: Final = ("additionalProperties", "unevaluatedProperties")


@frozen
class SchemaLimits:
    """What the schemas of one document may take; beyond it they are relaxed, and listed."""

    #: Schemas that are copied.
    nodes: int = 15_000
    #: Levels of schemas within each other, between references.
    depth: int = 64
    #: All patterns compiled, in bytes, and the characters of one.
    pattern_bytes: int = 64 * 1024 * 1024
    pattern_characters: int = 2_000
    #: Schemas that are applied to one place of a value, and the names that they require.
    applied: int = 20_000


@frozen
class Relaxed:
    """What of a schema is not checked, or not as it stands there. `pointer` leads into the document."""

    pointer: str
    what: str


@frozen
class Prepared:
    """`text` is what `wasm_runtime.schemas.Checker` takes, `keys` are the keys of the pointers' schemas."""

    text: str = field(repr=False)
    keys: Mapping[str, str]
    relaxed: tuple[Relaxed, ...]


@frozen
class _Place:
    """A schema in a context: `hidden` names are not required of it; `opened`: it refuses no other names."""

    pointer: str
    hidden: frozenset[str] = frozenset()
    opened: bool = False


def prepare(
    document: Mapping[str, Any],
    wanted: Iterable[str],
    direction: Direction,
    limits: SchemaLimits = SchemaLimits(),
) -> Prepared:
    """The schemas at the wanted pointers, and all that they refer to."""
    copying = _Copying(document, direction, limits)
    keys = {pointer: copying.key_of(_Place(pointer)) for pointer in wanted}
    copying.work()
    bounds = bounded(copying.vertices, limits.applied, copying.relax_reference)
    schema = {
        "properties": {key: {"$ref": f"#/$defs/{key}"} for key in keys.values()},
        "$defs": copying.defs,
    }
    prepared = {"depth": bounds.depth, "applied": bounds.applied, "schema": schema}
    text = orjson.dumps(prepared, default=_big).decode()
    return Prepared(text, keys, tuple(copying.relaxed.values()))


def _big(value: Any) -> Any:
    raise TypeError(type(value).__name__)


@define
class _At:
    """Where the walk is: the schema's pointer, its context, the vertex it belongs to, and how deep."""

    pointer: str
    place: _Place
    vertex: Vertex
    depth: int = 0


class _Copying:
    """One run over a document."""

    def __init__(self, document: Mapping[str, Any], direction: Direction, limits: SchemaLimits) -> None:
        self._document = document
        self._hiding = _HIDING[direction]
        self._direction = direction
        self._limits = limits
        self._patterns = Patterns(limits.pattern_bytes, limits.pattern_characters)
        self._nodes = 0
        #: By pointer, and by the schema's identity: a schema may be referred to as often as there are others.
        self._found: dict[str, Any] = {}
        self._hiding_names: dict[int, frozenset[str]] = {}
        self._requiring: dict[str, frozenset[str]] = {}
        self._keys: dict[_Place, str] = {}
        self._queue: deque[_Place] = deque()
        self.defs: dict[str, Any] = {}
        self.vertices: dict[str, Vertex] = {}
        self.relaxed: dict[tuple[str, str], Relaxed] = {}

    def key_of(self, place: _Place) -> str:
        key = self._keys.get(place)
        if key is None:
            key = self._keys[place] = f"s{len(self._keys)}"
            self._queue.append(place)
        return key

    def work(self) -> None:
        while self._queue:
            place = self._queue.popleft()
            key = self._keys[place]
            vertex = self.vertices[key] = Vertex(place.pointer)
            node = self._at(place.pointer)
            if node is None:
                self._relax(place.pointer, "there is nothing here")
                node = True
            self.defs[key] = self._schema(node, _At(place.pointer, place, vertex))

    def relax_reference(self, pointer: str) -> None:
        self._relax(pointer, "too many schemas apply to one place: the reference is not followed")

    def _relax(self, pointer: str, what: str) -> None:
        self.relaxed.setdefault((pointer, what), Relaxed(pointer, what))

    def _at(self, pointer: str) -> Any:
        """What stands there; None: nothing."""
        if pointer not in self._found:
            self._found[pointer] = value_at(self._document, pointer)
        return self._found[pointer]

    # One schema

    def _schema(self, node: Any, at: _At) -> Any:
        if isinstance(node, bool):
            return node
        self._nodes += 1
        if not isinstance(node, dict):
            self._relax(at.pointer, "it is no schema")
            return True
        if self._nodes > self._limits.nodes:
            self._relax("", f"there are more than {self._limits.nodes} schemas: the rest is not checked")
            return True
        if at.depth > self._limits.depth:
            self._relax(at.pointer, f"it is deeper than {self._limits.depth} schemas within each other")
            return True
        at.vertex.applied += 1
        return self._copied(node, at)

    def _copied(self, node: dict[str, Any], at: _At) -> Any:
        hidden = at.place.hidden | self._hidden_of(node, set())
        inner = _At(at.pointer, _Place(at.place.pointer, hidden, at.place.opened), at.vertex, at.depth)
        closed = self._closes_others(node)
        if closed:
            inner.place = _Place(at.place.pointer, hidden, opened=True)
        schema: dict[str, Any] = {}
        for step in (_types, _numbers, _counts, _values, _strings, _contradicted):
            step(node, schema, lambda what: self._relax(at.pointer, what))
        self._pattern(node, schema, at)
        self._properties(node, schema, inner)
        self._items(node, schema, inner)
        self._required(node, schema, hidden)
        # Each name that is missing is an error of its own.
        dependent = schema.get("dependentRequired", {}).values()
        at.vertex.applied += len(schema.get("required", ())) + sum(map(len, dependent))
        self._combined(node, schema, inner)
        if at.place.opened or closed:
            for keyword in _CLOSING:
                if schema.get(keyword) is False:
                    del schema[keyword]
        if closed and not at.place.opened:
            self._relax(at.pointer, "parts of its allOf refuse each other's properties: read as one object")
            schema["unevaluatedProperties"] = False
        return _with_null(node, schema)

    def _child(self, node: Any, at: _At, label: str, *path: str | int) -> Any:
        """The schema of a part of the value."""
        vertex = Vertex(at.place.pointer)
        at.vertex.parts.append((label, vertex))
        below = _At(at.pointer + pointer_of(path)[1:], _Place(at.place.pointer), vertex, at.depth + 1)
        return self._schema(node, below)

    def _same(self, node: Any, at: _At, *path: str | int) -> Any:
        """Another schema of the same value."""
        return self._schema(node, _At(at.pointer + pointer_of(path)[1:], at.place, at.vertex, at.depth + 1))

    # What is hidden in this direction, and what closes an object

    def _hidden_of(self, node: Any, seen: set[int]) -> frozenset[str]:
        """Names of properties that this direction does not have, in all that applies to the same value."""
        if not isinstance(node, dict) or id(node) in seen or len(seen) > self._limits.depth * 4:
            return frozenset()
        seen.add(id(node))
        hidden = self._own_hidden(node)
        for other in self._same_value(node):
            hidden |= self._hidden_of(other, seen)
        return hidden

    def _own_hidden(self, node: dict[str, Any]) -> frozenset[str]:
        known = self._hiding_names.get(id(node))
        if known is None:
            properties = node.get("properties")
            names = properties.items() if isinstance(properties, dict) else ()
            known = frozenset(name for name, each in names if self._is_hidden(each))
            self._hiding_names[id(node)] = known
        return known

    def _is_hidden(self, node: Any) -> bool:
        if not isinstance(node, dict):
            return False
        if node.get(self._hiding) is True:
            return True
        target = self._target(node)
        if target is not None and target.get(self._hiding) is True:
            return True
        parts = node.get("allOf")
        return isinstance(parts, list) and any(
            isinstance(p, dict) and p.get(self._hiding) is True for p in parts
        )

    def _same_value(self, node: dict[str, Any]) -> list[Any]:
        lists = [node[name] for name in _SAME_LISTS if isinstance(node.get(name), list)]
        target = self._target(node)
        return [each for some in lists for each in some] + ([] if target is None else [target])

    def _target(self, node: dict[str, Any]) -> dict[str, Any] | None:
        """What a reference leads to, if that is a schema."""
        reference = node.get("$ref")
        target = self._at(reference) if isinstance(reference, str) and _is_local(reference) else None
        return target if isinstance(target, dict) else None

    def _closes_others(self, node: dict[str, Any]) -> bool:
        """Whether a part of an allOf refuses all names but its own, and so those of the others."""
        parts = node.get("allOf")
        if not isinstance(parts, list):
            return False
        others = len(parts) + ("properties" in node)
        return others > 1 and any(self._is_closed(part, set()) for part in parts)

    def _is_closed(self, node: Any, seen: set[int]) -> bool:
        if not isinstance(node, dict) or id(node) in seen or len(seen) > self._limits.depth:
            return False
        seen.add(id(node))
        if any(node.get(keyword) is False for keyword in _CLOSING):
            return True
        target, parts = self._target(node), node.get("allOf")
        inner = ([] if target is None else [target]) + (parts if isinstance(parts, list) else [])
        return any(self._is_closed(each, seen) for each in inner)

    # Keywords

    def _pattern(self, node: dict[str, Any], schema: dict[str, Any], at: _At) -> None:
        pattern = node.get("pattern")
        if isinstance(pattern, str) and (usable := self._screened(pattern, at.pointer)) is not None:
            schema["pattern"] = usable

    def _screened(self, pattern: str, pointer: str) -> str | None:
        usable = self._patterns.usable(pattern)
        if usable is None:
            self._relax(pointer, f"the pattern {_short(pattern)} is not checked: it takes too much to do so")
        elif usable != pattern:
            self._relax(pointer, f"the pattern {_short(pattern)} is read as {_short(usable)}")
        return usable

    def _properties(self, node: dict[str, Any], schema: dict[str, Any], at: _At) -> None:
        properties = node.get("properties")
        if isinstance(properties, dict):
            schema["properties"] = {
                str(name): self._property(str(name), each, at) for name, each in properties.items()
            }
        by_pattern = node.get("patternProperties")
        if isinstance(by_pattern, dict):
            self._pattern_properties(by_pattern, schema, at)
        for keyword in _PARTS:
            if isinstance(node.get(keyword), dict | bool):
                known = schema.get(keyword)
                if known is None:
                    label = "" if keyword == "propertyNames" else "*"
                    schema[keyword] = self._child(node[keyword], at, label, keyword)

    def _property(self, name: str, node: Any, at: _At) -> Any:
        if name in at.place.hidden and self._is_hidden(node):
            return self._direction == "request"
        return self._child(node, at, name, "properties", name)

    def _pattern_properties(self, by_pattern: dict[str, Any], schema: dict[str, Any], at: _At) -> None:
        """A name that no pattern that compiles takes may be one that the contract allows."""
        kept: dict[str, Any] = {}
        for pattern, each in by_pattern.items():
            usable = self._screened(str(pattern), at.pointer)
            if usable is None:
                schema.update(additionalProperties=True, unevaluatedProperties=True)
            else:
                kept[usable] = self._child(each, at, "*", "patternProperties", pattern)
        schema["patternProperties"] = kept

    def _items(self, node: dict[str, Any], schema: dict[str, Any], at: _At) -> None:
        items, first = node.get("items"), node.get("prefixItems")
        if isinstance(items, list):
            first, items = items, node.get("additionalItems")
        if isinstance(first, list) and first:
            keyword = "prefixItems" if "prefixItems" in node else "items"
            schema["prefixItems"] = [
                self._child(each, at, str(n), keyword, n) for n, each in enumerate(first)
            ]
        if isinstance(items, dict | bool):
            schema["items"] = self._child(items, at, "*", "items")

    @staticmethod
    def _required(node: dict[str, Any], schema: dict[str, Any], hidden: frozenset[str]) -> None:
        required = node.get("required")
        if isinstance(required, list):
            names = [name for name in required if isinstance(name, str) and name not in hidden]
            if names:
                schema["required"] = list(dict.fromkeys(names))
        dependent = node.get("dependentRequired")
        if isinstance(dependent, dict):
            schema["dependentRequired"] = {
                name: [each for each in dict.fromkeys(_texts(names)) if each not in hidden]
                for name, names in dependent.items()
                if isinstance(names, list)
            }

    def _combined(self, node: dict[str, Any], schema: dict[str, Any], at: _At) -> None:
        for keyword in _SAME:
            if isinstance(node.get(keyword), dict | bool):
                schema[keyword] = self._same(node[keyword], at, keyword)
        for keyword in _SAME_LISTS:
            each = node.get(keyword)
            if isinstance(each, list) and each:
                schema[keyword] = [self._same(one, at, keyword, n) for n, one in enumerate(each)]
        dependent = node.get("dependentSchemas")
        if isinstance(dependent, dict):
            schema["dependentSchemas"] = {
                name: self._same(each, at, "dependentSchemas", name) for name, each in dependent.items()
            }
        self._discriminated(node, schema)
        if isinstance(node.get("$ref"), str):
            self._reference(node["$ref"], schema, at)
        elif "$dynamicRef" in node or "$recursiveRef" in node:
            self._relax(at.pointer, "dynamic references are not followed")

    def _reference(self, reference: str, schema: dict[str, Any], at: _At) -> None:
        if not _is_local(reference):
            self._relax(at.pointer, f"the reference {_short(reference)} leads out of the document")
            return
        if self._at(reference) is None:
            self._relax(at.pointer, f"the reference {_short(reference)} leads nowhere")
            return
        names = self._names_below(reference)
        key = self.key_of(_Place(reference, at.place.hidden & names, at.place.opened))
        schema["$ref"] = f"#/$defs/{key}"
        at.vertex.same.append((schema, key, at.pointer))

    def _names_below(self, pointer: str) -> frozenset[str]:
        """Names that what stands there may require: no others need to be told to it."""
        if pointer not in self._requiring:
            self._requiring[pointer] = self._required_names(self._at(pointer), set())
        return self._requiring[pointer]

    def _required_names(self, node: Any, seen: set[int]) -> frozenset[str]:
        if not isinstance(node, dict) or id(node) in seen or len(seen) > self._limits.depth * 4:
            return frozenset()
        seen.add(id(node))
        names = frozenset(_texts(node.get("required")))
        for other in self._same_value(node):
            names |= self._required_names(other, seen)
        return names

    @staticmethod
    def _discriminated(node: dict[str, Any], schema: dict[str, Any]) -> None:
        """With a discriminator, the value says which of the forms it has: none other fits by chance."""
        told = node.get("discriminator")
        name = told.get("propertyName") if isinstance(told, dict) else None
        keyword = next((each for each in ("oneOf", "anyOf") if each in schema), None)
        if not isinstance(name, str) or keyword is None:
            return
        mapping = told.get("mapping") if isinstance(told, dict) else None
        named = _named_by(mapping if isinstance(mapping, dict) else {})
        forms = schema.pop(keyword)
        schema["anyOf"] = [
            {"allOf": [form, {"properties": {name: {"enum": values}}}]} if values else form
            for form, values in zip(forms, [named(each) for each in node[keyword]], strict=True)
        ]


def _texts(values: Any) -> list[str]:
    return [each for each in values if isinstance(each, str)] if isinstance(values, list) else []


def _is_local(reference: str) -> bool:
    """Whether it leads into its document; an anchor's name does not, as nothing here has one."""
    return reference == "#" or reference.startswith("#/")


def _named_by(mapping: dict[Any, Any]) -> Callable[[Any], list[str]]:
    """By which values of the discriminator a form is meant: OpenAPI 3.1 §4.8.25."""

    def names(form: Any) -> list[str]:
        reference = form.get("$ref") if isinstance(form, dict) else None
        if not isinstance(reference, str):
            return []
        own = reference.rpartition("/")[2]
        mapped = [str(value) for value, target in mapping.items() if target in (reference, own)]
        return mapped or [own]

    return names


def _types(node: dict[str, Any], schema: dict[str, Any], relax: Callable[[str], None]) -> None:
    told = node.get("type")
    if told is None:
        return
    types = [each for each in (told if isinstance(told, list) else [told]) if isinstance(each, str)]
    if types == ["file"]:
        return
    known = list(dict.fromkeys(each for each in types if each in _TYPES))
    if not known or len(known) < len(set(types)):
        relax(f"the type {_short(told)} is none")
        return
    if node.get("nullable") is True and "null" not in known:
        known.append("null")
    schema["type"] = known[0] if len(known) == 1 else known


def _numbers(node: dict[str, Any], schema: dict[str, Any], relax: Callable[[str], None]) -> None:
    for keyword, exclusive in zip(_NUMBERS, ("exclusiveMinimum", "exclusiveMaximum"), strict=True):
        limit, strict = node.get(keyword), node.get(exclusive)
        if _is_number(strict):
            schema[exclusive] = strict
        if _is_number(limit):
            schema[exclusive if strict is True else keyword] = limit
        elif limit is not None:
            relax(f"{keyword} is no number")
    step = node.get("multipleOf")
    if _is_number(step) and step > 0:
        schema["multipleOf"] = step


def _is_number(value: Any) -> TypeGuard[int | float]:
    """One that JSON has, and the validator takes."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -(2**63) <= value < 2**63 if isinstance(value, int) else math.isfinite(value)


def _counts(node: dict[str, Any], schema: dict[str, Any], relax: Callable[[str], None]) -> None:
    for keyword in _COUNTS:
        count = node.get(keyword)
        if _is_number(count) and count >= 0 and count == int(count):
            schema[keyword] = int(count)
        elif count is not None:
            relax(f"{keyword} is no count")
    if node.get("uniqueItems") is True:
        schema["uniqueItems"] = True


def _values(node: dict[str, Any], schema: dict[str, Any], relax: Callable[[str], None]) -> None:
    values = node.get("enum")
    if isinstance(values, list) and values:
        more = [None] if node.get("nullable") is True and None not in values else []
        schema["enum"] = [*values, *more]
    elif values is not None:
        relax("its enum names no value")
    if "const" in node:
        schema["const"] = node["const"]
    for keyword in ("enum", "const"):
        if keyword in schema and not _is_json(schema[keyword]):
            del schema[keyword]
            relax(f"its {keyword} has a value that JSON has not")


def _is_json(value: Any) -> bool:
    """Whether it comes out of JSON as it went in: YAML knows values that do not."""
    try:
        text = orjson.dumps(value)
    except (TypeError, ValueError):
        return False
    return bool(orjson.loads(text) == value)


def _strings(node: dict[str, Any], schema: dict[str, Any], relax: Callable[[str], None]) -> None:  # noqa: ARG001
    """A format is said of texts: one that stands beside another type (`int64`) is no rule."""
    if isinstance(node.get("format"), str) and node["format"] in FORMATS:
        schema["format"] = node["format"]


def _contradicted(node: dict[str, Any], schema: dict[str, Any], relax: Callable[[str], None]) -> None:  # noqa: ARG001
    """What no value fulfils is not meant: limits that cross, values of another type than that beside them."""
    for low, high in _CROSSING:
        if low in schema and high in schema and schema[low] > schema[high]:
            relax(f"its {low} is above its {high}")
            del schema[low], schema[high]
    if "type" in schema and "enum" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(_is_of(value, types) for value in schema["enum"]):
            relax("none of the values that its enum names is of its type")
            del schema["type"]


def _is_of(value: Any, types: list[str]) -> bool:
    if "number" in types:
        types = [*types, "integer"]
    kinds = {bool: "boolean", str: "string", int: "integer", dict: "object", list: "array"}
    if isinstance(value, float):
        return "number" in types or (value == int(value) and "integer" in types)
    return kinds.get(type(value), "null") in types


#: Formats that are checked; of others a document's author may mean anything.
FORMATS: Final = frozenset(
    {
        *("date", "date-time", "time", "duration", "email", "hostname", "ipv4", "ipv6"),
        *("uri", "uri-reference", "uuid", "json-pointer"),
    }
)


def _with_null(node: dict[str, Any], schema: dict[str, Any]) -> Any:
    """`nullable` beside a reference or a choice: the value may be null, whatever those say."""
    if node.get("nullable") is not True or "type" in schema or "enum" in schema:
        return schema
    if any(keyword in schema for keyword in ("$ref", *_SAME_LISTS)):
        return {"anyOf": [schema, {"type": "null"}]}
    return schema


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
