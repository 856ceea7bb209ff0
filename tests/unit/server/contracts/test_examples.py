"""Values where nobody has any: they fit their schemas, and are the same every time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.contracts import texts
from server.contracts.examples import Examples, holder_of
from server.contracts.schemas import prepare
from wasm_runtime.schemas import Checker

SCHEMA = "#/part/schema"
FORMATS = (
    *("date", "date-time", "time", "duration", "email", "uuid", "uri", "uri-reference"),
    *("ipv4", "ipv6", "hostname", "json-pointer", "their own"),
)


def made(schema: Any, direction: Any = "reply", part: dict[str, Any] | None = None, **named: Any) -> Any:
    """The example of a body, and whether it fits its schema."""
    document = {"part": {"schema": schema, **(part or {})}, "components": {"schemas": named}}
    done = prepare(document, [SCHEMA], direction)
    checker = Checker(done.text)

    def fits(value: Any) -> bool:
        return not checker.violations(done.keys[SCHEMA], value)

    value = Examples(document, direction).for_content(holder_of(SCHEMA), SCHEMA, "application/json", fits)
    return value, fits(value)


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


@pytest.mark.parametrize(
    ("schema", "part", "wanted"),
    [
        ({"type": "integer"}, {"example": 7}, 7),
        ({"type": "integer"}, {"examples": {"one": {"value": 8}}}, 8),
        ({"type": "integer"}, {"examples": {"a": {"value": "wrong"}, "b": {"value": 9}}}, 9),
        ({"type": "integer"}, {"examples": {"application/json": 10}}, 10),
        ({"type": "integer", "example": 11}, {}, 11),
        ({"type": "integer", "examples": [12]}, {}, 12),
        ({"type": "integer", "example": "wrong", "minimum": 13}, {}, 13),
        ({"type": "object", "properties": {"a": {"type": "integer", "example": "wrong"}}}, {}, {"a": 1}),
        ({"type": "object", "properties": {"a": {"type": "integer", "default": 3}}}, {}, {"a": 3}),
    ],
)
def test_what_is_declared_comes_first_if_it_fits(schema: Any, part: dict[str, Any], wanted: Any) -> None:
    """A wrong example is worth nothing: a value is made instead."""
    assert made(schema, part=part) == (wanted, True)


ITEM = {
    "type": "object",
    "required": ["id", "name", "secret"],
    "properties": {
        "id": {"type": "string", "format": "uuid", "readOnly": True},
        "name": {"type": "string", "minLength": 3},
        "secret": {"type": "string", "writeOnly": True},
    },
}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^OR[0-9a-f]{32}$"},
        {"type": "string", "pattern": r"^\d{4}-[A-Z]{2}(x|y)?$", "minLength": 7},
        {"type": "string", "pattern": "^(a|b)+$", "minLength": 5, "maxLength": 9},
        {"type": "string", "minLength": 40},
        {"type": "string", "maxLength": 2},
        *({"type": "string", "format": name} for name in FORMATS),
        {"type": "integer", "minimum": 5, "exclusiveMaximum": 7},
        {"type": "integer", "exclusiveMinimum": -3, "maximum": -1},
        {"type": "number", "multipleOf": 0.5, "minimum": 0.7},
        {"type": "integer", "multipleOf": 7, "minimum": 8},
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "array", "items": {"type": "string"}, "minItems": 3, "uniqueItems": True},
        {"type": "array", "items": {"type": "integer"}, "maxItems": 0},
        {"type": ["null", "boolean"]},
        {"type": "null"},
        {"enum": ["a", "b"]},
        {"const": {"a": [1]}},
        {"allOf": [ref("Item"), {"required": ["extra"], "properties": {"extra": {"type": "integer"}}}]},
        {"oneOf": [{"type": "null"}, ref("Item")]},
        {"oneOf": [{"type": "integer"}, {"type": "integer", "minimum": 0}, {"type": "string"}]},
        {"type": "object", "required": ["free"]},
        {"type": "object", "required": ["free"], "additionalProperties": {"type": "integer"}},
        {"oneOf": [ref("Cat"), ref("Dog")], "discriminator": {"propertyName": "kind"}},
        ref("Tree"),
        ref("Chain"),
        True,
        {},
    ],
)  # fmt: skip
@pytest.mark.parametrize("direction", ["request", "reply"])
def test_what_is_made_fits(schema: Any, direction: str) -> None:
    """In either direction: what only goes in is in no reply, and what only comes out in no request."""
    animal = {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}}
    tree = {
        "type": "object",
        "required": ["children"],
        "properties": {"children": {"type": "array", "items": ref("Tree")}},
    }
    chain = {"type": "object", "properties": {"next": ref("Chain"), "name": {"type": "string"}}}
    named = {"Item": ITEM, "Cat": animal, "Dog": animal, "Tree": tree, "Chain": chain}
    value, fits = made(schema, direction, **named)

    assert fits
    assert (value, fits) == made(schema, direction, **named)


def test_numbers_tell_values_apart() -> None:
    """For several of a kind: no two have the same id."""
    document = {"part": {"schema": {**ITEM, "properties": {**ITEM["properties"], "n": {"type": "integer"}}}}}  # type: ignore[dict-item]
    values = [Examples(document).for_schema(SCHEMA, number=number) for number in range(20)]

    assert len({value["id"] for value in values}) == 20
    assert len({value["n"] for value in values}) == 20
    assert all("secret" not in value for value in values)


def test_a_schema_that_doubles_at_each_level_ends() -> None:
    """Two properties a schema, thirty schemas: a value would have a thousand million parts."""

    def twice(name: str) -> dict[str, Any]:
        return {"type": "object", "required": ["a", "b"], "properties": {"a": ref(name), "b": ref(name)}}

    named = {f"S{n}": twice(f"S{n + 1}") for n in range(30)}
    value, _ = made(ref("S0"), **named)

    assert isinstance(value, dict)


@pytest.mark.parametrize(
    "pattern", ["a{100000000}", "(" * 1_500, "[", r"(?P<", "(a{999}){999}", "x" * 3_000, r"\Q"]
)
def test_patterns_that_nothing_is_made_from(pattern: str) -> None:
    assert texts.by_pattern(pattern) is None


@given(st.text(max_size=40))
def test_any_text_may_be_a_pattern(pattern: str) -> None:
    """Whatever is read of it, a text or nothing comes out."""
    made = texts.by_pattern(pattern)

    assert made is None or len(made) <= texts.MOST_CHARACTERS
