"""The conventions planner's decisions: which plan a request gets, or which error."""

from __future__ import annotations

from typing import Any

import pytest

from server.planning.conventions.code import FLAT, NESTED
from server.planning.conventions.planner import ConventionsPlanner, doubtful_name
from server.planning.kinds.route import RouteTemplate
from server.planning.policy import check
from server.values.errors import InvalidQuery, MethodNotAllowed, NotPlannable, ServiceError
from server.values.model import SourceCode
from store.names import PRESENTATION
from tests.unit.server.planning.requests import NO_BODY, a_request

UUID = "0b8f3f6e-7c1d-4b0a-9a53-0d3c8f3b2a11"
CANARY = "Kanari-7f3a91"
COLLECTION = ("GET", "HEAD", "POST", "OPTIONS")
SEARCH = ("GET", "HEAD", "OPTIONS")
ITEM = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")

PLANNED: list[tuple[Any, str, Any, tuple[str, str, str]]] = [
    ("GET", "/members", NO_BODY, ("list", "members", "/members")),
    ("GET", "/members/", NO_BODY, ("list", "members", "/members")),
    ("HEAD", "/members", NO_BODY, ("list", "members", "/members")),
    ("GET", "/Members", NO_BODY, ("list", "Members", "/Members")),
    ("GET", "/search", NO_BODY, ("list", "search", "/search")),
    ("POST", "/members", {"name": "A"}, ("create", "members", "/members")),
    ("POST", "/members/", {}, ("create", "members", "/members")),
    ("POST", "/members", [{"name": "A"}], ("create", "members", "/members")),
    ("POST", "/members", [], ("create", "members", "/members")),
    ("GET", "/members/search", NO_BODY, ("search", "members", "/members/search")),
    ("GET", "/members/find", NO_BODY, ("search", "members", "/members/find")),
    ("GET", "/members/query", NO_BODY, ("search", "members", "/members/query")),
    ("HEAD", "/members/filter", NO_BODY, ("search", "members", "/members/filter")),
    ("GET", "/members/count", NO_BODY, ("count", "members", "/members/count")),
    ("HEAD", "/members/stats", NO_BODY, ("stats", "members", "/members/stats")),
    ("GET", "/members/1/orders/count", NO_BODY, ("count", "orders", "/members/{member_id:int}/orders/count")),
    ("GET", "/members/1/orders/stats", NO_BODY, ("stats", "orders", "/members/{member_id:int}/orders/stats")),
    ("GET", "/members/1", NO_BODY, ("get", "members", "/members/{id:int}")),
    ("HEAD", "/members/1/", NO_BODY, ("get", "members", "/members/{id:int}")),
    ("GET", f"/members/{UUID}", NO_BODY, ("get", "members", "/members/{id:uuid}")),
    ("GET", "/books/isbn-1", NO_BODY, ("get", "books", "/books/{id:text}")),
    ("GET", "/members/alice", NO_BODY, ("get", "members", "/members/{id:slug}")),
    ("GET", "/Members/0", NO_BODY, ("get", "Members", "/Members/{id:int}")),
    ("PUT", "/members/1", {"name": "A"}, ("replace", "members", "/members/{id:int}")),
    ("PATCH", "/members/1", {"name": "A"}, ("patch", "members", "/members/{id:int}")),
    ("DELETE", "/members/1", NO_BODY, ("delete", "members", "/members/{id:int}")),
    ("GET", "/api/v1/members/1", NO_BODY, ("get", "members", "/api/v1/members/{id:int}")),
    ("POST", "/v2/members", {}, ("create", "members", "/v2/members")),
    ("GET", "/api/members/search", NO_BODY, ("search", "members", "/api/members/search")),
    ("GET", "/members/1/orders", NO_BODY, ("list", "orders", "/members/{member_id:int}/orders")),
    ("POST", "/members/1/orders", {}, ("create", "orders", "/members/{member_id:int}/orders")),
    ("POST", "/members/1/orders", [{}], ("create", "orders", "/members/{member_id:int}/orders")),
    ("GET", "/members/bo/orders", NO_BODY, ("list", "orders", "/members/{member_id:slug}/orders")),
    (
        "GET",
        "/members/1/orders/find",
        NO_BODY,
        ("search", "orders", "/members/{member_id:int}/orders/find"),
    ),
    (
        "GET",
        f"/api/categories/x-1/products/{UUID}",
        NO_BODY,
        ("get", "products", "/api/categories/{category_id:text}/products/{id:uuid}"),
    ),
    ("PUT", "/a/1/bees/2", {}, ("replace", "bees", "/a/{a_id:int}/bees/{id:int}")),
    ("PATCH", "/a/1/bees/2", {}, ("patch", "bees", "/a/{a_id:int}/bees/{id:int}")),
    ("DELETE", "/a/1/bees/2", NO_BODY, ("delete", "bees", "/a/{a_id:int}/bees/{id:int}")),
]

