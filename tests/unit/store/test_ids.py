from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from store.errors import DuplicateId, InvalidId, NoIdLeft
from store.ids import MAX_INT_ID, address_of, checked_address
from tests.unit.store.conftest import case_name, open_session

if TYPE_CHECKING:
    from pathlib import Path

    from store.resource_store import ResourceStore
    from store.session_store import Session


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (1, 1),
        ("1", 1),
        (MAX_INT_ID, MAX_INT_ID),
        (str(MAX_INT_ID), MAX_INT_ID),
        (str(MAX_INT_ID + 1), str(MAX_INT_ID + 1)),
        (0, "0"),
        ("0", "0"),
        (-5, "-5"),
        ("-5", "-5"),
        (-MAX_INT_ID, str(-MAX_INT_ID)),
        ("007", "007"),
        ("abc", "abc"),
        ("a.b_c~d-e", "a.b_c~d-e"),
        ("A" * 128, "A" * 128),
        *(
            (text, text)
            for text in (
                "_x",
                "~x",
                "-1",
                ".x",
                "x.php",
                "a/b",
                "foo/bar?",
                "a b",
                " ",
                "a\\b",
                "%2F",
                "Search",
            )
        ),
        *(
            (text, text)
            for text in ("urn:isbn:0451450523", "al@example.com", "Pro plan $699", "\u00e9", "\u0661")
        ),
    ],
)
def test_ids_and_their_addresses(value: int | str, address: int | str) -> None:
    """An address is the id's text: an integer from 1 is the same as its text, other text is itself."""

    assert address_of(value) == address
    assert checked_address(value) == address


@pytest.mark.parametrize(
    "value",
    [
        *(MAX_INT_ID + 1, -MAX_INT_ID - 1, 10**5000, True, False, 1.5, float("nan"), None, [1], {}, b"1"),
        *("", ".", "..", "../x", "a/../b", "a/.", "..\\x", "a\n", "a\x00", "a\x85", "\ud800", "A" * 129),
    ],
    ids=case_name,
)
def test_no_ids(value: Any) -> None:
    """Nothing else is an id: given to a new record it is refused, and looked up it is not found."""
    with pytest.raises(InvalidId) as refused:
        checked_address(value)

    assert refused.value.status == 422
    assert refused.value.detail.startswith("id:")
    assert address_of(value) in {None, str(MAX_INT_ID + 1), str(-MAX_INT_ID - 1)}


@pytest.mark.parametrize("word", ["search", "find", "query", "filter", "count", "stats"])
def test_words_that_are_no_ids(store: ResourceStore, word: str) -> None:
    """What a path reads otherwise is refused with the reason, as nobody would ever get at such a record."""
    with pytest.raises(InvalidId) as refused:
        store.insert({"id": word})

    assert f"/{word} is read otherwise" in refused.value.detail


@pytest.mark.parametrize("value", [None, ""])
def test_no_id_yet(store: ResourceStore, value: Any) -> None:
    """What typed clients send for no id makes one, in a batch and in an upsert as well."""

    assert store.insert({"id": value, "n": 1}) == {"id": 1, "n": 1}
    assert store.insert_many([{"n": 2, "id": value}]) == [{"n": 2, "id": 2}]
    assert store.upsert({"id": value, "n": 3}) == {"id": 3, "n": 3}
    assert store.get(3) == {"id": 3, "n": 3}
    assert store.schema()["fields"]["id"] == ["integer"]


def test_the_nil_uuid_makes_a_uuid(store: ResourceStore) -> None:
    """A client that sends it (Guid.Empty) has UUIDs for ids: each record gets one of its own."""
    nil = "00000000-0000-0000-0000-000000000000"
    made = [record["id"] for record in store.insert_many([{"id": nil}, {"id": nil}])]

    assert len({nil, *made}) == 3
    assert all(uuid.UUID(each).version == 4 for each in made)


