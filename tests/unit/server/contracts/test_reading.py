"""What is read of a document, what is left out of it, and what it may take."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest

from server.contracts.contract import Contract
from server.contracts.document import ContractError
from server.contracts.files import DocumentLimits
from server.contracts.listing import listed
from server.contracts.reading import read, read_file
from server.contracts.yaml_text import Builder, YamlError

if TYPE_CHECKING:
    from server.contracts.document import Document

HEAD = "openapi: 3.0.0\ninfo: {title: t, version: '1'}\n"


def of(text: str, limits: DocumentLimits | None = None) -> Document:
    return read(text.encode(), "api.yaml", None, limits)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("200: a", {"200": "a"}),
        ("on: yes\noff: no", {"on": "yes", "off": "no"}),
        ("a: 2026-01-02", {"a": "2026-01-02"}),
        ("a: 1e3\nb: 0x1F\nc: 0o17\nd: 010", {"a": 1000.0, "b": 31, "c": 15, "d": 10}),
        ("a: =\nb: ~\nc: 1_000\nd: 1:30", {"a": "=", "b": None, "c": "1_000", "d": "1:30"}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("base: &b {x: 1, y: 2}\nc: {<<: *b, y: 3}", {"base": {"x": 1, "y": 2}, "c": {"x": 1, "y": 3}}),
        ("a: 'true'\nb: \"1\"", {"a": "true", "b": "1"}),
        ("a: .inf\nb: 1e999", {"a": ".inf", "b": "1e999"}),
    ],
)
def test_yaml_is_what_json_can_say(text: str, value: object) -> None:
    assert Builder(1_000, 50).read(text) == value


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("a: [", "did not find", 1),
        ("a: 1\n? [b]\n: 2", "a key is no text", 2),
        ("a: &x\n  b: *x", "no anchor", 2),
        ("a: *nobody", "alias", 1),
    ],
)
def test_what_is_no_yaml_has_a_line(text: str, what: str, line: int) -> None:
    with pytest.raises(YamlError, match=what) as refused:
        Builder(1_000, 50).read(text)
    assert refused.value.line in (line, line + 1)


def test_aliases_are_counted_as_what_they_stand_for() -> None:
    """Nine aliases of nine aliases: short as a text, and refused by what it comes to."""
    text = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcd", "bcde", strict=True)
    )
    assert Builder(100_000, 50).read(text)["e"]
    with pytest.raises(YamlError, match="more than 1000 nodes"):
        Builder(1_000, 50).read(text)


def test_depth_has_a_limit_on_both_sides() -> None:
    assert Builder(1_000, 10).read("[" * 10 + "]" * 10)
    with pytest.raises(YamlError, match="deeper than 10"):
        Builder(1_000, 10).read("[" * 11 + "]" * 11)


@pytest.mark.parametrize(
    ("limits", "fits", "more", "what"),
    [
        ({"document_bytes": 300}, "", " " * 300, "more than 300 bytes"),
        ({"operations": 1}, "", "\n  /b: {get: {responses: {}}}", "more than 1 operations"),
        ({"nodes": 60}, "", "\nx: [" + "1," * 70 + "1]", "more than 60 nodes"),
        ({"depth": 12}, "", "\nx: " + "[" * 13 + "]" * 13, "deeper than 12"),
    ],
)
def test_each_limit_on_both_sides(limits: dict[str, int], fits: str, more: str, what: str) -> None:
    text = f"{HEAD}paths:\n  /a: {{get: {{responses: {{}}}}}}"
    assert len(of(text + fits, DocumentLimits(**limits)).operations) == 1
    with pytest.raises(ContractError, match=what):
        of(text + more, DocumentLimits(**limits))


@pytest.mark.parametrize(
    "text", ["[]", "a: 1", "openapi: 4.0.0\npaths: {}", f"{HEAD}paths: {{}}", f"{HEAD}paths: []", "{", ""]
)
def test_what_is_no_description(text: str) -> None:
    with pytest.raises(ContractError, match=r"^api\.yaml"):
        of(text)


def test_what_cannot_be_used_is_listed_with_its_place() -> None:
    """Each with file, line and pointer; the rest is served."""
    document = of(
        HEAD
        + """paths:
  /a:
    get:
      parameters: [{name: x, in: nowhere}]
      responses:
        "200":
          description: ok
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Missing"}
        teapot: {description: no}
  nothing: {get: {}}
components:
  schemas:
    A: {type: objekt, minLength: -1, properties: {b: {$ref: "https://example.com/x.json"}}}
"""
    )
    told = [str(problem) for problem in document.problems]

    assert [each.id for each in document.operations] == ["GET /a"]
    assert any("api.yaml:6" in each and "`in` is no place" in each for each in told)
    assert any("'#/components/schemas/Missing' leads nowhere" in each for each in told)
    assert any("another host's; nothing is fetched" in each for each in told)
    assert any("'objekt'" in each and "#/components/schemas/A" in each for each in told)


def test_other_files_below_the_folder(tmp_path: Path) -> None:
    """By relative paths, to and fro; what leads out of the folder, by dots or by a link, is left out."""
    (tmp_path / "secret.yaml").write_text("type: string")
    folder = tmp_path / "api"
    (folder / "parts").mkdir(parents=True)
    (folder / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    (folder / "parts" / "pet.yaml").write_text(
        "Pet: {type: object, properties: {id: {type: integer}, friend: {$ref: '#/Pet'}, "
        "kind: {$ref: '../api.yaml#/components/schemas/Kind'}}}"
    )
    (folder / "api.yaml").write_text(
        HEAD
        + """paths:
  /pets/{id}:
    get:
      responses:
        "200": {description: ok, content: {application/json: {schema: {$ref: "parts/pet.yaml#/Pet"}}}}
        "400": {description: no, content: {application/json: {schema: {$ref: "../secret.yaml"}}}}
        "401": {description: no, content: {application/json: {schema: {$ref: "link.yaml"}}}}
