"""Documents that somebody made to hurt are refused, or served without harm; nothing is fetched or hangs."""

from __future__ import annotations

import json
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest

from server.contracts.document import ContractError
from server.contracts.edge import Edge
from server.contracts.examples import Examples
from server.contracts.files import DocumentLimits
from server.contracts.judging import Judging
from server.contracts.reading import read
from server.values.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from server.contracts.document import Document

OK: dict[str, Any] = {
    "200": {
        "description": "",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}},
    }
}


def document(schemas: dict[str, Any], **operation: Any) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {"/a/{id}": {"get": {"responses": OK, **operation}}},
        "components": {"schemas": schemas},
    }


def served(value: Any, folder: Path | None = None) -> tuple[Document, Edge, Judging]:
    """All that is made of a document before a request comes."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    found = read(text, "api.yaml", folder)
    return found, Edge(found), Judging.of(found)


def judged(value: Any, reply: Any) -> set[str]:
    """The keywords that a reply breaks."""
    found, _, judging = served(value)
    return {
        each.keyword
        for each in judging.checker.violations(judging.keys_for(found.operations[0])["200"], reply)
    }


def aliases(levels: int) -> bytes:
    """A list of nine of the list before it, and so on: a few lines, and 9**levels values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(["openapi: 3.1.0", "info: {title: t, version: '1'}", "paths: {}", *lines]).encode()


@pytest.mark.parametrize(
    "text",
    [
        aliases(12),
        b"openapi: 3.1.0\ninfo: {title: t}\npaths: {}\na: " + b"[" * 100_000,
        b"openapi: 3.1.0\npaths: &p {/a: *p}\n",
        b'{"openapi": "3.1.0", "paths": ' + b'{"a":' * 100_000,
        b"openapi: 3.1.0\npaths: !!python/object/apply:os.system [id]\n",
        b"\x00\xff\xfe",
        b"",
    ],
    ids=["aliases", "deep flow", "cycle", "deep JSON", "tags", "bytes", "nothing"],
)
def test_text_that_is_no_document(text: bytes) -> None:
    """Is refused with one error that names the file."""
    with pytest.raises(ContractError, match="api"):
        read(text, "api.yaml")


@pytest.mark.parametrize(("paths", "refused"), [(2_500, False), (50_000, True)])
def test_how_many_operations(paths: int, refused: bool) -> None:
    value = document({"A": {}})
    value["paths"] = {f"/p{number}": {"get": {"responses": OK}} for number in range(paths)}
    text = json.dumps(value).encode()
    if not refused:
        assert len(read(text, "api.json").operations) == paths
        return
    with pytest.raises(ContractError, match="operations"):
        read(text, "api.json", limits=DocumentLimits())


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody who would notice a request."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def test_nothing_is_fetched(listener: socket.socket, tmp_path: Path) -> None:
    """Neither from a host nor from a file outside of the document's folder, wherever the reference stands."""
    host, port = listener.getsockname()
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret.json").write_text('{"const": "secret"}')
    for reference in (
        f"http://{host}:{port}/x.json",
        f"//{host}:{port}/x",
        "file:///etc/passwd",
        "../secret.json",
    ):
        value = document(
            {"A": {"$ref": reference, "$id": reference, "$schema": reference, "$dynamicRef": reference}},
            parameters=[{"name": "q", "in": "query", "schema": {"$ref": reference}}],
        )
        found, _, judging = served(value, tmp_path / "inside")

        assert "secret" not in str(found.raw["components"])
        assert (
            judging.checker.violations(judging.keys_for(found.operations[0])["200"], {"any": "thing"}) == ()
        )
    with pytest.raises(BlockingIOError):
        listener.accept()


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def test_patterns_that_take_for_ever_elsewhere() -> None:
    """Each takes linear time, or is not checked and listed."""
    patterns = ["^(a+)+$", "^(a|a)*$", "^([a-z]+)*[0-9]$", "(x+x+)+y", "^(?=(a+))\\1$", "(a{1000}){1000}"]
    schemas = {f"P{n}": {"type": "string", "pattern": pattern} for n, pattern in enumerate(patterns)}
    value = document({"A": {"type": "array", "items": {"allOf": [ref(name) for name in schemas]}}, **schemas})

    assert judged(value, ["a" * 20_000 + "!", "x" * 20_000]) == {"pattern"}


