"""The document of a session that speaks a dialect is that dialect's: valid, and true to its table."""

from __future__ import annotations

import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from server.openapi.document import Terms, describe
from server.planning.dialects.frame.compiling import compile_request
from server.planning.dialects.frame.registry import known
from server.planning.planned import RoutesInForce
from tests.unit.server.openapi.test_document import SESSION, SHOP
from tests.unit.server.planning.requests import a_request


def document(dialect: str) -> Any:
    terms = Terms(secured=True, enforced=False)
    return describe(SESSION, RoutesInForce(), SHOP, terms, dialect=dialect)


@pytest.mark.parametrize("dialect", known())
def test_it_is_valid_and_names_the_dialect(dialect: str) -> None:
    found = document(dialect)
    OpenAPIV31SpecValidator(found).validate()
    assert f"`{dialect}` ({known()[dialect].tool})" in found["info"]["description"]
    assert "/members/search" not in found["paths"]


@pytest.mark.parametrize("dialect", known())
def test_every_operation_is_one_that_the_dialect_has(dialect: str) -> None:
    """Each path and method compiles to a plan, of the resource that its tag names."""
    bodies = {"json-api": {"data": {"type": "members", "id": "1"}}, "postgrest": {"id": 1}}
    for path, item in document(dialect)["paths"].items():
        for method, operation in item.items():
            body = bodies.get(dialect, {})
            if "relationships" in path:
                body = {"data": [{"type": "members", "id": "1"}]}
            elif dialect == "json-api" and "orders" in path:
                body = {"data": {"type": "orders", "id": "1"}}
            target = re.sub(r"\{[a-z_]+\}", "1", path)
            query = {"id": "eq.1"} if dialect == "postgrest" and method in ("put", "patch", "delete") else {}
            request = a_request(method.upper(), target, query=query, body=body)
            compiled = compile_request(known()[dialect], request)
            assert operation["tags"][0] in (compiled.plan.resource, dialect)


def test_what_it_says_of_json_server() -> None:
    paths = document("json-server")["paths"]
    assert set(paths) == {
        "/db",
        "/members",
        "/members/{id}",
        "/members/{parent_id}/orders",
        "/orders",
        "/orders/{id}",
    }
    listed = paths["/members"]["get"]
    assert {each["name"] for each in listed["parameters"]} >= {"_sort", "_page", "q", "_embed"}
    assert "`_gte`" in listed["description"]
    assert set(paths["/members/{id}"]) == {"get", "put", "patch", "delete"}
    assert set(paths["/members"]["post"]["responses"]) >= {"201", "default"}


def test_what_is_only_said_not_to_be_done_is_no_operation() -> None:
    paths = document("pocketbase")["paths"]
    assert "/api/batch" in paths
    assert not any("auth" in path or "realtime" in path for path in paths)


def test_media_types_are_the_dialects() -> None:
    paths = document("json-api")["paths"]
    assert set(paths["/members"]["post"]["requestBody"]["content"]) == {"application/vnd.api+json"}
    assert set(paths["/members"]["get"]["responses"]["200"]["content"]) == {"application/vnd.api+json"}
