"""Which of a session's routes takes a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.planning.kinds.fingerprint import values_key
from server.planning.kinds.route import RouteTemplate, Slot
from server.planning.kinds.route_table import (
    MAX_SLUG_QUESTIONS,
    MAX_WORDS,
    LearnedRoute,
    Match,
    RouteTable,
    SessionRoutes,
)
from tests.unit.server.planning.plans import a_plan
from tests.unit.server.planning.requests import a_request

if TYPE_CHECKING:
    from collections.abc import Sequence

UUID = "0b8f3f6e-7c1d-4b0a-9a53-0d3c8f3b2a11"


def a_route(
    route: str, method: Any = "GET", query: Any = (), content: Any = "none", **more: Any
) -> LearnedRoute:
    return LearnedRoute(a_plan(route), RouteTemplate.parse(route), method, content, query, **more)


def some_routes(*routes: LearnedRoute, max_routes: int = 3, max_values: int = 2) -> SessionRoutes:
    return SessionRoutes(routes, max_routes=max_routes, max_values=max_values)


def taken(routes: Sequence[str | LearnedRoute], path: str, method: Any = "GET", **more: Any) -> str | None:
    """The template that takes a request, the routes being GETs without a query."""
    table = RouteTable(a_route(route) if isinstance(route, str) else route for route in routes)
    match = table.match(a_request(method, path, **more))
    return None if match is None else match.route.template.text


ALL = ["/a/b", "/a/{x:int}", "/a/{x:uuid}", "/a/{x:text}", "/a/{x:slug}", "/a", "/a/b/c", "/b/{id:int}/b"]


@pytest.mark.parametrize(
    ("routes", "path", "expected"),
    [
        (ALL, "/a/b", "/a/b"),
        (ALL, "/a/1", "/a/{x:int}"),
        (ALL, f"/a/{UUID}", "/a/{x:uuid}"),
        (ALL, "/a/A-1", "/a/{x:text}"),
        (ALL, "/a/how-to", "/a/{x:slug}"),
        (ALL, "/a", "/a"),
        (ALL, "/a/b/c", "/a/b/c"),
        (ALL, "/a/b/d", None),
        (ALL, "/a/b/c/d", None),
        (ALL, "/c", None),
        (ALL, "/b/1/b", "/b/{id:int}/b"),
        (ALL, "/b/1", None),
        ([], "/a", None),
        (["/"], "/", "/"),
        (["/a/{x:slug}"], "/a/A-1", "/a/{x:slug}"),
        (["/a/{x:slug}"], "/a/1", None),
        (["/a/{x:int}"], "/a/b", None),
        (["/a/V2", "/a/{x:text}"], "/a/V2", "/a/V2"),
        (["/a/{x:text}/c", "/a/{x:slug}/d"], "/a/A-1/d", "/a/{x:slug}/d"),
        (["/a/b/c", "/a/{x:slug}/{y:slug}"], "/a/b/d", "/a/{x:slug}/{y:slug}"),
        (["/a/b/{y:slug}", "/a/{x:slug}/c"], "/a/b/c", "/a/b/{y:slug}"),
        (["/{x:slug}/b", "/a/{y:int}"], "/a/b", "/{x:slug}/b"),
    ],
)
def test_literal_beats_slot_and_kinds_have_an_order(
    routes: list[str], path: str, expected: str | None
) -> None:
    """Segment by segment from the left: a literal, then int or uuid, then text, then slug."""
    more = {"segments": ()} if path == "/" else {}

    assert taken(routes, path, **more) == expected
    assert taken(routes[::-1], path, **more) == expected


def test_empty_segments_are_no_values() -> None:
    """An empty segment fills no slot."""
    assert taken(["/a/{x:text}", "/a/{x:slug}"], "/a//", segments=("a", "")) is None


@pytest.mark.parametrize(
    ("route", "request_", "found"),
    [
        (a_route("/a", query=("q",)), {"query": {"q": "1"}}, True),
        (a_route("/a", query=("q",)), {"query": {"q": ["1", "2"]}}, True),
        (a_route("/a", query=("q",)), {}, False),
        (a_route("/a", query=("q",)), {"query": {"q": "1", "p": "1"}}, False),
        (a_route("/a", query=("p", "q")), {"query": {"q": "1", "p": "1"}}, True),
        (a_route("/a"), {"query": {"q": "1"}}, False),
        (a_route("/a", query=None), {"query": {"q": "1", "p": "1"}}, True),
        (a_route("/a", query=None), {}, True),
        (a_route("/a", query=("\\u202e",)), {"query": {"\N{RIGHT-TO-LEFT OVERRIDE}": "1"}}, True),
        (a_route("/a"), {"method": "HEAD"}, True),
        (a_route("/a"), {"method": "POST"}, False),
        (a_route("/a", "POST", content="json"), {"method": "POST", "body": 1}, True),
        (a_route("/a", "POST", content="json"), {"method": "POST"}, False),
        (a_route("/a", "POST", content="json"), {"method": "POST", "body": 1, "content": "form"}, False),
    ],
)
def test_the_rest_of_the_key(route: LearnedRoute, request_: dict[str, Any], found: bool) -> None:
    """Method, content kind and query keys are part of a route, the values of a query are not."""
    assert (taken([route], "/a", **request_) is not None) is found


def test_exact_keys_come_before_any() -> None:
    """The plan for exactly these keys knows them better."""
    exact, any_ = a_route("/a", query=("q",)), a_route("/a", query=None)
    table = RouteTable([any_, exact])

    for query, expected in (({"q": "1"}, exact), ({"p": "1"}, any_), ({}, any_)):
        match = table.match(a_request(path="/a", query=query))
        assert match is not None
        assert match.route is expected


@pytest.mark.parametrize(
    "literal",
    [a_route("/a/b", query=("q",)), a_route("/a/b", content="json"), a_route("/a/b", quarantined=True)],
)
def test_no_slot_swallows_a_known_word(literal: LearnedRoute) -> None:
    """Where the word is known to be a route's own, the planner is asked rather than a record looked for."""
    slug = a_route("/a/{x:slug}", query=None)

    assert taken([slug, literal], "/a/b") is None
    assert taken([slug, literal], "/a/c") == "/a/{x:slug}"


