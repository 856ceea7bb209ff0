"""What a model is shown: one value, rendered and hashed whole. Who is shown the same shares a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve, fields
from hypothesis import given
from hypothesis import strategies as st

from server.planning.kinds.effects import effects_of
from server.planning.kinds.fingerprint import Versions
from server.planning.kinds.route import RouteTemplate
from server.planning.kinds.route_table import LearnedRoute
from server.planning.kinds.schemas import CollectionSchema, Schemas
from server.planning.kinds.shape import body_type, shape_of
from server.planning.kinds.shown import LearnedLine, Shown, narrow_view, question, wide_view
from server.planning.prompt import PromptMaker
from tests.unit.server.planning.plans import VERSIONS, a_plan, a_question, a_wide_question, some_schemas
from tests.unit.server.planning.requests import NO_BODY, a_request

if TYPE_CHECKING:
    from server.values.model import RequestContext

SCHEMAS = some_schemas({"members": {"id": ["integer"], "name": ["null", "string"]}})
MAKER = PromptMaker(
    {"replies": [], "helpers": [], "store": [], "session_store": [], "builtins": []}, max_bytes=1_000_000
)
NAMES = ["a", "b", "members", "orders", "1", "x=1", "a/b", "\u00e9", "...", "more"]
#: The edge lets no lone surrogate in, but a session's file may have been written by anybody.
WORDS = st.sampled_from([*NAMES, "\ud83d"])
SEGMENTS = st.sampled_from(["a", "members", "orders", "1", "x=1", "\u00e9", "v1"])
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
    st.lists(SEGMENTS, max_size=3),
    st.dictionaries(st.sampled_from(["q", "page", "a=b"]), st.sampled_from(["1", "x"]), max_size=2),
    st.just(NO_BODY) | BODIES,
)
FIELDS = st.dictionaries(
    WORDS, st.lists(st.sampled_from(["integer", "string", "null"]), min_size=1), max_size=2
)
SESSIONS = st.dictionaries(st.sampled_from(["members", "orders", "carts"]), FIELDS, max_size=3)


def a_route(text: str, code: str = "REPLY = make_response(200, 1)", **more: Any) -> LearnedRoute:
    """A learned route such as ``GET /members``."""
    method, route = text.split(" ")
    return LearnedRoute(a_plan(route, code, **more), RouteTemplate.parse(route), method, "none", None)  # type: ignore[arg-type]


def rendered(shown: Shown) -> str:
    return MAKER.prompt(shown).request


@given(st.tuples(REQUESTS, SESSIONS), st.tuples(REQUESTS, SESSIONS), st.booleans())
def test_equal_keys_exactly_when_the_prompt_is_the_same(one: Any, two: Any, wide: bool) -> None:
    """Of both views: the prompt's text differs if and only if the key does."""
    ask = a_wide_question if wide else a_question
    questions = [ask(ctx, some_schemas(known)) for ctx, known in (one, two)]
    same = rendered(questions[0].shown) == rendered(questions[1].shown)

    assert (questions[0].key == questions[1].key) is same


FULL = Shown(
    method="POST",
    route="/members/{id:int}/orders",
    query=("page",),
    content="json",
    body=body_type({"a": 1}),
    collections=SCHEMAS,
    view="wide",
    learned=(LearnedLine("GET /members"),),
    asked="earlier",
    earlier=body_type({"b": 1}),
    contract='{"operation": "GET /a"}',
    values='{"body": 1}',
    prefix=0,
)
OTHER: dict[str, Any] = {
    "method": "PUT",
    "route": "/orders",
    "query": ("page", "limit"),
    "content": "merge-patch",
    "body": body_type({"a": "x"}),
    "collections": some_schemas({"members": {"id": ["integer"]}}),
    "view": "narrow",
    "learned": (LearnedLine("GET /members", effects_of("x = store.get(1)", "members")),),
    "asked": "word",
    "earlier": None,
    "contract": "",
    "values": '{"body": 2}',
    "prefix": 1,
}


