"""Literals that are a request's own values."""

from __future__ import annotations

from typing import Any

import pytest

from server.planning.kinds.literals import Carried, carried_values
from server.planning.kinds.route import RouteTemplate
from server.planning.policy import check
from server.values.model import SourceCode
from tests.unit.server.planning.requests import NO_BODY, a_request

REPLY = "REPLY = make_response(200)"


def carried(
    code: str, method: Any = "GET", path: str = "/members/1", body: Any = NO_BODY, **more: Any
) -> Any:
    """What is found in code of this kind, with a REPLY that the policy asks for, after the policy."""
    route = more.pop("route", None)
    ctx = a_request(method, path, body=body, **more)
    text = check(SourceCode(f"{code}\n{REPLY}")).text
    return carried_values(text, ctx, None if route is None else RouteTemplate.parse(route))


@pytest.mark.parametrize(
    ("code", "request_", "place"),
    [
        ("rec = store.get(17)", {"path": "/members/17"}, "path"),
        ('rec = store.get("17")', {"path": "/members/17"}, "path"),
        ("x = 17.0", {"path": "/members/17"}, "path"),
        ('rec = store.get("isbn-1")', {"path": "/books/isbn-1"}, "path"),
        ('h = {"Location": "/members/17"}', {"path": "/members/17"}, "path"),
        ('rec = store.get("how-to")', {"path": "/posts/how-to", "route": "/posts/{slug:slug}"}, "path"),
        ('x = store.search({"city": "Berlin"})', {"query": {"city": "Berlin"}}, "query"),
        ('x = store.search({"city": "Bonn"})', {"query": {"city": ["Berlin", "Bonn"]}}, "query"),
        ("x = store.list(limit=50)", {"query": {"limit": "50"}}, "query"),
        ('x = store.list(limit=int("50"))', {"query": {"limit": "50"}}, "query"),
        ('x = ctx["query"].get("limit", 50)', {"query": {"limit": "50"}}, "query"),
        ('x = {"name": "Alice"}', {"method": "POST", "body": {"name": "Alice"}}, "body"),
        ('x = {"name": "Alice"}', {"method": "POST", "body": [{"a": [{"b": "Alice"}]}]}, "body"),
        ('x = {"name": "Alice"}', {"method": "POST", "body": "Alice"}, "body"),
        ("x = 9.99", {"method": "POST", "body": {"price": 9.99}}, "body"),
        ("x = 9.99", {"method": "POST", "body": {"price": "9.99"}}, "body"),
        ("x = -40", {"method": "POST", "body": {"t": -40}}, "body"),
        ("x = -(40 + 2)", {"path": "/members/40"}, "path"),
        ("x = 404", {"method": "POST", "body": {"code": 404}}, "body"),
        ('x = f"Alice"', {"method": "POST", "body": {"name": "Alice"}}, "body"),
        ('x = f"{1}Alice"', {"method": "POST", "body": {"name": "Alice"}}, "body"),
        ('x = "Al" "ice"', {"method": "POST", "body": {"name": "Alice"}}, "body"),
        ("x = abort(404, 12345)", {"method": "POST", "body": {"pin": 12345}}, "body"),
        ('x = as_int(ctx["query"].get("a"), 77) + 77', {"query": {"a": "77"}}, "query"),
    ],
)
def test_values_of_the_request_are_found(code: str, request_: dict[str, Any], place: str) -> None:
    """T36: a plan with the first caller's value must not answer the second."""
    assert carried(code, **request_) == (Carried(1, place),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "request_", "reason"),
    [
        ("x = True", {"method": "POST", "body": {"done": True}}, "there are two bools"),
        ("x = None", {"method": "POST", "body": {"done": None}}, "null is no value of anybody's"),
        ("x = 1", {"method": "POST", "body": {"done": True}}, "True is not 1"),
        ("x = True", {"method": "POST", "body": {"n": 11}}, "a bool is no number"),
        ('x = ""', {"query": {"q": ""}}, "an empty text is the usual default"),
        ('x = "no"', {"query": {"q": "no"}}, "short texts are everywhere"),
        ("x = 0", {"path": "/members/0"}, "small numbers count things"),
        ("x = 10", {"path": "/members/10"}, "small numbers count things"),
        ("x = -1", {"method": "POST", "body": {"n": -1}}, "small numbers count things"),
        ("x = 2.0", {"method": "POST", "body": {"n": 2}}, "2.0 is as small as 2"),
        ('x = "7"', {"path": "/members/7"}, "the text of a small number is one"),
        ("x = make_response(404)", {"method": "POST", "body": {"code": 404}}, "it is a status"),
        ("x = make_response(status=404)", {"method": "POST", "body": {"code": 404}}, "it is a status"),
        ("x = make_response(201 if 0 else 200)", {"path": "/members/201"}, "it is a status"),
        ("x = abort(404)", {"path": "/members/404"}, "it is a status"),
        ('x = as_int(ctx["query"].get("limit"), 20)', {"query": {"limit": "20"}}, "a default for others"),
        (
            'x = as_int(ctx["query"].get("limit"), default=20)',
            {"query": {"limit": "20"}},
            "a default for others",
        ),
        ('x = session_store["members"]', {"path": "/members/17"}, "a literal word of the path"),
        ('x = {"kind": "members"}', {"method": "POST", "body": {"kind": "members"}}, "a word of the path"),
        ('x = ctx["body_json"]["name"]', {"method": "POST", "body": {"name": "name"}}, "a field's name"),
        ('x = ctx["query"]["city"]', {"query": {"city": "city"}}, "a query key"),
        ('x = "Alices"', {"method": "POST", "body": {"name": "Alice"}}, "only equal counts"),
        ('x = "alice"', {"method": "POST", "body": {"name": "Alice"}}, "only equal counts"),
        ('x = "how-to"', {"path": "/posts/how-to"}, "a word of the path, which no slot takes"),
        ('x = "how-to"', {"path": "/posts/how-to", "route": "/posts/{id:int}"}, "another path's route"),
        ('x = "1e999"', {"method": "POST", "body": {"n": 11}}, "beyond all numbers"),
        ("x = 1", {"method": "POST", "body": {"n": "9" * 5000}}, "longer than any number"),
        ("x = params", {"path": "/members/17"}, "no literal at all"),
    ],
)
def test_what_says_nothing_is_passed_over(code: str, request_: dict[str, Any], reason: str) -> None:
    """A plan is not thrown away, and paid for again, for what any plan has."""
    assert carried(code, **request_) == (), reason


def test_all_are_found_in_order_and_without_their_text() -> None:
    """The result can be logged: it has lines and places only."""
    body = {"name": "Alice", "mail": "alice@example.org"}
    code = 'a = "alice@example.org"\nb = [17, "Alice"]'

    found = carried(code, "PUT", "/members/17", body)

    assert found == (Carried(1, "body"), Carried(2, "body"), Carried(2, "path"))
    assert "lice" not in repr(found)


def test_a_large_body_is_read_through() -> None:
    """The last of many values counts like the first."""
    body = [{"n": number} for number in range(1000, 21000)]

    assert carried("x = 20999", "POST", "/members", body) == (Carried(1, "body"),)
