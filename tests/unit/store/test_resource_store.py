from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from store.errors import DuplicateId, InvalidCollectionName, InvalidId, InvalidRecord, StoreError
from store.resource_store import UNINDEXED_MAX, ResourceStore
from store.session_store import SessionStore

if TYPE_CHECKING:
    from store.session_store import Session


def test_a_record_lives_and_dies(store: ResourceStore) -> None:
    """Insert, get, update, replace, delete, as documented."""

    assert store.insert({"name": "Alice", "email": "a@x.com"}) == {
        "id": 1,
        "name": "Alice",
        "email": "a@x.com",
    }
    assert store.get(1) == {"id": 1, "name": "Alice", "email": "a@x.com"}
    assert store.update(1, {"email": None, "age": 3}) == {"id": 1, "name": "Alice", "email": None, "age": 3}
    assert store.replace(1, {"name": "Al"}) == {"id": 1, "name": "Al"}
    assert store.exists(1)
    assert store.delete(1) is True
    assert store.delete(1) is False
    assert store.get(1) is None


def test_the_order_of_keys(store: ResourceStore) -> None:
    """An id that was assigned comes first; a given one keeps its place; so do updated fields."""

    assert list(store.insert({"b": 1, "a": 2})) == ["id", "b", "a"]
    assert list(store.insert({"b": 1, "id": 7, "a": 2})) == ["b", "id", "a"]
    assert list(store.update(7, {"c": 1, "b": 2}) or ()) == ["b", "id", "a", "c"]
    assert list(store.replace(7, {"z": 1, "id": 9}) or ()) == ["id", "z"]
    assert list(store.get(1) or ()) == ["id", "b", "a"]


def test_an_id_cannot_be_changed(store: ResourceStore) -> None:
    """Whatever a replacement or an update says, the id stays."""
    store.insert({})

    assert store.replace(1, {"id": 5}) == {"id": 1}
    assert store.update(1, {"id": [1]}) == {"id": 1}
    assert store.count() == 1


def test_absent_records(store: ResourceStore) -> None:
    """Replacing or updating what is not there changes nothing and says so."""
    store.insert({})

    assert store.replace(2, {"a": 1}) is None
    assert store.update("x", {"a": 1}) is None
    assert store.count() == 1


def test_upsert(store: ResourceStore) -> None:
    """Upsert replaces the whole record, or inserts."""

    assert store.upsert({"a": 1}) == {"id": 1, "a": 1}
    assert store.upsert({"id": 1, "b": 2}) == {"id": 1, "b": 2}
    assert store.upsert({"id": "x", "b": 3}) == {"id": "x", "b": 3}
    with pytest.raises(InvalidId):
        store.upsert({"id": 1.5})
    with pytest.raises(InvalidRecord):
        store.upsert([1])  # type: ignore[arg-type]


def test_what_comes_back_is_a_copy(store: ResourceStore) -> None:
    """Neither what was given nor what was returned is what is stored."""
    given: dict[str, Any] = {"tags": ["a"]}
    returned = store.insert(given)
    given["tags"].append("b")
    returned["tags"].append("c")

    assert store.get(1) == {"id": 1, "tags": ["a"]}
    assert "id" not in given


@pytest.mark.parametrize("bad", [None, [], "x", {"a": float("nan")}])
def test_bad_records_leave_nothing(store: ResourceStore, session: Session, bad: Any) -> None:
    """A refused record makes no collection, even where the plan catches the error."""
    for write in (store.insert, store.upsert, lambda record: store.insert_many([{}, record])):
        with pytest.raises(InvalidRecord):
            write(bad)

    assert session.plan_view.collections() == []
    assert session.changes == []
    store.insert({"a": 1})
    for change in (store.replace, store.update):
        with pytest.raises(InvalidRecord):
            change(1, bad)
    assert store.get(1) == {"id": 1, "a": 1}


@pytest.mark.parametrize(
    ("batch", "error", "named"),
    [
        ([{"a": 1}, {"id": 1}], DuplicateId, "record 2"),
        ([{"id": "x"}, {"id": "x"}], DuplicateId, "record 2"),
        ([{}, {}, {"id": 2**53}], InvalidId, "record 3"),
        ([{}, {"a": {"b": 2**64}}], InvalidRecord, "record 2: field 'a.b'"),
        ([{}, 5], InvalidRecord, "record 2"),
        ({"a": 1}, InvalidRecord, "array"),
        (None, InvalidRecord, "array"),
    ],
)
def test_a_batch_is_all_or_nothing(
    store: ResourceStore, session: Session, batch: Any, error: type[StoreError], named: str
) -> None:
    """One bad record and none is stored; a plan that catches the error goes on as if nothing had been."""
    store.insert({"kept": True})
    with pytest.raises(error) as refused:
        store.insert_many(batch)

    assert named in refused.value.detail
    assert store.search() == [{"id": 1, "kept": True}]
    assert store.count() == 1
    assert set(store.schema()["fields"]) == {"id", "kept"}
    assert len(session.changes) == 1
    assert store.insert({}) == {"id": 2}


