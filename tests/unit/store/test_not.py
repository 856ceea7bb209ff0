"""`$not`: records that meet none of the criteria; and nulls first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.session_store import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    opened = Session.open(str(tmp_path), page_limit_bytes=2**24, durability="cache")
    yield opened
    opened.close()


def test_not_is_none_of_its_criteria_also_where_a_field_is_null_or_absent(session: Session) -> None:
    session.begin(read_only=False)
    store = session.plan_view["notes"]
    store.insert_many([{"a": "x", "n": 2}, {"a": "xy"}, {"a": None, "n": 1}, {"n": None}])
    assert [each["id"] for each in store.search({"$not": [{"a": "x"}]})] == [2, 3, 4]
    assert [each["id"] for each in store.search({"$not": [{"a__like": "x*"}, {"n": 1}]})] == [4]
    assert [each["id"] for each in store.search({"n__gte": 1, "$not": [{"a": "x"}]})] == [3]
    assert store.count({"$not": []}) == 4
    assert [each["id"] for each in store.search(sort="n")] == [3, 1, 2, 4]
    assert [each["id"] for each in store.search(sort="-n__nullsfirst")] == [2, 4, 1, 3]
    assert [each["id"] for each in store.search(sort="n__nullsfirst,-id")] == [4, 2, 3, 1]
