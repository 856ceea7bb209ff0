"""json-server 0.17.4: each rule as its README and its routers (lib/server of the npm package) have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.server.planning.dialects.service import DialectService
from tests.unit.server.planning.requests import NO_BODY

if TYPE_CHECKING:
    from store.session_store import Session

POSTS = [
    {"id": 1, "title": "json-server", "author": {"name": "typicode"}, "views": 100, "open": True},
    {"id": 2, "title": "Beta", "author": {"name": "al"}, "views": 7, "open": False},
    {"id": 3, "title": "beta two", "author": {"name": "bo"}, "views": 30},
]
COMMENTS = [
    {"id": 1, "body": "some", "postId": 1},
    {"id": 2, "body": "other", "postId": 1},
    {"id": 3, "body": "more", "postId": 2},
]


@pytest.fixture
def ask(session: Session) -> DialectService:
    service = DialectService(session, "json-server")
    for post in POSTS:
        service("POST", "/posts", post)
    for comment in COMMENTS:
        service("POST", "/comments", comment)
    service("PUT", "/profile", {"name": "typicode"})
    return service


def fill(ask: DialectService) -> None:
    for number in range(1, 16):
        ask("POST", "/list", {"id": number})


def ids(found: tuple[int, Any, dict[str, str]]) -> list[Any]:
    assert found[0] == 200, found
    return [each["id"] for each in found[1]]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", [1, 2, 3]),
        ("title=Beta", [2]),
        ("title=beta", []),
        ("views=7", [2]),
        ("open=false", [2]),
        ("id=1&id=3", [1, 3]),
        ("author.name=al", [2]),
        ("nothing=1", [1, 2, 3]),
        ("author.nothing=1", [1, 2, 3]),
        ("_=123&callback=x", [1, 2, 3]),
        ("views_gte=30", [1, 3]),
        ("views_gte=8&views_lte=99", [3]),
        ("views_ne=7", [1, 3]),
        ("views_ne=7&views_ne=30", [1]),
        ("open_ne=true", [2]),
        ("nothing_gte=1", []),
        ("title_like=BETA", [2, 3]),
        ("title_like=^beta", [2, 3]),
        ("title_like=two$", [3]),
        ("title_like=b.*o$", [3]),
        ("title_like=server&title_like=two", [1, 3]),
        ("views_like=30", [3]),
        ("q=BET", [2, 3]),
        ("q=typi", [1]),
        ("q=30", [3]),
        ("q=nope", []),
        ("q=beta&q=typi", [2, 3]),
        ("q=beta&views=7", [2]),
        ("_sort=views", [2, 3, 1]),
        ("_sort=views&_order=desc", [1, 3, 2]),
        ("_sort=views&_order=DESC", [1, 3, 2]),
        ("_sort=author.name", [2, 3, 1]),
        ("_sort=title", [2, 3, 1]),
        ("_sort=open,views&_order=asc,desc", [2, 1, 3]),
        ("_sort=views,id&_order=desc", [1, 3, 2]),
        ("_start=1&_end=2", [2]),
        ("_end=2", [1, 2]),
        ("_start=1&_limit=1", [2]),
        ("_limit=2", [1, 2]),
        ("_limit=0", []),
        ("_limit=x", []),
        ("_start=1", [1, 2, 3]),
        ("_end=-1", [1, 2]),
        ("_start=-2&_end=3", [2, 3]),
        ("_limit=-1", [1, 2]),
        ("_page=1&_limit=2", [1, 2]),
        ("_page=2&_limit=2", [3]),
        ("_page=9&_limit=2", []),
        ("_page=x&_limit=2", [1, 2]),
        ("_page=-1&_limit=2", [1, 2]),
    ],
)
def test_a_list_is_filtered_sorted_and_cut_as_json_server_does(
    ask: DialectService, query: str, wanted: list[int]
) -> None:
    assert ids(ask("GET", f"/posts?{query}")) == wanted


@pytest.mark.parametrize("text", ["a|b", "(a+)+$", "[a-z]", "a{2}", "\\d"])
def test_like_takes_no_other_pattern(ask: DialectService, text: str) -> None:
    status, body, _ = ask("GET", f"/posts?title_like={text.replace('+', '%2B')}")
    assert status == 400
    assert "title_like" in body["detail"]


def test_a_sign_in_sort_is_refused_with_the_right_spelling(ask: DialectService) -> None:
    status, body, _ = ask("GET", "/posts?_sort=-views")
    assert status == 400
    assert "_sort=views&_order=desc" in body["detail"]
    assert "json-server-1" in body["detail"]


def test_the_total_comes_with_a_page_alone(ask: DialectService) -> None:
    fill(ask)
    assert "x-total-count" not in ask("GET", "/posts?_sort=id")[2]
    headers = ask("GET", "/list?_end=2")[2]
    assert headers["x-total-count"] == "15"
    assert headers["access-control-expose-headers"] == "X-Total-Count"
    assert "x-total-count" not in ask("GET", "/posts?q=beta")[2]
    assert ask("GET", "/posts?_limit=1&q=beta")[2]["x-total-count"] == "2"


def test_a_page_links_to_others(ask: DialectService) -> None:
    fill(ask)
    headers = ask("GET", "/list?_page=2&_limit=1")[2]
    place = "http://localhost:8000/list?_page={}&_limit=1"
    assert headers["link"] == ", ".join(
        f'<{place.format(number)}>; rel="{name}"'
        for name, number in {"first": 1, "prev": 1, "next": 3, "last": 15}.items()
    )
    assert headers["access-control-expose-headers"] == "X-Total-Count, Link"
    assert 'rel="prev"' not in ask("GET", "/list?_page=1")[2]["link"]
    assert "link" not in ask("GET", "/posts?_page=1")[2]


def test_embed_and_expand(ask: DialectService) -> None:
    _, body, _ = ask("GET", "/posts?_embed=comments&_embed=nothing")
    assert [[each["id"] for each in post["comments"]] for post in body] == [[1, 2], [3], []]
    assert body[0]["nothing"] == []
    assert ask("GET", "/posts/1?_embed=comments")[1]["comments"] == COMMENTS[:2]
    assert ask("GET", "/comments/3?_expand=post")[1]["post"] == POSTS[1]
    ask("POST", "/comments", {"id": 9, "postId": 77})
    _, body, _ = ask("GET", "/comments?_expand=post&_expand=nobody")
    assert body[0] == {**COMMENTS[0], "post": POSTS[0]}
    assert body[-1] == {"id": 9, "postId": 77}


def test_children_below_their_parent(ask: DialectService) -> None:
    assert ids(ask("GET", "/posts/1/comments")) == [1, 2]
    assert ids(ask("GET", "/posts/1/comments?_sort=id&_order=desc")) == [2, 1]
    assert ids(ask("GET", "/posts/1/comments?body=some")) == [1]
    assert ids(ask("GET", "/posts/99/comments")) == []
    status, body, headers = ask("POST", "/posts/2/comments", {"body": "new"})
    # As it stood in the path. It points at the post all the same.
    assert (status, body) == (201, {"id": 4, "body": "new", "postId": "2"})
    assert headers["location"] == "/comments/4"
    assert ids(ask("GET", "/posts/2/comments")) == [3, 4]
    assert [each["id"] for each in ask("GET", "/posts/2?_embed=comments")[1]["comments"]] == [3, 4]
    assert ask("GET", "/comments/4?_expand=post")[1]["post"] == POSTS[1]
    assert ids(ask("GET", "/comments?postId=2")) == [3, 4]
    ask("DELETE", "/posts/2")
    assert ids(ask("GET", "/comments")) == [1, 2]


def test_create_replace_patch_and_delete(ask: DialectService) -> None:
    status, body, headers = ask("POST", "/posts", {"title": "new"})
    assert (status, body, headers["location"]) == (201, {"id": 4, "title": "new"}, "/posts/4")
    assert headers["access-control-expose-headers"] == "Location"
    assert ask("POST", "/posts", {"id": 1})[0] == 409
    assert ask("POST", "/posts")[1] == {"id": 5}
    assert ask("PUT", "/posts/4", {"id": 99, "title": "x"})[:2] == (200, {"id": 4, "title": "x"})
    assert ask("PATCH", "/posts/4", {"id": 99, "views": None})[1] == {"id": 4, "title": "x", "views": None}
    assert ask("DELETE", "/posts/4")[:2] == (200, {})
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert ask(method, "/posts/4", *([{"a": 1}] if method[0] == "P" else []))[:2] == (404, {})


def test_what_points_at_a_deleted_record_goes_with_it(ask: DialectService) -> None:
    ask("DELETE", "/posts/1")
    assert ids(ask("GET", "/comments")) == [3]
    assert ids(ask("GET", "/posts")) == [2, 3]


def test_texts_for_ids_where_the_others_are_texts(ask: DialectService) -> None:
    ask("POST", "/refs", {"id": "abcd-1234"})
    made = ask("POST", "/refs", {"url": "x"})[1]
    assert isinstance(made["id"], str)
    assert len(made["id"]) == 7
    assert ask("GET", f"/refs/{made['id']}")[1] == made


def test_a_singular_resource(ask: DialectService) -> None:
    assert ask("GET", "/profile")[:2] == (200, {"name": "typicode"})
    assert ask("PATCH", "/profile", {"a": 1})[:2] == (200, {"name": "typicode", "a": 1})
    assert ask("PUT", "/profile", {"b": 2})[:2] == (200, {"b": 2})
    status, body, headers = ask("POST", "/profile", {"c": 3})
    assert (status, body) == (201, {"c": 3})
    assert (headers["location"], headers["access-control-expose-headers"]) == ("/profile", "Location")
    assert ask("GET", "/profile?_sort=x")[1] == {"c": 3}
    for method in ("PUT", "PATCH"):
        assert ask(method, "/posts", {"a": 1})[:2] == (404, {})


def test_it_is_at_its_name_alone(ask: DialectService) -> None:
    """The id under which it is kept is nobody's; one that was given is a member as any."""
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert ask(method, "/profile/1", {"c": 1} if method[0] == "P" else NO_BODY)[:2] == (404, {})
    assert ask("GET", "/profile")[1] == {"name": "typicode"}