@pytest.mark.parametrize(
    "schemas",
    [
        {"A": ref("A")},
        {"A": {"allOf": [ref("B")]}, "B": {"oneOf": [ref("A"), {"type": "integer"}]}},
        {f"{'A' if n == 0 else n}": {"anyOf": [ref(str(n + 1)), ref(str(n + 1))]} for n in range(60)}
        | {"60": {"type": "string"}},
        {"A": {"allOf": [{"properties": {"x": ref("A")}} for _ in range(10)]}},
        {"A": {"type": "array", "items": ref("A"), "contains": ref("A"), "prefixItems": [ref("A")] * 20}},
        {"A": {"type": "object", "properties": {f"p{n}": ref("A") for n in range(2_000)}}},
    ],
    ids=["itself", "each other", "doubling", "doubling by level", "items", "wide"],
)
def test_schemas_within_themselves(schemas: dict[str, Any]) -> None:
    """A validator would go on for ever, or for as long as there is; this one comes to an end."""
    reply: Any = {}
    for _ in range(40):
        reply = {"x": reply, "p1": [reply] if len(str(reply)) < 1_000 else []}

    assert judged(document(schemas), reply) is not None


@pytest.mark.parametrize(
    "name",
    [
        "__class__",
        "__proto__",
        "$ref",
        "a.b",
        "a[b]",
        "a\nb",
        "\u202e",
        "'); drop table",
        "{id}",
        "",
        "constructor",
        "../x",
    ],
)
def test_names_that_are_code(name: str) -> None:
    """A property's, a parameter's or a scheme's name is a text, whatever it looks like."""
    value = document(
        {"A": {"type": "object", "properties": {name: {"type": "integer"}}, "required": [name]}},
        parameters=[{"name": name, "in": "query", "schema": {"type": "integer"}}],
        security=[{name: []}, {}],
    )
    found, edge, judging = served(value)
    operation = found.operations[0]

    assert judging.checker.violations(judging.keys_for(operation)["200"], {name: 1}) == ()
    assert judging.checker.violations(judging.keys_for(operation)["200"], {name: "x"}) != ()
    assert edge.admit(operation, {"id": "x"}, {}, {}).identity is None
    if name and operation.parameters:
        with pytest.raises(BadRequest):
            edge.admit(operation, {"id": "x"}, {name: "x"}, {})


def _parts(count: int) -> dict[str, Any]:
    return {"A": {"allOf": [{"properties": {f"p{n}": {"type": "string"}}} for n in range(count)]}}


def _doubling(levels: int, **more: Any) -> dict[str, Any]:
    """Each schema has the next one twice, so that the last is there 2**levels times."""
    schemas: dict[str, Any] = {"A": {"$ref": "#/components/schemas/S0"}}
    for n in range(levels):
        below = {"$ref": f"#/components/schemas/S{n + 1}"}
        schemas[f"S{n}"] = {"type": "object", "required": ["l", "r"], "properties": {"l": below, "r": below}}
    return {**schemas, f"S{levels}": {"type": "string"}, **more}


def _items(levels: int) -> dict[str, Any]:
    schemas: dict[str, Any] = {"A": {"$ref": "#/components/schemas/S0"}}
    for n in range(levels):
        below = {"$ref": f"#/components/schemas/S{n + 1}"}
        schemas[f"S{n}"] = {"type": "array", "minItems": 3, "items": below}
    return {**schemas, f"S{levels}": {"type": "string"}}


def _chain(count: int) -> dict[str, Any]:
    schemas: dict[str, Any] = {
        f"S{n}": {"allOf": [{"$ref": f"#/components/schemas/S{n + 1}"}]} for n in range(count)
    }
    return {"A": {"$ref": "#/components/schemas/S0"}, **schemas, f"S{count}": {"type": "object"}}


def _one_property(count: int) -> dict[str, Any]:
    return {"A": {"allOf": [{"properties": {"p": {"minLength": n % 3}}} for n in range(count)]}}


@pytest.mark.parametrize(
    "schemas",
    [_parts(5_000), _one_property(5_000), _doubling(24), _items(20), _chain(3_000)],
    ids=["parts", "one property of many parts", "doubling", "items", "chain"],
)
def test_making_an_example_is_bounded(schemas: dict[str, Any]) -> None:
    """Calls are counted, not time: putting schemas together costs what there is of them, and has an end."""
    examples = Examples(document(schemas), "reply")
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        examples.for_content("", "#/components/schemas/A", "application/json", lambda _value: False)
    finally:
        sys.setprofile(None)
    assert calls < 1_000_000, calls


def test_all_parts_of_a_schema_are_in_its_example() -> None:
    made = Examples(document(_parts(1_000)), "reply").for_schema("#/components/schemas/A")
    assert len(made) == 1_000
