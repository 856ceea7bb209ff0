"""Fingerprints: which requests share a plan, and which must not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from server.planning.fingerprint import Versions, collections_in, fingerprint, values_key
from server.planning.shape import shape_of
from tests.unit.planning.plans import VERSIONS, a_session, within
from tests.unit.planning.requests import NO_BODY, a_request

if TYPE_CHECKING:
    from server.model import RequestContext

SCHEMAS = {"members": {"id": ["integer"], "name": ["null", "string"]}}
NAMES = ["a", "b", "members", "orders", "1", "x=1", "a/b", "é"]
#: The edge lets no lone surrogate in, but a session's file may have been written by anybody.
WORDS = st.sampled_from([*NAMES, "\ud83d"])
VALUES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=3)
BODIES = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)
REQUESTS = st.builds(
    lambda method, first, tail, query, body: a_request(
        method, "/x", segments=(first, *tail), query=query, body=body
    ),
    st.sampled_from(["GET", "POST", "PUT"]),
    st.sampled_from(["members", "orders", "A"]),
    st.lists(WORDS, max_size=3),
    st.dictionaries(st.sampled_from(["q", "page", "a=b"]), st.sampled_from(["1", "x"]), max_size=2),
    st.just(NO_BODY) | BODIES,
)
FIELDS = st.dictionaries(
    WORDS, st.lists(st.sampled_from(["integer", "string", "null"]), min_size=1), max_size=2
)


def _grown(drawn: Any) -> Any:
    """The same request twice, the second time with another collection in sight."""
    (ctx, schemas), fields = drawn
    return (ctx, schemas), (ctx, {**schemas, "orders": fields})


def shown(ctx: RequestContext, schemas: dict[str, Any]) -> Any:
    """What a fingerprint covers, as a value that Python compares."""
    shape = shape_of(ctx)
    named = set(shape.route.split("/"))
    fields = {
        (name, field, kind)
        for name, schema in schemas.items()
        if name in named
        for field, kinds in schema.items()
        for kind in kinds
    }
    empty = {name for name in schemas if name in named}
    return shape.method, shape.route, [k for k, _ in shape.query], shape.content, shape.body, fields, empty


SIDES = st.tuples(REQUESTS, st.dictionaries(WORDS, FIELDS, max_size=2))


@given(st.tuples(SIDES, SIDES) | st.tuples(SIDES, FIELDS).map(_grown))
def test_equal_exactly_when_what_is_shown_is_equal(sides: Any) -> None:
    """Two requests share a plan if and only if a planner would be shown the same."""
    (one, mine), (two, yours) = sides
    same = fingerprint(shape_of(one), mine, VERSIONS) == fingerprint(shape_of(two), yours, VERSIONS)

    assert same is (shown(one, mine) == shown(two, yours))


@given(st.integers(11, 10**9), st.text("ABCDEF", min_size=1), st.text(max_size=20), st.floats(0.1, 0.9))
def test_values_are_no_part_of_it(number: int, text: str, free: str, price: float) -> None:
    """Requests that differ in their values alone share a plan."""

    def one(id_: str, query: str, name: str, price: float) -> str:
        body = {"name": name, "lines": [{"price": price}]}
        ctx = a_request("POST", f"/members/{id_}/orders", query={"q": query}, body=body)
        return fingerprint(shape_of(ctx), SCHEMAS, VERSIONS)

    assert one(str(number), text, free, price) == one("12", "2020-01-01", "Alice", 0.5)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "POST"},
        {"path": "/members/A"},
        {"path": "/members/1/orders"},
        {"query": {"q": "1"}},
        {"query": {"q": "1", "page": "1"}},
        {"body": {}},
        {"body": {"name": "x"}},
        {"body": {"name": 1}},
        {"body": {}, "content": "merge-patch"},
    ],
)
def test_each_part_counts(change: dict[str, Any]) -> None:
    """Each part of a shape makes a kind of request of its own."""
    before = fingerprint(shape_of(a_request(path="/members/1")), SCHEMAS, VERSIONS)

    assert fingerprint(shape_of(a_request(**{"path": "/members/1", **change})), SCHEMAS, VERSIONS) != before


@pytest.mark.parametrize("name", ["prompt", "policy", "model", "rules"])
def test_versions_count(name: str) -> None:
    """A plan of another prompt, policy, model or rules is not found."""
    shape = shape_of(a_request(path="/members/1"))

    assert fingerprint(shape, {}, evolve(VERSIONS, **{name: "other"})) != fingerprint(shape, {}, VERSIONS)


def test_versions_do_not_run_into_each_other() -> None:
    """T35: the parts have lengths, so none can pass for another's end."""
    shape = shape_of(a_request())

    assert fingerprint(shape, {}, Versions("a", "b", "c", "d")) != fingerprint(
        shape, {}, Versions('a"6:policy:3:"b', "b", "c", "d")
    )


