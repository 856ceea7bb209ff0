"""What the conventions' code does, on a real store: the document's examples and their corners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from store.session_store import Session
from tests.unit.server.planning.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALICE = {"id": 1, "name": "Alice", "age": 30}
BOB = {"id": 2, "name": "Bob", "age": 25}


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Service]:
    session = Session.open(str(tmp_path), page_limit_bytes=2**24, durability="cache")
    yield Service(session)
    session.close()


@pytest.fixture
def members(ask: Service) -> Service:
    """A service that has Alice and Bob, and an order of each."""
    ask("POST", "/members", {"name": "Alice", "age": 30})
    ask("POST", "/members", {"name": "Bob", "age": 25})
    ask("POST", "/members/1/orders", {"total": 5})
    ask("POST", "/orders", {"total": 7, "member_id": "2"})
    return ask


def page(*items: Any, total: int, limit: int | None = None, offset: int = 0) -> dict[str, Any]:
    return {"items": list(items), "page": {"limit": limit, "offset": offset, "total": total}}


@pytest.mark.parametrize("path", ["/members", "/members/", "/api/v1/members/"])
def test_create(ask: Service, path: str) -> None:
    """A created record has an id, and its place in the Location header, below the path that was used."""
    location = f"{path.rstrip('/')}/1"

    assert ask("POST", path, {"name": "Alice"}) == (201, {"id": 1, "name": "Alice"}, {"Location": location})
    assert ask.body("GET", location) == {"id": 1, "name": "Alice"}


def test_create_with_an_id(ask: Service) -> None:
    """A client's own id is kept with its type; one that is taken is a conflict, and a bad one is refused."""
    assert ask("POST", "/books", {"t": "x", "id": "isbn-1"})[1:] == (
        {"t": "x", "id": "isbn-1"},
        {"Location": "/books/isbn-1"},
    )
    assert ask.status("POST", "/books", {"id": "isbn-1"}) == 409
    assert ask.status("POST", "/books", {"id": "../x"}) == 422
    assert ask.body("GET", "/books/isbn-1") == {"t": "x", "id": "isbn-1"}


def test_batch(ask: Service) -> None:
    """An array makes all of its records or none of them."""
    assert ask("POST", "/items", [{"n": 1}, {"n": 2}]) == (201, [{"id": 1, "n": 1}, {"id": 2, "n": 2}], {})
    assert ask.status("POST", "/items", [{"n": 3}, {"id": 1}]) == 409
    assert ask.body("GET", "/items")["page"]["total"] == 2
    assert ask("POST", "/items", []) == (201, [], {})


def test_get(members: Service) -> None:
    """A record is found by its id, or 404 says which one is not there."""
    assert members("GET", "/members/1") == (200, ALICE, {})
    assert members("HEAD", "/members/1") == (200, ALICE, {})
    assert members("GET", "/members/9") == (404, "No record 9 in members", {})
    assert members.status("GET", "/members/alice") == 404
    assert members.status("GET", "/nothing/0") == 404


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, page(ALICE, BOB, total=2)),
        ({"limit": "1"}, page(ALICE, total=2, limit=1)),
        ({"limit": "10", "offset": "1", "sort": "name"}, page(BOB, total=2, limit=10, offset=1)),
        ({"sort": "age"}, page(BOB, ALICE, total=2)),
        ({"name": "Alice"}, page(ALICE, total=1)),
        ({"age__lt": "30", "limit": "5"}, page(BOB, total=1, limit=5)),
        ({"findByName": "Bob"}, page(BOB, total=1)),
        ({"name": ["Alice", "Bob"]}, page(ALICE, BOB, total=2)),
        ({"name": "zz"}, page(total=0)),
    ],
)
def test_list(members: Service, query: dict[str, Any], expected: dict[str, Any]) -> None:
    """A list has its page, and `total` counts what the filter matches."""
    assert members("GET", "/members", query=query) == (200, expected, {})


