"""Twenty plans that were written from the prompt's text alone, served in the real guest (tests/data)."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen

from tests.sandbox.served import Api, shows_the_request
from tests.unit.server.planning.requests import NO_BODY, a_request
from tests.unit.server.planning.worked import worked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.values.model import ContentKind, Method
    from tests.sandbox.conftest import Sandbox

ANSWERS = worked(Path(__file__).parent.parent / "data" / "twenty_answers.md")


@frozen
class Ask:
    """A request, and what has to come back: a status, and members of the body, or the whole of a list."""

    method: Method
    path: str
    status: int
    shows: Any = None
    body: Any = NO_BODY
    query: Mapping[str, str] = MappingProxyType({})
    token: str = ""
    content: ContentKind | None = None


def a_stay(start: str, end: str) -> dict[str, Any]:
    return {"room_id": 1, "from": start, "to": end}


#: Records by collection, and requests in order; the first is of the kind that was planned.
CASES: dict[str, tuple[dict[str, list[dict[str, Any]]], list[Ask]]] = {
    "Register a member": (
        {},
        [
            Ask("POST", "/members", 201, {"id": 1, "name": "Ann"}, {"name": "Ann", "email": "a@b"}),
            Ask("POST", "/members", 201, {"id": "m-7"}, {"id": "m-7", "name": "Bob"}),
            Ask("POST", "/members", 409, None, {"id": "m-7", "name": "Cid"}),
            Ask("POST", "/members", 201, {"id": 2}, {"id": "", "name": "Dan"}),
            Ask("POST", "/members", 201, [{"id": 3}, {"id": 4}], [{"name": "E"}, {"name": "F"}]),
            Ask("POST", "/members", 422, None, "no object"),
        ],
    ),
    "An article by its name": (
        {"articles": [{"slug": "how-to-bake"}, {"slug": "bread-2"}]},
        [
            Ask("GET", "/articles/how-to-bake", 200, {"id": 1}),
            Ask("GET", "/articles/bread-2", 200, {"id": 2}),
            Ask("GET", "/articles/none", 404),
        ],
    ),
    "Log in": (
        {"users": [{"email": "a@b", "password": "no hash"}]},
        [
            Ask("POST", "/sessions", 401, None, {"email": "a@b", "password": "x"}),
            Ask("POST", "/sessions", 401, None, {"email": "c@d", "password": "x"}),
            Ask("POST", "/sessions", 422, None, {"email": "a@b"}),
            Ask("POST", "/sessions", 422, None, {"email": "a@b", "password": 7}),
        ],
    ),
    "Who am I": (
        {"users": [{"email": "a@b", "token": "t1", "password": "p"}]},
        [
            Ask("GET", "/me", 200, {"id": 1, "email": "a@b", "token": None}, token="Token t1"),
            Ask("GET", "/me", 401, token="Bearer t1"),
            Ask("GET", "/me", 401),
        ],
    ),
    "Lend a book": (
        {"books": [{"title": "x"}]},
        [
            Ask("POST", "/loans", 201, {"due_on": "2026-03-07"}, {"book_id": 1, "lent_on": "2026-02-21"}),
            Ask("POST", "/loans", 201, {"due_on": "2024-03-14"}, {"book_id": 1, "lent_on": "2024-02-29"}),
            Ask("POST", "/loans", 422, None, {"book_id": 1, "lent_on": "soon"}),
            Ask("POST", "/loans", 422, None, {"book_id": 9, "lent_on": "2026-02-21"}),
        ],
    ),
    "Book a room": (
        {"rooms": [{"price": 80.5}]},
        [
            Ask("POST", "/bookings", 201, {"total": 161}, a_stay("2026-02-27", "2026-03-01")),
            Ask("POST", "/bookings", 409, None, a_stay("2026-02-28", "2026-03-02")),
            Ask("POST", "/bookings", 201, {"total": 80.5}, a_stay("2026-03-01", "2026-03-02")),
            Ask("POST", "/bookings", 422, None, a_stay("2026-04-02", "2026-04-01")),
            Ask("POST", "/bookings", 422, None, a_stay("2026-04-31", "2026-05-02")),
        ],
    ),
    "Filter by JSON in the query": (
        {"tickets": [{"status": "open", "priority": 1}, {"status": "done", "priority": 3}]},
        [
            Ask("GET", "/tickets/export", 200, [{"id": 2}], query={"filter": '{"priority__gte": 2}'}),
            Ask("GET", "/tickets/export", 200, [], query={"filter": '{"status": []}'}),
            Ask("GET", "/tickets/export", 400, query={"filter": "{priority: 2}"}),
            Ask("GET", "/tickets/export", 400, query={"filter": "[1]"}),
        ],
    ),
    "Cancel an order": (
        {
            "products": [{"stock": 1}],
            "orders": [
                {"status": "open", "lines": [{"product_id": 1, "quantity": 2}]},
                {"status": "shipped"},
            ],
        },
        [
            Ask("POST", "/orders/1/cancel", 200, {"status": "cancelled"}),
            Ask("POST", "/orders/1/cancel", 409),
            Ask("POST", "/orders/2/cancel", 409),
            Ask("POST", "/orders/3/cancel", 404),
        ],
    ),
    "The best customers": (
        {
            "customers": [{"name": "Ann"}, {"name": "Bob"}, {"name": "Abe"}],
            "orders": [
                {"customer_id": 1, "total": 0.1},
                {"customer_id": "1", "total": 0.2},
                {"customer_id": 2, "total": 5, "status": "cancelled"},
                {"customer_id": 2, "total": 0.3},
                {"customer_id": 3, "total": 0.3},
            ],
        },
        [
            Ask("GET", "/reports/top-customers", 200, [{"total": 0.3, "customer": {"id": 3, "name": "Abe"}}],
                query={"limit": "1"}),
            Ask("GET", "/reports/top-customers", 200, [{"total": 0.3}] * 3),
            Ask("GET", "/reports/top-customers", 400, query={"limit": "few"}),
        ],
    ),
    "Members with their orders": (
        {"members": [{"name": "Ann"}], "orders": [{"memberId": 1}, {"memberId": "1"}, {"memberId": 2}]},
        [
            Ask("GET", "/members", 200, {"items": [{"id": 1, "orders": [{"id": 1}, {"id": 2}]}]},
                query={"embed": "orders"}),
            Ask("GET", "/members", 200, {"items": [{"id": 1, "name": "Ann"}], "page": {"total": 1}}),
            Ask("GET", "/members", 400, query={"embed": "order"}),
        ],
    ),
    "Change part of a document": (
        {"profiles": [{"address": {"city": "Rome", "zip": "1"}}]},
        [
            Ask("PATCH", "/profiles/1", 200, {"address": {"zip": "1"}}, {"address": {"city": None}},
                content="merge-patch"),
            Ask("PATCH", "/profiles/2", 404, None, {}, content="merge-patch"),
        ],
    ),
    "Transfer money": (
        {"accounts": [{"balance": 20}, {"balance": 1.1}]},
        [
            Ask("POST", "/transfers", 201, {"amount": 10.5}, {"from": 1, "to": 2, "amount": 10.5}),
            Ask("POST", "/transfers", 409, None, {"from": 1, "to": 2, "amount": 10.5}),
            Ask("POST", "/transfers", 422, None, {"from": 1, "to": 1, "amount": 1}),
            Ask("POST", "/transfers", 422, None, {"from": 1, "to": 9, "amount": 1}),
            Ask("POST", "/transfers", 422, None, {"from": 1, "to": 2, "amount": "1"}),
            Ask("POST", "/transfers", 422, None, {"from": 1, "to": 2}),
        ],
    ),
    "Follow a short link": (
        {"links": [{"code": "aB3x9", "target": "https://example.com"}]},
        [
            Ask("POST", "/aB3x9", 200, {"url": "https://example.com", "visits": 1}),
            Ask("POST", "/aB3x9", 200, {"visits": 2}),
            Ask("POST", "/aB3x0", 404),
        ],
    ),
    "Like a post": (
        {"users": [{"token": "t1"}, {"token": "t2"}], "posts": [{"title": "x"}]},
        [
            Ask("POST", "/posts/1/like", 200, {"liked_by": [1]}, token="Token t1"),
            Ask("POST", "/posts/1/like", 200, {"liked_by": [1]}, token="Token t1"),
            Ask("POST", "/posts/1/like", 200, {"liked_by": [1, 2]}, token="Token t2"),
            Ask("POST", "/posts/2/like", 404, token="Token t2"),
            Ask("POST", "/posts/1/like", 401),
        ],
    ),
    "The feed": (
        {
            "users": [{"token": "t1"}, {"token": "t2"}],
            "follows": [{"follower_id": 1, "followed_id": 2}, {"follower_id": 2, "followed_id": 3}],
            "posts": [
                {"user_id": 2, "created_at": "2026-01-01"},
                {"user_id": "2", "created_at": "2026-01-02"},
                {"user_id": 1, "created_at": "2026-01-03"},
            ],
        },
        [
            Ask("GET", "/feed", 200, {"items": [{"id": 2}, {"id": 1}]}, token="Token t1"),
            Ask("GET", "/feed", 200, {"items": []}, token="Token t2"),
            Ask("GET", "/feed", 401),
        ],
    ),
    "Put the settings": (
        {},
        [
            Ask("PUT", "/settings", 201, {"theme": "dark"}, {"theme": "dark"}),
            Ask("PUT", "/settings", 200, {"theme": "light"}, {"theme": "light"}),
            Ask("PUT", "/settings", 422, None, [1]),
        ],
    ),
    "Take an item out of a cart": (
        {"carts": [{"items": [{"sku": "KX-1", "quantity": 2}, {"sku": "KX-2", "quantity": 1}]}]},
        [
            Ask("DELETE", "/carts/1/items/KX-1", 204),
            Ask("DELETE", "/carts/1/items/KX-1", 404),
            Ask("DELETE", "/carts/2/items/KX-1", 404),
        ],
    ),
    "Search two collections": (
        {
            "articles": [{"title": "Al in Rome"}, {"title": "Bread"}],
            "users": [{"username": "romeo", "password": "p", "token": "t"}],
        },
        [
            Ask("GET", "/search", 200,
                {"articles": [{"id": 1}], "users": [{"id": 1, "username": "romeo", "token": None}]},
                query={"q": "ROME"}),
            Ask("GET", "/search", 400, query={"q": ""}),
        ],
    ),
    "Check a coupon": (
        {
            "coupons": [
                {"code": "HALF", "percent": 50, "valid_until": None},
                {"code": "OLD", "percent": 5, "valid_until": "2020-01-01T00:00:00Z"},
            ]
        },
        [
            Ask("POST", "/coupons/check", 200, {"percent": 50, "code": "HALF"}, {"code": "half"}),
            Ask("POST", "/coupons/check", 409, None, {"code": "OLD"}),
            Ask("POST", "/coupons/check", 422, None, {"code": "NONE"}),
            Ask("POST", "/coupons/check", 422, None, {"code": "*"}),
            Ask("POST", "/coupons/check", 422, None, {}),
        ],
    ),
    "Some fields of tickets": (
        {
            "tickets": [
                {"title": "a", "status": "open", "created_at": "2026-01-01"},
                {"title": "b", "status": "open", "created_at": "2026-01-02"},
                {"title": "c", "status": "done", "created_at": "2026-01-03"},
            ]
        },
        [
            Ask("GET", "/tickets", 200, {"items": [{"title": "b", "status": None}, {"title": "a"}]},
                query={"fields": "title", "sort": "-created_at", "status": "open"}),
            Ask("GET", "/tickets", 200, {"items": [{"id": 2}], "page": {"total": 3}},
                query={"limit": "1", "offset": "1"}),
            Ask("GET", "/tickets", 400, query={"limit": "many"}),
        ],
    ),
}  # fmt: skip


def holds(found: Any, expected: Any) -> bool:
    """Whether a body shows all that is expected; None: is not there, or null."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(
            holds(found.get(name), each) for name, each in expected.items()
        )
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(holds, found, expected))
    return bool(found == expected)