def test_another_methods_words_are_its_own() -> None:
    """POST /a/b says nothing of what GET /a/b is."""
    assert taken([a_route("/a/{x:slug}"), a_route("/a/b", "POST")], "/a/b") == "/a/{x:slug}"


def test_params_are_typed() -> None:
    """As the guest gets them."""
    match = RouteTable([a_route("/a/{a_id:int}/{x:slug}")]).match(a_request(path="/a/7/how-to"))

    assert match is not None
    assert match.params == {"a_id": 7, "x": "how-to"}


def test_values_plans_serve_the_identical_request_alone() -> None:
    """Before any other plan, and nothing else takes its word."""
    ctx = a_request("POST", "/ask", body={"question": "how many?"})
    route = a_route("/ask", "POST", content="json", values_key=values_key(ctx))
    other = a_request("POST", "/ask", body={"question": "how few?"})
    table = RouteTable([route, a_route("/{x:slug}", "POST", query=None, content="json")])

    match = table.match(ctx)
    assert match is not None
    assert match.route is route
    assert table.match(other) is None
    table.put(shape := a_route("/ask", "POST", content="json"))
    match = table.match(other)
    assert match is not None
    assert match.route is shape


PARTS = st.sampled_from(["a", "b", "{x:int}", "{x:text}", "{x:slug}", "{x:uuid}"])
ROUTES = st.lists(PARTS, min_size=1, max_size=3).map(
    lambda parts: "/" + "/".join(part.replace("{x", f"{{x{place}") for place, part in enumerate(parts))
)
SEGMENTS = st.lists(st.sampled_from(["a", "b", "c", "1", "A1", UUID]), min_size=1, max_size=3)
_RANK = {"int": 1, "uuid": 1, "text": 2, "slug": 3}


def rank(route: str) -> tuple[int, ...]:
    parts = RouteTemplate.parse(route).parts
    return tuple(_RANK[part.kind] if isinstance(part, Slot) else 0 for part in parts)


