"""The shape of a request: kinds and names, within limits, and never a value."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.planning.kinds.route import RouteTemplate
from server.planning.kinds.shape import (
    MAX_DEPTH,
    MAX_NAMES,
    RouteKey,
    body_from_text,
    body_type,
    printable,
    route_key,
    shape_of,
)
from server.values.errors import InvalidQuery, NotFound, UriTooLong
from tests.unit.server.planning.requests import a_request

CANARY = "Kanari-7f3a91"

NAMES = st.sampled_from(["a", "b", "name", "é", "\N{RIGHT-TO-LEFT OVERRIDE}", "x" * 65, "\\"]) | st.text(
    max_size=3
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.just(1.5) | st.just("text"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
QUERIES = st.dictionaries(NAMES, st.sampled_from(["x", "1", "1.5", "true", ["1", "2"]]), max_size=2)
PATHS = st.lists(st.sampled_from(["members", "1", "x1", "orders"]), max_size=3).map(lambda p: ("a", *p))
REQUESTS = st.builds(
    a_request,
    st.sampled_from(["GET", "POST"]),
    segments=PATHS,
    query=QUERIES,
    body=JSON,
    content=st.sampled_from(["json", "form"]),
    headers=st.dictionaries(st.sampled_from(["accept", "prefer", "user-agent"]), st.just("v"), max_size=2),
)


def with_other_values(value: Any, text: str) -> Any:
    """The same JSON with other values of the same types, and longer arrays of them."""
    if isinstance(value, dict):
        return {name: with_other_values(inner, text) for name, inner in value.items()}
    if isinstance(value, list):
        return [with_other_values(inner, text) for inner in [*value, *value]]
    if isinstance(value, str):
        return text
    if value is None or isinstance(value, bool):
        return None if value is None else not value
    return value + 100


def test_canonical_text() -> None:
    """The canonical text is JSON with sorted keys; it names types where the request has values."""
    ctx = a_request(
        "POST",
        "/members/7/orders",
        query={"z": "1", "a": ["x", "y"]},
        headers={"prefer": "return=minimal", "user-agent": "curl"},
        body={"total": 9.5, "lines": [{"sku": "A", "n": 1}, {"sku": None}], "paid": False},
    )

    assert orjson.loads(shape_of(ctx).canonical()) == {
        "method": "POST",
        "route": "/members/{member_id:int}/orders",
        "query": {"a": "array", "z": "integer"},
        "content": "json",
        "headers": ["prefer"],
        "body": {
            "object": {
                "lines": {"array": {"object": {"n": "integer", "sku": ["null", "string"]}}},
                "paid": "boolean",
                "total": "number",
            }
        },
    }


@given(REQUESTS, REQUESTS)
def test_equal_text_means_equal_shape(one: Any, other: Any) -> None:
    """Two requests have one canonical text if and only if they have one shape."""
    first, second = shape_of(one), shape_of(other)

    assert (first.canonical() == second.canonical()) == (first == second)


@given(JSON, JSON)
def test_equal_json_means_equal_type(one: Any, other: Any) -> None:
    """The same for bodies alone, where near misses are likelier."""
    first, second = body_type(one), body_type(other)

    assert (first.as_json() == second.as_json()) == (first == second)


@given(REQUESTS)
def test_values_make_no_difference(ctx: Any) -> None:
    """Requests that differ in nothing but values, and in how many elements arrays have, share a shape."""
    other = a_request(
        ctx.method,
        segments=tuple(segment.replace("1", "2") for segment in ctx.segments),
        query={key: {"x": "y", "1": "22", "1.5": "-7.25e3", "true": "false"}.get(str(text), ["z"])
               for key, text in ctx.query.items()},
        body=with_other_values(ctx.body_json, "other"),
        content=ctx.content,
        headers=dict.fromkeys(reversed(list(ctx.headers)), "other"),
    )  # fmt: skip

    assert shape_of(other).canonical() == shape_of(ctx).canonical()


@given(JSON, QUERIES)
def test_no_value_is_shown(body: Any, query: dict[str, Any]) -> None:
    """A canary in every value of a request occurs nowhere in its shape."""
    ctx = a_request(
        "POST",
        segments=("members", CANARY, "orders", f"{CANARY}/x"),
        path=f"/members/{CANARY}",
        query=dict.fromkeys(query, CANARY),
        headers=dict.fromkeys(("accept", "authorization", "x-other"), CANARY),
        body=with_other_values([body, "text"], CANARY),
    )

    assert CANARY not in repr(shape_of(ctx))
    assert CANARY not in shape_of(ctx).canonical()


@given(REQUESTS)
def test_route_key_needs_no_body(ctx: Any) -> None:
    """The route key of a request is that of its shape, and its template matches the request."""
    key = route_key(ctx)

    assert key == shape_of(ctx).route_key()
    assert RouteTemplate.parse(key.route).match(ctx.segments) is not None


def test_route_key_has_no_types() -> None:
    """Sorted query keys are part of a route key, and what their texts look like is not."""
    ctx = a_request("GET", "/members/1", query={"b": "1", "a": "x"})

    assert route_key(ctx) == RouteKey("GET", "/members/{id:int}", "none", ("a", "b"))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("-12", "integer"),
        ("1.5", "number"),
        ("1e9", "number"),
        ("true", "boolean"),
        ("True", "string"),
        ("", "string"),
        ("\N{ARABIC-INDIC DIGIT ONE}", "string"),
        ("1\n", "string"),
        ("-", "string"),
        (["1"], "array"),
    ],
)
def test_query_types(text: str | list[str], kind: str) -> None:
    """A query text has the type it looks like."""
    assert shape_of(a_request(query={"q": text})).query == (("q", kind),)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (None, "null"),
        ("x", "string"),
        ([], {"array": []}),
        ({}, {"object": {}}),
        ([1, 2.5, 3], {"array": "number"}),
        ([True, 1, None], {"array": ["boolean", "integer", "null"]}),
        ([[1], [], ["x"]], {"array": {"array": ["integer", "string"]}}),
        ([{"a": 1}, [1]], {"array": [{"array": "integer"}, {"object": {"a": "integer"}}]}),
        ([[[[[1], {}]]]], {"array": {"array": {"array": {"array": ["array", "object"]}}}}),
        ({"a": [{"b": [{"c": 1}]}]}, {"object": {"a": {"array": {"object": {"b": {"array": "object"}}}}}}),
    ],
)
def test_body_types(body: Any, expected: Any) -> None:
    """Elements have one merged type, and only containers are named at the deepest place."""
    assert body_type(body).as_json() == expected


def test_no_body_is_not_null() -> None:
    """A request without a body has no type; JSON null has one."""
    assert shape_of(a_request("POST")).body is None
    assert shape_of(a_request("POST", body=None)).body == body_type(None)


@given(st.permutations([f"f{n:03}" for n in range(MAX_NAMES + 6)]))
def test_names_are_counted(names: list[str]) -> None:
    """A depth has 64 names at most, in whatever order they came, and what was cut is said."""
    inner = dict.fromkeys(names, 1)

    shown = body_type({"a": inner, "b": {}, "c": {"z": 1}}).as_json()["object"]

    assert list(shown["a"]["object"]) == sorted(names)[:MAX_NAMES]
    assert shown["a"]["more"] is True
    assert shown["b"] == {"object": {}}
    assert shown["c"] == {"object": {}, "more": True}


def test_a_shape_is_small() -> None:
    """However wide and deep a body is, its shape has some dozens of names at each of few depths."""
    body: Any = 1
    for _ in range(MAX_DEPTH + 2):
        body = {f"{'x' * 80}{n}": body for n in range(8)}

    assert len(shape_of(a_request("POST", body=body)).canonical()) < 32_000


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("first name", "first name"),
        ("größe", "größe"),
        ("a\nb", "a\\nb"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}x", "\\u202ex"),
        ("\ud800", "\\ud800"),
        ("\\n", "\\\\n"),
        ("x" * 64, "x" * 64),
    ],
)
def test_printable(name: str, shown: str) -> None:
    """Controls, bidirectional marks, surrogates and the backslash are escaped; the rest stays."""
    assert printable(name) == shown


@given(st.text(st.characters(), max_size=80), st.text(st.characters(), max_size=80))
def test_printable_keeps_names_apart(one: str, other: str) -> None:
    """Any name becomes at most 64 printable characters, and different names stay different."""
    assert len(printable(one)) <= 64
    assert printable(one).isprintable()
    assert (printable(one) == printable(other)) == (one == other)


def test_long_names_stay_apart() -> None:
    """Of names beyond the limit a digest is all that is shown, which differs where they do."""
    assert printable("x" * 100) != printable("x" * 101)
    assert printable("x" * 65).startswith("\\~")
    assert "x" not in printable("x" * 65)


@pytest.mark.parametrize(
    ("ctx", "error"),
    [
        (a_request(path="/favicon.ico"), NotFound),
        (a_request(segments=("a",) * 65), UriTooLong),
        (a_request(query={f"k{n}": "1" for n in range(65)}), InvalidQuery),
    ],
)
def test_no_shape(ctx: Any, error: type[Exception]) -> None:
    """Paths that are never planned, and requests beyond the limits, have no shape and no route key."""
    with pytest.raises(error):
        shape_of(ctx)
    with pytest.raises(error):
        route_key(ctx)


@given(JSON)
@example({"a": {"b": {"c": {"d": {"e": 1}, "f": [1]}}}})
def test_a_bodys_type_comes_back_from_its_text(value: Any) -> None:
    """What the plan library keeps of a body's shape is enough to show it again."""
    kind = body_type(value)

    assert body_from_text(orjson.dumps(kind.as_json()).decode()) == kind


def test_no_body_has_a_text_too() -> None:
    """`null` is no body; a body that is null is its type's name."""
    assert body_from_text("null") is None
    assert body_from_text('"null"') == body_type(None)


@pytest.mark.parametrize("text", ["5", "[5]", '{"object": 5}', '{"x": 1}', "{", '{"array": 7}'])
def test_what_is_no_bodys_text_is_refused(text: str) -> None:
    """A row of the library may have been edited."""
    with pytest.raises(ValueError):  # noqa: PT011  any reason will do
        body_from_text(text)