def asked(ask: Ask) -> dict[str, Any]:
    headers = {"authorization": ask.token} if ask.token else {}
    more: dict[str, Any] = {} if ask.content is None else {"content": ask.content}
    return {"body": ask.body, "query": dict(ask.query), "headers": headers, **more}


def wrong(api: Api, title: str) -> list[str]:
    """What is not as it should be; nothing for an answer that is right."""
    records, asks = CASES[title]
    for collection, given in records.items():
        api.seed(collection, *given)
    found = []
    for ask in asks:
        status, body, _ = api(title, ask.method, ask.path, **asked(ask))
        if status != ask.status or not (ask.shows is None or holds(body, ask.shows)):
            found.append(f"{ask.method} {ask.path} {ask.body}: {status} {body}")
    return found


def test_there_are_twenty() -> None:
    assert len(CASES) == 20
    assert CASES.keys() == ANSWERS.keys()


@pytest.mark.parametrize("title", CASES)
def test_an_answer_from_the_prompt_alone(sandbox: Sandbox, title: str) -> None:
    """What the prompt tells is enough for a plan that is right the first time it runs."""
    first = CASES[title][1][0]

    assert shows_the_request(ANSWERS[title], a_request(first.method, first.path, **asked(first)))
    assert wrong(Api(sandbox, ANSWERS), title) == []
