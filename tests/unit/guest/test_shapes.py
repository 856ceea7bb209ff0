"""Records in another shape: as text where that can be, and else member by member."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guest.reply import ReplyError, RequestFault, encode_reply, make_response
from guest.shapes import shaped
from store import json_text
from store.change_set import RECORD_DEPTH
from store.lazy import LazyDict, all_stored, joined_text, stored, untouched_text

RESOURCE = {"type": "a", "id": "{id}", "in": {"**": ["id"]}, "links": {"self": "/a/{id:path}", "n{id}": 1}}
MARKED = {"**": ["expand"], "kind": "pbc_1", 'it\'s "%d" \\1': "{x}"}
SHAPES: list[dict[str, Any]] = [
    RESOURCE,
    MARKED,
    {"data": {"**": ["id", "a"], "id": "{id}"}, "on": [1, {"**": []}, "{id}"]},
    {"no": "members {id}"},
    {"first": {"**": []}, "second": {"**": ["id"]}},
    {"**": ["a", ["kind", "a"], ["type", "kind", "a"]]},
]
IDS = st.one_of(
    st.integers(1, 10**9),
    st.text(min_size=1, max_size=8),
    st.sampled_from(["a-b_c", "a,b", '"', "5", '{"id":1', "}", '1,"a":2']),
)
NAMES = st.one_of(
    st.sampled_from(["a", "expand", "kind", "type", "**", "{id}", 'id":1,"x', '{"id":', "},{", "\n"]),
    st.text(max_size=5),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(-2, 2), NAMES),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NAMES, inner, max_size=2)),
    max_leaves=4,
)
RECORDS = st.tuples(IDS, st.dictionaries(NAMES, VALUES, max_size=4), st.booleans()).map(
    lambda made: {"id": made[0], **made[1]} if made[2] else {**made[1], "id": made[0]}
)


def as_text(value: Any) -> str:
    return encode_reply(make_response(200, value))[1]


def as_json(value: Any) -> Any:
    return json.loads(as_text(value))


@given(st.lists(RECORDS, max_size=4), st.sampled_from(SHAPES))
def test_as_text_it_is_what_it_is_member_by_member(
    records: list[dict[str, Any]], shape: dict[str, Any]
) -> None:
    """Of records that nobody has looked into, and of dicts; with the shape as a value and as text."""
    texts = [json_text.encode(record) for record in records]
    each = [as_text(shaped(record, shape)) for record in records]
    expected = f"[{','.join(each)}]"
    many = shaped(all_stored([*texts]), shape)

    assert len(many) == len(records)
    assert as_text(many) == expected
    assert as_text(shaped([stored(text) for text in texts], json.dumps(shape))) == expected
    assert [as_text(shaped(stored(text), json_text.encode(shape))) for text in texts] == each
    assert [*many] == json.loads(expected)
    assert as_text(many) == expected


@pytest.mark.parametrize(
    ("record", "shape", "expected"),
    [
        (
            {"id": 7, "name": "Ann"},
            RESOURCE,
            {"type": "a", "id": "7", "in": {"name": "Ann"}, "links": {"self": "/a/7", "n7": 1}},
        ),
        (
            {"id": "a/b", "name": "é"},
            RESOURCE,
            {"type": "a", "id": "a/b", "in": {"name": "é"}, "links": {"self": "/a/a%2Fb", "na/b": 1}},
        ),
        (
            {"id": 7, "expand": 1, "kind": 2, "n": 3},
            MARKED,
            {"id": 7, "n": 3, "kind": "pbc_1", 'it\'s "%d" \\1': "{x}"},
        ),
        ({"id": 7}, RESOURCE, {"type": "a", "id": "7", "in": {}, "links": {"self": "/a/7", "n7": 1}}),
    ],
)
def test_shapes(record: dict[str, Any], shape: dict[str, Any], expected: dict[str, Any]) -> None:
    """What is named beside the members is not among them."""
    assert shaped(record, shape) == expected
    assert as_json(shaped(stored(json_text.encode(record)), shape)) == expected


@pytest.mark.parametrize("rid", [1, 123456, "abc", "0196a7d2-0000-7000-8000-000000000000", "a_b"])
def test_plain_records_are_not_looked_into(rid: int | str) -> None:
    """Their shape is text at once, one or many."""
    texts = [json_text.encode({"id": rid, "name": "é", "tags": ["x"], "at": {"n": 1}})] * 2

    one, many = shaped(stored(texts[0]), RESOURCE), shaped(all_stored(texts), MARKED)

    assert type(one) is LazyDict
    assert untouched_text(one)
    assert joined_text(many, 64)


def test_what_is_further_in_is_left_out_too() -> None:
    """By names from the outside in; the record stays as it was."""
    record = {"id": 1, "a": {"b": {"c": 1, "d": 2}}, "e": [1]}

    assert shaped(record, {"**": ["e", ["a", "b", "c"], ["e", "f"], ["x"]]}) == {
        "id": 1,
        "a": {"b": {"d": 2}},
    }
    assert record["a"] == {"b": {"c": 1, "d": 2}}


def test_a_list_that_nests_deeper_than_a_reply_may_is_looked_into() -> None:
    """What is made of records is as deep as they may be, and what stands around them."""
    many = shaped(all_stored(['{"id":1,"a":[2]}', '{"id":2,"a":[]}']), {"in": {"in": {"**": ["id"]}}})

    assert joined_text(many, RECORD_DEPTH + 1) is None
    assert joined_text(many, RECORD_DEPTH + 2)
    assert encode_reply(make_response(200, many), 5)[1] == '[{"in":{"in":{"a":[2]}}},{"in":{"in":{"a":[]}}}]'
    with pytest.raises(ReplyError, match="deeper"):
        encode_reply(make_response(200, many), 4)


def test_what_would_nest_too_deep_is_made_member_by_member() -> None:
    """As text nobody would notice."""
    deep: Any = 1
    for _ in range(31):
        deep = [deep]
    record = stored(json_text.encode({"id": 1, "deep": deep}))

    assert type(shaped(record, {"in": {"in": {"**": []}}})) is dict


@pytest.mark.parametrize("shape", ["[]", "1", '"a"'])
def test_a_shape_is_an_object(shape: str) -> None:
    """A plan's fault, and no client's."""
    with pytest.raises(RequestFault) as ended:
        shaped({"id": 1}, shape)

    assert ended.value.status == 500
