"""What a request is said to have looked at, and to have touched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from store.ids import FIRST_TEXT_ROWID
from store.reads import MAX_COLLECTIONS, MAX_RECORDS, MAX_TEXT, Reads, address_of_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.session_store import Session, SessionStore


def kept(session: Session) -> None:
    """What was written so far is another request's."""
    session.settle(keep=True)
    session.commit()


def filled(session: Session) -> SessionStore:
    stores = session.plan_view
    stores["members"].insert({"name": "Ann"})
    stores["orders"].insert_many([{"member_id": 1, "n": n} for n in range(3)])
    stores["orders"].insert({"id": "a/ü", "member_id": 1})
    stores["settings"].singleton(make=True).replace({"theme": "dark"})  # type: ignore[union-attr]
    kept(session)
    return stores


LOOKS: dict[str, tuple[Callable[[SessionStore], Any], Any]] = {
    "get": (lambda s: s["orders"].get(2), {"orders": [2]}),
    "get-text-of-a-number": (lambda s: s["orders"].get("2"), {"orders": [2]}),
    "get-text": (lambda s: s["orders"].get("a/ü"), {"orders": ["a/ü"]}),
    "get-nothing": (lambda s: s["orders"].get(77), {"orders": [77]}),
    "get-what-no-id-can-be": (lambda s: s["orders"].get(1.5), {}),  # type: ignore[arg-type]
    "get-where-nothing-is-yet": (lambda s: s["nothing"].get(1), {"nothing": [1]}),
    "exists": (lambda s: s["orders"].exists(2), {"orders": [2]}),
    "two": (
        lambda s: (s["orders"].get(2), s["members"].get(1), s["orders"].get(2)),
        {"orders": [2], "members": [1]},
    ),
    "list": (lambda s: s["orders"].list(limit=1), {"orders": None}),
    "list-of-nothing": (lambda s: s["nothing"].list(), {"nothing": None}),
    "search": (lambda s: s["orders"].search({"n": 1}), {"orders": None}),
    "count": (lambda s: s["orders"].count(), {"orders": None}),
    "group": (lambda s: s["orders"].group("n"), {"orders": None}),
    "schema": (lambda s: s["orders"].schema(), {"*": None}),
    "links": (lambda s: s["orders"].links("members"), {"*": None}),
    "fields": (lambda s: s["orders"].fields("array"), {"*": None}),
    "relations": (lambda s: s["orders"].relations(), {"*": None}),
    "criteria": (lambda s: s["orders"].criteria({"n": "1"}), {"orders": None}),
    "vet": (lambda s: s["orders"].vet({"n": "1"}), {"orders": None}),
    "vet-nothing": (lambda s: s["orders"].vet({}), {}),
    "is-it-one": (lambda s: s["orders"].singleton(), {"orders": None}),
    "the-one": (lambda s: s["settings"].singleton().get(), {"settings": None}),  # type: ignore[union-attr]
    "record-then-list": (lambda s: (s["orders"].get(1), s["orders"].list()), {"orders": None}),
    "list-then-record": (lambda s: (s["orders"].list(), s["orders"].get(1)), {"orders": None}),
    "member": (lambda s: "orders" in s, {"*": None}),
    "no-member": (lambda s: "nothing" in s, {"*": None}),
    "no-name": (lambda s: "no/name" in s, {}),
    "names": (lambda s: s.collections(), {"*": None}),
    "embed": (
        lambda s: s["members"].embed(s["members"].get(1), "orders"),
        {"members": [1], "orders": None},
    ),
    "embed-into-nothing": (lambda s: s["members"].embed([], "orders"), {"orders": None}),
    "expand": (
        lambda s: s["orders"].expand(s["orders"].get(1), "member"),
        {"orders": None, "*": None, "members": None},
    ),
    "expand-nothing": (lambda s: s["orders"].expand(None, None), {}),
}


@pytest.mark.parametrize("name", LOOKS)
def test_what_is_looked_at(session: Session, name: str) -> None:
    """Records by their address; whatever else of a collection is all of it, whether it exists or not."""
    stores = filled(session)
    session.begin(read_only=True, heard=True)
    look, expected = LOOKS[name]

    look(stores)

    assert json.loads(session.reads()) == expected


