"""`contract.beyond` and `contract.unplanned`, each of their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tests.learning.conftest import start
from tests.learning.test_contract_planning import MODEL, contract
from tests.operations.conftest import ADMIN, AUTH
from tools.simulators import asked, by_route, plan
from tools.simulators.plans import is_about_records

if TYPE_CHECKING:
    from pathlib import Path

    from tests.learning.conftest import StartApi

__all__ = ["start"]

HELLO = plan("/hello", 'REPLY = make_response(200, {"hello": 1})', resource="hello")


async def served(start: StartApi, tmp_path: Path, **settings: Any) -> Any:
    path = tmp_path / "api.json"
    path.write_bytes(orjson.dumps(contract()))
    return await start(by_route({"GET /hello": HELLO}), contract={"file": str(path), **settings})


@pytest.mark.parametrize(
    ("beyond", "hello", "members"),
    [("refuse", (404, ""), 404), ("conventions", (200, "conventions"), 201), ("model", (200, "planned"), 0)],
)
async def test_what_no_operation_is_for(
    start: StartApi, tmp_path: Path, beyond: str, hello: tuple[int, str], members: int
) -> None:
    """Nobody answers it, or conventions do, or whoever would without a contract."""
    api = await served(start, tmp_path, beyond=beyond)
    found = await api.get("/hello")
    inside = await api.post("/orders", {"item": "lamp"})

    assert (found.status, found.headers.get("X-Plan-Source", "")) == hello
    assert (inside.status, inside.headers["X-Plan-Source"]) == (201, "contract")
    assert sum(not is_about_records(asked(each.body)) for each in api.model.requests) == (beyond == "model")
    if members:
        assert (await api.post("/members", {"name": "Ann"})).status == members


@pytest.mark.parametrize(
    ("unplanned", "status", "source"), [("example", 200, "example"), ("refuse", 501, "")]
)
async def test_what_is_not_plain_and_nobody_plans(
    start: StartApi, tmp_path: Path, unplanned: str, status: int, source: str
) -> None:
    """The example answers, or nobody does; what is plain is as ever."""
    path = tmp_path / "api.json"
    path.write_bytes(orjson.dumps(contract()))
    api = await start((), contract={"file": str(path), "unplanned": unplanned}, learn=False)
    made = await api.post("/orders", {"item": "lamp"})
    found = await api.post("/orders/1/cancel")

    assert made.status == 201
    assert (found.status, found.headers.get("X-Plan-Source", "")) == (status, source)
    if unplanned == "example":
        assert found.json["id"] == 1  # as the path says it
    else:
        assert "contract.unplanned" in found.json["detail"]


async def test_diff_names_the_plans_that_become_stale(start: StartApi, tmp_path: Path) -> None:
    """Those that a model wrote for an operation as it was, and no others."""
    path = tmp_path / "api.json"
    path.write_bytes(orjson.dumps(contract()))
    api = await start(by_route(MODEL), contract={"file": str(path)}, auth={"admin_token": ADMIN})
    await api.post("/orders", {"item": "lamp"})
    await api.post("/orders/1/cancel")
    await api.post("/orders/1/ship")
    other = contract()
    other["paths"]["/orders/{id}/cancel"]["post"]["summary"] = "Undo an order"
    changed = await api.ask("POST", "/_meta/sessions/s1/contract/diff", {"document": other}, **AUTH)
    same = await api.ask("POST", "/_meta/contract/diff", {"document": contract()}, **AUTH)

    assert [each["route"] for each in changed.json["plans"]] == ["POST /orders/{order_id:int}/cancel"]
    assert changed.json["changed"] == [
        {
            "operation": "POST /orders/{id}/cancel",
            "changes": [{"what": "is described otherwise", "breaks": False}],
        }
    ]
    assert (changed.json["breaks"], same.json["plans"], same.json["breaks"]) == (False, [], False)
