"""What people expect of writing by REST: ids, batches, replacing, merging, deleting, nested records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.client import Client


@pytest.mark.parametrize("id_", [7, "bob-1", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "isbn.978~x_1", 2**53 - 1])
def test_a_given_id_is_kept(client: Client, id_: int | str) -> None:
    """With its type and its place; the record is there under it."""
    answer = client.post("/members", {"name": "Bob", "id": id_})

    assert (answer.status, answer.headers["location"]) == (201, f"/members/{id_}")
    assert list(answer.json.items()) == [("name", "Bob"), ("id", id_)]
    assert client.read(f"/members/{id_}") == {"name": "Bob", "id": id_}


@pytest.mark.parametrize(("first", "second"), [(7, 7), (7, "7"), ("a", "a")])
def test_a_taken_id_is_a_conflict(client: Client, first: int | str, second: int | str) -> None:
    """Numbers and texts share the addresses, and what is there stays."""
    client.create("/members", {"id": first, "name": "first"})
    answer = client.post("/members", {"id": second, "name": "second"})

    assert answer.error == (409, f"there is a record with id '{first}' already")
    assert client.read("/members")["items"] == [{"id": first, "name": "first"}]


@pytest.mark.parametrize(
    "id_", [2**53, -(2**53), 1.5, True, "..", "a/../b", "a\n", "x" * 129, "search", [1], {"a": 1}]
)
def test_an_impossible_id_is_refused(client: Client, id_: Any) -> None:
    """422, and nothing is stored."""
    assert client.post("/members", {"id": id_, "name": "x"}).error[0] == 422
    assert client.read("/members")["page"]["total"] == 0


def test_ids_go_on_after_a_given_one_and_are_never_used_again(client: Client) -> None:
    """An assigned id is above all there ever were."""
    client.create("/members", {"id": 40})

    assert client.create("/members", {"n": 1}) == {"id": 41, "n": 1}
    assert client.delete("/members/41").status == 204
    assert client.create("/members", {"n": 2}) == {"id": 42, "n": 2}


def test_a_trailing_slash_changes_nothing(client: Client) -> None:
    """For a collection, for a record, for a search."""
    client.create("/members/", {"n": 1})
    client.create("/members", {"n": 2})

    assert client.read("/members/") == client.read("/members")
    assert client.read("/members/2/") == client.read("/members/2") == {"id": 2, "n": 2}
    assert client.read("/members/search/?n=2") == client.read("/members/search?n=2") == [{"id": 2, "n": 2}]


def test_an_api_prefix_is_no_collection(client: Client) -> None:
    """/api/v1/members are the members, and Location says where they were asked for."""
    answer = client.post("/api/v1/members", {"n": 1})

    assert (answer.status, answer.headers["location"]) == (201, "/api/v1/members/1")
    assert client.read("/api/v1/members/1") == client.read("/members/1") == {"id": 1, "n": 1}


# -- batches


def test_an_array_is_a_batch(client: Client) -> None:
    """201 and the records in the array's order; a list has those with text ids last."""
    answer = client.post("/members", [{"n": 1}, {"id": "x", "n": 2}, {"n": 3}])

    assert answer.status == 201
    assert answer.json == [{"id": 1, "n": 1}, {"id": "x", "n": 2}, {"id": 2, "n": 3}]
    first, text, second = answer.json
    assert client.read("/members")["items"] == [first, second, text]


def test_a_batch_is_stored_wholly_or_not_at_all(client: Client) -> None:
    """A duplicate in the middle: the reply says which, and nothing of the batch is there."""
    client.create("/members", {"id": 7})
    answer = client.post("/members", [{"n": 1}, {"id": 7, "n": 2}, {"n": 3}])

    assert answer.error == (409, "record 2: there is a record with id '7' already")
    assert client.read("/members")["items"] == [{"id": 7}]


def test_a_batch_with_something_that_is_no_record(client: Client) -> None:
    """422 with the element's place, and nothing is stored."""
    answer = client.post("/members", [{"n": 1}, 2])

    assert answer.error == (422, "Element 1 of the array is not a JSON object.")
    assert answer.json["pointer"] == "/1"
    assert client.read("/members")["items"] == []


def test_an_empty_batch(client: Client) -> None:
    """Makes nothing, and says so."""
    answer = client.post("/members", [])

    assert (answer.status, answer.json) == (201, [])