def test_like_finds_elements_of_an_array(ask: DialectService) -> None:
    ask("PATCH", "/posts/1", {"tags": ["Red", "green"]})

    assert ids(ask("GET", "/posts?tags_like=red")) == [1]
    assert ids(ask("GET", "/posts?tags_like=gree")) == []


def test_what_is_not_there_is_404_and_an_empty_object(ask: DialectService) -> None:
    for method, path in [
        ("GET", "/undefined"), ("GET", "/undefined?q=1"), ("GET", "/posts/9001"), ("DELETE", "/posts"),
        ("POST", "/posts/1"), ("DELETE", "/posts/1/comments"), ("GET", "/a/b/c/d"),
    ]:  # fmt: skip
        assert ask(method, path)[:2] == (404, {}), (method, path)


def test_the_whole_database(ask: DialectService) -> None:
    status, body, _ = ask("GET", "/db")
    assert status == 200
    assert body["posts"] == POSTS
    assert body["profile"] == {"name": "typicode"}


@pytest.mark.parametrize("body", [[], [{"id": 5}], "x", 1, None])
def test_a_record_is_an_object(ask: DialectService, body: Any) -> None:
    assert ask("PUT", "/posts/1", body)[0] == 422
    assert ask("GET", "/posts/1")[1] == POSTS[0]


