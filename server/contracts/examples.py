"""Values for a schema where nobody has any: what the document declares as its example, else one that is made.

The same document gives the same values, run after run. A declared example that breaks its own schema, as is
common, is passed over (`fits` says so). What is made has every property that the schema names, down to a few
levels; deeper, and where schemas are within themselves, only those that are required.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field, frozen

from server.contracts import texts
from server.contracts.document import pointer_of, steps_of, value_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from server.contracts.schemas import Direction

#: Levels of a value that have all of their properties, and that have any.
_WHOLE_LEVELS: Final = 4
_MOST_LEVELS: Final = 24
#: Schemas that one value is made from.
_MOST_SCHEMAS: Final = 5_000
#: Keywords and properties that are put together for one value, in all its ways: some 50 ms.
#: Beyond that, what is optional is left out.
_MOST_WORK: Final = 200_000
#: What a schema, and following a reference, is beside its keywords.
_OF_A_SCHEMA: Final = 8
_OF_A_REFERENCE: Final = 20
#: Schemas that apply to one place by way of one another (`$ref`, `allOf`, `oneOf`).
#: Beyond that they are not followed.
_MOST_NESTED: Final = 100
_MOST_ITEMS: Final = 50
#: How a value is made until one fits: its whole levels, which of its forms, whether examples are believed.
_WAYS: Final = (
    (_WHOLE_LEVELS, 0, True),
    *((levels, choice, False) for choice in range(4) for levels in (_WHOLE_LEVELS, 0)),
)
_HIDDEN: Final = {"request": "readOnly", "reply": "writeOnly"}
_NONE: Final[Any] = object()


def _anything(_value: Any) -> bool:
    return True


@frozen
class Examples:
    """Of one document, for one direction."""

    document: Mapping[str, Any]
    direction: Direction = "reply"
    _followed: Callable[[Any], Any] = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_followed", self._follow)

    def for_content(
        self, holder: str, schema: str, media_type: str, fits: Callable[[Any], bool] = _anything
    ) -> Any:
        """For a body. `holder`: what has the example beside the schema, such as a media type's part.

        None where nothing is said of it at all.
        """
        declared = self.declared_by(value_at(self.document, holder), media_type)
        values = (*declared, *self._of_schema(schema)) if schema else declared
        last = None
        for last in values:
            if fits(last):
                return last
        return last

    def for_schema(self, schema: str, fits: Callable[[Any], bool] = _anything, *, number: int = 0) -> Any:
        """For a schema alone; `number` tells several values apart, where anything may differ."""
        last = None
        for last in self._of_schema(schema, number):
            if fits(last):
                return last
        return last

    def for_node(self, node: Any, *, number: int = 0) -> Any:
        """For a schema that is at hand."""
        return _Making(self, _WHOLE_LEVELS, number).value(node)

    def _of_schema(self, pointer: str, number: int = 0) -> Iterator[Any]:
        node = self._follow(value_at(self.document, pointer))
        yield from self.declared_by(node, "")
        work = _Work()
        for levels, choice, trusting in _WAYS:
            yield _Making(self, levels, number, choice, trusting=trusting, work=work).value(node)
            if work.left < 0:
                return

    def declared_by(self, node: Any, media_type: str) -> Iterator[Any]:
        """`example`, `examples` of OpenAPI (by name, each with a value), of JSON Schema, of Swagger 2."""
        if not isinstance(node, dict):
            return
        if "example" in node:
            yield self._follow(node["example"])
        told = node.get("examples")
        if isinstance(told, list):
            yield from told
        elif isinstance(told, dict):
            if media_type in told and "schema" in node:
                yield told[media_type]
            for each in told.values():
                example = self._follow(each)
                if isinstance(example, dict) and "value" in example:
                    yield example["value"]

    def follow(self, node: Any) -> Any:
        """What a reference leads to."""
        return self._follow(node)

    def _follow(self, node: Any) -> Any:
        for _ in range(32):
            if not isinstance(node, dict) or not isinstance(node.get("$ref"), str) or len(node) > 1:
                return node
            node = value_at(self.document, node["$ref"])
        return {}


def holder_of(schema: str) -> str:
    """What has the example beside a schema: the part of the document that the schema is in."""
    return pointer_of(steps_of(schema)[:-1])


@define
class _Work:
    left: int = _MOST_WORK


class _Making:
    """One value."""

    def __init__(
        self,
        examples: Examples,
        levels: int,
        number: int,
        choice: int = 0,
        *,
        trusting: bool = True,
        work: _Work | None = None,
    ) -> None:
        self._document = examples.document
        self._hidden = _HIDDEN[examples.direction]
        self._levels = levels
        self._number = number
        self._choice = choice
        self._saying = _SAYING if trusting else _BINDING
        self._left = _MOST_SCHEMAS
        self._work = work or _Work()

    def value(self, node: Any, level: int = 0, under_way: frozenset[int] = frozenset()) -> Any:
        merged = self._merged(node, under_way)
        self._left -= 1
        if merged is None or level > _MOST_LEVELS or self._left < 0:
            return None
        schema, inside = merged
        declared = _said(schema, self._saying)
        if declared is not _NONE:
            return declared
        match _type_of(schema):
            case "object":
                return self._object(schema, level, inside)
            case "array":
                return self._array(schema, level, inside)
            case "string":
                return self._text(schema)
            case "integer":
                return _number(schema, self._number, whole=True)
            case "number":
                return _number(schema, self._number, whole=False)
            case "boolean":
                return True
            case _:
                return None

    def _merged(self, node: Any, under_way: frozenset[int]) -> tuple[dict[str, Any], frozenset[int]] | None:
        """All that applies to one value as one schema, with one of its forms; None: it is within itself."""
        inside = set(under_way)
        merged = self._put_together(node, inside, 0)
        return None if merged is None else (merged, frozenset(inside))

    def _put_together(self, node: Any, inside: set[int], depth: int) -> dict[str, Any] | None:
        """The same; the schemas that it has gone through are added to `inside`."""
        if not isinstance(node, dict):
            return {} if node is not False else None
        properties = node.get("properties")
        own = len(properties) if isinstance(properties, dict) else 0
        self._work.left -= _OF_A_SCHEMA + len(node) + own + len(inside) // 64
        if id(node) in inside or self._work.left < 0 or depth > _MOST_NESTED:
            return None
        inside.add(id(node))
        merged: dict[str, Any] = {}
        reference = node.get("$ref")
        parts: list[Any] = []
        if isinstance(reference, str):
            self._work.left -= _OF_A_REFERENCE
            parts.append(value_at(self._document, reference))
        parts += node["allOf"] if isinstance(node.get("allOf"), list) else []
        for part in parts:
            found = self._put_together(part, inside, depth + 1)
            if found is not None:
                _merge(merged, found)
        _merge(merged, node)
        for keyword in ("oneOf", "anyOf"):
            chosen = self._chosen(node, keyword, inside, depth)
            if chosen is not None:
                _merge(merged, chosen)
        return merged

    def _chosen(
        self, node: dict[str, Any], keyword: str, inside: set[int], depth: int
    ) -> dict[str, Any] | None:
        """The first form that is not null; what its discriminator says is said in it."""
        forms = node.get(keyword)
        forms = forms if isinstance(forms, list) else []
        start = min(self._choice, max(len(forms) - 1, 0))
        for form in (*forms[start:], *forms[:start]):
            chosen = self._put_together(form, set(inside), depth + 1)
            if chosen is None or chosen.get("type") == "null":
                continue
            for name, value in _discriminator(node, form):
                _merge(chosen, {"properties": {name: {"const": value}}, "required": [name]})
            return chosen
        return None

    def _object(self, schema: dict[str, Any], level: int, inside: frozenset[int]) -> dict[str, Any]:
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        required = schema.get("required", {})
        names = list(properties) if level < self._levels else [n for n in properties if n in required]
        made: dict[str, Any] = {}
        for name in names:
            node = properties[name]
            if not self._is_hidden(node) and (name in required or not self._is_within(node, inside)):
                made[name] = self.value(node, level + 1, inside)
        others = schema.get("additionalProperties")
        for name in required:
            if name not in properties:
                made[name] = (
                    self.value(others, level + 1, inside) if isinstance(others, dict) else _word(name)
                )
        return made

    def _is_hidden(self, node: Any) -> bool:
        merged = self._merged(node, frozenset())
        return merged is not None and merged[0].get(self._hidden) is True

    def _is_within(self, node: Any, inside: frozenset[int]) -> bool:
        return self._merged(node, inside) is None

    def _array(self, schema: dict[str, Any], level: int, inside: frozenset[int]) -> list[Any]:
        first = schema.get("prefixItems")
        made = [self.value(each, level + 1, inside) for each in first] if isinstance(first, list) else []
        least, items = _count(schema.get("minItems"), 0), schema.get("items")
        wanted = max(least, 1 if level < self._levels and "items" in schema and not first else 0)
        most = _count(schema.get("maxItems"), _MOST_ITEMS)
        own = self._number
        while len(made) < min(wanted, most, _MOST_ITEMS) and not self._is_within(items, inside):
            made.append(self.value(items, level + 1, inside))
            self._number += 1
        self._number = own
        return made[:most]

    def _text(self, schema: dict[str, Any]) -> str:
        least = _count(schema.get("minLength"), 0)
        most = _count(schema["maxLength"], 0) if "maxLength" in schema else None
        pattern = schema.get("pattern")
        if isinstance(pattern, str):
            made = texts.by_pattern(pattern, least, most, self._number)
            if made is not None:
                return made
        known = texts.by_format(str(schema.get("format", "")), self._number)
        return known if known is not None else texts.of_length(least, most, self._number)


#: Keywords that are looked into, or whose values are put together.
_APART: Final = frozenset(("$ref", "allOf", "oneOf", "anyOf", "discriminator", "properties"))


class _All(dict[str, Any]):
    """A schema that was made here of several for one property: it grows, and is nobody else's."""


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    """What is said later wins; properties and what is required come together.

    What `into` has of these two was made here, so it is added to: in a schema of a thousand parts each would
    otherwise be copied a thousand times.
    """
    for keyword, value in more.items():
        if keyword == "properties" and isinstance(value, dict):
            known = into.setdefault("properties", {})
            for name, schema in value.items():
                known[name] = _both(known.get(name), schema)
        elif keyword == "required":
            if isinstance(value, (list, dict)):
                into.setdefault("required", {}).update(dict.fromkeys(n for n in value if isinstance(n, str)))
        elif keyword not in _APART:
            into[keyword] = value