@pytest.mark.parametrize(
    ("headers", "query"),
    [({"accept": "x"}, {"q": "1"}), ({"prefer": "y"}, {"q": "word"}), ({}, {"q": ["1", "2"]})],
)
def test_headers_and_the_types_of_query_texts_do_not_count(headers: Any, query: Any) -> None:
    """They differ from request to request and change no plan."""
    plain = shape_of(a_request(query={"q": "1"}))
    other = shape_of(a_request(query=query, headers=headers))

    assert fingerprint(other, {}, VERSIONS) == fingerprint(plain, {}, VERSIONS)


def test_head_has_gets() -> None:
    """HEAD runs GET's plan."""
    get, head = (shape_of(a_request(method, "/members/1")) for method in ("GET", "HEAD"))

    assert fingerprint(head, SCHEMAS, VERSIONS) == fingerprint(get, SCHEMAS, VERSIONS)


def test_only_the_paths_collections_count() -> None:
    """What other collections look like makes no new kind of request."""
    shape = shape_of(a_request(path="/members/1"))
    more = {**SCHEMAS, "orders": {"total": ["number"]}}

    assert fingerprint(shape, more, VERSIONS) == fingerprint(shape, SCHEMAS, VERSIONS)
    assert fingerprint(shape, {}, VERSIONS) != fingerprint(shape, SCHEMAS, VERSIONS)


def test_any_query_is_a_fingerprint_of_its_own() -> None:
    """A plan for whatever filters come is found with all of them, and not taken for one without."""
    shapes = [shape_of(a_request(query=query)) for query in ({}, {"q": "1"}, {"page": "1"})]
    digests = {fingerprint(shape, {}, VERSIONS, any_query=True) for shape in shapes}

    assert len(digests) == 1
    assert digests.isdisjoint(fingerprint(shape, {}, VERSIONS) for shape in shapes)


def test_collections_in() -> None:
    """Slots are no collections, and a word counts once."""
    assert collections_in("/a/{id:int}/b-c/a/{x:slug}") == ("a", "b-c")
    assert collections_in("/") == ()


@pytest.mark.parametrize(
    "other",
    [
        a_request("POST", "/ask?", query={"q": "1"}, body={"a": 1}),
        a_request("PUT", "/ask", query={"q": "1"}, body={"a": 1}),
        a_request("POST", "/ask", query={"q": "2"}, body={"a": 1}),
        a_request("POST", "/ask", query={"q": ["1"]}, body={"a": 1}),
        a_request("POST", "/ask", query={"q": "1"}, body={"a": 2}),
        a_request("POST", "/ask", query={"q": "1"}),
        a_request("POST", "/ask", query={"q": "1"}, body={"a": 1}, content="merge-patch"),
        within(a_request("POST", "/ask", query={"q": "1"}, body={"a": 1}), a_session(2)),
    ],
)
def test_a_values_key_is_for_one_request(other: RequestContext) -> None:
    """Any difference, the session's too, is another request."""
    one = a_request("POST", "/ask", query={"q": "1"}, body={"a": 1}, segments=("ask",))

    assert values_key(other) != values_key(one)
    assert values_key(evolve(one, request_id="r2", client_ip="::1")) == values_key(one)


def test_values_keys_see_order_and_blanks() -> None:
    """Byte for byte: another order of keys, or a blank in the body, is another request."""
    one = a_request("POST", "/ask", query={"a": "1", "b": "2"}, body={})

    assert values_key(evolve(one, query={"b": "2", "a": "1"})) != values_key(one)
    assert values_key(evolve(one, body_text="{ }")) != values_key(one)
    assert values_key(evolve(one, method="GET")) == values_key(evolve(one, method="HEAD"))