REFUSED: list[tuple[Any, str, Any, int]] = [
    ("POST", "/members", "text", 422),
    ("POST", "/members", None, 422),
    ("POST", "/members", NO_BODY, 422),
    ("POST", "/members", [{}, 1], 422),
    ("POST", "/members/1/orders", [[]], 422),
    ("PUT", "/members/1", [], 422),
    ("PUT", "/members/1", NO_BODY, 422),
    ("PATCH", "/members/1", "text", 422),
    ("PATCH", "/members/1", NO_BODY, 422),
    ("POST", "/members/1", {}, 405),
    ("PUT", "/members", {}, 405),
    ("PATCH", "/members", {}, 405),
    ("DELETE", "/members", NO_BODY, 405),
    ("POST", "/members/search", {}, 405),
    ("POST", "/members/count", {}, 405),
    ("DELETE", "/members/stats", NO_BODY, 405),
    ("GET", "/members/count/orders", NO_BODY, 501),
    ("GET", "/members/1/stats", NO_BODY, 501),
    ("DELETE", "/members/search", NO_BODY, 405),
    ("DELETE", "/members/1/orders", NO_BODY, 405),
    ("POST", "/members/1/orders/2", {}, 405),
    ("POST", "/members/1/orders/search", {}, 405),
    ("GET", "/favicon.ico", NO_BODY, 404),
    ("PUT", "/favicon.ico", {}, 404),
    ("GET", "/.env", NO_BODY, 404),
    ("GET", "/.git/config", NO_BODY, 404),
    ("GET", "/wp-login.php", NO_BODY, 404),
    ("GET", "/members.json", NO_BODY, 404),
    ("GET", "/1/members", NO_BODY, 404),
    ("GET", "/members//1", NO_BODY, 404),
    ("GET", "/api/v1", NO_BODY, 404),
    ("GET", f"/members/{'x' * 129}", NO_BODY, 404),
    ("GET", "/members/1/2", NO_BODY, 404),
    ("GET", f"/members/{'x' * 129}/orders", NO_BODY, 404),
    ("GET", f"/members/1/orders/{'x' * 129}", NO_BODY, 404),
    ("POST", "/orders/1/cancel", NO_BODY, 501),
    ("POST", "/orders/1/cancel", "now", 501),
    ("POST", "/members/1/orders", NO_BODY, 422),
    ("POST", "/members/1/orders", "now", 422),
    ("GET", "/members/1/search", NO_BODY, 501),
    ("GET", "/members/search/1", NO_BODY, 501),
    ("POST", "/orders/1/cancel", {"reason": "late"}, 501),
    ("POST", "/api/v1/orders/1/cancel", [], 501),
    ("GET", "/orders/1/invoice", NO_BODY, 501),
    ("PUT", "/orders/1/status", {}, 501),
    ("GET", "/orders/1/invoice/search", NO_BODY, 501),
    ("DELETE", "/orders/1/invoice/2", NO_BODY, 501),
    ("GET", "/a/1/bees/2/c", NO_BODY, 501),
    ("GET", "/a/1/bees/search/2", NO_BODY, 501),
]


@pytest.fixture
def planner() -> ConventionsPlanner:
    return ConventionsPlanner()


@pytest.mark.parametrize(("method", "path", "body", "expected"), PLANNED)
def test_planned(
    planner: ConventionsPlanner, method: Any, path: str, body: Any, expected: tuple[str, str, str]
) -> None:
    """The path, the method and the kind of body decide the plan, and its route matches the request."""
    ctx = a_request(method, path, body=body)

    plan = planner.plan(ctx)

    assert (plan.action, plan.resource, plan.route) == expected
    assert RouteTemplate.parse(plan.route).match(ctx.segments) is not None
    assert method in planner.allowed_methods(ctx.segments)