def test_replies_are_not_to_be_kept(ask: DialectService) -> None:
    """lib/server/defaults.js, "No cache for IE"; also of what failed."""
    for method, path in (("GET", "/db"), ("GET", "/posts/99"), ("POST", "/posts")):
        headers = ask(method, path)[2]
        assert [headers[name] for name in ("cache-control", "pragma", "expires")] == ["no-cache"] * 2 + ["-1"]


def test_names_of_any_style_and_ids_of_any_kind(ask: DialectService) -> None:
    """A number for an id is reached as text, too; a slash at the end is nothing."""
    ask("POST", "/stringIds", {"id": "1234"})
    ask("POST", "/refs", {"id": "abcd-1234", "postId": 1})
    assert ask("GET", "/stringIds/1234")[:2] == (200, {"id": "1234"})
    assert ask("GET", "/refs/abcd-1234/")[1]["postId"] == 1
    assert ids(ask("GET", "/posts/")) == [1, 2, 3]
    assert ids(ask("GET", "/stringIds?id=1234")) == ["1234"]
    assert ask("GET", "/posts?_embed=comments&_embed=refs")[1][0]["refs"][0]["id"] == "abcd-1234"


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("tel=123", [2]),
        ("at_gte=2026-02&at_lte=2026-03", [1]),
        ("at_gte=b", []),
        ("rate_gte=1.5", [1]),
        ("rate_gte=x", []),
        ("note=foo", [1]),
        ("note_ne=foo", []),
        ("note_like=fo", [1]),
        ("deep.list=x", [1, 2]),
        ("deep.a.b=1", [1]),
        ("deep.a=1", [2]),
        ("q=0123", [1]),
        ("q=b", []),
        ("q=null", []),
        ("q=false", []),
        ("id_gte=2", [2]),
        ("id_ne=1&id_ne=2", []),
        ("_sort=note", [1, 2]),
        ("_sort=tel&_order=desc,asc", [2, 1]),
        ("foo=1&bar=2", [1, 2]),
        ("_delay=1", [1, 2]),
    ],
)
def test_values_are_compared_as_texts_and_numbers(ask: DialectService, query: str, wanted: list[int]) -> None:
    """plural.js: a filter compares texts, `_gte` numbers with numbers; null and absent meet nothing."""
    ask(
        "POST",
        "/users",
        {"id": 1, "tel": "0123", "at": "2026-02-11", "rate": 2.5, "note": "foo", "deep": {"a": {"b": 1}}},
    )
    ask("POST", "/users", {"id": 2, "tel": "123", "rate": 1, "note": None, "deep": {"a": 1}, "f": False})
    assert ids(ask("GET", f"/users?{query}")) == wanted
