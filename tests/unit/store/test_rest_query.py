from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from store.rest_query import RESERVED, criteria_of

if TYPE_CHECKING:
    from store.resource_store import ResourceStore


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {}),
        ({"name": "Alice"}, {"name": "Alice"}),
        ({"limit": "1", "offset": "2", "sort": "x", "fields": "a"}, {}),
        ({"page": "3", "page_size": "4", "per_page": "5", "pages": "6"}, {"pages": "6"}),
        ({"age__gt": "30", "address.city": "Rome"}, {"age__gt": "30", "address.city": "Rome"}),
        ({"name": "Hart*"}, {"name__like": "Hart*"}),
        ({"email": "*@x.com"}, {"email__like": "*@x.com"}),
        ({"name": "*oh*"}, {"name__like": "*oh*"}),
        ({"name": "J*n"}, {"name__like": "J*n"}),
        ({"name__contains": "*"}, {"name__contains": "*"}),
        ({"tag": ["a", "b"]}, {"tag": ["a", "b"]}),
        ({"tag": ["a*", "b"]}, {"tag__like": ["a*", "b"]}),
        ({"id__in": ["1,2", "3"]}, {"id__in": "1,2,3"}),
        ({"price__gtt": "1"}, {"price__gtt": "1"}),
        ({"findByStatus": "open"}, {"status": "open"}),
        ({"findBy": "x"}, {"findBy": "x"}),
        ({"findbystatus": "x"}, {"findbystatus": "x"}),
        ({"getByFirstName": "Al*"}, {"firstName__like": "Al*"}),
        ({"searchByFirstName__icontains": "al"}, {"firstName__icontains": "al"}),
    ],
    ids=ascii,
)
def test_queries_become_criteria(query: dict[str, Any], expected: dict[str, Any]) -> None:
    """A query's keys are filters by the habits of REST."""

    assert criteria_of(query, ()) == expected


@pytest.mark.parametrize("spelling", ["first_name", "firstName", "FirstName", "firstname"])
def test_finders_use_the_collections_spelling(spelling: str) -> None:
    """`getByFirstName` is the field however the collection spells it."""

    assert criteria_of({"getByFirstName": "Al"}, {"id", spelling}) == {spelling: "Al"}


def test_criteria_search(store: ResourceStore) -> None:
    """What criteria() makes, search() takes; unreadable filters are search()'s to refuse."""
    store.insert_many([{"first_name": "Hartmut"}, {"first_name": "Eberhart"}])

    assert len(store.search(store.criteria({"findByFirstName": "Hart*", "limit": "1"}))) == 1
    assert store.criteria({"a__xyz": "1"}) == {"a__xyz": "1"}


def test_an_unknown_collection_reads_queries_too(store: ResourceStore) -> None:
    """Criteria need no stored record."""

    assert store.criteria({"findByStatus": "x"}) == {"status": "x"}


def test_reserved_keys_are_documented() -> None:
    """The keys that never filter."""

    assert {"limit", "offset", "sort", "page", "per_page", "page_size", "fields"} == RESERVED
