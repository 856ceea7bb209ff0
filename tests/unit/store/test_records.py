from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import records
from store.change_set import RECORD_DEPTH
from store.errors import InvalidRecord
from store.lazy import stored
from store.records import check, decode, encode


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("record", "place"),
    [
        ({"a": float("nan")}, "field 'a': not a finite number"),
        ({"a": {"b": [1, float("inf")]}}, "field 'a.b[1]': not a finite number"),
        ({"a": 2**63}, "field 'a': an integer of more than 63 bits"),
        ({"a": -(2**63)}, "field 'a': an integer of more than 63 bits"),
        ({"a": (1, 2)}, "field 'a': tuple is no JSON type"),
        ({"a": {1, 2}}, "field 'a': set is no JSON type"),
        ({"a": b""}, "field 'a': bytes is no JSON type"),
        ({"a": {1: 2}}, "field 'a': has a key that is int, not text"),
        ({"a": "\ud800"}, "field 'a': text with half of a surrogate pair"),
        ({"\ud800": 1}, "field '?': text with half of a surrogate pair"),
        ({"a": nested(RECORD_DEPTH)}, "nested more than 32 deep"),
    ],
)
def test_unstorable_records(record: dict[Any, Any], place: str) -> None:
    """What could not be read back is refused, and the place is named."""
    with pytest.raises(InvalidRecord) as refused:
        check(record)

    assert place in refused.value.detail
    assert refused.value.status == 422
    refused.value.detail.encode()


@pytest.mark.parametrize("record", [None, [], "x", 1, [("a", 1)]])
def test_a_record_is_an_object(record: Any) -> None:
    """Anything but an object is no record."""
    with pytest.raises(InvalidRecord, match="a record is an object"):
        check(record)


def test_a_key_of_the_record_itself() -> None:
    """A key that is no text has no name to be blamed by, and is refused all the same."""
    with pytest.raises(InvalidRecord, match="a key that is int"):
        check({1: 2})


def test_the_edges_are_stored() -> None:
    """What is just inside the limits comes back as it was."""
    record = {
        "deep": nested(RECORD_DEPTH - 1),
        "big": 2**63 - 1,
        "small": -(2**63) + 1,
        "float": 1.0,
        "text": 'é "quoted" \\ \x00 \u2028 😀',
        "é": None,
        "": {},
    }
    check(record)

    assert decode(encode(record)) == record
    assert type(decode(encode(record))["float"]) is float


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.lists(st.dictionaries(st.text(), JSON), max_size=4))
def test_records_come_back(records: list[dict[str, Any]]) -> None:
    """Whatever passes the check is read back equal, at once or when somebody looks into it."""
    for record in records:
        check(record)
    documents = [encode(record) for record in records]

    assert [decode(document) for document in documents] == records
    assert [stored(document) for document in documents] == records


_BAD = st.sampled_from([float("nan"), 2**63, -(2**63), "\ud800", (1,), b"", {1: 2}, {"\udfff": 1}])
_ANY = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-5, 5),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    )
    | _BAD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(record=st.dictionaries(st.text(max_size=3), _ANY, max_size=4), most=st.integers(0, 4))
def test_what_is_let_pass_at_once_is_what_passes_step_by_step(record: dict[str, Any], most: int) -> None:
    """All that is equally deep is looked at together; only what is refused is looked for one by one."""
    try:
        records._check_object(record, 1, most)
    except records._Refused:
        assert not records._is_harmless(record, most)


@pytest.mark.parametrize(("depth", "fits"), [(RECORD_DEPTH - 1, True), (RECORD_DEPTH, False)])
@pytest.mark.parametrize("inner", ["a", "\u00e9"])
def test_how_deep(depth: int, inner: str, *, fits: bool) -> None:
    value: Any = inner
    for _ in range(depth):
        value = [value]
    if fits:
        check({"a": value})
    else:
        with pytest.raises(InvalidRecord, match="deep"):
            check({"a": value})


@pytest.mark.parametrize(("most", "fits"), [(3, True), (2, False)])
@pytest.mark.parametrize("inner", ["a", "\u00e9"])
def test_how_many_members(most: int, inner: str, *, fits: bool) -> None:
    """Of an object below the record, however it is looked at."""
    record = {"a": [{"x": inner, "y": 1, "z": None}]}
    if fits:
        check(record, most)
    else:
        with pytest.raises(InvalidRecord, match="3 members, more than 2"):
            check(record, most)
