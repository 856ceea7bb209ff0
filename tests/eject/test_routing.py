"""Which handler answers: the rules of `ejected.routing`, and which routes are ejected at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from guest.credentials import bearer
from guest.reply import make_response
from server.eject.api import routes_of
from server.eject.modules import modules
from server.planning.kinds.route import RouteTemplate
from server.planning.kinds.route_table import LearnedRoute
from server.planning.policy import check
from server.values.errors import InvalidQuery, MethodNotAllowed, NotFound, Unprocessable, UnsupportedMediaType
from server.values.model import ContentKind, Method, Plan, RunnablePlan, Session, SourceCode
from store.session_store import Session as StoreSession
from tools.ejected.execution import execute
from tools.ejected.routing import Routes, Table

if TYPE_CHECKING:
    from pathlib import Path

UUID = "6f1c0d3e-7f0e-4f59-9c85-0f4d2f6a1b2c"
things = Routes("things")


@things.get("/things", query=("status",))
@things.get("/things", query=())
@things.post("/things", body="array")
@things.post("/things", body="object")
@things.get("/things/{id:int}", elsewhere={"group_by": "/things/stats"})
@things.get("/v2/things/{id:int}")
@things.get("/things/{id:uuid}")
@things.get("/things/{name:slug}")
@things.delete("/things/{id}")
@things.get("/things/special", query=("only",))
@things.post("/things/{id:int}/close", content="none")
@things.patch("/things/{id:int}", content="merge-patch")
def handler() -> None:
    """Never run here."""


TABLE = Table(things)


def find(method: str, path: str, content: str = "none", query: tuple[str, ...] = (), body: Any = None) -> str:
    route = TABLE.find(method, tuple(path[1:].split("/")), content, query, body)
    return f"{route.template} {route.query or ''}{route.body if route.body != 'any' else ''}".strip()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("GET", "/things"), "/things"),
        (("GET", "/things", "none", ("status",)), "/things ('status',)"),
        (("POST", "/things", "json", (), {}), "/things object"),
        (("POST", "/things", "form", (), {}), "/things object"),
        (("POST", "/things", "json", (), []), "/things array"),
        (("GET", "/things/7"), "/things/{id:int}"),
        (("GET", f"/things/{UUID}"), "/things/{id:uuid}"),
        (("GET", "/things/red-one"), "/things/{name:slug}"),
        (("GET", "/things/A-1", "none", ("any", "query")), "/things/{name:slug}"),
        (("DELETE", "/things/special"), "/things/{id}"),
        (("GET", "/things/special", "none", ("only",)), "/things/special ('only',)"),
        (("POST", "/things/7/close"), "/things/{id:int}/close"),
        # A prefix is passed over, unless a template has it.
        (("POST", "/api/v1/things/7/close"), "/things/{id:int}/close"),
        (("GET", "/v1/things/7", "none", ("any",)), "/things/{id:int}"),
        (("GET", "/v2/things/7"), "/v2/things/{id:int}"),
        (("DELETE", "/v2/things/7"), "/things/{id}"),
    ],
)
def test_the_most_exact_route_answers(asked: tuple[Any, ...], found: str) -> None:
    assert find(*asked) == found


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (("GET", "/others"), NotFound),
        (("GET", "/v1"), NotFound),
        (("GET", "/vx/things/7"), NotFound),
        (("GET", "/things/7", "none", ("group_by",)), InvalidQuery),
        (("PUT", "/things/7"), MethodNotAllowed),
        (("PATCH", "/things/7", "json", (), {}), UnsupportedMediaType),
        (("PATCH", "/things/7"), Unprocessable),
        (("GET", "/things", "none", ("other",)), InvalidQuery),
        # A word that a template has is not taken by a slot, even for another query.
        (("GET", "/things/special"), InvalidQuery),
        (("POST", "/things", "json", (), 3), Unprocessable),
        (("POST", "/things", "json", (), [{}, 3]), Unprocessable),
        (("POST", "/things/7/close", "json", (), {}), Unprocessable),
    ],
)
def test_what_no_route_takes_is_refused_for_what_is_wrong(
    asked: tuple[Any, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        find(*asked)


def test_allow_names_the_methods_of_the_path() -> None:
    assert TABLE.allowed(("things", "7")) == ("GET", "HEAD", "PATCH", "DELETE", "OPTIONS")
    assert TABLE.allowed(("things", "7", "close")) == ("POST", "OPTIONS")
    assert TABLE.allowed(("v1", "things", "7", "close")) == ("POST", "OPTIONS")


def test_slots_are_read_behind_a_prefix() -> None:
    route = next(route for route in things if route.template == "/things/{id:int}/close")

    assert route.params(("api", "v1", "things", "7", "close")) == {"id": 7}


@pytest.mark.parametrize(
    ("codes", "heads"),
    [
        # The same for two kinds of body is one handler; what differs is two, each with a name of its own.
        (
            ("REPLY = make_response(200)", "REPLY = make_response(200)"),
            [
                '@routes.post("/things/{id:int}/close", content="none")',
                '@routes.post("/things/{id:int}/close", content="json")',
                "def close_thing() -> Json:",
            ],
        ),
        (
            ("REPLY = make_response(200)", "REPLY = make_response(201)"),
            [
                '@routes.post("/things/{id:int}/close", content="none")',
                "def close_thing() -> Json:",
                '@routes.post("/things/{id:int}/close", content="json")',
                "def close_thing_2() -> Json:",
            ],
        ),
    ],
)
def test_routes_that_do_the_same_have_one_handler(codes: tuple[str, str], heads: list[str]) -> None:
    path = "/things/{id:int}/close"
    routes, _ = routes_of(
        Session("s", "0" * 32),
        [
            learned(path, method="POST", content=content, code=code)
            for content, code in zip(("none", "json"), codes, strict=True)
        ],
        {},
        conventions=False,
    )
    (module,) = modules(routes)

    assert [line for line in module.text.splitlines() if line.startswith(("@", "def "))] == heads


def learned(
    route: str,
    *,
    method: Method = "GET",
    content: ContentKind = "none",
    code: str = "REPLY = make_response(200)",
    **members: Any,
) -> LearnedRoute:
    plan = Plan("get", "things", route, SourceCode(code))
    runnable = RunnablePlan(plan, check(plan.code), "learned")
    return LearnedRoute(runnable, RouteTemplate.parse(route), method, content, (), **members)


def test_what_serves_one_request_or_nobody_is_left_out_and_said() -> None:
    """And a learned route is in the place of the convention for the same."""
    session = Session("s", "0" * 32)
    routes, left_out = routes_of(
        session,
        [
            learned("/things/{id:int}"),
            learned("/things/odd", values_key="1f"),
            learned("/things/{id:uuid}", quarantined=True),
        ],
        {"things": {"id": ["integer"]}},
        conventions=True,
    )
    got = [route.template for route in routes if route.method == "GET"]

    assert got == [f"/things{tail}" for tail in ("/{id:int}", "", "/search", "/count", "/stats", "/{id}")]
    assert [line.partition(":")[0] for line in left_out] == ["GET /things/odd", "GET /things/{id"]


def test_a_handler_reads_the_token_of_its_request(tmp_path: Path) -> None:
    """`bearer` is given nothing, and means the request that is served."""
    people = Routes("people")

    @people.get("/me")
    def me() -> dict[str, Any]:
        return make_response(200, bearer("Token"))

    session = StoreSession.open(str(tmp_path), page_limit_bytes=1 << 24)
    ctx = {"method": "GET", "path": "/me", "segments": ["me"], "query": {}, "body_json": None}
    answers = [
        execute(session, next(iter(people)), {**ctx, "headers": headers}).body
        for headers in ({"authorization": "token t1"}, {"authorization": "Bearer t1"}, {})
    ]
    session.close()

    assert answers == ['"t1"', "null", "null"]