@pytest.mark.parametrize("query", [{"limit": "x"}, {"offset": "-1"}, {"name__gtt": "x"}])
def test_bad_list(members: Service, query: dict[str, Any]) -> None:
    """A page or a filter that cannot be read is the client's mistake."""
    assert members.status("GET", "/members", query=query) == 400


@pytest.mark.parametrize("word", ["search", "find", "query", "filter"])
def test_search(members: Service, word: str) -> None:
    """A search is a bare array, paged and sorted if so asked."""
    path = f"/members/{word}"

    assert members("GET", path, query={"name": "Al*"}) == (200, [ALICE], {})
    assert members.body("GET", path, query={"sort": "-name", "limit": "1", "offset": "1"}) == [ALICE]
    assert members.body("GET", path, query={"name": "Nobody"}) == []


def test_replace(members: Service) -> None:
    """PUT leaves nothing of the old record but its id, whatever id the body has."""
    assert members("PUT", "/members/1", {"name": "Al", "id": 7}) == (200, {"name": "Al", "id": 1}, {})
    assert members.body("GET", "/members/1") == {"name": "Al", "id": 1}
    assert members.status("GET", "/members/7") == 404
    assert members("PUT", "/members/9", {}) == (404, "No record 9 in members", {})


def test_patch(members: Service) -> None:
    """PATCH merges the top level and stores null."""
    assert members("PATCH", "/members/1", {"age": None, "id": 7}) == (200, {**ALICE, "age": None}, {})
    assert members.body("GET", "/members/1") == {**ALICE, "age": None}
    assert members("PATCH", "/members/9", {}) == (404, "No record 9 in members", {})


@pytest.mark.parametrize(
    ("record", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": 1}, {"a": {"b": {"c": 2, "d": None}}}, {"a": {"b": {"c": 2}}}),
        ({"a": 1}, {"id": None}, {"a": 1}),
    ],
)
def test_merge_patch(ask: Service, record: Any, patch: Any, merged: Any) -> None:
    """The object cases of RFC 7396 Appendix A, and the id that stays."""
    ask("POST", "/things", record)

    reply = ask("PATCH", "/things/1", patch, content="merge-patch")

    assert reply == (200, {"id": 1, **merged}, {})
    assert ask.body("GET", "/things/1") == {"id": 1, **merged}


def test_json_patch(members: Service) -> None:
    """The operations take effect together or not at all; the id stays whatever they say."""
    patch = [
        {"op": "test", "path": "/age", "value": 30},
        {"op": "add", "path": "/tags", "value": []},
        {"op": "add", "path": "/tags/-", "value": "new"},
        {"op": "move", "from": "/name", "path": "/title"},
        {"op": "replace", "path": "/id", "value": 9},
    ]
    patched = {"id": 1, "age": 30, "tags": ["new"], "title": "Alice"}

    assert members("PATCH", "/members/1", patch, content="json-patch") == (200, patched, {})
    assert members.status("PATCH", "/members/1", patch, content="json-patch") == 409
    assert members.status("PATCH", "/members/1", {"op": "add"}, content="json-patch") == 400
    assert members.status("PATCH", "/members/9", patch, content="json-patch") == 404
    assert members.body("GET", "/members/1") == patched


@pytest.mark.parametrize("value", [[], "text", 1, None])
def test_json_patch_that_leaves_no_record(members: Service, value: Any) -> None:
    """A record stays an object."""
    patch = [{"op": "replace", "path": "", "value": value}]

    assert members.status("PATCH", "/members/1", patch, content="json-patch") == 422
    assert members.body("GET", "/members/1") == ALICE


def test_json_patch_of_a_nested_record(members: Service) -> None:
    """Only below its own parent."""
    patch = [{"op": "add", "path": "/paid", "value": True}]

    assert members.body("PATCH", "/members/1/orders/1", patch, content="json-patch")["paid"] is True
    assert members.status("PATCH", "/members/2/orders/1", patch, content="json-patch") == 404


def test_merge_patch_of_nothing(ask: Service) -> None:
    """A merge patch makes no records."""
    assert ask.status("PATCH", "/things/1", {"a": 1}, content="merge-patch") == 404


