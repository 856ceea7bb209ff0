"""The page and the fields that a query asks for."""

from __future__ import annotations

from typing import Any

import pytest

from guest.pages import page_of, pick
from guest.reply import RequestFault


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ({}, (None, 0)),
        ({"limit": "", "offset": "", "page": ""}, (None, 0)),
        ({"limit": "5"}, (5, 0)),
        ({"limit": "0"}, (0, 0)),
        ({"offset": "3"}, (None, 3)),
        ({"limit": "5", "offset": "3"}, (5, 3)),
        ({"page": "1"}, (20, 0)),
        ({"page": "3"}, (20, 40)),
        ({"page": "2", "per_page": "7"}, (7, 7)),
        ({"page": "2", "page_size": "7"}, (7, 7)),
        ({"page": "2", "limit": "7"}, (7, 7)),
        ({"page": 2, "limit": 7}, (7, 7)),
        ({"per_page": "7"}, (7, 0)),
        ({"per_page": "7", "offset": "3"}, (7, 3)),
        ({"limit": "9007199254740991", "offset": "9007199254740991"}, (2**53 - 1, 2**53 - 1)),
        ({"page": "9007199254740991"}, (20, 2**53 - 1)),
    ],
)
def test_page_of(query: dict[str, Any], page: tuple[int | None, int]) -> None:
    """By either habit, and by both where they don't contradict each other."""
    assert page_of(query) == page


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"page": "0"}, "page: takes an integer from 1 up"),
        ({"page": "x"}, "page: "),
        ({"page": "-1"}, "page: "),
        ({"page": ["1", "2"]}, "page: "),
        ({"page": "9007199254740992"}, "page: "),
        ({"offset": "9007199254740992"}, "offset: "),
        ({"page": True}, "page: "),
        ({"per_page": "0"}, "per_page: takes an integer from 1 up"),
        ({"limit": "-1"}, "limit: takes an integer from 0 up"),
        ({"offset": "1.5"}, "offset: "),
        ({"page": "1", "offset": "0"}, "page and offset"),
        ({"limit": "1", "per_page": "1"}, "limit and per_page"),
        ({"per_page": "1", "page_size": "1"}, "per_page and page_size"),
    ],
)
def test_no_page(query: dict[str, Any], reason: str) -> None:
    """400, and which key it is about."""
    with pytest.raises(RequestFault) as caught:
        page_of(query)

    assert caught.value.status == 400
    assert caught.value.detail.startswith(reason)


BOOK = {
    "id": 1,
    "title": "x",
    "author": {"name": "A", "born": 1},
    "tags": ["a"],
    "lines": [{"n": 1, "m": 2}, 5],
}


@pytest.mark.parametrize(
    ("fields", "picked"),
    [
        (None, BOOK),
        ("", BOOK),
        ("title", {"title": "x"}),
        (" title , id", {"title": "x", "id": 1}),
        (["id", "title"], {"title": "x", "id": 1}),
        ("author.name", {"author": {"name": "A"}}),
        ("author.name,author", {"author": {"name": "A", "born": 1}}),
        ("author,author.name", {"author": {"name": "A", "born": 1}}),
        ("lines.n,nothing", {"lines": [{"n": 1}]}),
        ("author.nothing", {"author": {}}),
        ("title.x,tags.x,none.x", {"tags": []}),
    ],
)
def test_pick(fields: Any, picked: dict[str, Any]) -> None:
    """Exactly the fields that are named and there, of one record as of several."""
    assert pick(BOOK, fields) == picked
    assert pick([BOOK, {}], fields) == [picked, {}]


@pytest.mark.parametrize(
    "fields", ["a,,b", ",", "a.", ".a", 5, ["a", 5], ",".join(f"f{n}" for n in range(65))]
)
def test_no_fields(fields: Any) -> None:
    """400 for what names none; 64 fields are the most."""
    with pytest.raises(RequestFault):
        pick(BOOK, fields)
    assert pick(BOOK, ",".join(f"f{n}" for n in range(64))) == {}