def test_a_batch_is_stored_in_order(store: ResourceStore) -> None:
    """A batch comes back as stored, with its ids."""

    assert store.insert_many([{"n": 1}, {"id": 9, "n": 2}, {"n": 3}]) == [
        {"id": 1, "n": 1},
        {"id": 9, "n": 2},
        {"id": 10, "n": 3},
    ]
    assert store.insert_many([]) == []


def test_delete_all(store: ResourceStore) -> None:
    """Delete what matches, or everything; the number says how many."""
    store.insert_many([{"n": n} for n in range(6)])

    assert store.delete_all({"n__gte": 4}) == 2
    assert store.delete_all({"n": 99}) == 0
    assert store.delete_all({}) == 4
    assert store.delete_all() == 0
    assert store.count() == 0


def test_counts_follow_writes(store: ResourceStore) -> None:
    """The count that is kept is the count that is."""
    store.insert_many([{"n": n} for n in range(4)])
    assert store.count() == 4
    store.delete(1)
    store.insert({})
    store.upsert({"id": "x"})
    store.upsert({"id": "x", "again": 1})
    store.delete_all({"n": 3})

    assert store.count() == len(store.search()) == 4


def test_large_unindexed_searches_are_noted(session: Session, store: ResourceStore) -> None:
    """An equality search that reads a large collection through is noted, once, until the next request."""
    store.insert_many([{"n": n, "s": "x"} for n in range(UNINDEXED_MAX)])
    store.search({"n": 1})
    assert session.unindexed_searches == []

    store.insert({"n": 0})
    store.search({"n": 1, "s": "x"})
    store.count({"n": [1, 2]})
    store.search({"n__gt": 1})
    store.search({"id": 1})
    store.search({"s": None})
    store.search({"né": 1})

    assert session.unindexed_searches == [("things", "n"), ("things", "s")]
    session.settle(keep=True)
    session.commit()
    assert session.ensure_index("things", "n")
    session.begin(read_only=True)
    assert session.unindexed_searches == []
    store.search({"n": 1, "s": "x"})
    assert session.unindexed_searches == []


@pytest.mark.parametrize("name", ["orders", "A", "a-b_c9", "x" * 64])
def test_collections_by_name(session: Session, name: str) -> None:
    """A collection is there once something was stored in it; names are case-sensitive."""
    collections = session.plan_view
    assert name not in collections
    collections[name].insert({"a": 1})

    assert name in collections
    assert collections.collections() == [name]
    assert collections.collection(name).get(1) == {"id": 1, "a": 1}
    assert collections[name.swapcase()].count() == 0


@pytest.mark.parametrize(
    "name",
    ["", "1a", "_a", "-a", "../x", ".schemas", "users.meta", "a b", "a\x00", "é", "x" * 65, "a\n", None, 5],
)
def test_collection_names_have_a_grammar(session: Session, name: Any) -> None:
    """Anything else is refused."""
    with pytest.raises(InvalidCollectionName) as refused:
        session.plan_view[name]

    assert refused.value.status == 422
    assert name not in session.plan_view


def test_plans_see_methods_only() -> None:
    """What plans are handed has no public attribute but the documented methods, each with its reference."""
    documented = {
        ResourceStore: {
            *(
                "insert",
                "insert_many",
                "get",
                "exists",
                "delete",
                "replace",
                "update",
                "upsert",
                "list",
                "search",
            ),
            *("count", "group", "embed", "expand", "delete_all", "criteria", "schema"),
            *("vet", "links", "relations", "fields", "singleton"),
        },
        SessionStore: {"collection", "collections"},
    }
    for kind, methods in documented.items():
        public = {name for name in dir(kind) if not name.startswith("_")}

        assert public == methods
        assert all(1 <= len((getattr(kind, name).__doc__ or "").strip().splitlines()) <= 5 for name in public)


def test_plan_facing_objects_hold_nothing_public(session: Session, store: ResourceStore) -> None:
    """Nor have their instances: no path, no connection."""

    assert all(name.startswith("_") for name in vars(store))
    assert all(name.startswith("_") for name in vars(session.plan_view))
