from __future__ import annotations

from functools import cmp_to_key
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import InvalidQuery
from store.paging import MAX_ROWS, compile_sort, row_count

if TYPE_CHECKING:
    from pathlib import Path

    from store.resource_store import ResourceStore
    from store.session_store import Session

ROWS: list[dict[str, Any]] = [
    {"name": "b", "price": 2, "in": {"n": 3}},
    {"name": "a", "price": 1.5, "in": {"n": 1}},
    {"name": None, "price": "x", "in": {"n": 2}},
    {"price": 2},
    {"name": "B", "price": None},
]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (None, [1, 2, 3, 4, 5]),
        ("", [1, 2, 3, 4, 5]),
        ([], [1, 2, 3, 4, 5]),
        ("name", [5, 2, 1, 3, 4]),
        ("-name", [1, 2, 5, 3, 4]),
        ("price", [2, 1, 4, 3, 5]),
        ("-price", [3, 1, 4, 2, 5]),
        ("+price", [2, 1, 4, 3, 5]),
        ("-price,name", [3, 1, 4, 2, 5]),
        ("-price, -id", [3, 4, 1, 2, 5]),
        (["-price", "-id"], [3, 4, 1, 2, 5]),
        ("in.n", [2, 3, 1, 4, 5]),
        ("-id", [5, 4, 3, 2, 1]),
        ("missing", [1, 2, 3, 4, 5]),
    ],
)
def test_sorting(store: ResourceStore, sort: Any, expected: list[int]) -> None:
    """Null and absent are last both ways, numbers before text, ties in order of insertion."""
    store.insert_many(ROWS)

    assert [row["id"] for row in store.search(sort=sort)] == expected
    assert [row["id"] for row in store.list(sort=sort)[0]] == expected


def test_sorting_by_mixed_ids(store: ResourceStore) -> None:
    """With text ids about, ids are sorted like any field: numbers, then text."""
    store.insert_many([{"id": "b"}, {"id": 7}, {"id": "a"}, {"id": "3"}])

    assert [row["id"] for row in store.search(sort="id")] == [7, "3", "a", "b"]
    assert [row["id"] for row in store.search(sort="-id")] == ["b", "a", "3", 7]


def test_sorting_by_integer_ids_sorts_nothing() -> None:
    """The newest ten of many are the last ten rows: no record is read to find them."""

    assert compile_sort("-id", int_ids=True).sql == "rowid DESC"
    assert compile_sort("a,id,b", int_ids=True).sql.endswith(", rowid ASC")


@pytest.mark.parametrize(
    "sort",
    [",", "name,", "-", "--name", "+-name", 5, ["a", 1], {"a": 1}, True, "a..b", 'a"b', ",".join("a" * 9)],
)
def test_unreadable_sorts_are_refused(store: ResourceStore, sort: Any) -> None:
    """A sort that cannot be read is the request's 400, whether the collection exists or not."""
    with pytest.raises(InvalidQuery):
        store.search(sort=sort)
    store.insert({})
    with pytest.raises(InvalidQuery):
        store.list(sort=sort)


@pytest.mark.parametrize(
    ("limit", "offset", "expected", "total"),
    [
        (None, 0, [1, 2, 3, 4, 5], 5),
        (2, 0, [1, 2], 5),
        (2, 4, [5], 5),
        (2, 5, [], 5),
        (0, 0, [], 5),
        (None, 3, [4, 5], 5),
        (None, 99, [], 5),
        (10**30, 10**30, [], 5),
        ("2", "1", [2, 3], 5),
        (None, None, [1, 2, 3, 4, 5], 5),
    ],
)
def test_pages(store: ResourceStore, limit: Any, offset: Any, expected: list[int], total: int) -> None:
    """A page is a slice, and the total is of all that match."""
    store.insert_many(ROWS)
    items, found = store.list(limit=limit, offset=offset)

    assert [row["id"] for row in items] == expected
    assert found == total
    assert store.search(limit=limit, offset=offset) == items


def test_the_total_counts_what_matches(store: ResourceStore) -> None:
    """The total is of `where`, not of the collection."""
    store.insert_many(ROWS)

    assert store.list(limit=1, where={"price": 2})[1] == 2
    assert store.list(limit=5, where={"price": 2})[1] == 2
    assert store.list(limit=0, where={"price": 99}) == ([], 0)


@pytest.mark.parametrize("value", [-1, True, False, 1.5, "x", "-1", "", " 1", "1.0", [], "9" * 5000])
def test_unreadable_limits_are_refused(store: ResourceStore, value: Any) -> None:
    """A limit or offset is a count."""
    for argument in ("limit", "offset"):
        with pytest.raises(InvalidQuery) as refused:
            store.list(**{argument: value})
        assert argument in refused.value.detail


def test_huge_counts_are_clamped() -> None:
    """More than SQLite can count is as much as it can."""

    assert row_count("limit", 10**100, 0) == row_count("limit", "9" * 30, 0) == MAX_ROWS


def test_an_unknown_collection_is_an_empty_page(
    store: ResourceStore, session: Session, tmp_path: Path
) -> None:
    """Reading what nobody has written finds nothing and makes nothing."""

    assert store.list(limit=5) == ([], 0)
    assert store.search({"a": 1}) == []
    assert store.count() == store.count({"a": 1}) == 0
    assert store.get(1) is None
    assert not store.exists(1)
    assert not store.delete(1)
    assert store.delete_all() == 0
    assert store.update(1, {}) is None
    assert session.plan_view.collections() == []
    session.settle(keep=True)
    session.commit()
    assert (tmp_path / "store.db").stat().st_size == 0


SORTED_VALUES = st.one_of(
    st.none(), st.integers(-3, 3), st.sampled_from([0.5, -0.5, 1e300]), st.sampled_from("aAbé")
)


def naive(rows: list[dict[str, Any]], keys: list[tuple[str, int]]) -> list[dict[str, Any]]:
    def rank(value: Any) -> tuple[int, Any]:
        return (1, value) if isinstance(value, str) else (0, value)

    def compare(one: dict[str, Any], other: dict[str, Any]) -> int:
        for name, sign in keys:
            a, b = one.get(name), other.get(name)
            if (a is None) != (b is None):
                return 1 if a is None else -1
            if a is not None and rank(a) != rank(b):
                return sign if rank(a) > rank(b) else -sign
        return 0

    return sorted(rows, key=cmp_to_key(compare))


@given(
    rows=st.lists(st.fixed_dictionaries({}, optional={"f": SORTED_VALUES, "g": SORTED_VALUES}), max_size=8),
    signs=st.tuples(st.sampled_from([1, -1]), st.sampled_from([1, -1])),
)
def test_sorting_as_python_would(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], signs: tuple[int, int]
) -> None:
    """SQL sorts like a comparison written out in Python."""
    from tests.unit.store.conftest import open_session

    session = open_session(tmp_path_factory.mktemp("s"))
    session.begin(read_only=False)
    store = session.plan_view["things"]
    stored = store.insert_many(rows)
    keys = list(zip(("f", "g"), signs, strict=True))
    sort = ",".join(f"-{name}" if sign < 0 else name for name, sign in keys)
    found = store.search(sort=sort)
    session.close()

    assert found == naive(stored, keys)
