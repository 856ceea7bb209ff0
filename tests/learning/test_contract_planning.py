"""Operations that are not plain, and a scripted model: what it is shown, and how often it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from tests.learning.conftest import start
from tools.simulators import asked, by_route, plan
from tools.simulators.plans import is_about_records

if TYPE_CHECKING:
    from pathlib import Path

    from tests.learning.conftest import StartApi

__all__ = ["start"]

ORDER = {
    "type": "object",
    "required": ["id", "item", "status"],
    "properties": {
        "id": {"type": "integer"},
        "item": {"type": "string"},
        "status": {"type": "string", "enum": ["placed", "cancelled"]},
    },
}
NEW = {"type": "object", "required": ["item"], "properties": {"item": {"type": "string"}}}
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}


def content(schema: Any) -> dict[str, Any]:
    return {"description": "", "content": {"application/json": {"schema": schema}}}


def contract(summary: str = "Cancel an order") -> dict[str, Any]:
    one = {"$ref": "#/components/schemas/Order"}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Shop", "version": "1"},
        "paths": {
            "/orders": {
                "post": {
                    "requestBody": {"content": {"application/json": {"schema": NEW}}},
                    "responses": {"201": content(one)},
                }
            },
            "/orders/{id}": {"parameters": [ID], "get": {"responses": {"200": content(one)}}},
            "/orders/{id}/cancel": {
                "parameters": [ID],
                "post": {"summary": summary, "responses": {"200": content(one)}},
            },
            "/orders/{id}/ship": {"parameters": [ID], "post": {"responses": {"200": content(one)}}},
        },
        "components": {"schemas": {"Order": ORDER}},
    }


CODE = (
    'rec = session_store["orders"].update(params["order_id"], {"status": "cancelled"})\n'
    "REPLY = make_response(200, rec)"
)
CANCEL, SHIP = "/orders/{order_id:int}/cancel", "/orders/{order_id:int}/ship"
MODEL = {f"POST {CANCEL}": plan(CANCEL, CODE), f"POST {SHIP}": plan(SHIP, CODE)}


async def served(start: StartApi, tmp_path: Path, **document: str) -> Any:
    path = tmp_path / "api.json"
    path.write_bytes(orjson.dumps(contract(**document)))
    return await start(by_route(MODEL), contract={"file": str(path)})


async def test_one_call_an_operation_that_is_not_plain(start: StartApi, tmp_path: Path) -> None:
    """Creating and reading cost none. The model is shown the operation and its siblings, no value.

    About the records of orders it is asked once, before the first is written.
    """
    api = await served(start, tmp_path)
    made = await api.post("/orders", {"item": "lamp-of-ada"})
    first = await api.post("/orders/1/cancel")
    await api.post("/orders", {"item": "lamp-of-ada"})
    second = await api.post("/orders/2/cancel")
    shown = str(api.model.requests[1].body)

    assert (made.status, made.json) == (201, {"id": 1, "item": "lamp-of-ada", "status": "placed"})
    assert (first.status, first.json["status"]) == (200, "cancelled")
    assert (second.status, second.json["id"]) == (200, 2)
    assert api.calls == 2
    assert is_about_records(asked(api.model.requests[0].body))
    assert "POST /orders/{id}/cancel" in shown
    assert "Cancel an order" in shown
    assert "create: POST /orders" in shown
    assert "lamp-of-ada" not in shown


async def test_a_changed_operation_alone_is_asked_about_again(start: StartApi, tmp_path: Path) -> None:
    api = await served(start, tmp_path)
    await api.post("/orders", {"item": "a"})
    await api.post("/orders/1/cancel")
    await api.post("/orders/1/ship")
    before = api.calls
    await api.service.close()
    later = await served(start, tmp_path, summary="Cancel it, and say so")
    await later.post("/orders/1/ship")
    unchanged = later.calls
    await later.post("/orders/1/cancel")

    assert before == 3
    assert (unchanged, later.calls) == (0, 1)
