"""Groups: what SQLite adds up against what Python does."""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import InvalidQuery
from tests.unit.store.conftest import open_session

if TYPE_CHECKING:
    from store.resource_store import ResourceStore

ORDERS: list[dict[str, Any]] = [
    {"status": "open", "total": 5, "to": {"city": "Rome"}, "at": "2026-01-02"},
    {"status": "paid", "total": 7.5, "to": {"city": "Oslo"}, "at": "2026-01-01"},
    {"status": "open", "total": 2, "to": {"city": "Oslo"}},
    {"status": None, "total": "9"},
    {"total": True},
]


@pytest.fixture
def orders(store: ResourceStore) -> ResourceStore:
    store.insert_many(ORDERS)
    return store


def test_all_in_one(orders: ResourceStore) -> None:
    """Only numbers are added up; texts are compared, too; what is null or absent is in none of them."""
    assert orders.group(sum="total", avg="total", min="total,at", max="total,at", count="status") == [
        {
            "count": 5, "count_status": 3, "sum_total": 14.5, "avg_total": 14.5 / 3,
            "min_total": 2, "min_at": "2026-01-01", "max_total": "9", "max_at": "2026-01-02",
        }
    ]  # fmt: skip


def test_by_a_field(orders: ResourceStore) -> None:
    """Without an order, groups come by their fields, null last."""
    assert orders.group("status", sum="total") == [
        {"status": "open", "count": 2, "sum_total": 7},
        {"status": "paid", "count": 1, "sum_total": 7.5},
        {"status": None, "count": 2, "sum_total": 0},
    ]


def test_by_several_in_order(orders: ResourceStore) -> None:
    """Sorted by any member, sliced as lists are; a filter comes before."""
    where = {"total__lt": 100}

    assert orders.group("status,to.city", where, sort="-count,-to.city") == [
        {"status": "open", "to.city": "Rome", "count": 1},
        {"status": "open", "to.city": "Oslo", "count": 1},
        {"status": "paid", "to.city": "Oslo", "count": 1},
    ]
    assert orders.group(["status"], where, max="total", sort="-max_total", limit=1) == [
        {"status": "paid", "count": 1, "max_total": 7.5}
    ]
    assert orders.group("status", sort="count,status", offset=2) == [{"status": None, "count": 2}]


def test_of_nothing(store: ResourceStore) -> None:
    """An empty collection, and one that nobody wrote to, look alike."""
    aggregates: dict[str, Any] = {"sum": "a", "avg": "a", "min": "a", "max": "a", "count": "a"}
    nothing = {"count": 0, "count_a": 0, "sum_a": 0, "avg_a": None, "min_a": None, "max_a": None}

    for _ in range(2):
        assert store.group(**aggregates) == [nothing]
        assert store.group("a", **aggregates) == []
        assert store.group(limit=0) == store.group(offset=1) == []
        store.insert({})
        store.delete(store.search({})[0]["id"])


VALUES = st.sampled_from([None, True, False, 1, 1.0, 0, "1", "true", "a", [1], {"c": 1}, "[1]", 2.5])


def key_of(value: Any) -> Any:
    return repr(float(value)) if type(value) in {int, float} else repr(value)


@given(st.lists(st.fixed_dictionaries({}, optional={"f": VALUES, "g": VALUES}), max_size=8))
def test_sql_and_python_agree(records: list[dict[str, Any]]) -> None:
    """Groups are of one value within its type, and their counts and sums are right."""
    expected: dict[Any, list[Any]] = defaultdict(list)
    for record in records:
        expected[key_of(record.get("f"))].append(record.get("g"))
    with TemporaryDirectory() as directory, closing(open_session(Path(directory))) as session:
        session.begin(read_only=False)
        store = session.plan_view["things"]
        store.insert_many(records)
        found = store.group("f", sum="g", count="g")

    numbers = {
        key: [each for each in values if type(each) in {int, float}] for key, values in expected.items()
    }
    assert {key_of(row["f"]): (row["count"], row["count_g"], row["sum_g"]) for row in found} == {
        key: (len(values), sum(each is not None for each in values), sum(numbers[key]))
        for key, values in expected.items()
    }


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"by": "a,,b"}, "group_by: a field name is missing"),
        ({"by": 5}, "group_by: takes field names"),
        ({"by": "count"}, "'count' is a member of the answer already"),
        ({"sum": ["a", 1]}, "sum: takes field names"),
        ({"sum": 'a"b'}, "is no field name"),
        ({"sort": "total"}, "'total' is none of count"),
        ({"by": "a", "sort": "-b"}, "'b' is none of a, count"),
        ({"limit": -1}, "limit"),
    ],
)
def test_what_cannot_be_grouped(orders: ResourceStore, arguments: dict[str, Any], reason: str) -> None:
    """The error names what is wrong."""
    with pytest.raises(InvalidQuery, match=reason):
        orders.group(**arguments)


@pytest.mark.parametrize(("argument", "most"), [("by", 4), ("sum", 15)])
def test_limits(orders: ResourceStore, argument: str, most: int) -> None:
    """The most fields there may be, and one more."""
    fields = [f"f{number}" for number in range(most + 1)]

    orders.group(**{argument: fields[:most]})  # type: ignore[arg-type]
    with pytest.raises(InvalidQuery):
        orders.group(**{argument: fields})  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [2**62, 1e308])
def test_sums_beyond_numbers(store: ResourceStore, number: float) -> None:
    """A sum that no JSON number can be is an error, not a wrong one."""
    store.insert({"n": number})
    assert store.group(sum="n")[0]["sum_n"] == number
    store.insert({"n": number})

    with pytest.raises(InvalidQuery, match="beyond"):
        store.group(sum="n")
