"""A collection that is read without some of what its records have, and written whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from store.resource_store import ResourceStore
    from store.session_store import Session

RECORD = {"name": "Ann", "secret": 'a","b":1', "in": {"secret": 1, "city": "Rome"}, "list": [{"secret": 2}]}
SHOWN = {"id": 1, "name": "Ann", "in": {"city": "Rome"}, "list": [{"secret": 2}]}


def cut(session: Session, *left_out: list[str]) -> ResourceStore:
    return session.plan_view._cut("members", list(left_out))  # as the guest asks for it


def test_reads_are_without_it(session: Session) -> None:
    """By id, in lists and searches; where it is not there, nothing changes."""
    store = session.plan_view.collection("members")
    store.insert(RECORD)
    store.insert({"id": "text", "in": [1]})
    seen = cut(session, ["secret"], ["in", "secret"], ["nothing", "at", "all"])

    assert seen.get(1) == SHOWN
    assert seen.get("text") == {"id": "text", "in": [1]}
    assert seen.list() == ([SHOWN, {"id": "text", "in": [1]}], 2)
    assert seen.search({"secret__contains": "b"}) == [SHOWN]
    assert (seen.get(3), seen.exists(1), seen.count({"in.secret": 1})) == (None, True, 1)
    assert store.get(1) == {"id": 1, **RECORD}


def test_what_is_written_is_whole(session: Session) -> None:
    """Whoever changes a record through it loses nothing of it."""
    session.plan_view.collection("members").insert(RECORD)
    cut(session, ["secret"]).update(1, {"name": "Bea"})

    assert session.plan_view.collection("members").get(1) == {"id": 1, **RECORD, "name": "Bea"}


def test_a_collection_that_comes_later(session: Session) -> None:
    """It is looked for at each read."""
    seen = cut(session, ["secret"])
    before = seen.get(1)
    session.plan_view.collection("members").insert(RECORD)

    assert (before, seen.list()[1]) == (None, 1)
    assert seen.get(1) is not None


@pytest.mark.parametrize(
    "left_out",
    [[], "a", ["a"], [[]], [["a'"]], [['a"']], [["a.b"]], [["$"]], [[1]], [["a"]] * 65, [["a" * 129]]],
)
def test_what_cannot_be_left_out(session: Session, left_out: Any) -> None:
    """Names that mean something in SQL or in a path, and too many."""
    with pytest.raises(ValueError, match=r"left out|path"):
        session.plan_view._cut("members", left_out)
