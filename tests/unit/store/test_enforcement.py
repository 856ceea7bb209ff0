"""`schema.enforce`: a field keeps the types it was first stored with, and every misfit is pointed at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from store.errors import TypeMismatch
from store.schema import MAX_ERRORS
from store.session_store import Session
from tests.unit.store.conftest import LIMIT_BYTES, open_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store.resource_store import ResourceStore


@pytest.fixture
def members(tmp_path: Path) -> Iterator[ResourceStore]:
    session = Session.open(
        str(tmp_path), page_limit_bytes=LIMIT_BYTES, durability="cache", enforce_types=True
    )
    session.begin(read_only=False)
    store = session.plan_view["members"]
    store.insert({"name": "Alice", "age": 30, "score": 1.5, "tags": [], "address": {}, "active": True})
    yield store
    session.close()


FITTING: list[tuple[str, Any]] = [
    ("name", ""),
    ("age", -1),
    ("age", 31.0),
    ("score", 2),
    ("score", 2.5),
    ("tags", [1, "x"]),
    ("address", {"city": 1}),
    ("active", False),
    ("new", None),
]
MISFITS: list[tuple[str, Any, str]] = [
    ("name", 1, "integer where string was learned"),
    ("name", None, "null where string was learned"),
    ("age", "31", "string where integer was learned"),
    ("age", 31.5, "number where integer was learned"),
    ("age", True, "boolean where integer was learned"),
    ("score", "2.5", "string where number was learned"),
    ("tags", {}, "object where array was learned"),
    ("address", [], "array where object was learned"),
    ("active", 1, "integer where boolean was learned"),
    ("id", "m-2", "string where integer was learned"),
]


@pytest.mark.parametrize(("name", "value"), FITTING)
def test_what_fits_is_stored(members: ResourceStore, name: str, value: Any) -> None:
    """By insert, and by update; an integer is a number, and 31.0 an integer, as JSON Schema has it."""
    assert members.insert({name: value})[name] == value
    changed = members.update(1, {name: value})

    assert changed is not None
    assert changed[name] == value


@pytest.mark.parametrize(("name", "value", "reason"), MISFITS)
def test_what_does_not_fit_is_refused(members: ResourceStore, name: str, value: Any, reason: str) -> None:
    """And leaves records and learned types as they are."""
    before = members.list(), members.schema()["fields"]
    with pytest.raises(TypeMismatch) as caught:
        members.insert({name: value})

    assert caught.value.status == 422
    assert caught.value.errors == [(f"/{name}", reason)]
    assert (members.list(), members.schema()["fields"]) == before


@pytest.mark.parametrize("write", ["update", "replace"])
def test_changes_are_held_to_it_too(members: ResourceStore, write: str) -> None:
    before = members.get(1)
    with pytest.raises(TypeMismatch) as caught:
        getattr(members, write)(1, {"age": "old", "name": 5})

    assert sorted(caught.value.errors) == [
        ("/age", "string where integer was learned"),
        ("/name", "integer where string was learned"),
    ]
    assert members.get(1) == before


def test_the_id_of_a_change_is_not_looked_at(members: ResourceStore) -> None:
    """The path says which record it is, so what a body calls it cannot be of a wrong type."""
    assert members.update(1, {"id": "other", "age": 5}) is not None


def test_types_do_not_grow(members: ResourceStore) -> None:
    """An integer that was written as 31.0 does not let 31.5 in afterwards."""
    members.update(1, {"age": 31.0, "score": 7})
    with pytest.raises(TypeMismatch):
        members.update(1, {"age": 31.5})

    assert members.schema()["fields"]["age"] == ["integer"]
    assert members.schema()["fields"]["score"] == ["number"]


def test_each_record_of_a_batch_is_pointed_at(members: ResourceStore) -> None:
    """By pointers into the array; and the batch is stored not at all."""
    with pytest.raises(TypeMismatch) as caught:
        members.insert_many([{"age": 1}, {"age": "x", "name": 1}, {}, {"a/b~c": 1}, {"a/b~c": "x"}])

    assert [pointer for pointer, _ in caught.value.errors] == ["/1/age", "/1/name", "/4/a~1b~0c"]
    assert members.count() == 1
    assert "a/b~c" not in members.schema()["fields"]


@pytest.mark.parametrize(("wrong", "told"), [(MAX_ERRORS, MAX_ERRORS), (MAX_ERRORS + 1, MAX_ERRORS)])
def test_errors_are_bounded(members: ResourceStore, wrong: int, told: int) -> None:
    with pytest.raises(TypeMismatch) as caught:
        members.insert_many([{"age": "x"}] * wrong)

    assert len(caught.value.errors) == told


def test_a_batch_that_fits(members: ResourceStore) -> None:
    assert [record["id"] for record in members.insert_many([{"age": 1}, {"age": 2}])] == [2, 3]


def test_it_is_off_unless_asked_for(tmp_path: Path) -> None:
    """Then types are learned as they come."""
    session = open_session(tmp_path)
    session.begin(read_only=False)
    members = session.plan_view["members"]
    members.insert_many([{"age": 1}, {"age": "x"}])

    assert members.schema()["fields"]["age"] == ["integer", "string"]
    session.close()


def test_an_integer_id_may_be_written_with_a_point(members: ResourceStore) -> None:
    """JSON has one kind of number, and a client's library may write 7 as 7.0."""
    made = members.insert({"id": 7.0})

    assert made == {"id": 7}
    assert type(made["id"]) is int
    assert members.get(7) == made