def test_delete(members: Service) -> None:
    """A record is deleted once, and its id is not used again."""
    assert members("DELETE", "/members/2") == (204, None, {})
    assert members("DELETE", "/members/2") == (404, "No record 2 in members", {})
    assert members.status("GET", "/members/2") == 404
    assert members.body("POST", "/members", {})["id"] == 3


def test_nested_create(members: Service) -> None:
    """A record made below a parent points at it, whatever its body says."""
    reply = members("POST", "/members/1/orders", {"member_id": 2, "total": 9})

    assert reply == (201, {"id": 3, "member_id": 1, "total": 9}, {"Location": "/members/1/orders/3"})
    assert members.body("POST", "/members/2/orders", [{"total": 1}, {"total": 2}]) == [
        {"id": 4, "total": 1, "member_id": 2},
        {"id": 5, "total": 2, "member_id": 2},
    ]


def test_nested_list(members: Service) -> None:
    """Below a parent there is what points at it, however the pointer was stored."""
    first, second = {"id": 1, "total": 5, "member_id": 1}, {"id": 2, "total": 7, "member_id": "2"}

    assert members.body("GET", "/members/1/orders") == page(first, total=1)
    assert members.body("GET", "/members/2/orders/") == page(second, total=1)
    assert members.body("GET", "/members/1/orders", query={"total__gt": "5"}) == page(total=0)
    assert members.body("GET", "/members/1/orders", query={"member_id": "2"}) == page(first, total=1)
    assert members.body("GET", "/members/2/orders/search", query={"total": "7"}) == [second]
    assert members.body("GET", "/members/1/invoices") == page(total=0)


def test_nested_record(members: Service) -> None:
    """A record can be read and written below its own parent."""
    order = {"id": 1, "total": 5, "member_id": 1}

    assert members("GET", "/members/1/orders/1") == (200, order, {})
    assert members("PUT", "/members/1/orders/1", {"total": 6}) == (200, {**order, "total": 6}, {})
    assert members("PATCH", "/members/1/orders/1", {"paid": True}) == (
        200,
        {**order, "total": 6, "paid": True},
        {},
    )
    assert members.body("PATCH", "/members/1/orders/1", {"paid": None}, content="merge-patch") == {
        **order,
        "total": 6,
    }
    assert members("DELETE", "/members/1/orders/1") == (204, None, {})
    assert members.status("GET", "/orders/1") == 404


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PUT", {}), ("PATCH", {}), ("DELETE", None)])
@pytest.mark.parametrize("path", ["/members/1/orders/2", "/members/9/orders/1", "/members/1/orders/9"])
def test_nested_record_of_another(members: Service, method: str, body: Any, path: str) -> None:
    """Below any other parent, or one that is not there, a record is not found and not touched."""
    before = members.body("GET", "/orders")

    assert members.status(method, path, body) == 404
    assert members.body("GET", "/orders") == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/members/9/orders", None),
        ("GET", "/members/9/orders/search", None),
        ("POST", "/members/9/orders", {}),
        ("POST", "/members/9/orders", [{}]),
    ],
)
def test_no_parent(members: Service, method: str, path: str, body: Any) -> None:
    """What is below a record that is not there is not there either."""
    assert members(method, path, body) == (404, "No record 9 in members", {})


