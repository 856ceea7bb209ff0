"""Representations, preferences and patches of the conventions, over the wire and on disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.client import Client

PATCH_TYPES = "application/json, application/merge-patch+json, application/json-patch+json"


@pytest.fixture
def books(client: Client) -> Client:
    client.create("/books", [{"t": "Dune", "tags": ["sf"]}, {"t": "Emma", "price": 7.50}, {"t": "Ubik"}])
    return client


def test_a_list_in_its_representations(books: Client) -> None:
    """The same records, as what the client asks for."""
    csv = books.request("GET", "/books?sort=-t", Accept="text/csv")
    lines = books.request("GET", "/books/search?t=*m*", Accept="application/x-ndjson")
    nested = books.request("GET", "/books/1/notes", Accept="text/csv")

    assert csv.body.decode() == 'id,t,price,tags\r\n3,Ubik,,\r\n2,Emma,7.5,\r\n1,Dune,,"[""sf""]"\r\n'
    assert lines.body == b'{"id":2,"t":"Emma","price":7.5}\n'
    assert (nested.status, nested.body, nested.headers["x-total-count"]) == (200, b"", "0")
    assert books.request("GET", "/books/1", Accept="text/csv").status == 406


def test_pages(books: Client) -> None:
    """Following `next` from the first page reads everything; /search says its total where it pages."""
    seen, target = [], "/books?limit=2"
    while target:
        answer = books.get(target)
        seen += [record["id"] for record in answer.json["items"]]
        assert answer.headers["x-total-count"] == "3"
        links = dict(reversed(each.split("; rel=")) for each in answer.headers["link"].split(", "))
        target = links.get('"next"', "").strip("<>").removeprefix(books.url)
    found = books.get("/books/search?limit=1&offset=1")
    unlimited = books.get("/books/search")

    assert seen == [1, 2, 3]
    assert (found.headers["x-total-count"], [each["id"] for each in found.json]) == ("3", [2])
    assert f'<{books.url}/books/search?limit=1&offset=2>; rel="next"' in found.headers["link"]
    assert not {"x-total-count", "link"} & unlimited.headers.keys()


def test_minimal_and_dry(books: Client) -> None:
    """A minimal reply says where the record is; a dry run leaves what was there."""
    made = books.request("POST", "/books", {"t": "VALIS"}, Prefer="return=minimal")
    tried = [
        books.request(method, target, body, Prefer="tx=rollback")
        for method, target, body in (
            ("POST", "/books", {"t": "x"}),
            ("PUT", "/books/1", {"t": "x"}),
            ("PATCH", "/books/1", {"t": "x"}),
            ("DELETE", "/books/1", None),
            ("POST", "/books", [{"t": "x"}, {"id": 1}]),
        )
    ]

    assert (made.status, made.body, made.headers["location"]) == (201, b"", "/books/4")
    assert [answer.status for answer in tried] == [201, 200, 200, 204, 409]
    assert {answer.headers["preference-applied"] for answer in tried} == {"tx=rollback"}
    assert [record["t"] for record in books.read("/books")["items"]] == ["Dune", "Emma", "Ubik", "VALIS"]


def test_dry_runs_among_writes(client: Client) -> None:
    """Requests that wait for one session share a transaction; a dry run leaves nothing in anybody's."""
    client.create("/members", {"n": -1})

    def write(number: int) -> int:
        dry = {"Prefer": "tx=rollback"} if number % 3 == 0 else {}
        return client.request("POST", "/members", {"n": number}, **dry).status

    with ThreadPoolExecutor(16) as threads:
        statuses = list(threads.map(write, range(90)))

    assert {*statuses} == {201}
    stored = client.read("/members?sort=n")["items"]
    assert [record["n"] for record in stored] == [-1, *(n for n in range(90) if n % 3)]
    assert [record["id"] for record in client.read("/members")["items"]] == list(range(1, 62))


def test_json_patch(books: Client) -> None:
    """All operations or none; what does not fit says which operation it was."""
    kind = "application/json-patch+json"
    done = books.patch(
        "/books/1",
        [
            {"op": "add", "path": "/tags/-", "value": "classic"},
            {"op": "move", "from": "/t", "path": "/title"},
        ],
        kind,
    )
    failed = books.patch(
        "/books/1",
        [{"op": "remove", "path": "/tags"}, {"op": "test", "path": "/title", "value": "Emma"}],
        kind,
    )

    assert done.json == {"id": 1, "tags": ["sf", "classic"], "title": "Dune"}
    assert failed.error == (
        409,
        "operation 2 (test /title): the value there is another",
    )
    assert books.patch("/books/1", {"op": "remove"}, kind).status == 400
    assert books.read("/books/1") == done.json
    assert books.request("OPTIONS", "/books/1").headers["accept-patch"] == PATCH_TYPES
    assert books.request("POST", "/books", [], content_type=kind).status == 415


def test_forms(client: Client) -> None:
    """A form is a record of texts; a name given twice is a list."""
    form = "application/x-www-form-urlencoded"
    made = client.request("POST", "/people", raw=b"name=Ann+Lee&age=30&tag=a&tag=b%26", content_type=form)
    changed = client.request("PATCH", "/people/1", raw=b"age=31", content_type=form)

    assert (made.status, made.json) == (201, {"id": 1, "name": "Ann Lee", "age": "30", "tag": ["a", "b&"]})
    assert changed.json["age"] == "31"


def test_what_a_run_cost(books: Client) -> None:
    """Fuel and the stages' times, on every reply of a plan."""
    headers = books.get("/books/1").headers

    assert int(headers["x-fuel-used"]) > 10_000
    assert [part.partition(";")[0] for part in headers["server-timing"].split(", ")] == [
        "parse",
        "plan",
        "queue",
        "guest",
        "frame",
    ]
