"""REPLY: what a plan may answer, and the messages for what it may not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guest.reply import MAX_DEPTH, Abort, ReplyError, RequestFault, abort, encode_reply, make_response
from store.lazy import all_stored, stored

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(-2, 2), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers(10, 99)), inner, max_size=11),
    ),
    max_leaves=24,
)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_a_reply_is_its_head_and_its_body_as_json() -> None:
    """Status, headers and keep come back checked; the body as compact JSON text."""
    head, body = encode_reply(make_response(201, {"id": 1, "n": "\u00e9"}, {"Location": "/x/1"}, keep=True))

    assert head == {"status": 201, "headers": {"Location": "/x/1"}, "keep": True}
    assert body == '{"id":1,"n":"\u00e9"}'


def test_a_plain_dict_is_a_reply_too() -> None:
    """The document's own form, without the helper; status and headers have defaults."""
    assert encode_reply({"body": [1]}) == ({"status": 200}, "[1]")


@pytest.mark.parametrize(("status", "body"), [(200, "null"), (201, ""), (302, ""), (404, "")])
def test_none_is_no_body_but_for_200(status: int, body: str) -> None:
    """`abort(404)` has no body; `make_response(200, store.get(9))` says null."""
    assert encode_reply(make_response(status))[1] == body


@pytest.mark.parametrize("status", [204, 304])
def test_bodiless_statuses_have_no_body(status: int) -> None:
    """204 and 304 drop what they were given."""
    assert encode_reply(make_response(status, {"x": 1}))[1] == ""


@pytest.mark.parametrize(
    ("reply", "rule"),
    [
        (None, "must be a dict"),
        ([], "must be a dict"),
        ({"status": 200, "debug": 1}, "may hold only"),
        ({"status": "200"}, "must be an integer"),
        ({"status": True}, "must be an integer"),
        ({"status": 200.0}, "must be an integer"),
        ({"status": 199}, "from 200 to 599"),
        ({"status": 600}, "from 200 to 599"),
        ({"headers": []}, "headers must be a dict"),
        ({"headers": {"X-A": []}}, "must be text"),
        ({"headers": {7: "x"}}, "must be text"),
        ({"headers": {"X-A": True}}, "must be text"),
        ({"body": float("nan")}, "not JSON"),
        ({"body": {"a": float("inf")}}, "not JSON"),
        ({"body": {1, 2}}, "not JSON"),
        ({"body": object()}, "not JSON"),
        ({"body": "\ud83d"}, "lone surrogate"),
        ({"body": {(1, 2): 3}}, "keys"),
        ({"body": {None: 1}}, "keys"),
        ({"body": {True: 1}}, "keys"),
        ({"body": {1: "a", "1": "b"}}, "two keys"),
    ],
)
def test_a_broken_rule_is_named(reply: Any, rule: str) -> None:
    """The message names the rule, and holds nothing of the reply."""
    with pytest.raises(ReplyError, match=rule):
        encode_reply(reply)


def test_depth_is_bounded_on_both_sides() -> None:
    """As deep as the limit passes; one deeper, or a cycle, is a message and no recursion."""
    cycle: list[Any] = []
    cycle.append(cycle)

    assert encode_reply({"body": nested(MAX_DEPTH)})[1].startswith("[[")
    for too_deep in (nested(MAX_DEPTH + 1), nested(200_000), cycle):
        with pytest.raises(ReplyError, match="nested deeper"):
            encode_reply({"body": too_deep})


@pytest.mark.parametrize("inmost", [1, {}, [], {"b": 1}])
def test_objects_count_as_arrays_do(inmost: Any) -> None:
    """Whatever is inside of them; what holds nothing is a level, too."""
    levels = MAX_DEPTH - (inmost != 1)
    fits = inmost
    for _ in range(levels):
        fits = {"a": fits, "s": 1}

    text = encode_reply({"body": fits})[1]

    assert text.count("{") + text.count("[") == MAX_DEPTH
    with pytest.raises(ReplyError, match="nested deeper"):
        encode_reply({"body": {"a": fits}})


@given(VALUES)
def test_a_body_is_its_json_text(value: Any) -> None:
    """Records that nobody has looked into among it, or not: compact, and in the order it was made in."""
    lazy = {"before": 1, "one": stored('{"id":1}'), "many": all_stored(['{"id":2}', '{"id":3}'])}
    plain = {"before": 1, "one": {"id": 1}, "many": [{"id": 2}, {"id": 3}]}

    for body, same in ((value, value), ({**lazy, "value": value}, {**plain, "value": value})):
        expected = json.dumps(same, separators=(",", ":"), ensure_ascii=False)
        assert encode_reply(make_response(200, body))[1] == expected


def test_number_keys_and_header_numbers_become_text() -> None:
    """`{rec["id"]: rec}` and `{"Retry-After": 3}` are honest and mean text; None leaves a header out."""
    head, body = encode_reply(make_response(200, {1: "a", 2: "b"}, {"Retry-After": 3, "Location": None}))

    assert head["headers"] == {"Retry-After": "3"}
    assert body == '{"1":"a","2":"b"}'


def test_abort_cannot_be_caught_by_a_plan() -> None:
    """`except Exception` in a plan lets it through, so abort always ends the plan."""
    with pytest.raises(Abort) as ended:
        abort(404, "gone")

    assert ended.value.reply == make_response(404, "gone")
    assert issubclass(RequestFault, Abort)
    assert not issubclass(Abort, Exception)
