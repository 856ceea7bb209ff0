from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.http.paging import Page, link, page_asked, page_of
from tests.unit.server.planning.requests import a_request


def envelope(items: Any, **page: Any) -> bytes:
    return json.dumps({"items": items, "page": page}, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("body", "page"),
    [
        (envelope([], limit=2, offset=4, total=9), Page(2, 4, 9)),
        (envelope([{"a": 1}], limit=None, offset=0, total=1), Page(None, 0, 1)),
        (
            envelope([{"page": {"limit": 1, "offset": 0, "total": 5}}], limit=2, offset=4, total=9),
            Page(2, 4, 9),
        ),
        (envelope(["]}"], limit=10**15, offset=10**15, total=10**15), Page(10**15, 10**15, 10**15)),
        # None of these says what page it is.
        (b'{"items":[{"page":{"limit":1,"offset":0,"total":5}}]}', None),
        (b'{"items":[],"more":{"page":{"limit":1,"offset":0,"total":5}}}', None),
        (b'{"items":["x"],"note":",\\"page\\":{\\"limit\\":1,\\"offset\\":0,\\"total\\":5}}"}', None),
        (b'[{"items":[],"page":{"limit":1,"offset":0,"total":5}}]', None),
        (b'{"id":1,"items":[],"page":{"limit":1,"offset":0,"total":5}}', None),
        (envelope([], limit=2, offset=4), None),
        (envelope([], limit="2", offset=4, total=9), None),
        (envelope([], limit=2, offset=4, total=9.5), None),
        (envelope([], limit=2, offset=-4, total=9), None),
        (envelope([], limit=2, offset=4, total=10**16), None),
        (envelope([], total=9, limit=2, offset=4), None),
        (b"[]", None),
    ],
)
def test_page_of(body: bytes, page: Page | None) -> None:
    """Only the outermost object's own numbers, in an envelope as the service makes them."""
    assert page_of(body) == page


texts = st.text(alphabet='",{}[]:\\pageitmslofnt0123456789', max_size=80)
values = st.recursive(texts | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(texts, inner))


@given(
    st.dictionaries(
        st.sampled_from(["items", "page", "a"]),
        values
        | st.fixed_dictionaries(
            {"limit": st.integers(0, 9), "offset": st.integers(0, 9), "total": st.integers(0, 9)}
        ),
    )
)
def test_no_other_body_passes_for_an_envelope(value: dict[str, Any]) -> None:
    """What is found at the end of a body is what a JSON reader finds in its `page`."""
    found = page_of(json.dumps(value, separators=(",", ":")).encode())

    if found is not None:
        assert value["page"] == {"limit": found.limit, "offset": found.offset, "total": found.total}
        assert isinstance(value["items"], list)


def links(query: dict[str, str | list[str]], page: Page, path: str = "/members") -> dict[str, str]:
    value = link(a_request("GET", path, query=query), page)
    found = {}
    for each in value.split(", ") if value else []:
        target, relation = each.split("; ")
        found[relation.removeprefix('rel="').rstrip('"')] = target.strip("<>").partition("?")[2]
    return found


@pytest.mark.parametrize(
    ("offset", "total", "expected"),
    [
        (0, 5, {"next": 2, "first": 0, "last": 4}),
        (2, 5, {"next": 4, "prev": 0, "first": 0, "last": 4}),
        (4, 5, {"prev": 2, "first": 0, "last": 4}),
        (0, 4, {"next": 2, "first": 0, "last": 2}),
        (2, 4, {"prev": 0, "first": 0, "last": 2}),
        (0, 2, {"first": 0, "last": 0}),
        (0, 0, {"first": 0, "last": 0}),
        (1, 5, {"next": 3, "prev": 0, "first": 0, "last": 3}),
        (10, 5, {"prev": 4, "first": 0, "last": 4}),
        (11, 5, {"prev": 4, "first": 0, "last": 4}),
    ],
)
def test_links_by_offset(offset: int, total: int, expected: dict[str, int]) -> None:
    """There is no next after the last page, and no previous one before the first."""
    query: dict[str, str | list[str]] = {"limit": "2", "offset": str(offset)}

    assert links(query, Page(2, offset, total)) == {
        relation: f"limit=2&offset={place}" for relation, place in expected.items()
    }


