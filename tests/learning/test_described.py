"""A learned route in the session's OpenAPI document: what is said of it is what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from tests.e2e.described import Document
from tests.learning.plans import CREATE, GET, UPDATE
from tools.simulators import by_route, plan

if TYPE_CHECKING:
    from tests.learning.conftest import Answer, Api, StartApi
    from tools.simulators import Simulator

CANCEL = plan(
    "/orders/{order_id:int}/cancel",
    'rec = session_store["orders"].get(params["order_id"])\n'
    "if rec is None:\n"
    '    abort(404, "no such order")\n'
    'if rec.get("status") == "cancelled":\n'
    '    abort(409, "cancelled already")\n'
    'rec = session_store["orders"].update(rec["id"], {"status": "cancelled"})\n'
    "REPLY = make_response(202, rec)",
    resource="orders",
)
ORDER = plan("/orders", 'REPLY = make_response(201, store.insert(ctx["body_json"]))', resource="orders")
BY_EMAIL = plan(
    "/members/{email:text}",
    'found = store.search({"email": params["email"]})\n'
    "if not found:\n"
    '    abort(404, "nobody has it")\n'
    "REPLY = make_response(200, found[0])",
)
PLANS = {
    "POST /members": CREATE,
    "GET /members/{id:int}": GET,
    "GET /members/{id:text}": BY_EMAIL,
    "PATCH /members/{id:int}": UPDATE,
    "POST /orders": ORDER,
    "POST /orders/{order_id:int}/cancel": CANCEL,
}


async def described(api: Api, session: str = "s1") -> Document:
    return Document((await api.get("/openapi.json", session)).json)


def operations(document: Document) -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, item in document.content["paths"].items() for method in item}


async def learn(api: Api) -> None:
    """All of `PLANS` but the one by e-mail address."""
    for method, target, body in (
        ("POST", "/members", {"name": "Alice", "email": "alice@example.com"}),
        ("GET", "/members/1", None),
        ("PATCH", "/members/1", {"age": 30}),
        ("POST", "/orders", {"item": "lamp"}),
        ("POST", "/orders/1/cancel", None),
    ):
        assert (await api.ask(method, target, body)).source == "planned"


async def test_a_document_says_what_was_learned_and_no_more(start: StartApi, wire: type[Simulator]) -> None:
    """In this session, at this time; what the model refused is not there, nor what is in other sessions."""
    api = await start(by_route(PLANS), wire=wire, fallback="none")
    before = operations(await described(api))
    await learn(api)
    refused = await api.get("/reports/revenue")
    after = operations(await described(api))

    assert (before, refused.status) == (set(), 502)
    assert after == {
        ("POST", "/members"),
        ("GET", "/members/{id}"),
        ("PATCH", "/members/{id}"),
        ("POST", "/orders"),
        ("POST", "/orders/{order_id}/cancel"),
    }
    assert operations(await described(api, "other")) == set()


async def test_requests_made_of_the_document_are_answered_as_it_says(start: StartApi) -> None:
    """By the learned plans: the model is not asked again, and after a restart there is none to be asked."""
    api = await start(by_route(PLANS), fallback="none")
    await learn(api)
    calls = api.calls
    document = await described(api)
    for method, path in sorted(operations(document)):
        answer = await ask_as_described(api, document, method, path)
        assert answer.source == "learned", (method, path, answer)
    assert api.calls == calls
    await api.service.close()
    later = await start([], fallback="none")
    again = await described(later)

    assert again.content["paths"] == document.content["paths"]
    assert (await ask_as_described(later, again, "POST", "/orders/{order_id}/cancel")).status == 409


async def ask_as_described(api: Api, document: Document, method: str, path: str) -> Answer:
    """Send what the document has as example, ask for what is 1, and hold the answer against it."""
    content = document.operation(method, path).get("requestBody", {}).get("content", {})
    body: Any = content["application/json"]["example"] if content else None
    target = path.replace("{id}", "1").replace("{order_id}", "1")
    answer = await api.ask(method, target, body)
    document.check(method, path, answer.status, answer.headers, answer.body)
    return answer


async def test_two_learned_routes_at_one_path(start: StartApi) -> None:
    """Both kinds of slots are told, and the answers of both are."""
    api = await start(by_route(PLANS))
    await learn(api)
    assert (await api.get("/members/alice@example.com")).source == "planned"
    document = await described(api)
    slot = document.parameters("GET", "/members/{id}")["id"]["schema"]

    assert {each["type"] for each in slot["anyOf"]} == {"integer", "string"}
    for target in ("1", "9", "alice@example.com", "bob@example.com"):
        answer = await api.get(f"/members/{target}")
        document.check("GET", "/members/{id}", answer.status, answer.headers, answer.body)


async def test_what_the_service_adds_to_a_plan_is_described(start: StartApi) -> None:
    """Conditions, keys and preferences, which the plans know nothing of."""
    api = await start(by_route(PLANS))
    await learn(api)
    document = Document((await api.get("/openapi.json?types=learned", "s1")).json)
    tag = (await api.get("/members/1")).headers["Etag"]
    asked: list[tuple[str, str, Any, dict[str, str], int]] = [
        ("GET", "/members/{id}", None, {"If_None_Match": tag}, 304),
        ("PATCH", "/members/{id}", {"age": 1}, {"If_Match": '"other"'}, 412),
        ("PATCH", "/members/{id}", {"age": 1}, {"If_Match": tag, "Prefer": "return=minimal"}, 204),
        ("POST", "/members", {"name": "Bob", "email": "b"}, {"Idempotency_Key": "k"}, 201),
        ("POST", "/members", {"name": "Bob", "email": "b"}, {"Idempotency_Key": "k"}, 201),
    ]
    for method, path, body, headers, status in asked:
        answer = await api.ask(method, path.replace("{id}", "1"), body, **headers)
        assert answer.status == status, answer
        assert {name.replace("_", "-") for name in headers} <= document.parameters(method, path).keys()
        document.check(method, path, answer.status, answer.headers, answer.body)


async def test_no_value_is_in_it(start: StartApi) -> None:
    """Of what was asked, stored or answered."""
    api = await start(by_route(PLANS))
    await learn(api)
    text = orjson.dumps((await described(api)).content)

    assert not any(value in text for value in (b"Alice", b"alice@example.com", b"lamp", b"cancelled already"))
