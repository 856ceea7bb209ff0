"""Schemathesis with a user's own document, against the service whose contract it is: nothing breaks it."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tests.e2e.test_contract_edge import CONTRACT as CHARGES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import StartService

pytestmark = pytest.mark.long

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def content(schema: Any) -> dict[str, Any]:
    return {"description": "", "content": {"application/json": {"schema": schema}}}


ERRORS = {"default": content(ref("Error"))}
NUMBER = {"name": "bookId", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
PAGE = [
    {"name": "page", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000}},
    {"name": "per_page", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 50}},
    {"name": "genre", "in": "query", "schema": ref("Genre")},
]
LIST = {"type": "array", "items": ref("Book")}
#: Plain arrays, numbers for ids, everything by PUT and PATCH, an enum, dates, a choice, a nullable.
BOOKS: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Books", "version": "1"},
    "paths": {
        "/books": {
            "get": {
                "parameters": PAGE,
                "responses": {"200": content({"type": "array", "items": ref("Book")}), **ERRORS},
            },
            "post": {
                "requestBody": {"required": True, "content": {"application/json": {"schema": ref("Book")}}},
                "responses": {"201": content(ref("Book")), **ERRORS},
            },
        },
        "/books/{bookId}": {
            "parameters": [NUMBER],
            "get": {"responses": {"200": content(ref("Book")), **ERRORS}},
            "put": {
                "requestBody": {"required": True, "content": {"application/json": {"schema": ref("Book")}}},
                "responses": {"200": content(ref("Book")), **ERRORS},
            },
            "delete": {"responses": {"204": {"description": ""}, **ERRORS}},
        },
    },
    "components": {
        "schemas": {
            "Genre": {"type": "string", "enum": ["novel", "poetry", "essay"]},
            "Book": {
                "type": "object",
                "required": ["id", "title", "genre"],
                "properties": {
                    "id": {"type": "integer", "readOnly": True},
                    "title": {"type": "string", "minLength": 1, "maxLength": 200},
                    "genre": ref("Genre"),
                    "published": {"type": "string", "format": "date", "nullable": True},
                    "pages": {"type": "integer", "minimum": 1, "maximum": 100000},
                    "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
                    "secret": {"type": "string", "writeOnly": True},
                },
                "additionalProperties": False,
            },
            "Error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
                "additionalProperties": False,
            },
        }
    },
}


def with_any_error(document: dict[str, Any]) -> dict[str, Any]:
    """As its operations say of what they declare; and of all else, what they say of a 404."""
    paths = {
        path: {
            method: {**operation, "responses": {**operation["responses"], "default": content(ref("Error"))}}
            for method, operation in item.items()
        }
        for path, item in document["paths"].items()
    }
    return {**document, "paths": paths}


@pytest.mark.parametrize(
    ("document", "base"), [(with_any_error(CHARGES), "/v1"), (BOOKS, "")], ids=["charges", "books"]
)
def test_nothing_breaks_the_contract(
    document: dict[str, Any], base: str, start_service: StartService, tmp_path: Path
) -> None:
    """Status, media type and schema of every reply, with examples, limits, wrong and random data."""
    (tmp_path / "api.json").write_bytes(orjson.dumps(document))
    service = start_service(LARS_CONTRACT=str(tmp_path / "api.json"))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", "api.json", "--url", f"{service.url}{base}"),
            *("--checks", CHECKS, "--mode", "all", "--phases", "examples,coverage,fuzzing", "-n", "8"),
            *("-H", "X-Session-ID: s", "-H", "Authorization: Bearer abc", "--continue-on-failure"),
            *("--generation-deterministic", "--no-color"),
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    said = done.stdout
    found = re.search(r"(\d+) generated, (\d+) passed", said)

    assert found is not None, said
    assert found[1] == found[2] != "0"