@given(st.integers(1, 7), st.integers(0, 40), st.integers(0, 40))
def test_following_next_ends_at_last(limit: int, offset: int, total: int) -> None:
    """From anywhere, `next` leads through all that follows to the page that `last` named."""
    last = links({"limit": str(limit), "offset": str(offset)}, Page(limit, offset, total))["last"]
    seen = set(range(offset, min(offset + limit, total)))
    at = offset
    while "next" in (found := links({"limit": str(limit), "offset": str(at)}, Page(limit, at, total))):
        at = int(found["next"].rpartition("=")[2])
        seen |= set(range(at, min(at + limit, total)))

    assert seen == set(range(offset, total))
    if offset < total:
        assert last.endswith(f"offset={at}")


@pytest.mark.parametrize(
    ("query", "page", "expected"),
    [
        ({"page": "2", "per_page": "3"}, Page(3, 3, 8), {"next": 3, "prev": 1, "first": 1, "last": 3}),
        ({"page": "1", "page_size": "3"}, Page(3, 0, 3), {"first": 1, "last": 1}),
        ({"page": "2", "limit": "3"}, Page(3, 3, 6), {"prev": 1, "first": 1, "last": 2}),
    ],
)
def test_links_by_page(query: dict[str, str | list[str]], page: Page, expected: dict[str, int]) -> None:
    """In the words that the client used."""
    size = next(f"{key}={value}" for key, value in query.items() if key != "page")

    assert links(query, page) == {relation: f"page={number}&{size}" for relation, number in expected.items()}


def test_links_by_page_alone() -> None:
    """The plan chose the size, or nobody said which page: that is the first."""
    assert links({"page": "2"}, Page(20, 20, 41)) == {
        "next": "page=3",
        "prev": "page=1",
        "first": "page=1",
        "last": "page=3",
    }
    assert links({"per_page": "3"}, Page(3, 0, 5)) == {
        "next": "per_page=3&page=2",
        "first": "per_page=3&page=1",
        "last": "per_page=3&page=2",
    }


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ({}, Page(20, 0, 50)),
        ({"limit": "1000"}, Page(100, 0, 500)),
        ({"limit": "10", "offset": "5"}, Page(10, 0, 50)),
        ({"limit": ["1", "2"]}, Page(2, 0, 9)),
        ({"limit": "0"}, Page(0, 0, 9)),
        ({"offset": "3"}, Page(None, 3, 9)),
        ({"page": "2", "per_page": "3"}, Page(3, 0, 8)),
        ({"page": "2", "per_page": "3"}, Page(3, 4, 8)),
        ({"page": "2"}, Page(20, 0, 80)),
        ({"page": "2", "limit": "5"}, Page(6, 6, 80)),
        ({"per_page": "5"}, Page(5, 5, 80)),
    ],
)
def test_no_links_by_guessing(query: dict[str, str | list[str]], page: Page) -> None:
    """Where the plan paged otherwise than was asked, or by words that nobody used."""
    assert links(query, page) == {}


def test_the_rest_of_the_query_stays() -> None:
    """Filters are repeated, encoded again; the path is as it was sent, but for what would end a link."""
    query: dict[str, str | list[str]] = {"tag": ["a", "b&c"], "limit": "1", "name": "é>x"}
    value = link(a_request("GET", "/a/x>y", query=query), Page(1, 0, 2))

    assert value is not None
    assert value.startswith(
        '<http://localhost:8000/a/x%3Ey?tag=a&tag=b%26c&limit=1&name=%C3%A9%3Ex&offset=1>; rel="next", '
    )


def test_a_link_header_has_an_end() -> None:
    """4,000 characters, the longest that is given; of a longer one there is none."""

    def of(length: int) -> str | None:
        return link(a_request("GET", "/m", query={"limit": "1", "q": "x" * length}), Page(1, 0, 1))

    rest = len(of(1) or "") - 2
    fits = (4_000 - rest) // 2

    assert len(of(fits) or "") in {3_999, 4_000}
    assert of(fits + 1) is None


@pytest.mark.parametrize(
    ("query", "total", "page"),
    [
        ({"limit": "2"}, "9", Page(2, 0, 9)),
        ({"limit": "2", "offset": "4"}, "9", Page(2, 4, 9)),
        ({"page": "3"}, "50", Page(20, 40, 50)),
        ({"page": "3", "per_page": "2"}, "9", Page(2, 4, 9)),
        ({"page_size": "2"}, "9", Page(2, 0, 9)),
        ({}, "9", None),
        ({"limit": "two"}, "9", None),
        ({"limit": ["1", "2"]}, "9", None),
        ({"limit": "2"}, "many", None),
    ],
)
def test_page_asked(query: dict[str, str | list[str]], total: str, page: Page | None) -> None:
    """A bare array's page is what was asked for."""
    assert page_asked(query, total) == page
