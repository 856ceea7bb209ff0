"""The document's "Usage Examples" and "With Authentication", each by its own heading."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.client import Client
    from tests.e2e.conftest import StartService
    from tests.e2e.service import RunningService

ALICE = {"name": "Alice", "email": "alice@example.com"}
BOB = {"name": "Bob", "email": "bob@example.com"}


@pytest.fixture
def members(client: Client) -> Client:
    """A session that has Alice and Bob, with the ids 1 and 2."""
    client.create("/members/", ALICE)
    client.create("/members/", BOB)
    return client


def test_create_a_resource(client: Client) -> None:
    """201, where the record is, and the record with the first id as its first field."""
    answer = client.post("/members/", ALICE)

    assert (answer.status, answer.headers["location"]) == (201, "/members/1")
    assert answer.body == b'{"id":1,"name":"Alice","email":"alice@example.com"}'
    assert answer.headers["content-type"] == "application/json"


def test_retrieve_a_resource(members: Client) -> None:
    """The record as it was stored."""
    answer = members.get("/members/1")

    assert (answer.status, answer.json) == (200, {"id": 1, **ALICE})


def test_list_resources_with_pagination(members: Client) -> None:
    """The documented envelope, with the total."""
    answer = members.get("/members/?limit=10&offset=0&sort=name")

    assert answer.status == 200
    assert answer.json == {
        "items": [{"id": 1, **ALICE}, {"id": 2, **BOB}],
        "page": {"limit": 10, "offset": 0, "total": 2},
    }


def test_search_resources(members: Client) -> None:
    """A bare array of those that match."""
    answer = members.get("/members/search?name=Alice")

    assert (answer.status, answer.json) == (200, [{"id": 1, **ALICE}])


def test_update_a_resource_by_put(members: Client) -> None:
    """The record is replaced and keeps its id."""
    smith = {"name": "Alice Smith", "email": "alice.smith@example.com"}
    answer = members.put("/members/1", smith)

    assert (answer.status, answer.json) == (200, {"id": 1, **smith})
    assert members.read("/members/1") == {"id": 1, **smith}


def test_partial_update_by_patch(members: Client) -> None:
    """What is sent is merged into what is there."""
    answer = members.patch("/members/1", {"email": "newemail@example.com"})

    assert (answer.status, answer.json) == (200, {"id": 1, "name": "Alice", "email": "newemail@example.com"})
    assert members.read("/members/1") == answer.json


def test_delete_a_resource(members: Client) -> None:
    """204 without a body, and 404 from then on."""
    answer = members.delete("/members/1")

    assert (answer.status, answer.body) == (204, b"")
    assert members.get("/members/1").error == (404, "No record 1 in members")
    assert members.read("/members")["items"] == [{"id": 2, **BOB}]


def test_with_authentication(start_service: StartService) -> None:
    """The token lets in and names the session; nothing else does, and the health page stays open."""
    service = start_service(LARS_AUTH_TOKEN="your-secret-token")
    owner = service.client(Authorization="Bearer your-secret-token")
    stranger = service.client("my-session")

    assert owner.post("/members/", {"name": "Alice"}).json == {"id": 1, "name": "Alice"}
    assert owner.read("/members/1") == {"id": 1, "name": "Alice"}
    refused = stranger.get("/members/1")
    assert refused.error[0] == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
    wrong = stranger.request("GET", "/members/1", Authorization="Bearer your-secret-tokem")
    assert wrong.status == 401
    assert stranger.get("/healthz").json["status"] == "ok"
    service.stop()
    assert "your-secret-token" not in service.log


def test_without_any_session(service: RunningService) -> None:
    """Neither a session header nor a token: refused in the document's words."""
    answer = service.client().get("/members/1")

    assert answer.error == (400, "Session identifier missing: send an X-Session-ID header.")


def test_health_check(client: Client) -> None:
    """The documented status, and what is healthy."""
    answer = client.get("/healthz")

    assert answer.status == 200
    workers = answer.json["workers"]
    assert workers.keys() == {"ready", "configured", "enforced"}
    assert answer.json == {
        "status": "ok",
        "workers": workers | {"ready": workers["configured"]},
        "data_root": "ok",
        "record": "ok",
    }
