"""ra-data-simple-rest 5.15.3: each request as src/index.ts of the npm package makes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.unit.server.planning.dialects.service import DialectService

if TYPE_CHECKING:
    from store.session_store import Session

POSTS = [
    {"id": 1, "title": "b", "views": 3, "author_id": 1},
    {"id": 2, "title": "a", "views": 1, "author_id": 2},
    {"id": 3, "title": "c", "views": 2, "author_id": 1},
]


@pytest.fixture
def ask(session: Session) -> DialectService:
    service = DialectService(session, "ra-data-simple-rest")
    for post in POSTS:
        service("POST", "/posts", post)
    service("POST", "/authors", {"id": 1, "name": "Al"})
    return service


def listed(ask: DialectService, **words: Any) -> tuple[list[int], str]:
    query = "&".join(f"{key}={quote(json.dumps(value))}" for key, value in words.items())
    status, body, headers = ask("GET", f"/posts?{query}")
    assert status == 200, body
    assert headers["access-control-expose-headers"] == "Content-Range, X-Total-Count"
    assert headers["x-total-count"] == headers["content-range"].rpartition("/")[2]
    return [each["id"] for each in body], headers["content-range"]


def test_a_page_says_where_it_is(ask: DialectService) -> None:
    assert listed(ask, sort=["title", "ASC"], range=[0, 1], filter={}) == ([2, 1], "posts 0-1/3")
    assert listed(ask, sort=["title", "DESC"], range=[2, 24], filter={}) == ([2], "posts 2-2/3")
    assert listed(ask, range=[50, 74]) == ([], "posts */3")
    assert listed(ask) == ([1, 2, 3], "posts 0-2/3")


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, [1, 2, 3]),
        ({"title": "a"}, [2]),
        ({"id": [1, 3]}, [1, 3]),
        ({"id": ["1", "3"]}, [1, 3]),
        ({"author_id": 1}, [1, 3]),
        ({"author_id": "1"}, [1, 3]),
        ({"author_id": 1, "title": "c"}, [3]),
        ({"views_gte": 2}, [1, 3]),
        ({"views_lt": 3}, [2, 3]),
        ({"views_ne": 1}, [1, 3]),
        ({"q": "c"}, [3]),
        ({"title": None}, []),
        ({"id": []}, []),
    ],
)
def test_filters(ask: DialectService, wanted: dict[str, Any], ids: list[int]) -> None:
    assert listed(ask, filter=wanted)[0] == ids


@pytest.mark.parametrize(
    "query",
    [
        "sort=title", "sort=[]", 'sort=["title"]', 'sort=["title","UP"]', 'sort=["-title","ASC"]', "sort={}",
        "range=0-24", "range=[0]", 'range=["0","24"]', "range=[0,1e400]", "range=[-5,2]", "range={}",
        "filter=title", "filter=[]", 'filter={"title":{"a":1}}', 'filter={"nope":1}', 'filter={"q":1}',
        "embed={}", "embed=[1]", "title=a", "_sort=title", "filter=" + "[" * 99,
        'filter={"a":' + "[" * 20 + "]" * 20 + "}", 'embed=["nothing"]',
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(ask: DialectService, query: str) -> None:
    key, _, text = query.partition("=")
    status, body, _ = ask("GET", f"/posts?{key}={quote(text)}")
    assert status == 400, body
    assert body["message"] == body["detail"]
    assert key in body["detail"] or "expand" in body["detail"]


def test_one_record(ask: DialectService) -> None:
    assert ask("GET", "/posts/1")[:2] == (200, POSTS[0])
    embedded = ask("GET", f"/posts/1?embed={quote(json.dumps(['author']))}")[1]
    assert embedded["author"] == {"id": 1, "name": "Al"}
    assert ask("GET", f"/authors/1?embed={quote(json.dumps('posts'))}")[1]["posts"] == [POSTS[0], POSTS[2]]
    status, body, _ = ask("GET", "/posts/99")
    assert (status, body["message"]) == (404, "No record 99 in posts")


def test_writes(ask: DialectService) -> None:
    status, made, headers = ask("POST", "/posts", {"title": "d"})
    assert (status, made, headers["location"]) == (201, {"id": 4, "title": "d"}, "/posts/4")
    # `update` sends a whole record, `updateMany` only what is to be changed.
    assert ask("PUT", "/posts/1", {"views": 9})[1] == {**POSTS[0], "views": 9}
    assert ask("DELETE", "/posts/4", Content_Type="text/plain")[:2] == (200, made)
    assert ask("DELETE", "/posts/4")[0] == 404
    assert ask("PATCH", "/posts/1", {})[0] == 405
    assert ask("POST", "/posts", [1])[0] == 422


def test_a_field_whose_name_ends_like_an_operator(ask: DialectService) -> None:
    ask("POST", "/tags", {"max_lt": 5})
    found = ask("GET", f"/tags?filter={quote(json.dumps({'max_lt': 5}))}")
    assert [each["id"] for each in found[1]] == [1]


def test_a_collection_that_nobody_has_written_to(ask: DialectService) -> None:
    status, body, headers = ask("GET", "/nothing?range=[0,9]&filter={%22a%22:1}")
    assert (status, body, headers["content-range"]) == (200, [], "nothing */0")


def test_lists_are_looked_into(ask: DialectService) -> None:
    """One value, or any of several; a null is no list."""
    for tags in (["x", "y"], ["y", 7], [], None, "x"):
        ask("POST", "/tagged", {"tags": tags})

    def found(wanted: Any) -> Any:
        return ask("GET", f"/tagged?filter={quote(json.dumps({'tags': wanted}))}")[1]

    assert [each["id"] for each in found("x")] == [1, 5]
    assert [each["id"] for each in found(["x", "y"])] == [1, 2, 5]
    assert [each["id"] for each in found(7)] == [2]
    assert [each["id"] for each in found(None)] == [4]
    assert found("z") == []
