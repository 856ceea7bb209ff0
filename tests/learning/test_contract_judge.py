"""Plans of a contract's operations and a scripted model: judged on trial, mended, reported, and who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tests.learning.conftest import start
from tools.simulators import Answer as Scripted
from tools.simulators import by_route, plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.learning.conftest import StartApi

__all__ = ["start"]


def content(schema: Any) -> dict[str, Any]:
    return {"description": "", "content": {"application/json": {"schema": schema}}}


TOTAL = {
    "type": "object",
    "required": ["total", "by"],
    "properties": {
        "total": {"type": "integer"},
        "by": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
}
USER = {
    "type": "object",
    "required": ["user"],
    "properties": {
        "user": {"type": "object", "properties": {"name": {"type": "string"}, "token": {"type": "string"}}}
    },
}
CONTRACT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Totals", "version": "1"},
    "paths": {
        "/orders/{id}/settle": {
            "post": {
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                "responses": {"200": content(TOTAL)},
            }
        },
        "/users/login": {
            "post": {
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                "responses": {"200": content(USER)},
            }
        },
        "/whoami/check": {
            "post": {
                "security": [{"key": []}],
                "responses": {"200": content({"type": "object"}), "401": content({"type": "object"})},
            }
        },
    },
    "components": {
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "Authorization"}},
        "schemas": {},
    },
}

SETTLE = "/orders/{id:int}/settle"
BAD = plan(
    SETTLE,
    'store.insert({"n": 1})\nREPLY = make_response(200, {"total": "7", "by": {ctx["body_json"]["a"]: "x"}})',
)
GOOD = plan(SETTLE, 'store.insert({"n": 1})\nREPLY = make_response(200, {"total": store.count(), "by": {}})')
LOGIN = plan(
    "/users/login",
    'name = ctx["body_json"]["name"]\n'
    'REPLY = make_response(200, {"user": {"name": name, "token": new_token()}})',
)
WHO = plan("/whoami/check", 'REPLY = make_response(200, {"who": ctx["identity"]})')


@pytest.fixture
def served(start: StartApi, tmp_path: Path) -> Callable[..., Any]:
    """`served(script, replies="enforce")`: a service of the contract."""
    path = tmp_path / "api.json"
    path.write_bytes(orjson.dumps(CONTRACT))

    async def of(script: Any, **settings: Any) -> Any:
        return await start(script, contract={"file": str(path), **settings})

    return of


async def test_a_bad_reply_on_trial_is_mended(served: Callable[..., Any]) -> None:
    """The model is told pointer and keyword, no value and nobody's name; nothing of it was kept."""
    api = await served([Scripted(BAD), Scripted(GOOD)])
    answer = await api.post("/orders/1/settle", {"a": "secret-name"})
    again = await api.post("/orders/2/settle", {"a": "secret-name"})
    complaint = str(api.model.requests[1].body)

    assert (answer.status, answer.json) == (200, {"total": 1, "by": {}})
    assert (again.status, again.json["total"]) == (200, 2)
    assert api.calls == 2
    assert "/total: type: it has to be of type integer" in complaint
    assert "/by/*: type" in complaint
    assert "secret-name" not in complaint


async def test_a_reply_that_stays_bad_is_none(served: Callable[..., Any]) -> None:
    """It is not learned, and nothing of it is kept."""
    api = await served([Scripted(BAD)] * 2 + [Scripted(GOOD)])
    answer = await api.post("/orders/1/settle", {"a": "secret-name"})
    later = await api.post("/orders/1/settle", {"a": "secret-name"})

    assert answer.status == 500
    assert answer.json["type"].endswith("contract-broken")
    assert {each["pointer"] for each in answer.json["errors"]} == {"/total", "/by/*"}
    assert (later.status, later.json["total"]) == (200, 1)


TURNING = plan(
    SETTLE,
    'total = store.count()\nstore.insert({"n": 1})\n'
    'REPLY = make_response(200, {"total": total if total < 2 else "many", "by": {}})',
)


@pytest.mark.parametrize("replies", ["report", "enforce"])
async def test_a_learned_plan_that_turns_bad(served: Callable[..., Any], replies: str) -> None:
    """Later it is reported, in the log and in a header, and the client has it; or, if enforced, mended."""
    api = await served([Scripted(TURNING), Scripted(GOOD)], replies=replies)
    for _ in range(2):
        await api.post("/orders/1/settle", {})
    answer = await api.post("/orders/1/settle", {})

    assert answer.status == 200
    if replies == "report":
        assert answer.json == {"total": "many", "by": {}}
        assert answer.headers["X-Contract-Violations"] == "/total type"
        assert api.calls == 1
    else:
        assert answer.json == {"total": 3, "by": {}}
        assert "X-Contract-Violations" not in answer.headers
        assert api.calls == 2


async def test_workers_that_were_replaced_judge_as_well(served: Callable[..., Any]) -> None:
    """A new worker is told the schemas again."""
    api = await served([Scripted(TURNING)])
    for _ in range(2):
        await api.post("/orders/1/settle", {})
    api.kill_workers()
    answer = await api.post("/orders/1/settle", {})

    assert answer.headers["X-Contract-Violations"] == "/total type"


async def test_a_token_that_was_handed_out_is_who_it_was_handed_to(served: Callable[..., Any]) -> None:
    """In the session where it was; a credential that nobody has handed out is an identity all the same."""
    api = await served(by_route({"POST /users/login": LOGIN, "POST /whoami/check": WHO}))
    token = (await api.post("/users/login", {"name": "ada", "password": "x"})).json["user"]["token"]
    other = (await api.post("/users/login", {"name": "ada", "password": "x"})).json["user"]["token"]
    ada, again, stranger = [
        (await api.ask("POST", "/whoami/check", Authorization=f"Token {each}")).json["who"]
        for each in (token, other, "made-up-token")
    ]
    elsewhere = await api.ask("POST", "/whoami/check", session="s2", Authorization=f"Token {token}")

    assert token != other
    assert ada == again
    assert (ada["user"], ada["claims"]) == ("ada", {"name": "ada"})
    assert (stranger["user"], stranger["claims"]) == (None, {})
    assert elsewhere.json["who"]["claims"] == {}
    assert (await api.post("/whoami/check")).status == 401
    assert token not in str([each.body for each in api.model.requests])