@pytest.mark.parametrize(("method", "path", "body", "status"), REFUSED)
def test_refused(planner: ConventionsPlanner, method: Any, path: str, body: Any, status: int) -> None:
    """What is no convention has its pinned status."""
    with pytest.raises(ServiceError) as caught:
        planner.plan(a_request(method, path, body=body))

    assert caught.value.status == status


@pytest.mark.parametrize(
    ("method", "path", "body", "action"),
    [
        ("POST", "/members/1/cart", {"item": "lamp"}, "create"),
        ("GET", "/api/members/1/cart", NO_BODY, "list"),
        ("GET", "/members/1/cart/search", NO_BODY, "search"),
        ("DELETE", "/members/1/cart/2", NO_BODY, "delete"),
    ],
)
def test_a_collection_that_is_no_plural(
    planner: ConventionsPlanner, method: Any, path: str, body: Any, action: str
) -> None:
    """Where there is one, its name below a record means it."""
    ctx = a_request(method, path, body=body)

    plan = planner.plan(ctx, exists=True)

    assert doubtful_name(ctx.segments) == "cart"
    assert (plan.action, plan.resource) == (action, "cart")
    assert method in planner.allowed_methods(ctx.segments, exists=True)


def test_an_action_stays_one(planner: ConventionsPlanner) -> None:
    """Without a body there is nothing to create, whatever collections there are."""
    with pytest.raises(NotPlannable):
        planner.plan(a_request("POST", "/orders/1/cancel"), exists=True)


@pytest.mark.parametrize(
    "path",
    [
        "/cart",
        "/cart/1",
        "/members/1/orders",
        "/members/search/cart",
        "/a/1/search",
        "/a/1/cart/2/x",
        "/a/1/2",
    ],
)
def test_what_is_not_doubtful(path: str) -> None:
    """Nobody has to look into the session for these."""
    assert doubtful_name(a_request(path=path).segments) is None


def test_not_plannable_names_the_keys(planner: ConventionsPlanner) -> None:
    """Who asks for more than conventions is told how to get it."""
    with pytest.raises(NotPlannable, match=r"OPENAI_API_KEY .*ANTHROPIC_API_KEY"):
        planner.plan(a_request("POST", "/orders/1/cancel"))


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/members", COLLECTION),
        ("/members/1", ITEM),
        ("/members/search", SEARCH),
        ("/members/1/orders", COLLECTION),
        ("/members/1/orders/2", ITEM),
        ("/members/1/orders/search", SEARCH),
    ],
)
def test_allowed_methods(planner: ConventionsPlanner, path: str, allowed: tuple[str, ...]) -> None:
    """Allow lists what a path of this form can have."""
    assert planner.allowed_methods(a_request(path=path).segments) == allowed


def test_allowed_methods_of_the_root(planner: ConventionsPlanner) -> None:
    """The root has the service's page and nothing to plan."""
    assert planner.allowed_methods(()) == SEARCH

    with pytest.raises(MethodNotAllowed):
        planner.plan(a_request("POST", "/", segments=(), body={}))


@pytest.mark.parametrize(
    ("path", "status"), [("/favicon.ico", 404), ("/a/1/bees/2/c", 501), ("/orders/1/cancel", 501)]
)
def test_allowed_methods_of_no_path(planner: ConventionsPlanner, path: str, status: int) -> None:
    """A path that no request could use has no methods either."""
    with pytest.raises(ServiceError) as caught:
        planner.allowed_methods(a_request(path=path).segments)

    assert caught.value.status == status


def test_method_not_allowed_tells_what_is(planner: ConventionsPlanner) -> None:
    """A 405 has the Allow header of RFC 9110 §15.5.6 and says the same in its body."""
    with pytest.raises(MethodNotAllowed) as caught:
        planner.plan(a_request("PUT", "/members", body={}))

    assert caught.value.headers == {"Allow": "GET, HEAD, POST, OPTIONS"}
    assert caught.value.members == {"allow": ["GET", "HEAD", "POST", "OPTIONS"]}