components: {schemas: {Kind: {type: string, nullable: true}}}
"""
    )
    document = read_file(folder / "api.yaml")
    pet = document.resolve(document.operations[0].replies["200"]["application/json"])

    assert document.resolve(pet["properties"]["friend"]["$ref"]) is pet
    assert document.resolve(pet["properties"]["kind"]["$ref"]) == {"type": ["string", "null"]}
    assert sorted(each.what for each in document.problems) == [
        "'../secret.yaml': leads out of the document's folder",
        "'link.yaml': no such file below the document's folder",
    ]


def test_swagger_2_has_the_shape_of_openapi_3() -> None:
    document = of(
        """swagger: "2.0"
info: {title: t, version: "1"}
basePath: /v2/
consumes: [application/json]
paths:
  /pets:
    post:
      parameters:
        - {in: body, name: pet, required: true, schema: {$ref: "#/definitions/Pet"}}
        - {in: query, name: tags, type: array, collectionFormat: multi, items: {type: string}}
      responses: {200: {description: ok, schema: {$ref: "#/definitions/Pet"}}}
  /form:
    post:
      parameters: [{in: formData, name: a, type: integer, required: true}]
      responses: {default: {description: ok}}
definitions: {Pet: {type: object, properties: {name: {type: string, x-nullable: true}}}}
"""
    )
    pets, form = document.operations

    assert (document.version, document.base_path, document.raw["openapi"]) == ("2.0", "/v2", "3.1.0")
    assert document.resolve(pets.request_bodies["application/json"])["properties"]["name"]["type"] == [
        "string",
        "null",
    ]
    assert (pets.required_body, pets.parameters[0].explode) == (True, True)
    assert list(pets.replies["200"]) == ["application/json"]
    schema = document.resolve(form.request_bodies["application/x-www-form-urlencoded"])
    assert (schema["required"], schema["properties"]["a"]["type"]) == (["a"], "integer")


def test_a_digest_changes_with_the_operation_s_part_alone() -> None:
    """With what it refers to, directly or not; not with the rest of the document."""
    text = (
        HEAD
        + """paths:
  /a:
    get:
      responses:
        "200": {description: ok, content: {application/json: {schema: {$ref: "#/components/schemas/A"}}}}
  /b: {get: {responses: {"200": {description: ok}}}}
components: {schemas: {A: {items: {$ref: "#/components/schemas/B"}}, B: {type: string}}}
"""
    )
    before = {each.id: each.digest for each in of(text).operations}
    after = {
        each.id: each.digest
        for each in of(text.replace("B: {type: string}", "B: {type: integer}")).operations
    }

    assert before["GET /a"] != after["GET /a"]
    assert before["GET /b"] == after["GET /b"]


def test_a_document_that_was_read_reads_the_same() -> None:
    """Kept as it was made, it is the same contract when it is read again."""
    import orjson

    first = of(f"{HEAD}paths:\n  /a/{{id}}: {{get: {{operationId: g, responses: {{}}}}}}")
    again = read(orjson.dumps(first.raw), "again")

    assert (again.digest, [each.digest for each in again.operations]) == (
        first.digest,
        [each.digest for each in first.operations],
    )


def test_what_has_no_size_is_read_up_to_the_limit() -> None:
    """A device or a pipe: nobody waits for its end."""
    reading, writing = os.pipe()
    try:
        os.write(writing, b" " * 101)
        with pytest.raises(ContractError, match="more than 100 bytes"):
            read_file(Path(f"/dev/fd/{reading}"), DocumentLimits(document_bytes=100))
    finally:
        os.close(reading)
        os.close(writing)


def test_lines_of_json_are_told_as_those_of_yaml() -> None:
    """Of what cannot be used, and of what is relaxed; texts with brackets and escapes change nothing."""
    lines = [
        '{"openapi": "3.1.0", "info": {"title": "a [ \\" { \\\\", "version": "1"},',
        ' "paths": {',
        '  "/a": {',
        '   "get": {"responses": {"200": {"description": "", "content": {"application/json": {',
        '     "schema": {"type": "string",',
        '       "pattern": "(?=a)b"}}}}},',
        '    "parameters": [',
        '      {"in": "nowhere", "name": "x"}]}}}}',
    ]
    document = read("\n".join(lines).encode(), "api.json")
    found = listed(Contract.of(document))

    assert [(each.file, each.line) for each in document.problems] == [("api.json", 8)]
    assert [(each["file"], each["line"], each["in"]) for each in found["relaxed"]] == [
        ("api.json", 5, ["reply"])
    ]


def test_a_key_that_is_there_twice_has_no_lines() -> None:
    text = b'{"openapi": "3.1.0", "x": {},\n "x": {}, "paths": {"/a": {"get": {"parameters": [1]}}}}'

    assert {each.line for each in read(text, "api.json").problems} == {0}


def test_other_files_go_with_a_document_that_is_handed_over(tmp_path: Path) -> None:
    """What they had is still there when it is read again."""
    (tmp_path / "paths.json").write_text('{"get": {"responses": {"204": {"description": ""}}}}', "utf-8")
    (tmp_path / "api.json").write_text(
        '{"openapi": "3.1.0", "paths": {"/a": {"$ref": "paths.json"}}}', "utf-8"
    )
    first = read_file(tmp_path / "api.json")
    again = read(orjson.dumps(dict(first.raw)), "api.json")

    assert [each.template for each in again.operations] == ["/a"]
    assert again.operations[0].digest == first.operations[0].digest
