"""House rules that are an OpenAPI document: the operation, what it refers to, and a list of the rest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from server.planning.prompt import PromptError, PromptMaker, read_house_rules
from server.planning.prompt.described import MAX_EXCERPT_BYTES, ApiDescription, read_description
from tests.unit.server.planning.plans import a_question
from tests.unit.server.planning.requests import a_request

if TYPE_CHECKING:
    from pathlib import Path


def a_document(**more: Any) -> dict[str, Any]:
    ok = {"200": {"description": "A pet", "content": {"application/json": {"schema": _ref("Pet")}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pets", "version": "1", "description": "Money is in cents."},
        "paths": {
            "/pets": {
                "get": {"summary": "List pets", "responses": {}},
                "post": {
                    "summary": "Add a pet",
                    "requestBody": {"content": {"application/json": {"schema": _ref("NewPet")}}},
                    "responses": {"422": {"$ref": "#/components/responses/Wrong"}},
                },
            },
            "/pets/findByStatus": {"get": {"summary": "By status", "responses": {}}},
            "/pets/{petId}": {
                "parameters": [{"name": "petId", "in": "path", "required": True}],
                "get": {"summary": "One pet", "responses": ok},
                "delete": {"operationId": "deletePet", "responses": {"202": {"description": "Later"}}},
            },
            "/owners/{id}/pets": {"get": {"responses": {}}},
        },
        "components": {
            "schemas": {
                "Pet": {"type": "object", "properties": {"owner": _ref("Owner"), "next": _ref("Pet")}},
                "NewPet": {"type": "object", "required": ["name"]},
                "Owner": {"type": "object", "description": "`who`"},
                "Unused": {"type": "string", "description": "never shown"},
            },
            "responses": {"Wrong": {"description": "Wrong"}},
        },
        **more,
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def described(document: dict[str, Any]) -> ApiDescription:
    api = read_description(json.dumps(document))
    assert api is not None
    return api


def found(document: dict[str, Any], method: str, route: str) -> list[str]:
    return [each.path for each in described(document).find(method, route)]


@pytest.mark.parametrize(
    ("method", "route", "paths"),
    [
        ("GET", "/pets", ["/pets"]),
        ("GET", "/pets/{id:int}", ["/pets/{petId}"]),
        ("GET", "/pets/{id:uuid}", ["/pets/{petId}"]),
        ("GET", "/pets/{id:text}", ["/pets/findByStatus", "/pets/{petId}"]),
        ("GET", "/pets/rex", ["/pets/{petId}"]),
        ("GET", "/pets/{slug:slug}", ["/pets/findByStatus", "/pets/{petId}"]),
        ("GET", "/owners/{owner_id:int}/pets", ["/owners/{id}/pets"]),
        ("PUT", "/pets/{id:int}", []),
        ("GET", "/pets/{id:int}/toys", []),
        ("GET", "/", []),
    ],
)
def test_the_operation_of_a_route(method: str, route: str, paths: list[str]) -> None:
    assert found(a_document(), method, route) == paths


def test_a_path_of_the_server_comes_first() -> None:
    """With and without it, versions too, in OpenAPI 3 and in Swagger 2."""
    three = a_document(servers=[{"url": "https://pets.example/api/v1"}, {"url": "/"}])
    two = {"swagger": "2.0", "basePath": "/api/v1", "paths": {"/pets": {"get": {"responses": {}}}}}

    for document in (three, two):
        assert found(document, "GET", "/api/{part_2:text}/pets") == ["/pets"]
        assert found(document, "GET", "/pets") == ["/pets"]
        assert found(document, "GET", "/other/{part_2:text}/pets") == []


def test_a_prompt_has_the_operation_and_a_list(tmp_path: Path) -> None:
    """What is referred to comes along, however far and though it refers to itself; nothing else does."""
    path = tmp_path / "pets.yaml"
    path.write_text(yaml.safe_dump(a_document()))
    maker = PromptMaker({"builtins": []}, read_house_rules(str(path)), max_bytes=65_536)
    prompt = maker.prompt(a_question(a_request("GET", "/pets/7")).shown)

    excerpt = json.loads(prompt.request.split("```json\n")[2].split("\n```")[0])
    assert list(excerpt) == [
        "GET /pets/{petId}",
        "#/components/schemas/Pet",
        "#/components/schemas/Owner",
    ]
    assert excerpt["GET /pets/{petId}"]["parameters"][0]["name"] == "petId"
    assert prompt.request.count("`") == 12
    rules = prompt.fixed.split("## House rules")[1]
    assert "API: Pets\n\nMoney is in cents." in rules
    assert "- POST /pets: Add a pet\n" in rules
    assert "- DELETE /pets/{petId}: deletePet\n" in rules
    assert "never shown" not in f"{prompt}"
    assert "Owner" not in prompt.fixed


def test_a_request_that_is_not_described() -> None:
    maker = PromptMaker({"builtins": []}, json.dumps(a_document()), max_bytes=65_536)

    assert maker.prompt(a_question(a_request("GET", "/toys/7")).shown).request.count("```json") == 1


def test_an_excerpt_has_a_limit() -> None:
    """References are left out, and named; then prose; an operation alone may be too long."""
    document = a_document()
    schemas = document["components"]["schemas"]
    schemas["Owner"] = {"description": "x" * MAX_EXCERPT_BYTES}
    api = described(document)
    kept = json.loads(api.excerpt("GET", "/pets/{id:int}"))
    assert kept["left out"] == ["#/components/schemas/Owner"]
    assert "#/components/schemas/Pet" in kept

    operation = document["paths"]["/pets/{petId}"]["get"]
    operation["description"] = "y" * MAX_EXCERPT_BYTES
    shorter = described(document).excerpt("GET", "/pets/{id:int}")
    assert "yyy" not in shorter
    assert "summary" in shorter
    operation["x-much"] = "z" * MAX_EXCERPT_BYTES
    nothing = described(document).excerpt("GET", "/pets/{id:int}")
    assert json.loads(nothing) == {"GET /pets/{petId}": "too long to be shown"}


def test_a_list_has_a_limit() -> None:
    paths = {f"/p{n}": {"get": {"responses": {}}} for n in range(400)}

    assert described(a_document(paths=paths)).overview().endswith("- GET /p299\n- and 100 more")


@pytest.mark.parametrize(
    "text",
    [
        "- Every todo has a url.",
        "Our API:\n\nopenapi: is what we like\n  - but: [this is no YAML",
        '{"not": "one"}',
        "",
    ],
)
def test_other_house_rules_stay_a_text(text: str) -> None:
    assert read_description(text) is None


@pytest.mark.parametrize(
    "text", ["openapi: 3.1.0\npaths: [", '{"openapi": "3.1.0",}', "# x\n---\nswagger: '2\n"]
)
def test_a_broken_document_is_refused_at_start(text: str) -> None:
    """It was meant as one; in every prompt it would be noise."""
    with pytest.raises(PromptError, match=r"planner\.house_rules: the file is no OpenAPI document"):
        PromptMaker({"builtins": []}, text, max_bytes=65_536)


def test_aliases_cannot_make_much_of_little() -> None:
    lines = ["openapi: 3.1.0", "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 12)]

    for text in (
        "\n".join(lines),
        "openapi: 3.1.0\nself: &s [*s]",
        "openapi: 3.1.0\nx: " + "[" * 200 + "]" * 200,
    ):
        with pytest.raises(PromptError, match="more than 500000 values, or 100 levels"):
            PromptMaker({"builtins": []}, text, max_bytes=65_536)


def test_only_a_document_may_be_long(tmp_path: Path) -> None:
    """32 KiB of rules go into each prompt; of a document, what it needs."""
    rules, document = tmp_path / "rules.md", tmp_path / "api.json"
    rules.write_text("x" * 40_000)
    document.write_text(json.dumps(a_document(components={"x": "x" * 400_000})))

    assert len(read_house_rules(str(document))) > 400_000
    with pytest.raises(PromptError, match="only an OpenAPI document"):
        read_house_rules(str(rules))