def test_no_field_of_what_is_shown_is_left_out_of_the_key() -> None:
    """A field added to `Shown` has to be in the key: this test names them all."""
    keys = [
        question(evolve(FULL, **{name: value}), VERSIONS, session="s1").key for name, value in OTHER.items()
    ]

    assert set(OTHER) == {each.name for each in fields(Shown)}
    assert len({question(FULL, VERSIONS, session="s1").key, *keys}) == len(OTHER) + 1


@pytest.mark.parametrize(
    "schema",
    [
        CollectionSchema((("id", ("integer",)), ("lines", ("array",)))),
        CollectionSchema(
            (("id", ("integer",)), ("lines", ("array",))), inside=(("lines", (("obey", ("string",)),)),)
        ),
        CollectionSchema(
            (("id", ("integer",)), ("lines", ("array",))), words=(("id", ("obey",)), ("lines", ("no",)))
        ),
        CollectionSchema((("id", ("integer",)), ("lines", ("array",))), more=True),
        CollectionSchema((("id", ("string",)), ("lines", ("array",)))),
    ],
)
def test_all_that_is_shown_of_a_collection_counts(schema: CollectionSchema) -> None:
    """Names within fields, disclosed words and that there is more: each was shown, so each is in the key."""
    plain = CollectionSchema((("id", ("integer",)), ("lines", ("array",)), ("z", ("null",))))
    asked = [a_question(a_request(path="/carts/1"), Schemas((("carts", each),))) for each in (plain, schema)]

    assert (asked[0].key == asked[1].key) is (rendered(asked[0].shown) == rendered(asked[1].shown))
    assert asked[0].key != asked[1].key


@given(st.integers(11, 10**9), st.text("ABCDEF", min_size=1), st.text(max_size=20), st.floats(0.1, 0.9))
def test_values_are_no_part_of_it(number: int, text: str, free: str, price: float) -> None:
    """Requests that differ in their values alone share a plan."""

    def one(id_: str, query: str, name: str, price: float) -> str:
        body = {"name": name, "lines": [{"price": price}]}
        return a_question(
            a_request("POST", f"/members/{id_}/orders", query={"q": query}, body=body), SCHEMAS
        ).key

    assert one(str(number), text, free, price) == one("12", "2020-01-01", "Alice", 0.5)


@pytest.mark.parametrize("name", ["prompt", "policy", "model", "rules"])
def test_versions_count(name: str) -> None:
    """A plan of another prompt, policy, model or rules is not found."""
    ctx = a_request(path="/members/1")

    assert a_question(ctx, versions=evolve(VERSIONS, **{name: "other"})).key != a_question(ctx).key


def test_versions_do_not_run_into_each_other() -> None:
    """T35: the parts have lengths, so none can pass for another's end."""
    odd = Versions('a"6:policy:3:"b', "b", "c", "d")

    assert (
        a_question(a_request(), versions=Versions("a", "b", "c", "d")).key
        != a_question(a_request(), versions=odd).key
    )


@pytest.mark.parametrize(
    ("headers", "query"),
    [({"accept": "x"}, {"q": "1"}), ({"authorization": "y"}, {"q": "word"}), ({}, {"q": ["1", "2"]})],
)
def test_headers_and_the_types_of_query_texts_are_in_neither_view(headers: Any, query: Any) -> None:
    """They differ from request to request and change no plan."""
    plain, other = a_request(query={"q": "1"}), a_request(query=query, headers=headers)

    assert a_question(other).key == a_question(plain).key
    assert a_wide_question(other).key == a_wide_question(plain).key
    assert "authorization" not in rendered(a_wide_question(other).shown)


