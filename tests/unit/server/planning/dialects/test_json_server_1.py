"""json-server 1.0.0-beta.15: each rule as its README and lib/ of the npm package have it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.unit.server.planning.dialects.service import DialectService
from tests.unit.server.planning.requests import NO_BODY

if TYPE_CHECKING:
    from store.session_store import Session

POSTS = [
    {"id": "a", "title": "One", "views": 100, "author": {"name": "al"}, "open": True},
    {"id": "b", "title": "Two", "views": 7, "author": {"name": "bo"}, "open": False},
    {"id": "c", "title": "tWo again", "views": 30, "author": {"name": "cy"}, "tags": ["x"]},
]


@pytest.fixture
def ask(session: Session) -> DialectService:
    """Given ids come from a seed."""
    seeded = DialectService(session, "json-server")
    for post in POSTS:
        seeded("POST", "/posts", post)
    for number, post in enumerate("aab"):
        seeded("POST", "/comments", {"id": f"c{number}", "postId": post})
    seeded("PUT", "/profile", {"name": "typicode"})
    return DialectService(session, "json-server-1")


def ids(found: tuple[int, Any, dict[str, str]]) -> str:
    assert found[0] == 200, found
    return "".join(each["id"] for each in found[1])


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", "abc"),
        ("title=Two", "b"),
        ("title=two", ""),
        ("title:eq=Two", "b"),
        ("views=7", "b"),
        ("views:gt=7", "ac"),
        ("views:gte=7", "abc"),
        ("views:lt=30", "b"),
        ("views:lte=30", "bc"),
        ("views:ne=30", "ab"),
        ("views_gt=7", "ac"),
        ("views:gt=7&views:lt=99", "c"),
        ("views:in=7,100", "ab"),
        ("id:in=a,c", "ac"),
        ("title:contains=TWO", "bc"),
        ("tags:contains=x", ""),
        ("title:contains=*", ""),
        ("title:startsWith=two", "bc"),
        ("title:endsWith=O", "b"),
        ("author.name:eq=bo", "b"),
        ("open=false", "b"),
        ("nothing=1", ""),
        ("_sort=views", "bca"),
        ("_sort=-views", "acb"),
        ("_sort=author.name,-views", "abc"),
        ('_where={"views":{"gt":7}}', "ac"),
        ('_where={"or":[{"views":{"gt":99}},{"author":{"name":{"eq":"bo"}}}]}', "ab"),
        ('_where={"views":{"gt":7,"lt":99}}&title=nothing', "c"),
        ('_where={"id":{"in":["a","b"]},"open":{"eq":true}}', "a"),
    ],
)
def test_a_list_is_filtered_and_sorted(ask: DialectService, query: str, wanted: str) -> None:
    assert ids(ask("GET", f"/posts?{quote(query, safe='=&')}")) == wanted


@pytest.mark.parametrize(
    ("query", "right"),
    [
        ("_limit=2", "_per_page"),
        ("_order=desc", "_sort=-name"),
        ("_start=0&_end=2", "_page"),
        ("_expand=post", "_embed"),
        ("views:foo=1", "startsWith"),
        ("_where={", "_where"),
        ("_where=[]", "_where"),
        ('_where={"a":1}', "takes an object"),
        ('_where={"a":{"gt":{}}}', "single"),
        ('_where={"a":{"in":[[]]}}', "single"),
        ("_where=" + '{"a":' * 30 + "{}" + "}" * 30, "deeper"),
        ("_where=" + json.dumps({"or": [{"a": {"eq": n}} for n in range(99)]}), "more than"),
        ("title:startsWith=a*", "without *"),
        ("_embed=a&" * 9, "relations"),
    ],
)
def test_what_it_would_pass_over_is_refused(ask: DialectService, query: str, right: str) -> None:
    status, body, _ = ask("GET", f"/posts?{quote(query, safe='=&')}")
    assert status == 400, body
    assert right in body["error"]


@pytest.mark.parametrize(
    ("page", "size", "numbers", "wanted"),
    [
        ("1", "2", (None, 2, 2), "ab"),
        ("2", "2", (1, None, 2), "c"),
        ("9", "2", (1, None, 2), "c"),
        ("0", "2", (None, 2, 2), "ab"),
        ("-1", "2", (None, 2, 2), "ab"),
        ("1", "0", (None, 2, 3), "a"),
        ("1", "x", (None, None, 1), "abc"),
    ],
)
def test_a_page_is_an_envelope(
    ask: DialectService, page: str, size: str, numbers: tuple[int | None, int | None, int], wanted: str
) -> None:
    status, body, _ = ask("GET", f"/posts?_page={page}&_per_page={size}")
    previous, following, last = numbers
    assert status == 200
    assert "".join(each["id"] for each in body.pop("data")) == wanted
    assert body == {"first": 1, "prev": previous, "next": following, "last": last, "pages": last, "items": 3}


def test_a_page_that_is_no_number_is_none(ask: DialectService) -> None:
    assert ids(ask("GET", "/posts?_page=x")) == "abc"


def test_embed_goes_both_ways(ask: DialectService) -> None:
    body = ask("GET", "/posts?_embed=comments&_embed=nothing")[1]
    assert [len(post["comments"]) for post in body] == [2, 1, 0]
    assert ask("GET", "/posts/b?_embed=comments")[1]["comments"] == [{"id": "c2", "postId": "b"}]
    assert ask("GET", "/comments/c2?_embed=post")[1]["post"] == POSTS[1]


def test_writes(ask: DialectService) -> None:
    status, made, headers = ask("POST", "/posts", {"title": "new"})
    assert status == 201
    assert isinstance(made["id"], str)
    assert len(made["id"]) == 11
    place = f"/posts/{made['id']}"
    assert headers["location"] == place
    assert ask("PUT", place, {"a": 1})[:2] == (200, {"id": made["id"], "a": 1})
    assert ask("PATCH", place, {"b": 2, "id": "x"})[1] == {"id": made["id"], "a": 1, "b": 2}
    assert ask("DELETE", place)[:2] == (200, {"id": made["id"], "a": 1, "b": 2})
    assert ask("DELETE", place)[:2] == (404, {"error": "Not Found"})


def test_a_given_id_is_refused_where_the_original_drops_it(ask: DialectService) -> None:
    status, body, _ = ask("POST", "/posts", {"id": "mine"})
    assert status == 422
    assert "json-server" in body["error"]
    assert ids(ask("GET", "/posts")) == "abc"


@pytest.mark.parametrize("body", [[], "x", 1, None])
def test_a_body_is_an_object(ask: DialectService, body: Any) -> None:
    assert ask("POST", "/posts", body)[:2] == (400, {"error": "Body must be a JSON object"})


def test_what_points_at_a_deleted_record(ask: DialectService) -> None:
    ask("DELETE", "/posts/a")
    assert [each["postId"] for each in ask("GET", "/comments")[1]] == [None, None, "b"]
    ask("DELETE", "/posts/b?_dependent=comments")
    assert ids(ask("GET", "/comments")) == "c0c1"


def test_an_object_resource(ask: DialectService) -> None:
    assert ask("GET", "/profile")[1] == {"name": "typicode"}
    assert ask("PATCH", "/profile", {"a": 1})[1] == {"name": "typicode", "a": 1}
    assert ask("PUT", "/profile", {"b": 1})[1] == {"b": 1}
    assert ask("POST", "/profile", {"b": 1})[0] == 404
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert ask(method, "/profile/1", {"c": 1} if method[0] == "P" else NO_BODY)[0] == 404
    assert ask("GET", "/profile")[1] == {"b": 1}
    assert ask("PUT", "/posts", {"b": 1})[0] == 404


def test_what_is_not_there(ask: DialectService) -> None:
    for method, path in [
        ("GET", "/undefined"),
        ("GET", "/posts/9"),
        ("DELETE", "/posts"),
        ("GET", "/a/b/c/d"),
    ]:
        assert ask(method, path)[0] == 404, path
