"""A session with a contract is ejected with it: routes, checks, errors, and tests of its own that pass."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from guest.reply import abort, make_response
from server.contracts.reading import read_file
from tests.e2e.contracts import DOCUMENTS
from tests.eject.conftest import ejected, run
from tests.learning.conftest import start
from tests.operations.conftest import ADMIN, AUTH
from tools.ejected.contracted import edge_of
from tools.ejected.routing import Routes
from tools.ejected.serving import make_app
from tools.simulators import by_route

if TYPE_CHECKING:
    from pathlib import Path

    from tests.learning.conftest import StartApi

__all__ = ["start"]


@pytest.mark.parametrize("name", [pytest.param("orders.json", marks=pytest.mark.more), "calls.yaml"])
async def test_its_own_tests_pass(start: StartApi, tmp_path: Path, name: str) -> None:
    """In a project that has nothing of ours in its path; the document is in it as it was."""
    api = await start(by_route({}), auth={"admin_token": ADMIN})
    document = dict(read_file(DOCUMENTS / name).raw)
    body = {"name": name, "document": document}
    told = await api.ask("PUT", "/_meta/sessions/s1/contract", body, **AUTH)
    assert told.status == 200, told
    project = await ejected(api, tmp_path / "app")
    ran = run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    exchanges = json.loads((project / "tests" / "exchanges.json").read_text("utf-8"))

    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr
    assert json.loads((project / "openapi.json").read_text("utf-8")) == document
    assert sum(each["status"] < 300 for each in exchanges) > len(exchanges) / 2, exchanges


async def test_what_a_model_has_said_of_records_goes_along(start: StartApi, tmp_path: Path) -> None:
    """As words of the document, so that the project's records are as the service's."""
    said = {
        "initial": [{"field": "status", "value": '"shipped"'}],
        "unique": [{"fields": ["item"]}],
        "derived": [{"field": "slug", "way": "slug", "of": ["item"], "between": ""}],
    }
    api = await start(by_route({}, records={"orders": said}), auth={"admin_token": ADMIN})
    body = {"name": "shop.json", "document": SHOP}
    assert (await api.ask("PUT", "/_meta/sessions/s1/contract", body, **AUTH)).status == 200
    made = await api.post("/orders", {"item": "A Lamp"})
    project = await ejected(api, tmp_path / "app")
    ran = run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    told = json.loads((project / "openapi.json").read_text("utf-8"))["x-metaservice"]

    assert (made.json["status"], made.json["slug"]) == ("shipped", "a-lamp")
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr
    assert told["collections"]["orders"] == {
        "initial": {"status": "shipped"},
        "unique": [["item"]],
        "derived": {"slug": {"way": "slug", "of": ["item"], "between": ""}},
    }


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "", "content": {"application/json": {"schema": schema}}}


_TEXT = {"type": "string"}
_STATUS = {"type": "string", "enum": ["placed", "shipped"]}
_ORDER = {
    "type": "object",
    "required": ["id", "item", "status"],
    "properties": {"id": {"type": "integer"}, "item": _TEXT, "status": _STATUS, "slug": _TEXT},
}
_NEW = {"type": "object", "required": ["item"], "properties": {"item": _TEXT}}
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
SHOP: dict[str, Any] = {
    "openapi": "3.0.0",
    "info": {"title": "Shop", "version": "1"},
    "paths": {
        "/orders": {"post": {"requestBody": _content(_NEW), "responses": {"201": _content(_ORDER)}}},
        "/orders/{id}": {"parameters": [_ID], "get": {"responses": {"200": _content(_ORDER)}}},
    },
}


HANDLERS = Routes("orders")


@HANDLERS.route("POST", "/orders")
def _make(store: Any) -> Any:
    """As somebody has edited it."""
    store.insert({"item": "kept", "status": "placed"})
    return make_response(201, {"id": "no number", "item": "lamp"})


@HANDLERS.route("GET", "/orders/{id}")
def _read(store: Any, params: Any) -> Any:
    return make_response(200, store.get(params["id"])) if store.exists(params["id"]) else abort(404)


@pytest.mark.parametrize(("replies", "statuses"), [("", [201, 200]), ("enforce", [500, 404])])
async def test_a_handler_s_reply_is_checked(
    replies: str, statuses: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What breaks the document is told by place, or it is no reply, and nothing of it is kept."""
    monkeypatch.setenv("CONTRACT_REPLIES", replies)
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(SHOP))
    app = make_app(HANDLERS, tmp_path / "data", session="s1", edge_of=edge_of(file))
    async with TestClient(TestServer(app)) as client:
        made = await client.post("/orders", json={"item": "lamp"}, headers={"Host": "localhost"})
        read = await client.get("/orders/1", headers={"Host": "localhost"})

    assert [made.status, read.status] == statuses
    assert made.headers.get("X-Contract-Violations") == (None if replies else "# required; /id type")
    assert "X-Contract-Violations" not in read.headers