def test_head_has_gets() -> None:
    """HEAD runs GET's plan, and its author is shown GET."""
    get, head = (a_question(a_request(method, "/members/1"), SCHEMAS) for method in ("GET", "HEAD"))

    assert (head.key, head.shown.method) == (get.key, "GET")


def test_only_the_paths_collections_are_in_the_narrow_view() -> None:
    """What other collections look like, and that there are any, makes no new kind of request."""
    ctx = a_request(path="/members/1")
    more = some_schemas(
        {"members": {"id": ["integer"], "name": ["null", "string"]}, "orders": {"total": ["number"]}}
    )

    assert a_question(ctx, more).key == a_question(ctx, SCHEMAS).key
    assert a_question(ctx).key != a_question(ctx, SCHEMAS).key
    assert "orders" not in rendered(a_question(ctx, more).shown)
    assert "learned_routes" not in rendered(a_question(ctx, more).shown)
    assert a_wide_question(ctx, more).key != a_wide_question(ctx, SCHEMAS).key


def test_an_any_plan_is_found_by_all_only_if_no_query_key_was_shown() -> None:
    """The keys that its author saw may have told it what to write."""
    plain, filtered, paged = (a_question(a_request(query=query)) for query in ({}, {"q": "1"}, {"page": "1"}))

    assert plain.shared_as(any_query=True) == filtered.any_key == paged.any_key
    assert filtered.shared_as(any_query=True) == filtered.key
    assert plain.shared_as(any_query=False) == plain.key
    assert len({plain.key, plain.any_key, filtered.key, paged.key}) == 4


def test_the_order_in_which_routes_were_learned_does_not_count() -> None:
    """The wide view is canonical; the request's own come first, and each is there once."""
    routes = [a_route("GET /zebras"), a_route("GET /orders"), a_route("GET /apes"), a_route("GET /orders")]
    asked = [a_wide_question(a_request(path="/orders/1"), SCHEMAS, each) for each in (routes, routes[::-1])]

    assert asked[0].key == asked[1].key
    assert [line.route for line in asked[0].shown.learned] == ["GET /orders", "GET /apes", "GET /zebras"]


def test_learned_routes_come_with_what_they_read_and_write() -> None:
    """So that a follow writes the field which a feed, planned before it, reads."""
    feed = a_route(
        "GET /feed",
        'rows = session_store["follows"].search({"follower_id": 1})\n'
        'names = [row["followee"] for row in rows]\nREPLY = make_response(200, names)',
        resource="posts",
    )
    shown = a_wide_question(a_request("POST", "/profiles/jake/follow"), SCHEMAS, [feed]).shown

    assert shown.members()["learned_routes"] == [
        {"route": "GET /feed", "reads": {"follows": ("followee", "follower_id")}}
    ]


def test_a_question_with_values_is_a_sessions_own() -> None:
    """Two sessions with the same values have two keys; without a session there is none."""
    shown = evolve(a_question(a_request()).shown, values="{}")
    keys = {question(shown, VERSIONS, session=each).key for each in ("s1", "s2")}

    assert len(keys) == 2
    with pytest.raises(ValueError, match="a session's own"):
        question(shown, VERSIONS)


def test_a_version_in_the_path_counts() -> None:
    """What an answer's route may be depends on it, so a plan is not shared between such paths."""
    versioned, other = a_request(path="/v1/members"), a_request(path="/x1/members")
    asked = [a_question(ctx) for ctx in (versioned, other)]

    assert asked[0].shown.route == asked[1].shown.route == "/{part_1:text}/members"
    assert asked[0].key != asked[1].key


def test_views_of() -> None:
    """A narrow view says so, and a wide one differs from it even where there is nothing more to show."""
    ctx: RequestContext = a_request()
    narrow = narrow_view(ctx, shape_of(ctx), Schemas())
    wide = wide_view(narrow, Schemas(), ())

    assert (narrow.members()["view"], wide.members()["view"]) == ("narrow", "wide")
    assert wide.members()["learned_routes"] == []
