"""What people expect of reading by REST: pages, order, filters, wildcards, comparisons by type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.client import Client
    from tests.e2e.service import RunningService

PRODUCTS: list[dict[str, Any]] = [
    {"name": "Hartley lamp", "price": 30, "active": True, "tags": ["home", "light"], "spec": {"watt": 40}},
    {"name": "harp", "price": 9.5, "active": False, "tags": [], "spec": {"watt": None}},
    {"name": "Cart", "price": 30, "active": True, "sku": "30", "spec": {"maker": {"city": "Rome"}}},
    {"name": "50% off_er", "price": None, "firstName": "Ann", "first_name": "Bea"},
]


@pytest.fixture(scope="module")
def shop(service: RunningService) -> Iterator[Client]:
    """Four products with the ids 1 to 4, which no test changes."""
    client = service.client("shop")
    client.create("/products", PRODUCTS)
    yield client
    assert client.read("/products")["items"] == [{"id": n, **p} for n, p in enumerate(PRODUCTS, 1)]


def found(client: Client, query: str, path: str = "/products/search") -> list[int]:
    return [record["id"] for record in client.read(f"{path}?{query}")]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("name=harp", [2]),
        ("name=Harp", []),
        ("name__contains=ar", [1, 2, 3]),
        ("name__contains=Har", [1]),
        ("name__icontains=HAR", [1, 2]),
        ("name__contains=%25%20off_", [4]),
        ("name__startswith=Har", [1]),
        ("name__endswith=rt", [3]),
        ("price__gt=9.5", [1, 3]),
        ("price__gte=9.5", [1, 2, 3]),
        ("price__lt=30", [2]),
        ("price__lte=30", [1, 2, 3]),
        ("price__ne=30", [2]),
        ("price__in=9.5,30", [1, 2, 3]),
        ("id__in=2,4,77", [2, 4]),
        ("price__isnull=true", [4]),
        ("price__isnull=false", [1, 2, 3]),
        ("sku__isnull=true", [1, 2, 4]),
        ("tags__has=light", [1]),
        ("tags__contains=home", [1]),
        # by the stored type: the text 30 is what "30" asks for, and so is the number
        ("price=30", [1, 3]),
        ("price=30.0", [1, 3]),
        ("sku=30", [3]),
        ("active=true", [1, 3]),
        ("active=false", [2]),
        ("active=1", []),
        ("price=true", []),
        # into nested JSON
        ("spec.watt=40", [1]),
        ("spec.watt__gte=40", [1]),
        ("spec.maker.city=Rome", [3]),
        ("spec.maker.city__startswith=Ro", [3]),
        ("spec.maker=Rome", []),
        # wildcards
        ("name=Hart*", [1]),
        ("name=*rt", [3]),
        ("name=*ar*", [1, 2, 3]),
        ("name=*", [1, 2, 3, 4]),
        ("name=H*y*p", [1]),
        # finders
        ("findByName=harp", [2]),
        ("getByPrice=30", [1, 3]),
        ("getByFirstName=Bea", [4]),
        ("findByName__icontains=HAR", [1, 2]),
        # all must hold; a repeated key is any of
        ("price=30&active=true&name__contains=art", [1, 3]),
        ("price=30&name=harp", []),
        ("name=harp&name=Cart", [2, 3]),
        ("nothing=1", []),
        ("", [1, 2, 3, 4]),
        ("limit=&offset=&sort=", [1, 2, 3, 4]),
        ("price__gt=1&sort=-price,name&limit=2", [3, 1]),
        ("sort=name&offset=1&limit=2", [3, 1]),
    ],
)
def test_filters(shop: Client, query: str, ids: list[int]) -> None:
    """A search finds these, and a list with the same query lists the same."""
    assert found(shop, query) == ids
    listed = shop.read(f"/products?{query}")
    assert [record["id"] for record in listed["items"]] == ids
    if "limit" not in query:
        assert listed["page"] == {"limit": None, "offset": 0, "total": len(ids)}


@pytest.mark.parametrize("word", ["search", "find", "query", "filter"])
def test_words_for_searching(shop: Client, word: str) -> None:
    """Each answers with a bare array."""
    assert shop.read(f"/products/{word}?name=harp") == [{"id": 2, **PRODUCTS[1]}]


def test_status_is_found_by_a_finder(client: Client) -> None:
    """The pet shop's ?findByStatus=, on the collection itself and on a search."""
    client.create("/pets", [{"status": "sold"}, {"status": "available"}])

    assert client.read("/pets?findByStatus=available") == {
        "items": [{"id": 2, "status": "available"}],
        "page": {"limit": None, "offset": 0, "total": 1},
    }
    assert client.read("/pets/search?findByStatus=available") == [{"id": 2, "status": "available"}]


