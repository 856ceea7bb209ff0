"""Whose fault an exception is: a table of programs, run for real, with what the client is told."""

from __future__ import annotations

from typing import Any

import pytest

from guest.blame import PLAN_FILE, place_of, request_fault


class Store:
    """The little of a store that these programs need."""

    def __init__(self, record: dict[str, Any]) -> None:
        self._record = record

    def get(self, key: Any) -> dict[str, Any]:
        return dict(self._record)

    def insert(self, record: dict[str, Any]) -> dict[str, Any]:
        return {"id": 1, **record}


def blamed(code: str, body: Any = None, query: dict[str, str] | None = None) -> str | None:
    """What the client is told; None if the plan is to blame. The program must raise."""
    names = {
        "ctx": {"body_json": body, "query": query or {}, "segments": ["members"], "headers": {}},
        "plan": {"payload": body, "criteria": {}, "identifier": 1},
        "params": {"id": 1},
        "store": Store({"name": "Alice"}),
    }
    try:
        exec(compile(code, PLAN_FILE, "exec", dont_inherit=True), names)
    except Exception as error:
        return request_fault(error, code, place_of(error))
    raise AssertionError("the program did not raise")


@pytest.mark.parametrize(
    ("code", "body", "told"),
    [
        ('x = ctx["body_json"]["name"]', {}, "The request has no 'name'"),
        ('x = ctx.get("body_json")["name"]', {}, "The request has no 'name'"),
        ('x = plan["payload"]["name"]', {}, "The request has no 'name'"),
        ('body = ctx["body_json"]\nx = body["name"]', {}, "The request has no 'name'"),
        ('a = b = ctx["body_json"]\nc = b\nx = c["name"]', {}, "The request has no 'name'"),
        ('x = ctx["query"]["from"]', None, "The request has no 'from'"),
        (
            'for line in ctx["body_json"]["lines"]:\n    x = line["sku"]',
            {"lines": [{}]},
            "The request has no 'sku'",
        ),
        ('x = [line["sku"] for line in ctx["body_json"]]', [{}], "The request has no 'sku'"),
        ('x = ctx["body_json"]["name"]', None, "'name' has the wrong type or value"),
        ('x = int(ctx["body_json"]["age"])', {"age": "old"}, "'age' has the wrong type or value"),
        ('x = ctx["body_json"]["price"] * 1.5', {"price": "9"}, "'price' has the wrong type or value"),
        ('body = ctx["body_json"]\nx = body.get("name")', [], "The body has the wrong type or shape"),
        ('x = ctx["body_json"].get("name")', None, "The body has the wrong type or shape"),
        ('x = ctx["body_json"][0]["a"]', [], "The body has the wrong type or shape"),
        ('rec = store.insert({"n": ctx["body_json"]["n"]})', {}, "The request has no 'n'"),
        (
            'x = sorted(ctx["body_json"]["lines"], key=lambda line: line["sku"])',
            {"lines": [{}]},
            "The request has no 'sku'",
        ),
        ('x = list(map(lambda a: a["sku"], ctx["body_json"]))', [{}], "The request has no 'sku'"),
        ('rows = ctx["body_json"]\nrows.sort(key=lambda a: a["n"])', [{}], "The request has no 'n'"),
        ('if body := ctx["body_json"]:\n    x = body["name"]', {"a": 1}, "The request has no 'name'"),
        ('total: float = ctx["body_json"]["n"]', {}, "The request has no 'n'"),
        ('n = 0\nn += ctx["body_json"]["n"]', {"n": "x"}, "'n' has the wrong type or value"),
    ],
)
def test_reading_the_request_is_the_requests_fault(code: str, body: Any, told: str) -> None:
    """An exception out of an expression that reads body or query is a 422 that names the key."""
    assert blamed(code, body) == told


@pytest.mark.parametrize(
    "code",
    [
        'rec = store.get(ctx["body_json"]["id"])\nx = rec["missing"]',
        'things = store\nrec = things.get(ctx["body_json"]["id"])\nx = rec["missing"]',
        'for key in ctx["body_json"]:\n    rec = store.get(key)\n    x = rec["missing"]',
        'x = sorted([store.get(ctx["body_json"]["id"])], key=lambda rec: rec["missing"])',
        'if rec := store.get(1):\n    x = rec["missing"]',
        'x = ctx["segments"][5]',
        'x = ctx["headers"]["authorization"]',
        'x = params["slug"]',
        'x = {}["key"]',
        "x = 1 / 0",
        'x = 1 / ctx["body_json"]["zero"]',
        'assert ctx["body_json"]["id"] == 2',
        'raise ValueError("no")',
        "x = undefined",
    ],
)
def test_all_else_is_the_plans_fault(code: str) -> None:
    """What came out of the store, the path, or the plan's own mistakes is not blamed on the client."""
    assert blamed(code, {"id": 1, "zero": 0}) is None


def test_an_exception_inside_a_helper_is_placed_in_the_plan() -> None:
    """The place is the innermost expression of the plan, not of what it called."""

    def helper(value: Any) -> int:
        return int(value)

    code = 'x = 1\ny = helper(ctx["body_json"]["n"])'
    names = {"ctx": {"body_json": {"n": "x"}}, "helper": helper}
    try:
        exec(compile(code, PLAN_FILE, "exec", dont_inherit=True), names)
    except ValueError as error:
        place = place_of(error)
        told = request_fault(error, code, place)

    assert place is not None
    assert place.line == 2
    assert told == "'n' has the wrong type or value"


def test_an_exception_from_elsewhere_has_no_place() -> None:
    """What was not raised under the plan's code is never blamed on the request."""
    error = KeyError("x")

    assert place_of(error) is None
    assert request_fault(error, "x = 1", None) is None
