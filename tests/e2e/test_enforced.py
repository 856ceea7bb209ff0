"""`schema.enforce` as clients meet it, and as it is when it is off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.client import Client
    from tests.e2e.conftest import StartService


@pytest.fixture
def client(start_service: StartService, tmp_path: Path) -> Client:
    (tmp_path / "settings.toml").write_text("[schema]\nenforce = true\n")
    client = start_service(LARS_CONFIG=str(tmp_path / "settings.toml")).client("s1")
    client.create("/members", {"name": "Alice", "age": 30})
    return client


def test_every_misfit_is_pointed_at(client: Client) -> None:
    """By all ways to write; nothing of a refused request is stored."""
    wrong = {"name": None, "age": "old", "new": 1}
    pointers = {"/name": "null where string was learned", "/age": "string where integer was learned"}
    single = [
        client.post("/members", wrong),
        client.put("/members/1", wrong),
        client.patch("/members/1", wrong),
    ]
    batch = client.post("/members", [{"age": 5}, wrong])

    for answer in single:
        assert answer.error[0] == 422
        assert answer.json["type"] == "/_meta/problems/type-mismatch"
        assert {each["pointer"]: each["detail"] for each in answer.json["errors"]} == pointers
    assert [each["pointer"] for each in batch.json["errors"]] == ["/1/name", "/1/age"]
    assert client.read("/members")["items"] == [{"id": 1, "name": "Alice", "age": 30}]
    assert client.get("/_meta/problems/type-mismatch").status == 200


def test_what_fits_is_written(client: Client) -> None:
    assert client.patch("/members/1", {"age": 31, "new": None}).json == {
        "id": 1,
        "name": "Alice",
        "age": 31,
        "new": None,
    }
    assert client.patch("/members/1", {"new": 1}).error[0] == 422