@pytest.mark.parametrize(
    ("sort", "ids"),
    [
        ("price", [2, 1, 3, 4]),
        ("-price", [1, 3, 2, 4]),
        ("-price,name", [3, 1, 2, 4]),
        ("-price,-name", [1, 3, 2, 4]),
        ("name", [4, 3, 1, 2]),
        ("-id", [4, 3, 2, 1]),
        ("spec.watt", [1, 2, 3, 4]),
        ("name__nocase", [4, 3, 2, 1]),
    ],
)
def test_order(shop: Client, sort: str, ids: list[int]) -> None:
    """By each field in turn, descending with a minus, what is missing last, ties as they came."""
    assert found(shop, f"sort={quote(sort)}") == ids


@pytest.mark.parametrize(
    ("query", "ids", "page"),
    [
        ("limit=2", [1, 2], {"limit": 2, "offset": 0, "total": 4}),
        ("limit=2&offset=3", [4], {"limit": 2, "offset": 3, "total": 4}),
        ("offset=1", [2, 3, 4], {"limit": None, "offset": 1, "total": 4}),
        ("limit=0", [], {"limit": 0, "offset": 0, "total": 4}),
        ("offset=99", [], {"limit": None, "offset": 99, "total": 4}),
        ("limit=1&price=30", [1], {"limit": 1, "offset": 0, "total": 2}),
    ],
)
def test_pages(shop: Client, query: str, ids: list[int], page: dict[str, Any]) -> None:
    """The total counts what the filter matches, however little the page shows."""
    answer = shop.read(f"/products?{query}")

    assert [record["id"] for record in answer["items"]] == ids
    assert answer["page"] == page


@pytest.mark.parametrize(
    "query", ["limit=x", "limit=-1", "offset=1.5", "name__foo=1", "sort=-", "price__isnull=maybe"]
)
def test_a_query_that_cannot_be_read(shop: Client, query: str) -> None:
    """400 with the reason, not a guess."""
    status, reason = shop.get(f"/products?{query}").error

    assert status == 400
    assert reason


def test_an_empty_collection_and_an_unknown_one_look_alike(client: Client) -> None:
    """No collection has to be made first."""
    client.create("/members", {"n": 1})
    client.delete("/members/1")

    empty = {"items": [], "page": {"limit": None, "offset": 0, "total": 0}}
    assert client.read("/members") == client.read("/unknown") == empty
    assert client.read("/unknown/search?n=1") == []
    assert client.get("/unknown/1").error == (404, "No record 1 in unknown")


def test_head_is_get_without_a_body(shop: Client) -> None:
    """The same status and the same header fields, the length among them."""
    for target in ("/products/1", "/products?limit=1", "/products/99"):
        got, head = shop.get(target), shop.request("HEAD", target)
        for answer in (got, head):
            for own in ("date", "x-request-id", "x-fuel-used", "server-timing"):
                answer.headers.pop(own, None)

        assert (head.status, head.headers, head.body) == (got.status, got.headers, b"")
