"""One object at a path of its own, and what is no record at all: logins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from server.planning.conventions.planner import ConventionsPlanner
from server.values.errors import MethodNotAllowed, NotPlannable, Unprocessable
from store.session_store import Session
from tests.unit.server.planning.requests import NO_BODY, a_request
from tests.unit.server.planning.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DARK = {"theme": "dark", "size": 2}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    session = Session.open(str(tmp_path), page_limit_bytes=2**24, durability="cache")
    yield session
    session.close()


@pytest.fixture
def ask(session: Session) -> Service:
    return Service(session)


@pytest.mark.parametrize("path", ["/settings", "/profile", "/api/v1/profile", "/user-settings"])
def test_put_makes_one_object(ask: Service, path: str) -> None:
    """It is created once, then replaced; what is read is what was put."""

    assert ask("PUT", path, DARK)[:2] == (201, DARK)
    assert ask("GET", path)[:2] == (200, DARK)
    assert ask("PUT", path, {"theme": "light"})[:2] == (200, {"theme": "light"})
    assert ask("GET", path)[:2] == (200, {"theme": "light"})


def test_changes_of_the_object(ask: Service) -> None:
    """Each kind of patch, and a choice of fields."""
    ask("PUT", "/settings", DARK)

    assert ask.body("PATCH", "/settings", {"size": None}) == {"theme": "dark", "size": None}
    assert ask.body("PATCH", "/settings", {"size": None, "a": 1}, content="merge-patch") == {
        "theme": "dark",
        "a": 1,
    }
    patch = [{"op": "replace", "path": "/theme", "value": "light"}]
    assert ask.body("PATCH", "/settings", patch, content="json-patch") == {"theme": "light", "a": 1}
    assert ask.body("GET", "/settings", query={"fields": "theme"}) == {"theme": "light"}
    assert ask.status("GET", "/settings", query={"fields": "nope"}) == 400


def test_an_object_with_an_id_of_its_own(ask: Service) -> None:
    """It is shown where the client gave it."""

    assert ask("PUT", "/profile", {"id": 42, "name": "Al"})[:2] == (201, {"id": 42, "name": "Al"})
    assert ask.body("PUT", "/profile", {"name": "Bo"}) == {"id": 42, "name": "Bo"}
    assert ask.body("GET", "/profile") == {"id": 42, "name": "Bo"}


def test_a_deleted_object_is_not_found(ask: Service) -> None:
    """It is no empty list either; PUT makes it again, and POST makes records."""
    ask("PUT", "/settings", DARK)

    assert ask.status("DELETE", "/settings") == 204
    assert ask.status("GET", "/settings") == 404
    assert ask.status("PATCH", "/settings", {"a": 1}) == 404
    assert ask.status("DELETE", "/settings") == 404
    assert ask.status("PUT", "/settings", DARK) == 201
    ask("DELETE", "/settings")
    assert ask.status("POST", "/settings", {"a": 1}) == 201
    assert ask.body("GET", "/settings")["page"]["total"] == 1


def test_post_never_makes_one(ask: Service) -> None:
    """A posted object is a record; and where there is one object, POST is no method."""

    assert ask.body("POST", "/profile", {"a": 1}) == {"id": 1, "a": 1}
    with pytest.raises(MethodNotAllowed) as refused:
        ask("PUT", "/profile", {"a": 2})
    assert "/profile/{id}" in refused.value.members["reason"]
    ask("PUT", "/settings", DARK)
    for body in ({"a": 1}, [{"a": 1}]):
        status, _, headers = ask("POST", "/settings", body)
        assert (status, headers) == (405, {"Allow": "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"})
    assert ask.body("GET", "/settings") == DARK


@pytest.mark.parametrize("body", [[], [{"a": 1}], "x", None, NO_BODY])
def test_only_an_object_makes_one(ask: Service, body: Any) -> None:
    """PUT of anything else is no method of a collection."""
    with pytest.raises(MethodNotAllowed):
        ask("PUT", "/members", body)


def test_an_object_is_replaced_by_objects_alone(ask: Service) -> None:
    """Anything else is no body for it."""
    ask("PUT", "/settings", DARK)

    with pytest.raises(Unprocessable):
        ask("PUT", "/settings", [1])
    with pytest.raises(Unprocessable):
        ask("PATCH", "/settings", "x")


def test_an_emptied_collection_may_become_one(ask: Service) -> None:
    """What counts are the records that there are."""
    ask("POST", "/members", {"a": 1})
    ask("DELETE", "/members/1")

    assert ask("PUT", "/members", DARK)[:2] == (201, DARK)


def test_the_note_outlives_the_session(session: Session, ask: Service, tmp_path: Path) -> None:
    """It is in the catalogue, and goes with an undone request."""
    ask("PUT", "/settings", DARK)
    assert ask.status("PUT", "/drafts", {"id": 2**60}) == 422
    assert ask.body("GET", "/drafts")["items"] == []
    session.close()

    again = Session.open(str(tmp_path), page_limit_bytes=2**24)
    assert again.plan_view["settings"].schema()["single"] == "made"
    assert Service(again).body("GET", "/settings") == DARK
    again.close()


@pytest.mark.parametrize(
    ("held", "allowed"),
    [
        ("nothing", ("GET", "HEAD", "POST", "PUT", "OPTIONS")),
        ("records", ("GET", "HEAD", "POST", "OPTIONS")),
        ("object", ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")),
    ],
)
def test_methods_of_a_path(held: Any, allowed: tuple[str, ...]) -> None:
    """They are those of what it holds."""

    assert ConventionsPlanner().allowed_methods(("settings",), holds=held) == allowed


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/login"),
        ("POST", "/auth/login"),
        ("POST", "/api/v1/auth/login"),
        ("POST", "/users/login"),
        ("POST", "/users/sign-in"),
        ("POST", "/signup"),
        ("POST", "/register"),
        ("POST", "/logout"),
        ("POST", "/oauth/token"),
        ("POST", "/forgot_password"),
        ("POST", "/password/reset"),
        ("POST", "/otp"),
        ("POST", "/session"),
        ("POST", "/api/v1/sessions"),
        ("PUT", "/session"),
        ("PUT", "/login"),
        ("GET", "/login"),
        ("GET", "/auth/me"),
        ("POST", "/api/token/refresh"),
        ("POST", "/jwt/create"),
        ("POST", "/login/google"),
        ("POST", "/register/confirm"),
        ("PUT", "/setPassword"),
        ("OPTIONS", "/auth/me"),
    ],
)
def test_logins_are_no_convention(method: Any, path: str) -> None:
    """501 that names the key to set, and no password in a store."""
    planner = ConventionsPlanner()
    body = {"email": "a@b.c", "password": "x"} if method in ("POST", "PUT") else NO_BODY

    def asked() -> Any:
        if method == "OPTIONS":
            return planner.allowed_methods(tuple(path[1:].split("/")))
        return planner.plan(a_request(method, path, body=body))

    with pytest.raises(NotPlannable, match=r"credentials.*none are stored.*OPENAI_API_KEY") as refused:
        asked()
    assert refused.value.status == 501


@pytest.mark.parametrize("path", ["/users", "/tokens", "/sessions", "/registrations", "/users/1", "/logins"])
def test_what_only_looks_like_one(path: str) -> None:
    """Plurals are collections, and a user may be called anything."""

    assert ConventionsPlanner().plan(a_request("GET", path)).resource


def test_sessions_without_a_password_are_records(ask: Service) -> None:
    """Of a conference, say."""

    assert ask.status("POST", "/sessions", {"title": "Opening", "room": 1}) == 201
    assert ask.body("GET", "/sessions")["page"]["total"] == 1