WRITES: dict[str, tuple[Callable[[SessionStore], Any], Any]] = {
    "insert": (lambda s: s["orders"].insert({"n": 9}), {"orders": [4]}),
    "insert-text": (lambda s: s["orders"].insert({"id": "b"}), {"orders": ["b"]}),
    "insert-zero": (lambda s: s["orders"].insert({"id": 0}), {"orders": ["0"]}),
    "new-field": (lambda s: s["orders"].insert({"unheard": 1}), {"orders": [4], "*": None}),
    "new-collection": (lambda s: s["fresh"].insert({"n": 1}), {"fresh": [1], "*": None}),
    "update": (lambda s: s["orders"].update(2, {"n": 8}), {"orders": [2]}),
    "update-by-text": (lambda s: s["orders"].update("2", {"n": 8}), {"orders": [2]}),
    "delete": (lambda s: s["orders"].delete(1), {"orders": [1]}),
    "delete-text": (lambda s: s["orders"].delete("a/ü"), {"orders": ["a/ü"]}),
    "delete-all": (lambda s: s["orders"].delete_all(), {"orders": [1, 2, 3, "a/ü"]}),
    "two-collections": (
        lambda s: (s["orders"].delete(1), s["members"].update(1, {"name": "Bo"})),
        {"orders": [1], "members": [1]},
    ),
    "the-one": (
        lambda s: s["settings"].singleton().replace({"theme": "light"}),  # type: ignore[union-attr]
        {"settings": [1]},
    ),
    "many": (lambda s: s["orders"].insert_many([{"n": n} for n in range(100)]), {"orders": None}),
}


@pytest.mark.parametrize("name", WRITES)
def test_what_is_touched(session: Session, name: str) -> None:
    """The same words for what was written; a new collection is one more of their names, as is a new field."""
    stores = filled(session)
    session.begin(read_only=False)
    write, expected = WRITES[name]

    write(stores)

    assert json.loads(session.touched()) == expected


def test_what_nobody_wants_to_hear_is_not_noted(session: Session) -> None:
    """Whatever reads; the next one that is heard has all of its own."""
    stores = filled(session)
    session.begin(read_only=True)
    for look, _ in LOOKS.values():
        look(stores)
    assert session.reads() == "{}"

    session.begin(read_only=True, heard=True)
    stores["orders"].get(1)
    assert json.loads(session.reads()) == {"orders": [1]}


def test_nothing_is_left_of_an_earlier_request(session: Session) -> None:
    """Each request has its own."""
    stores = filled(session)
    session.begin(read_only=True, heard=True)
    stores["orders"].list()
    session.begin(read_only=True, heard=True)

    assert session.reads() == "{}"
    session.begin(read_only=False)
    assert session.touched() == "{}"
    assert not session.changes_anything


def test_a_write_that_was_undone_says_too_much_at_most(session: Session) -> None:
    """A batch that fails and is caught leaves no record touched."""
    stores = filled(session)
    session.begin(read_only=False)
    with pytest.raises(Exception, match="record 2"):
        stores["orders"].insert_many([{"n": 1}, {"id": 1}])

    assert json.loads(session.touched()) == {}


def test_many_records_are_their_collection() -> None:
    """One more than the limit is the whole of that collection, and of no other."""
    reads = Reads()
    reads.record("members", 1)
    for number in range(1, MAX_RECORDS):
        reads.record("orders", number)
    assert len(json.loads(reads.text())["orders"]) == MAX_RECORDS - 1

    reads.record("orders", MAX_RECORDS)

    assert json.loads(reads.text()) == {"members": [1], "orders": None}
    for number in range(2, MAX_RECORDS + 1):
        reads.record("members", number)
    assert len(json.loads(reads.text())["members"]) == MAX_RECORDS
    reads.record("members", MAX_RECORDS + 1)
    assert json.loads(reads.text()) == {"members": None, "orders": None}


def test_many_collections_are_the_session() -> None:
    """One more than the limit, by a record or as a whole; and nothing makes it less again."""
    for last in (lambda reads: reads.record("last", 1), lambda reads: reads.collection("last")):
        reads = Reads()
        for number in range(MAX_COLLECTIONS):
            reads.collection(f"c{number}")
        assert len(json.loads(reads.text())) == MAX_COLLECTIONS
        last(reads)
        assert reads.text() == "null"
        reads.record("c0", 1)
        reads.collection("c1")
        reads.names()
        assert reads.text() == "null"
        reads.clear()
        assert reads.text() == "{}"


def test_long_ids_are_their_collections() -> None:
    """However long ids are, and however they are escaped, the text has a bound."""
    reads = Reads()
    for number in range(MAX_RECORDS):
        reads.record("orders", "\\" * 124 + str(1000 + number))
    reads.record("members", 1)

    assert json.loads(reads.text()) == {"orders": None, "members": None}
    reads.clear()
    for number in range(MAX_RECORDS):
        reads.record("orders", "a" * 100 + str(1000 + number))
    assert len(reads.text()) <= MAX_TEXT
    assert len(json.loads(reads.text())["orders"]) == MAX_RECORDS


def test_a_row_s_address() -> None:
    """Below the first row of texts it is the row; there it is the id, as text."""
    assert address_of_row(7, "7") == 7
    assert address_of_row(FIRST_TEXT_ROWID, "x") == "x"
    assert address_of_row(FIRST_TEXT_ROWID + 1, -5) == "-5"