def _both(one: Any, other: Any) -> Any:
    if not isinstance(one, dict) or not isinstance(other, dict) or one is other:
        return other
    if not isinstance(one, _All):
        one = _All(allOf=[one])
    one["allOf"].append(other)
    return one


def _discriminator(node: Mapping[str, Any], form: Any) -> Iterable[tuple[str, str]]:
    told = node.get("discriminator")
    reference = form.get("$ref") if isinstance(form, dict) else None
    if (
        not isinstance(told, dict)
        or not isinstance(told.get("propertyName"), str)
        or not isinstance(reference, str)
    ):
        return ()
    own = reference.rpartition("/")[2]
    mapping = told.get("mapping")
    pairs = mapping.items() if isinstance(mapping, dict) else ()
    value = next((str(value) for value, target in pairs if target in (reference, own)), own)
    return ((told["propertyName"], value),)


def _said(schema: Mapping[str, Any], saying: tuple[str, ...]) -> Any:
    """A value that the schema itself names, if it does."""
    for keyword in saying:
        value = schema.get(keyword, _NONE)
        if keyword in _LISTS:
            value = value[0] if isinstance(value, list) and value else _NONE
        if value is not _NONE:
            return value
    return _NONE


#: Keywords that name values; those that bind, and those that may be wrong.
_BINDING: Final = ("const", "enum")
_SAYING: Final = ("const", "example", "examples", "default", "enum")
_LISTS: Final = frozenset({"examples", "enum"})


