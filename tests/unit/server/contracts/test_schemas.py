"""A contract's schemas, prepared and compiled: what a request or a reply may be, and how long that takes."""

from __future__ import annotations

from typing import Any

import pytest

from server.contracts.schemas import Prepared, SchemaLimits, prepare
from wasm_runtime.schemas import Checker

ROOT = "#/root"


DEFAULT = SchemaLimits()


def prepared(schema: Any, direction: Any = "reply", limits: SchemaLimits = DEFAULT, **named: Any) -> Prepared:
    return prepare({"root": schema, "components": {"schemas": named}}, [ROOT], direction, limits)


def found(done: Prepared, value: Any) -> set[tuple[str, str]]:
    """Where and by which keyword the value is wrong."""
    return {(each.pointer, each.keyword) for each in Checker(done.text).violations(done.keys[ROOT], value)}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


ITEM = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {"id": {"type": "integer"}, "name": {"type": "string", "minLength": 2}},
}


def test_a_value_that_fits_and_one_that_does_not() -> None:
    """What is wrong is told by pointer and keyword, all of it, and without the value."""
    done = prepared(
        {"type": "object", "properties": {"items": {"type": "array", "items": ref("Item")}}}, Item=ITEM
    )
    told = Checker(done.text).violations(done.keys[ROOT], {"items": [{"id": "secret-7", "name": "x"}, {}]})

    assert found(done, {"items": [{"id": 1, "name": "xy"}]}) == set()
    assert {(each.pointer, each.keyword) for each in told} == {
        ("/items/0/id", "type"),
        ("/items/0/name", "minLength"),
        ("/items/1", "required"),
    }
    assert "secret-7" not in str(told)


def test_a_pointer_escapes_what_rfc_6901_does() -> None:
    done = prepared({"properties": {"a/b~c": {"type": "string"}}})

    assert found(done, {"a/b~c": 1}) == {("/a~1b~0c", "type")}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "string", "nullable": True}, [None, "a"], [1]),
        ({"type": ["string", "null"]}, [None, "a"], [1]),
        ({"nullable": True, **ref("Item")}, [None, {"id": 1, "name": "ab"}], [1, {}]),
        ({"type": "string", "enum": ["a"], "nullable": True}, [None, "a"], ["b"]),
        ({"type": "number", "minimum": 1, "exclusiveMinimum": True}, [1.5], [1]),
        ({"type": "number", "exclusiveMaximum": 3}, [2], [3]),
        ({"items": [{"type": "string"}, {"type": "integer"}]}, [["a", 1], ["a"]], [["a", "b"]]),
        ({"type": "file"}, ["anything", 1], []),
        ({"type": "string", "format": "date-time"}, ["2026-03-01T12:00:00Z"], ["yesterday"]),
        ({"type": "string", "format": "their own"}, ["x"], [1]),
        ({"type": "integer", "format": "int64"}, [1], ["1"]),
        ({"type": "object", "additionalProperties": False}, [{}], [{"a": 1}]),
        ({"not": {"type": "string"}}, [1], ["a"]),
        (
            {"patternProperties": {"^x-": {"type": "integer"}}, "additionalProperties": False},
            [{"x-a": 1}],
            [{"b": 1}],
        ),
        (True, [1], []),
        (False, [], [1]),
    ],
)
def test_each_version_s_words(schema: Any, good: list[Any], bad: list[Any]) -> None:
    """OpenAPI 3.0, 3.1 and Swagger 2 say the same in different words."""
    done = prepared(schema, Item=ITEM)

    assert [value for value in good if found(done, value)] == []
    assert [value for value in bad if not found(done, value)] == []


ACCOUNT = {
    "type": "object",
    "required": ["id", "name", "password"],
    "properties": {
        "id": {"type": "integer", "readOnly": True},
        "name": {"type": "string"},
        "password": {"type": "string", "writeOnly": True},
    },
}
SPLIT = {"allOf": [{"properties": ACCOUNT["properties"]}, {"required": ACCOUNT["required"]}]}


@pytest.mark.parametrize(
    "schema", [ACCOUNT, SPLIT, ref("Account"), {"allOf": [ref("Account"), {"required": ["id"]}]}]
)
def test_what_one_direction_does_not_have(schema: dict[str, Any]) -> None:
    """A request needs nothing read-only, a reply has nothing write-only, wherever `required` stands."""
    request, reply = [prepared(schema, way, Account=ACCOUNT) for way in ("request", "reply")]

    assert found(request, {"name": "a", "password": "b"}) == set()
    assert found(request, {"id": "whatever they send", "name": "a", "password": "b"}) == set()
    assert found(request, {"name": "a"}) == {("", "required")}
    assert found(reply, {"id": 1, "name": "a"}) == set()
    assert ("/password", "properties") in found(reply, {"id": 1, "name": "a", "password": "b"})
    assert found(reply, {"name": "a"}) == {("", "required")}