def test_a_batch_of_five_thousand(client: Client) -> None:
    """Works within the default limits, in one request."""
    answer = client.post("/members", [{"name": f"member {n}", "n": n} for n in range(5_000)])

    assert answer.status == 201
    assert [record["id"] for record in answer.json] == list(range(1, 5_001))
    assert client.read("/members?limit=0")["page"]["total"] == 5_000


# -- replace, merge, delete


def test_put_replaces_all_but_the_id(client: Client) -> None:
    """Fields that are not sent are gone; an id in the body changes nothing."""
    client.create("/members", {"id": "bob", "name": "Bob", "age": 4})

    answer = client.put("/members/bob", {"id": "eve", "name": "Robert"})
    assert (answer.status, answer.json) == (200, {"id": "bob", "name": "Robert"})
    assert client.read("/members") == {
        "items": [{"id": "bob", "name": "Robert"}],
        "page": {"limit": None, "offset": 0, "total": 1},
    }


def test_put_makes_no_record(client: Client) -> None:
    """404 where there is none."""
    assert client.put("/members/5", {"n": 1}).error == (404, "No record 5 in members")
    assert client.read("/members")["items"] == []


def test_patch_merges_the_top_level(client: Client) -> None:
    """Null is stored, objects are replaced whole, the id stays."""
    client.create("/members", {"name": "Bob", "address": {"city": "Rome", "zip": "1"}, "age": 4})

    answer = client.patch("/members/1", {"id": 9, "age": None, "address": {"city": "Oslo"}})
    assert (answer.status, answer.json) == (
        200,
        {"id": 1, "name": "Bob", "address": {"city": "Oslo"}, "age": None},
    )
    assert client.read("/members/1") == answer.json


def test_a_merge_patch_follows_its_rfc(client: Client) -> None:
    """RFC 7396: null removes, objects are merged at every depth."""
    client.create("/members", {"name": "Bob", "address": {"city": "Rome", "zip": "1"}, "age": 4})

    answer = client.patch(
        "/members/1", {"age": None, "address": {"city": "Oslo"}}, "application/merge-patch+json"
    )
    assert (answer.status, answer.json) == (
        200,
        {"id": 1, "name": "Bob", "address": {"city": "Oslo", "zip": "1"}},
    )


def test_delete_twice(client: Client) -> None:
    """204, then 404."""
    client.create("/members", {"n": 1})

    assert client.delete("/members/1").status == 204
    assert client.delete("/members/1").error == (404, "No record 1 in members")


def test_odd_but_legal_records(client: Client) -> None:
    """What JSON can say is kept to the letter: unicode, big integers, deep nesting, awkward names."""
    deep: Any = "bottom"
    for _ in range(30):
        deep = [deep]
    record = {
        "": "empty name",
        "a.b": 1,
        "__proto__": {"x": [None, True, 1.5e300, -0.25]},
        "größe": "名前 🎉 \u0000 \u2028",
        "big": 2**63 - 1,
        "deep": deep,
    }
    assert client.create("/members", record) == {"id": 1, **record}
    assert client.read("/members/1") == {"id": 1, **record}


# -- nested


def test_nested_records_belong_to_their_parent(client: Client) -> None:
    """Made under one member, listed and found there and nowhere else."""
    client.create("/members", [{"n": 1}, {"n": 2}])
    made = client.post("/members/1/orders", {"total": 5, "member_id": 2})
    client.create("/members/2/orders", {"total": 6})

    assert (made.status, made.headers["location"]) == (201, "/members/1/orders/1")
    assert made.json == {"id": 1, "total": 5, "member_id": 1}
    assert client.read("/members/1/orders") == {
        "items": [made.json],
        "page": {"limit": None, "offset": 0, "total": 1},
    }
    assert client.read("/members/1/orders/search?total__gt=1") == [made.json]
    assert client.read("/members/1/orders/1") == client.read("/orders/1") == made.json
    assert client.get("/members/2/orders/1").error == (404, "No record 1 in orders of members 2")
    assert client.read("/orders")["page"]["total"] == 2


def test_nested_records_of_nobody(client: Client) -> None:
    """404 for reading and for writing, and nothing is made."""
    assert client.get("/members/9/orders").error == (404, "No record 9 in members")
    assert client.post("/members/9/orders", {"total": 1}).error == (404, "No record 9 in members")
    assert client.read("/orders")["items"] == []