def _type_of(schema: Mapping[str, Any]) -> str:
    told = schema.get("type")
    types = [each for each in (told if isinstance(told, list) else [told]) if each != "null"]
    if types and isinstance(types[0], str):
        return types[0]
    for kind, keywords in _MARKS.items():
        if any(keyword in schema for keyword in keywords):
            return kind
    return "null" if told in (["null"], "null") else "object"


_MARKS: Final = {
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "prefixItems"),
    "string": ("pattern", "format", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "multipleOf"),
}


def _number(schema: Mapping[str, Any], number: int, *, whole: bool) -> float:
    """The least number that is allowed, from 1 on where that is, and `number` steps more where they are."""
    step = schema.get("multipleOf")
    step = step if isinstance(step, int | float) and step > 0 else 1
    low = _limit(schema, "minimum", "exclusiveMinimum", step)
    high = _limit(schema, "maximum", "exclusiveMaximum", -step)
    value: float = step if low is None else low
    if high is not None and value > high:
        value = high
    if low is not None and step != 1:
        value = -(-low // step) * step
    if high is None or value + number * step <= high:
        value += number * step
    return int(value) if whole and abs(value) < 2**63 else value


def _limit(schema: Mapping[str, Any], keyword: str, strict: str, step: float) -> float | None:
    limits = [schema[keyword]] if _is_number(schema.get(keyword)) else []
    if _is_number(schema.get(strict)):
        limits.append(schema[strict] + step)
    if not limits:
        return None
    return float(max(limits) if step > 0 else min(limits))


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and abs(value) < 2**63
    )


def _count(value: Any, default: int) -> int:
    return int(value) if _is_number(value) and value >= 0 else default


def _word(name: str) -> str:
    return name[:64]