def test_ids_below_one_are_in_order(store: ResourceStore) -> None:
    """Sorted by id they come before the others, whatever rows they are in."""
    store.insert_many([{"id": 2}, {"id": -7}, {"id": 0}, {}])

    assert [each["id"] for each in store.search(sort="id")] == [-7, 0, 2, 3]
    assert [each["id"] for each in store.search(sort="-id", limit=3)] == [3, 2, 0]
    assert [each["id"] for each in store.search({"id__lt": 1}, sort="id")] == [-7, 0]
    assert store.get("-7") == store.get(-7) == {"id": -7}
    assert store.update(0, {"n": 1}) == {"id": 0, "n": 1}
    assert [each["id"] for each in store.search({"id": ["-7", 0]})] == [-7, 0]
    with pytest.raises(DuplicateId):
        store.insert({"id": "0"})


@pytest.mark.parametrize(
    "value", [True, None, 1.0, [1], "../x", "\ud800", 10**5000, -(10**5000), "", -5, 0], ids=case_name
)
def test_looking_up_no_id_finds_nothing(store: ResourceStore, value: Any) -> None:
    """A look-up never fails: no record has such an id."""
    store.insert_many([{}, {"id": "True"}, {"id": "None"}])

    assert store.get(value) is None
    assert not store.exists(value)
    assert not store.delete(value)
    assert store.replace(value, {}) is None
    assert store.update(value, {}) is None


def test_one_address_one_record(store: ResourceStore) -> None:
    """1 and "1" are the same record, which keeps the type it was stored with."""
    store.insert({"id": "1", "n": 1})
    store.insert({"id": 2, "n": 2})

    for taken in (1, "1", 2, "2"):
        with pytest.raises(DuplicateId) as refused:
            store.insert({"id": taken})
        assert str(taken) in refused.value.detail
    assert store.get(1) == store.get("1") == {"id": "1", "n": 1}
    assert store.replace("2", {"id": 7, "n": 3}) == {"id": 2, "n": 3}
    assert store.upsert({"id": "2", "n": 4}) == {"id": 2, "n": 4}
    assert store.insert({}) == {"id": 3}


def test_text_ids(store: ResourceStore) -> None:
    """A text id is an address like any; such records come after the numbered, in order of insertion."""
    store.insert_many([{"id": "zz"}, {"id": "aa"}, {}])

    assert store.get("aa") == {"id": "aa"}
    assert [record["id"] for record in store.search()] == [1, "zz", "aa"]
    with pytest.raises(DuplicateId):
        store.insert({"id": "zz"})
    assert store.delete("zz")
    assert not store.exists("zz")
    assert store.update("aa", {"n": 1}) == {"id": "aa", "n": 1}


def test_a_given_id_moves_the_counter(store: ResourceStore) -> None:
    """The next id is one more than the highest there ever was."""

    assert store.insert({}) == {"id": 1}
    assert store.insert({"id": 41}) == {"id": 41}
    assert store.insert({"id": 5}) == {"id": 5}
    assert store.insert({}) == {"id": 42}


def test_the_last_id(store: ResourceStore) -> None:
    """With the highest integer taken there is no next one, and text ids still work."""
    store.insert({"id": MAX_INT_ID})

    with pytest.raises(NoIdLeft) as refused:
        store.insert({})
    assert refused.value.status == 409
    assert store.insert({"id": "more"}) == {"id": "more"}


@pytest.mark.parametrize("how", ["delete", "delete_all", "delete_all_matching"])
def test_ids_are_never_reused(tmp_path: Path, how: str) -> None:
    """Also when the highest was deleted and the session opened again."""
    session = open_session(tmp_path)
    session.begin(read_only=False)
    store = session.plan_view["things"]
    store.insert_many([{}, {}, {"id": 9}])
    if how == "delete":
        assert all(store.delete(id_) for id_ in (9, 2))
    else:
        assert store.delete_all({"id__gt": 1} if how == "delete_all_matching" else None) >= 2
    session.settle(keep=True)
    session.commit()
    session.close()

    reopened = open_session(tmp_path)
    reopened.begin(read_only=False)
    assert reopened.plan_view["things"].insert({}) == {"id": 10}
    reopened.close()


def test_a_rolled_back_id_was_never_used(session: Session, store: ResourceStore) -> None:
    """What was rolled back did not happen: the id is free."""
    store.insert({})
    session.settle(keep=True)
    session.savepoint()
    store.insert({"id": 50})
    store.delete(50)
    session.settle(keep=False)
    session.savepoint()

    assert store.insert({}) == {"id": 2}