@pytest.mark.parametrize("parent", ["a--b", "Y-", "order-items", "People"])
def test_odd_parents(ask: Service, parent: str) -> None:
    """Any collection name makes a foreign key that can be searched by."""
    ask("POST", f"/{parent}", {})
    ask("POST", f"/{parent}/1/notes", {"text": "x"})

    assert ask.body("GET", f"/{parent}/1/notes")["page"]["total"] == 1


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/members", {"page": "2", "per_page": "1"}, page(BOB, total=2, limit=1, offset=1)),
        ("/members", {"page": "1"}, page(ALICE, BOB, total=2, limit=20)),
        ("/members", {"fields": "name"}, page({"name": "Alice"}, {"name": "Bob"}, total=2)),
        ("/members", {"q": "ALI"}, page(ALICE, total=1)),
        ("/members", {"or": "(name=Bob,age__gt=29)", "sort": "age"}, page(BOB, ALICE, total=2)),
        ("/members/search", {"fields": "age", "sort": "age"}, [{"age": 25}, {"age": 30}]),
        ("/members/search", {"page_size": "1"}, [ALICE]),
        ("/members/1", {"fields": "name"}, {"name": "Alice"}),
        ("/members/1", {"embed": "orders"}, {**ALICE, "orders": [{"total": 5, "member_id": 1, "id": 1}]}),
        ("/orders", {"expand": "member", "fields": "id,member.name"}, page(
            {"id": 1, "member": {"name": "Alice"}}, {"id": 2, "member": {"name": "Bob"}}, total=2)),
        ("/members/1/orders", {"expand": "member", "fields": "member.age"},
            page({"member": {"age": 30}}, total=1)),
        ("/members/2/orders/search", {"fields": "total"}, [{"total": 7}]),
        ("/members/2/orders/2", {"fields": "total"}, {"total": 7}),
        ("/members/count", {}, {"count": 2}),
        ("/members/count", {"age__lt": "30", "limit": "0"}, {"count": 1}),
        ("/nothing/count", {}, {"count": 0}),
        ("/members/2/orders/count", {"total": "7"}, {"count": 1}),
        ("/orders/stats", {"sum": "total"}, [{"count": 2, "sum_total": 12}]),
        ("/orders/stats", {"group_by": "total", "max": "total", "total__gt": "5", "count": "total"},
            [{"total": 7, "count": 1, "count_total": 1, "max_total": 7}]),
        ("/members/1/orders/stats", {"avg": "total"}, [{"count": 1, "avg_total": 5}]),
        ("/orders/stats", {"group_by": "total", "sort": "-total", "page": "1", "per_page": "1"},
            [{"total": 7, "count": 1}]),
    ],
)  # fmt: skip
def test_the_query_language(members: Service, path: str, query: dict[str, Any], expected: Any) -> None:
    """What docs/query-language.md tells of, on collections and below a record."""
    assert members("GET", path, query=query)[:2] == (200, expected)


def test_a_page_of_a_search_says_the_total(members: Service) -> None:
    """A bare array has no other place for it."""
    assert members("GET", "/members/search", query={"page": "2", "per_page": "1"})[2] == {"X-Total-Count": 2}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/members", {"page": "0"}),
        ("/members", {"embed": "nothing"}),
        ("/members/1", {"expand": "nobody"}),
        ("/members", {"or": "name=Bob"}),
        ("/members", {"fields": ","}),
        ("/members/stats", {"group_by": "name", "sort": "age"}),
        ("/members/9/orders/stats", {"group_by": ","}),
    ],
)
def test_a_query_that_cannot_be_read(members: Service, path: str, query: dict[str, Any]) -> None:
    """400; below a record that is not there, 404."""
    assert members.status("GET", path, query=query) == (404 if "9" in path else 400)


@pytest.fixture
def deleting(members: Service, tmp_path: Path) -> Service:
    """The same, where collections can be deleted."""
    return Service(members._session, delete_collections=True)


def test_delete_a_collection(deleting: Service) -> None:
    """All that the filters match, and nothing else; ids are never given again."""
    assert deleting("DELETE", "/members/1/orders") == (200, {"deleted": 1}, {})
    assert deleting.body("GET", "/orders/count") == {"count": 1}
    assert deleting("DELETE", "/members", query={"name": "B*"}) == (200, {"deleted": 1}, {})
    assert deleting("DELETE", "/members", query={"nmae": "Alice"}) == (200, {"deleted": 0}, {})
    assert deleting("DELETE", "/members") == (200, {"deleted": 1}, {})
    assert deleting("DELETE", "/nothing") == (200, {"deleted": 0}, {})
    assert deleting.body("POST", "/members", {})["id"] == 3