@given(st.lists(ROUTES, max_size=12), SEGMENTS)
def test_it_is_the_best_of_all_that_match(routes: list[str], segments: list[str]) -> None:
    """The tree finds what trying every route and taking the first in the order would."""
    matching = [route for route in routes if RouteTemplate.parse(route).match(segments) is not None]
    found = taken(routes, "/" + "/".join(segments))

    assert found == min(matching, key=rank, default=None)


# -- slugs -----------------------------------------------------------------------------------------


def a_match(route: LearnedRoute, path: str) -> Match:
    match = RouteTable([route]).match(a_request(path=path))
    assert match is not None
    return match


def test_a_word_that_was_never_seen_is_asked_about() -> None:
    """Words alone: what has a digit in it can be no action. Then it is known."""
    route = a_route("/posts/{slug:slug}")

    assert a_match(route, "/posts/how-to").word_to_ask_about() == "how-to"
    assert a_match(route, "/posts/how-to-2").word_to_ask_about() is None
    route.saw("how-to")
    assert a_match(route, "/posts/how-to").word_to_ask_about() is None
    assert a_match(route, "/posts/archive").word_to_ask_about() == "archive"


def test_it_is_asked_three_times_at_most() -> None:
    """A scanner with a dictionary costs three calls."""
    route = a_route("/posts/{slug:slug}", slug_asked=MAX_SLUG_QUESTIONS)

    assert a_match(route, "/posts/archive").word_to_ask_about() is None


def test_routes_without_slugs_ask_nothing() -> None:
    """A text is never a word."""
    assert a_match(a_route("/posts/{id:text}"), "/posts/A").word_to_ask_about() is None


def test_remembered_words_are_bounded() -> None:
    """The first ones stay."""
    route = a_route("/posts/{slug:slug}")
    for number in range(MAX_WORDS + 1):
        route.saw(f"w{number}")

    assert route.has_seen("w0")
    assert not route.has_seen(f"w{MAX_WORDS}")


# -- one session -----------------------------------------------------------------------------------


def test_a_route_replaces_the_one_with_its_key() -> None:
    """Whatever its slots are called."""
    routes = some_routes(a_route("/a/{x:int}"))
    routes.put(newer := a_route("/a/{y:int}"))
    match = routes.match(a_request(path="/a/1"))

    assert match is not None
    assert match.route is newer
    assert len(routes) == 1
    assert routes.get(newer.key) is newer


@pytest.mark.parametrize("kept", ["pinned", "by_person"])
def test_a_pinned_route_stays(kept: str) -> None:
    """And is given back; so is one whose plan a person has written."""
    routes = some_routes(pinned := a_route("/a/{x:int}", **{kept: True}))

    assert routes.put(a_route("/a/{y:int}")) is pinned
    match = routes.match(a_request(path="/a/1"))
    assert match is not None
    assert match.route is pinned


def test_a_values_plan_replaces_the_one_for_its_request() -> None:
    """Even when another template was found for it."""
    ctx = a_request(path="/a/b")
    key = values_key(ctx)
    routes = some_routes(a_route("/a/b", values_key=key))
    routes.put(newer := a_route("/a/{x:slug}", values_key=key))
    match = routes.match(ctx)

    assert match is not None
    assert match.route is newer


@pytest.mark.parametrize("kept", ["pinned", "by_person"])
def test_the_oldest_routes_are_forgotten(kept: str) -> None:
    """Each sort has its own limit; pinned ones and people's stay."""
    routes = some_routes(a_route("/a", **{kept: True}), *(a_route(f"/{name}") for name in "bcde"))
    routes.put(a_route("/f"))
    for number in range(4):
        routes.put(a_route("/ask", values_key=f"k{number}"))

    left = [name for name in "abcdef" if routes.match(a_request(path=f"/{name}"))]
    assert left == ["a", "d", "e", "f"]
    assert len(routes) == 6


@pytest.mark.parametrize("kept", ["pinned", "by_person"])
def test_kept_routes_take_no_others_place(kept: str) -> None:
    """However many they are, the newest others stay, up to the limit."""
    routes = some_routes(*(a_route(f"/{name}", **{kept: True}) for name in "abcd"))
    for name in "efgh":
        routes.put(a_route(f"/{name}"))

    left = [name for name in "abcdefgh" if routes.match(a_request(path=f"/{name}"))]
    assert left == ["a", "b", "c", "d", "f", "g", "h"]
