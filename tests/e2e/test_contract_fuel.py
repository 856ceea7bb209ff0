"""What reading by a contract's rules costs in the guest, beside conventions upon the same records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.client import Client
from tests.e2e.contracts import ADMIN
from tests.e2e.service import RunningService

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wasm_runtime.artifact import Artifact

TEXT: dict[str, Any] = {"type": "string"}
SECRET = {**TEXT, "writeOnly": True}
USER = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {
        "id": {"type": "integer", "readOnly": True},
        "name": TEXT,
        "email": TEXT,
        "role": TEXT,
        "password": SECRET,
    },
}
ONE = {"$ref": "#/components/schemas/User"}
MANY = {"type": "array", "items": ONE}
PAGE = {"type": "object", "properties": {"data": MANY, "total": {"type": "integer"}}}
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
WORDS = [{"name": name, "in": "query", "schema": {"type": "integer"}} for name in ("limit", "offset")]


def content(schema: Any) -> dict[str, Any]:
    return {"description": "", "content": {"application/json": {"schema": schema}}}


def document(listed: dict[str, Any]) -> dict[str, Any]:
    return {
        "openapi": "3.0.0",
        "info": {"title": "People", "version": "1"},
        "paths": {
            "/users": {
                "get": {"parameters": WORDS, "responses": {"200": content(listed)}},
                "post": {
                    "requestBody": {"content": {"application/json": {"schema": ONE}}},
                    "responses": {"201": content(ONE)},
                },
            },
            "/users/{id}": {
                "parameters": [ID],
                "get": {"responses": {"200": content(ONE)}},
                "patch": {
                    "requestBody": {"content": {"application/json": {"schema": ONE}}},
                    "responses": {"200": content(ONE)},
                },
            },
        },
        "components": {"schemas": {"User": USER}},
    }


@pytest.fixture(scope="module")
def service(guest_artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    scratch = tmp_path_factory.mktemp("fuel")
    with RunningService(scratch / "data", scratch, {"LARS_ADMIN_TOKEN": ADMIN}) as running:
        yield running
        running.stop()


def fuel(client: Client, path: str) -> int:
    """Of a read when its plan has run before, and something else was written since: nothing is remembered."""
    used = []
    for name in ("Ada", "Bea", "Cleo"):
        client.request("POST", "/users", {"name": name})
        client.request("PATCH", "/users/7", {"name": "Name 7"} | {"role": name})
        used.append(int(client.request("GET", path).headers["x-fuel-used"]))
    return used[-1]


def filled(service: RunningService, session: str, described: dict[str, Any] | None) -> Client:
    if described is not None:
        operator = Client(service.url, None, {"Authorization": f"Bearer {ADMIN}"})
        named = {"name": "people.json", "document": described}
        assert operator.request("PUT", f"/_meta/sessions/{session}/contract", named).status == 200
    client = service.client(session)
    for number in range(1, 31):
        user = {"name": f"Name {number}", "email": f"n{number}@example.org", "role": "guest"}
        assert client.request("POST", "/users", user | {"password": f"p{number}"}).status == 201
    return client


@pytest.mark.parametrize("listed", [MANY, PAGE], ids=["array", "page"])
def test_hidden_properties_cost_next_to_nothing(service: RunningService, listed: dict[str, Any]) -> None:
    """A record, or a list, takes at most a tenth more than by conventions, which show all of it."""
    name = listed["type"]
    plain = filled(service, f"plain-{name}", None)
    client = filled(service, f"described-{name}", document(listed))
    one, many = client.request("GET", "/users/7"), client.request("GET", "/users?limit=20")
    rows = many.json if isinstance(many.json, list) else many.json["data"]
    parts = [fuel(plain, path) / fuel(client, path) for path in ("/users/7", "/users?limit=20")]

    assert one.headers["x-plan-source"] == "contract"
    assert one.json == {"id": 7, "name": "Name 7", "email": "n7@example.org", "role": "guest"}
    assert (len(rows), rows[6]) == (20, one.json)
    assert isinstance(many.json, list) or many.json["total"] == 30
    assert [part for part in parts if part < 0.9] == []
