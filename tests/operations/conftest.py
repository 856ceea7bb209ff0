"""The operators' interface of a real service, with a simulated model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.learning.conftest import Api, start
from tests.learning.plans import CREATE, GET, LIST, UPDATE
from tools.simulators import by_route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.learning.conftest import Answer, StartApi
    from tools.simulators import Script

    Operate = Callable[..., Awaitable["Operator"]]

__all__ = ["start"]

ADMIN = "admin-token-for-tests"
AUTH = {"Authorization": f"Bearer {ADMIN}"}

MEMBERS = {
    "POST /members": CREATE,
    "GET /members": LIST,
    "GET /members/{id:int}": GET,
    "PATCH /members/{id:int}": UPDATE,
}


class Operator:
    """Asks below `/_meta` with the admin token."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        return await self.api.ask(method, f"/_meta{path}", body, **{**AUTH, **headers})

    async def get(self, path: str) -> Any:
        answer = await self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.json

    async def do(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.ask(method, path, body)
        assert answer.status == 200, answer
        return answer.json

    async def refused(self, status: int, method: str, path: str, body: Any = None) -> Any:
        answer = await self.ask(method, path, body)
        assert answer.status == status, answer
        return answer.json

    async def plan_of(self, method: str, route: str) -> Any:
        plans = (await self.get("/plans"))["plans"]
        (found,) = [plan for plan in plans if (plan["method"], plan["route"]) == (method, route)]
        return found


@pytest.fixture
def operate(start: StartApi) -> Operate:
    """`operate(script, learn=False, ...)`: the operator of a service that `start` starts."""

    async def of(script: Script, **options: Any) -> Operator:
        return Operator(await start(script, auth={"admin_token": ADMIN}, **options))

    return of


@pytest.fixture
async def operator(operate: Operate) -> Operator:
    """Of a service whose session s1 has learned to create members and to get one, and has one."""
    operator = await operate(by_route(MEMBERS))
    assert (await operator.api.post("/members", {"name": "Ada"})).status == 201
    assert (await operator.api.get("/members/1")).status == 200
    return operator