def test_a_schema_of_its_own_elsewhere_keeps_what_it_requires() -> None:
    """What is hidden of one object says nothing of an object within it."""
    holder = {"properties": {"id": {"readOnly": True}, "inner": ref("Inner")}, "required": ["id"]}
    done = prepared(holder, "request", Inner={"type": "object", "required": ["id"]})

    assert found(done, {"inner": {}}) == {("/inner", "required")}


PETS = {
    "Cat": {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"type": "string"}, "lives": {"type": "integer"}},
    },
    "Dog": {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"type": "string"}, "lives": {"type": "string"}},
    },
}


@pytest.mark.parametrize("mapping", [{}, {"mapping": {"Cat": "#/components/schemas/Cat", "Dog": "Dog"}}])
def test_a_discriminator_chooses(mapping: dict[str, Any]) -> None:
    """The value says which form it has; that another fits by chance is no fault."""
    choice = {"oneOf": [ref("Cat"), ref("Dog")], "discriminator": {"propertyName": "kind", **mapping}}
    done = prepared(choice, **PETS)

    assert found(done, {"kind": "Cat"}) == set()
    assert found(done, {"kind": "Dog", "lives": "one"}) == set()
    assert ("/lives", "type") in found(done, {"kind": "Cat", "lives": "nine"})
    assert ("", "anyOf") in found(done, {"kind": "Cow"})


def test_a_mapping_names_values_of_its_own() -> None:
    choice = {
        "oneOf": [ref("Cat"), ref("Dog")],
        "discriminator": {
            "propertyName": "kind",
            "mapping": {"feline": "#/components/schemas/Cat", "canine": "Dog"},
        },
    }
    done = prepared(choice, **PETS)

    assert found(done, {"kind": "feline", "lives": 9}) == set()
    assert found(done, {"kind": "Cat"}) != set()


CLOSED_A = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
CLOSED_B = {"type": "object", "properties": {"b": {"type": "integer"}}, "additionalProperties": False}


@pytest.mark.parametrize(
    "schema",
    [
        {"allOf": [ref("A"), ref("B")]},
        {"allOf": [CLOSED_A], "properties": {"b": {"type": "integer"}}},
        {
            "allOf": [
                {"allOf": [ref("A")]},
                {"properties": {"b": {"type": "integer"}}, "unevaluatedProperties": False},
            ]
        },
    ],
)
def test_parts_that_refuse_each_other_are_one_object(schema: dict[str, Any]) -> None:
    """As generators write it: nothing could fulfil it; what none of the parts names is refused still."""
    done = prepared(schema, A=CLOSED_A, B=CLOSED_B)

    assert found(done, {"a": 1, "b": 2}) == set()
    assert found(done, {"a": "1"}) == {("/a", "type")}
    assert found(done, {"c": 1}) == {("", "unevaluatedProperties")}
    assert any("allOf" in each.what for each in done.relaxed)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "String"},
        {"type": ["string", "date"]},
        {"enum": []},
        {"enum": [float("nan")]},
        {"const": float("inf")},
        {"minLength": -1},
        {"maxItems": "three"},
        {"minimum": "one"},
        {"minimum": float("nan")},
        {"minimum": 5, "maximum": 1},
        {"minItems": 2, "maxItems": 1},
        {"type": "string", "enum": [1, 2, 17]},
        {"pattern": "(?=lookahead)x"},
        {"pattern": "["},
        {"pattern": r"(.)\1"},
        {"patternProperties": {"(?=x)": {"type": "string"}}, "additionalProperties": False},
        {"$ref": "#/components/schemas/Missing"},
        {"$ref": "http://localhost:1/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "other.yaml#/components/schemas/A"},
        {"$dynamicRef": "#meta"},
        "no schema",
        [],
        {"properties": {"a": "no schema"}},
    ],
)
def test_what_cannot_be_meant_is_relaxed_and_listed(schema: Any) -> None:
    """One such place makes no other unchecked, and every value passes it."""
    done = prepared({"properties": {"odd": schema, "sound": {"type": "integer"}}})

    assert found(done, {"odd": 17, "sound": 1}) == set()
    assert found(done, {"odd": {"any": "thing"}, "sound": "1"}) >= {("/sound", "type")}
    assert [each for each in done.relaxed if each.pointer.startswith("#/root/properties/odd")]


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"^[\w-.]+$", "a-b.c", "a b"),
        (r"^a{,2}$", "aa", "aaa"),
        (r"\Aab\Z", "ab", "abc"),
        ("^(?P<x>a)$", "a", "b"),
    ],
)
def test_patterns_of_other_dialects_are_read(pattern: str, good: str, bad: str) -> None:
    done = prepared({"type": "string", "pattern": pattern})

    assert found(done, good) == set()
    assert found(done, bad) == {("", "pattern")}


def test_a_pattern_takes_linear_time() -> None:
    """One that keeps an engine that tries all ways busy for ever, with a text made for it."""
    done = prepared({"type": "string", "pattern": "^(a+)+$"})

    assert found(done, "a" * 50_000 + "!") == {("", "pattern")}