def test_one_kind_one_plan(planner: ConventionsPlanner) -> None:
    """Requests of one kind have the identical plan, whatever their values: the hot path looks it up."""
    one = planner.plan(a_request("PATCH", "/members/1", body={"name": "A"}))
    other = ConventionsPlanner().plan(a_request("PATCH", "/members/22/", query={"x": "1"}, body={"b": 2}))

    assert one is other


def test_different_kinds_differ(planner: ConventionsPlanner) -> None:
    """A batch, a merge patch, and each kind of slot have plans of their own."""
    requests = [
        a_request("POST", "/members", body={}),
        a_request("POST", "/members", body=[]),
        a_request("PATCH", "/members/1", body={}),
        a_request("PATCH", "/members/1", body={}, content="merge-patch"),
        a_request("PATCH", "/members/x1", body={}),
        a_request("PATCH", "/teams/1", body={}),
        a_request("PATCH", "/members/1/teams/1", body={}),
    ]

    assert len({(plan.route, plan.code) for plan in map(planner.plan, requests)}) == len(requests)


@pytest.mark.parametrize(
    ("path", "query"),
    [("/members", "any"), ("/members/search", "any"), ("/a/1/members", "any"), ("/members/1", "declared")],
)
def test_filters_are_no_part_of_a_route(planner: ConventionsPlanner, path: str, query: str) -> None:
    """Lists and searches take whatever query keys come."""
    assert planner.plan(a_request(path=path)).query == query


def test_plans_hold_no_values(planner: ConventionsPlanner) -> None:
    """No value of a request is in its plan."""
    ctx = a_request(
        "PUT",
        f"/members/{CANARY}/orders/{CANARY}",
        query={"q": CANARY},
        body={"name": CANARY},
        headers={"accept": CANARY},
    )

    assert CANARY not in repr(planner.plan(ctx))


@pytest.mark.parametrize("code", [*FLAT.values(), *NESTED.values()])
def test_code_passes_the_policy(code: str) -> None:
    """The conventions' code is checked as a model's is, and accepted."""
    assert "REPLY" in check(SourceCode(code)).text


@pytest.mark.parametrize("path", ["/members", "/members/1/orders"])
def test_deleting_a_collection_is_off(planner: ConventionsPlanner, path: str) -> None:
    """405 with the setting's name; with the setting on it is planned, and Allow says so."""
    with pytest.raises(MethodNotAllowed, match=r"conventions\.delete_collections") as caught:
        planner.plan(a_request("DELETE", path))
    allowing = ConventionsPlanner(delete_collections=True)

    assert "conventions.delete_collections" in caught.value.members["reason"]
    assert allowing.plan(a_request("DELETE", path)).action == "delete"
    assert allowing.allowed_methods(a_request(path=path).segments) == (
        "GET",
        "HEAD",
        "POST",
        "DELETE",
        "OPTIONS",
    )


@pytest.mark.parametrize("key", sorted(PRESENTATION))
def test_what_is_deleted_is_told_by_filters(key: str) -> None:
    """`DELETE /members?limit=1` would delete more than it says."""
    with pytest.raises(InvalidQuery, match=key):
        ConventionsPlanner(delete_collections=True).plan(a_request("DELETE", "/members", query={key: "1"}))


@pytest.mark.parametrize("path", ["/members", "/members/search", "/members/count", "/members/1/orders"])
def test_groups_go_with_stats(planner: ConventionsPlanner, path: str) -> None:
    """A list that took no notice of `group_by` would look like an answer."""
    with pytest.raises(InvalidQuery, match="/stats"):
        planner.plan(a_request("GET", path, query={"group_by": "name"}))


@pytest.mark.parametrize(
    "path", ["/members", "/members/search", "/members/1", "/a/1/bees", "/a/1/bees/search", "/a/1/bees/2"]
)
def test_a_plain_read_has_the_plain_program(planner: ConventionsPlanner, path: str) -> None:
    """What a query does not ask for costs it nothing."""
    plain = planner.plan(a_request("GET", path))
    filtered = planner.plan(a_request("GET", path, query={"limit": "1", "sort": "a", "name": "x", "q": "x"}))
    viewed = planner.plan(a_request("GET", path, query={"fields": "a"}))

    assert filtered is plain
    assert viewed.action == plain.action
    assert "pick(" in viewed.code.text
    assert "pick(" not in plain.code.text
