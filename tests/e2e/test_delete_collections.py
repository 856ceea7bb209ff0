"""DELETE of a collection, where the settings allow it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import StartService


def test_off_by_default(start_service: StartService) -> None:
    """A 405 that names the setting."""
    client = start_service().client("s1")
    client.create("/orders", [{"status": "open"}, {"status": "paid"}, {"status": "paid"}])
    refused = client.delete("/orders")

    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, POST, OPTIONS")
    assert "conventions.delete_collections" in refused.json["detail"]


def test_when_it_is_on(start_service: StartService, tmp_path: Path) -> None:
    """A filter tells what is deleted; what is no filter is refused."""
    file = tmp_path / "on.toml"
    file.write_text("[conventions]\ndelete_collections = true\n")
    client = start_service(LARS_CONFIG=str(file)).client("s1")
    client.create("/orders", [{"status": "open"}, {"status": "paid"}, {"status": "paid"}])

    assert client.delete("/orders?limit=1").error == (400, "limit: what is deleted is told by filters alone.")
    assert client.delete("/orders?status=paid").json == {"deleted": 2}
    assert client.read("/orders/count") == {"count": 1}
    assert "DELETE" in client.request("OPTIONS", "/orders").headers["allow"]