@pytest.mark.parametrize(("room", "kept"), [(16 * 1024, True), (16 * 1024 - 1, False)])
def test_patterns_have_room_up_to_a_limit(room: int, kept: bool) -> None:
    """Compiled, a pattern may be a million times its length."""
    done = prepared({"type": "string", "pattern": "^a$"}, limits=SchemaLimits(pattern_bytes=room))

    assert bool(found(done, "b")) is kept
    assert bool(done.relaxed) is not kept


@pytest.mark.parametrize(("characters", "kept"), [(4, True), (3, False)])
def test_a_pattern_has_a_length(characters: int, kept: bool) -> None:
    done = prepared({"type": "string", "pattern": "^ab$"}, limits=SchemaLimits(pattern_characters=characters))

    assert bool(found(done, "b")) is kept


@pytest.mark.parametrize(("nodes", "kept"), [(4, True), (3, False)])
def test_schemas_have_a_number(nodes: int, kept: bool) -> None:
    """What is beyond it is not checked; what is within it is."""
    schema = {"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}, "c": {"type": "integer"}}}
    done = prepared(schema, limits=SchemaLimits(nodes=nodes))

    assert ("/a", "type") in found(done, {"a": "x"})
    assert bool(found(done, {"c": "x"})) is kept
    assert bool(done.relaxed) is not kept


@pytest.mark.parametrize(("depth", "kept"), [(3, True), (2, False)])
def test_schemas_have_a_depth(depth: int, kept: bool) -> None:
    schema = {"not": {"not": {"not": {"type": "string"}}}}
    done = prepared(schema, limits=SchemaLimits(depth=depth))

    assert bool(done.relaxed) is not kept


def test_a_schema_deeper_than_python_goes() -> None:
    """Is cut at the limit, not at the interpreter's."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(50_000):
        schema = {"items": schema}
    done = prepared(schema)

    assert done.relaxed


@pytest.mark.parametrize(
    "named",
    [
        {"A": ref("A")},
        {"A": {"allOf": [ref("A")]}},
        {"A": ref("B"), "B": {"anyOf": [ref("A"), {"type": "integer"}]}},
        {"A": {"not": ref("A")}},
    ],
)
def test_a_schema_that_is_itself(named: dict[str, Any]) -> None:
    """Says nothing by that; it ends."""
    done = prepared(ref("A"), **named)

    assert found(done, 1) in (set(), {("", "not")})


def test_schemas_that_double_at_each_reference() -> None:
    """Two references a schema, forty schemas: 2**40 checks of one place. The count is known beforehand."""
    named = {f"S{n}": {"anyOf": [ref(f"S{n + 1}"), {"title": "x", **ref(f"S{n + 1}")}]} for n in range(40)}
    done = prepared(ref("S0"), **named, S40={"type": "string"})

    assert found(done, 1) == set()
    assert any("too many" in each.what for each in done.relaxed)


def test_schemas_that_double_at_each_level_of_the_value() -> None:
    """Each level of a value would be checked twice as often as the one above: a deep one is not checked."""
    twice = {"allOf": [{"properties": {"x": ref("T")}}, {"properties": {"x": ref("T")}}], "type": "object"}
    value: dict[str, Any] = {}
    for _ in range(60):
        value = {"x": value}
    done = prepared(ref("T"), T=twice)

    assert found(done, value) == {("", "depth")}
    assert found(done, {"x": {"x": 1}}) == {("/x/x", "type")}


def test_a_schema_within_itself_is_checked_at_any_depth() -> None:
    """A tree is what recursive schemas are for."""
    tree = {"type": "object", "properties": {"children": {"type": "array", "items": ref("Tree")}}}
    value: dict[str, Any] = {"children": 1}
    for _ in range(30):
        value = {"children": [value]}

    assert found(prepared(ref("Tree"), Tree=tree), value) == {("/children/0" * 30 + "/children", "type")}


@pytest.mark.parametrize(("most", "kept"), [(5, True), (4, False)])
def test_how_many_schemas_apply_to_one_place(most: int, kept: bool) -> None:
    schema = {"allOf": [ref("A"), ref("A")]}
    done = prepared(schema, limits=SchemaLimits(applied=most), A={"type": "string"})

    assert bool(done.relaxed) is not kept
    assert found(done, 1) == {("", "type")}


def test_names_that_are_keywords() -> None:
    """A property may be called as a keyword is."""
    names = ("$ref", "type", "required", "readOnly", "properties", "enum", "nullable")
    done = prepared(
        {
            "type": "object",
            "required": list(names),
            "properties": {name: {"type": "integer"} for name in names},
        }
    )

    assert found(done, dict.fromkeys(names, 1)) == set()
    assert found(done, dict.fromkeys(names, "x")) == {(f"/{name}", "type") for name in names}


def test_a_schema_s_own_id_leads_nowhere() -> None:
    """An `$id` would make references relative to another place, which somebody might fetch."""
    done = prepared(
        {"$id": "http://127.0.0.1:1/", "$schema": "http://127.0.0.1:1/", "allOf": [ref("Item")]}, Item=ITEM
    )

    assert found(done, {"id": 1, "name": "ab"}) == set()
    assert found(done, {}) == {("", "required")}
