"""An answer is a plan that stays the same when written down again, or is refused by words not its own.

A plan that is read fits its request: the route matches, the resource is a collection's name.
"""

from __future__ import annotations

import json
from typing import Any

from attrs import asdict
from hypothesis import strategies as st

from server.planning.codec import MAX_ANSWER_BYTES, PlanInvalid, decode
from server.planning.kinds.route import RouteTemplate, is_collection_name

#: In many texts of an answer, and never in a reason.
CANARY = "Kanari7f3a"

_ANSWER: dict[str, Any] = {
    "action": "get",
    "resource": "members",
    "route": "/members/{id:int}",
    "identifier": "{id}",
    "criteria": {},
    "payload": {},
    "response_hints": {},
    "needs": "shape",
    "query": "declared",
    "code": {"language": "python", "block": "REPLY = make_response(200)"},
}
_TEXTS = st.sampled_from(
    [
        CANARY,
        f"/{CANARY}",
        "",
        "a",
        "members",
        "/members",
        "/{a:slug}/{b:int}",
        "{b}",
        "x{id}y",
        "\x00",
        "\ud800",
    ]
)
_SCALARS = st.one_of(
    _TEXTS, st.text(max_size=8), st.none(), st.booleans(), st.integers(-(2**65), 2**65), st.floats()
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_TEXTS | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)
_NAMES = st.sampled_from([*_ANSWER, "more", CANARY])
_SEGMENTS = st.lists(
    st.sampled_from(["members", "7", "api", "v1", "orders", CANARY, "a b", "x" * 40, "é"]), max_size=4
)
_DOCUMENTS = st.builds(
    lambda changed, dropped: {
        name: value for name, value in {**_ANSWER, **changed}.items() if name not in dropped
    },
    st.dictionaries(_NAMES, _JSON, max_size=3),
    st.sets(_NAMES, max_size=3),
)
_ENDS = st.sampled_from(
    ["", "", "", "", "{}", ",", f'"{CANARY}', " ", "}", "\x00", "\ufeff", "x" * MAX_ANSWER_BYTES]
)
INPUTS = st.fixed_dictionaries(
    {
        "answer": st.builds(lambda document, end: json.dumps(document) + end, _DOCUMENTS | _JSON, _ENDS)
        | st.text(),
        "segments": _SEGMENTS,
    }
)


def hold(value: dict[str, Any]) -> None:
    segments = tuple(value["segments"])
    try:
        plan = decode(value["answer"], segments)
    except PlanInvalid as refused:
        assert refused.reasons
        # The path's own words are the request's; a reason may name them.
        assert CANARY in segments or not any(CANARY in reason for reason in refused.reasons), refused.reasons
        return
    assert RouteTemplate.parse(plan.route).match(segments) is not None
    assert is_collection_name(plan.resource)
    assert plan.criteria == plan.payload == {}, "these are each request's own"
    document = asdict(plan)
    document["code"] = {"language": "python", "block": plan.code.text}
    again = json.dumps(document)
    if len(again.encode()) <= MAX_ANSWER_BYTES:  # escapes may make it longer than it came
        assert decode(again, segments) == plan
