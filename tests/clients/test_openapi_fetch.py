"""A page of TypeScript on openapi-fetch, with types that openapi-typescript makes of a session's document."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.clients.conftest import HERE
from tests.e2e.shop import open_shop

if TYPE_CHECKING:
    from tests.clients.conftest import Node
    from tests.e2e.conftest import StartService

pytestmark = pytest.mark.clients
TOKEN = "the-token-of-the-shop"


def test_a_page_of_typescript(node: Node, start_service: StartService) -> None:
    """It compiles strictly and runs: the session is said once, records and ids have their types."""
    service = start_service(LARS_AUTH_TOKEN=TOKEN)
    client = service.client("shop", Authorization=f"Bearer {TOKEN}")
    open_shop(client)
    client.create("/members", {"name": "Ann", "age": 40, "email": "ann@example.com", "tags": []})
    (node.directory / "openapi.json").write_bytes(client.get("/openapi.json?types=learned").body)
    for name in ("page.ts", "tsconfig.json"):
        shutil.copy(HERE / name, node.directory)
    node.run("openapi-typescript", "openapi.json", "--output", "shop.d.ts")
    node.run("tsc", "--project", ".")
    printed = node.run("node", "page.js", service.url, TOKEN)

    assert json.loads(printed) == {
        "names": ["Bob"],
        "age": 26,
        "stale": 412,
        "quantities": 2,
        "removed": 204,
        "missing": "Not Found",
    }
