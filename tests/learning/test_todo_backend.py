"""Todo-Backend by house rules and a scripted model: what its specification (todobackend.com) expects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import pytest
from attrs import frozen

from tools.simulators import by_route, plan

if TYPE_CHECKING:
    from pathlib import Path

    from tests.learning.conftest import Api, StartApi

RULES = """\
This is a Todo-Backend (todobackend.com). A todo has title, order, completed (false unless given) and url, the
absolute address of the todo. DELETE /todos empties the list and answers 204.
"""
SHOWN = "{**rec, \"url\": f\"{ctx['base_url']}/todos/{rec['id']}\"}"
TODOS = {
    "POST /todos": plan(
        "/todos",
        f'rec = store.insert({{"completed": False, **ctx["body_json"]}})\n'
        f"REPLY = make_response(201, {SHOWN})",
        "todos",
    ),
    "GET /todos": plan(
        "/todos", f"REPLY = make_response(200, [{SHOWN} for rec in store.list()[0]])", "todos", query="any"
    ),
    "GET /todos/{id:int}": plan(
        "/todos/{id:int}",
        f'rec = store.get(params["id"])\nif rec is None:\n    abort(404, "no such todo")\n'
        f"REPLY = make_response(200, {SHOWN})",
        "todos",
    ),
    "PATCH /todos/{id:int}": plan(
        "/todos/{id:int}",
        f'rec = store.update(params["id"], ctx["body_json"])\n'
        'if rec is None:\n    abort(404, "no such todo")\n'
        f"REPLY = make_response(200, {SHOWN})",
        "todos",
    ),
    "DELETE /todos/{id:int}": plan(
        "/todos/{id:int}",
        'if not store.delete(params["id"]):\n    abort(404, "no such todo")\nREPLY = make_response(204)',
        "todos",
    ),
    "DELETE /todos": plan("/todos", "store.delete_all()\nREPLY = make_response(204)", "todos"),
}


@frozen
class Todos:
    """A client that knows the root alone, and follows each todo's url."""

    api: Api

    async def ask(self, method: str, url: str = "", body: Any = None) -> Any:
        """What it answers, which must be a success."""
        answer = await self.api.ask(method, url.removeprefix(self.api.service.url) or "/todos", body)
        assert answer.status < 300, answer
        return answer.json if answer.body else None

    async def made(self, **members: Any) -> Any:
        return await self.ask("POST", body={"title": "blah", **members})

    async def listed(self) -> Any:
        return await self.ask("GET")


Expectation = Callable[[Todos], Awaitable[None]]
EXPECTED: Final[dict[str, Expectation]] = {}


def expected(what: str) -> Callable[[Expectation], Expectation]:
    def noted(check: Expectation) -> Expectation:
        EXPECTED[what] = check
        return check

    return noted


@expected("the root answers a GET")
async def _(todos: Todos) -> None:
    assert await todos.listed() == []


@expected("the root answers a POST with the todo")
async def _(todos: Todos) -> None:
    assert (await todos.made(title="a todo"))["title"] == "a todo"


@expected("the root answers a DELETE")
async def _(todos: Todos) -> None:
    await todos.ask("DELETE")


@expected("after a DELETE the root is an empty array")
async def _(todos: Todos) -> None:
    await todos.made()
    await todos.ask("DELETE")
    assert await todos.listed() == []


@expected("a new todo is in the list")
async def _(todos: Todos) -> None:
    await todos.made(title="walk the dog")
    assert [each["title"] for each in await todos.listed()] == ["walk the dog"]


@expected("a new todo is not completed")
async def _(todos: Todos) -> None:
    assert (await todos.made())["completed"] is False
    assert (await todos.listed())[0]["completed"] is False


@expected("a new todo has a url")
async def _(todos: Todos) -> None:
    made = await todos.made()
    assert made["url"].startswith("http")
    assert (await todos.listed())[0]["url"] == made["url"]


@expected("a todo is at its url")
async def _(todos: Todos) -> None:
    made = await todos.made(title="my todo")
    assert (await todos.ask("GET", made["url"]))["title"] == "my todo"


@expected("the list leads to its todos")
async def _(todos: Todos) -> None:
    for title in ("the first", "the second"):
        await todos.made(title=title)
    listed = await todos.listed()
    found = [await todos.ask("GET", each["url"]) for each in listed]
    assert [each["title"] for each in found] == ["the first", "the second"]


@expected("PATCH changes the title")
async def _(todos: Todos) -> None:
    made = await todos.made(title="initial")
    assert (await todos.ask("PATCH", made["url"], {"title": "bathe the cat"}))["title"] == "bathe the cat"


@expected("PATCH completes a todo")
async def _(todos: Todos) -> None:
    made = await todos.made()
    assert (await todos.ask("PATCH", made["url"], {"completed": True}))["completed"] is True


@expected("changes stay, in the todo and in the list")
async def _(todos: Todos) -> None:
    made = await todos.made()
    await todos.ask("PATCH", made["url"], {"title": "changed", "completed": True})
    [listed] = await todos.listed()
    assert listed == await todos.ask("GET", made["url"])
    assert (listed["title"], listed["completed"]) == ("changed", True)


@expected("DELETE removes a todo")
async def _(todos: Todos) -> None:
    made = await todos.made()
    await todos.ask("DELETE", made["url"])
    assert await todos.listed() == []


@expected("a todo can have an order")
async def _(todos: Todos) -> None:
    assert (await todos.made(order=523))["order"] == 523


@expected("PATCH changes the order")
async def _(todos: Todos) -> None:
    made = await todos.made(order=10)
    assert (await todos.ask("PATCH", made["url"], {"order": 95}))["order"] == 95


@expected("the order stays")
async def _(todos: Todos) -> None:
    made = await todos.made(order=10)
    await todos.ask("PATCH", made["url"], {"order": 95})
    assert (await todos.ask("GET", made["url"]))["order"] == 95


@pytest.fixture
async def todos(start: StartApi, tmp_path: Path) -> Todos:
    rules = tmp_path / "rules.md"
    rules.write_text(RULES)
    return Todos(await start(by_route(TODOS), house_rules=str(rules), fallback="none"))


async def test_its_specification_is_met(todos: Todos) -> None:
    """Each expectation on an empty list; and each kind of request is planned once."""
    assert len(EXPECTED) == 16
    for check in EXPECTED.values():
        await todos.ask("DELETE")
        await check(todos)
    assert len(todos.api.model.requests) == len(TODOS)
    assert "Todo-Backend" in str(todos.api.model.requests[0].body)
