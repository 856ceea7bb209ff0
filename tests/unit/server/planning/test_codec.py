"""The plan codec: a plan, or reasons that say what to write instead."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.planning.codec import ANSWER_SCHEMA, MAX_ANSWER_BYTES, MAX_DEPTH, PlanInvalid, decode
from server.values.model import Plan

SEGMENTS = ("members", "7")
ANSWER: dict[str, Any] = {
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
CANARY = "Kanari-7f3a91"

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ROUTES = st.sampled_from(
    ["/members/{id:int}", "/members/7", "/{a:slug}/{b:int}", "/members", "/{", "", "/members/{id:slug}"]
)
MEMBERS = st.sampled_from([*ANSWER, "more", ""])
NEAR_MISSES = st.builds(
    lambda changes, gone: {k: v for k, v in {**ANSWER, **changes}.items() if k not in gone},
    st.dictionaries(MEMBERS, JSON | ROUTES | st.sampled_from(["any", "values", "{x}", {"block": "x"}])),
    st.sets(MEMBERS, max_size=2),
)
TEXTS = (
    st.text()
    | JSON.map(json.dumps)
    | NEAR_MISSES.map(json.dumps)
    | st.builds(
        lambda text, at, patch: text[:at] + patch + text[at + 1 :],
        NEAR_MISSES.map(json.dumps),
        st.integers(0, 300),
        st.sampled_from(['"', "}", "\ud800", "\\u", "1e999", "[[", ""]),
    )
)


def answer(**changes: Any) -> str:
    return json.dumps({**ANSWER, **changes})


def without(*names: str) -> str:
    return json.dumps({name: value for name, value in ANSWER.items() if name not in names})


def reasons(text: str, segments: tuple[str, ...] = SEGMENTS) -> tuple[str, ...]:
    with pytest.raises(PlanInvalid) as raised:
        decode(text, segments)
    return raised.value.reasons


def test_whole_answer() -> None:
    plan = decode(answer(needs="values", query="any"), SEGMENTS)

    assert (plan.action, plan.resource, plan.route) == ("get", "members", "/members/{id:int}")
    assert (plan.identifier, plan.needs, plan.query) == ("{id}", "values", "any")
    assert plan.code.text == "REPLY = make_response(200)"


def test_what_has_one_sensible_value_may_be_missing() -> None:
    """Not every server enforces the schema; what is missing is what it can only have been."""
    optional = ("route", "identifier", "criteria", "payload", "response_hints", "needs", "query")
    plan = decode(without(*optional), SEGMENTS)

    assert plan.route == "/members/{id:int}"
    assert (plan.identifier, plan.criteria, plan.needs, plan.query) == (None, {}, "shape", "declared")


def test_criteria_and_payload_are_dropped() -> None:
    """They are filled anew for each request, and may hold a value of the one that was planned."""
    plan = decode(answer(criteria={"name": CANARY}, payload={"name": CANARY}), SEGMENTS)

    assert CANARY not in repr(plan)


@pytest.mark.parametrize("name", ["action", "resource", "code"])
def test_a_member_that_must_be_there(name: str) -> None:
    assert [name in reason for reason in reasons(without(name))] == [True]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"action": ""}, "`action`"),
        ({"action": "a\nb"}, "`action`"),
        ({"action": "x" * 65}, "`action`"),
        ({"action": 1}, "`action`"),
        ({"resource": "../x"}, "`resource`"),
        ({"resource": ["members"]}, "`resource`"),
        ({"resource": "x" * 65}, "`resource`"),
        ({"route": "/members/{id}"}, "segment 2 is neither"),
        ({"route": "/members/{id:number}"}, "kind is one of"),
        ({"route": "/members"}, "does not match"),
        ({"route": "/orders/{id:int}"}, "does not match"),
        ({"route": "/members/{id:text}"}, "does not match"),
        ({"route": "/members/{id:slug}"}, "does not match"),
        ({"route": "/{any:slug}/{id:int}"}, "can't be a slug"),
        ({"route": None}, "`route` must be a text"),
        ({"identifier": 7}, "`identifier`"),
        ({"identifier": "{other}"}, "slot that `route` has not"),
        ({"identifier": "x" * 257}, "`identifier`"),
        ({"criteria": []}, "`criteria` must be {}"),
        ({"response_hints": {"x": "y" * 3_000}}, "too long"),
        ({"needs": "value"}, "`needs`"),
        ({"query": []}, "`query`"),
        ({"code": "REPLY = 1"}, "`code` must be"),
        ({"code": {"language": "js", "block": "x"}}, "`code.language`"),
        ({"code": {"block": "x", "more": 1}}, "`code` must be"),
        ({"code": {"block": " \n"}}, "`code.block`"),
        ({"code": {"block": 7}}, "`code.block`"),
        ({"code": {"block": "é" * 8_193}}, "`code.block` is over 16384 bytes"),
        ({"id": 1}, "members that no plan has"),
    ],
)
def test_what_is_refused_and_how_it_is_told(changes: dict[str, Any], told: str) -> None:
    found = reasons(answer(**changes))

    assert len(found) == 1
    assert told in found[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sure! Here is the plan: {}",
        "[]",
        "null",
        answer() + answer(),
        '{"action": "get", "action": "get"}',
        '{"action": NaN}',
        "[" * 100_000,
        answer()[:-3],
        answer(action="x" * MAX_ANSWER_BYTES),
        '{"action": "\\ud800"}',
        '{"action": "\ud800"}',
        answer(response_hints=json.loads('{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH)),
    ],
)
def test_texts_that_are_no_answer(text: str) -> None:
    assert len(reasons(text)) == 1


def test_all_faults_are_told_at_once() -> None:
    """The model may have one try left."""
    found = reasons(answer(action=1, resource="!", needs="x", more=1))

    assert len(found) == 4


def test_reasons_repeat_nothing_of_the_answer() -> None:
    """With values allowed an answer may hold some, and reasons are logged."""
    hostile: Any = dict.fromkeys(ANSWER, CANARY) | {CANARY: 1, "code": {CANARY: CANARY}}

    assert CANARY not in " ".join(reasons(json.dumps(hostile)))
    assert CANARY not in " ".join(reasons(f'{{"{CANARY}": {CANARY}}}'))
    assert CANARY not in " ".join(
        reasons(answer(route=f"/members/{{{CANARY}:x}}", identifier=f"{{{CANARY}}}"))
    )


def test_a_word_may_become_a_slug() -> None:
    for segments in [("articles", "how-to"), ("articles", "how-to-2"), ("api", "v1", "articles", "how-to")]:
        route = "/".join(["", *segments[:-1], "{slug:slug}"]).replace("v1", "{version:text}")
        assert decode(answer(route=route, identifier="{slug}"), segments).route == route


def test_a_path_that_begins_with_a_slot_can_be_planned() -> None:
    """`/Members` is no word to a shape; its plan takes such texts, but no words."""
    assert decode(answer(route="/{id:text}"), ("Members",)).route == "/{id:text}"
    assert "can't be a slug" in reasons(answer(route="/{id:slug}"), ("Members",))[0]


def test_schema_is_what_strict_modes_take() -> None:
    """Every object names all its members as required and allows no others; no form is left open."""
    todo: list[Any] = [ANSWER_SCHEMA]
    while todo:
        schema = todo.pop()
        assert "type" in schema
        if schema["type"] == "object":
            assert schema["additionalProperties"] is False
            assert schema["required"] == list(schema["properties"])
            todo.extend(schema["properties"].values())


def test_schema_asks_for_nothing_that_never_varies() -> None:
    """Strict modes have each answer carry every member of the schema; the constant ones are only taken."""
    constant = ["criteria", "payload", "response_hints"]

    assert [name for name in ANSWER if name not in constant] == list(ANSWER_SCHEMA["properties"])
    assert decode(without(*constant), SEGMENTS) == decode(answer(), SEGMENTS)
    assert decode(answer(code={"block": "REPLY = 1"}), SEGMENTS).code.language == "python"


def test_the_documented_example_is_an_answer() -> None:
    document = copy.deepcopy(ANSWER)
    document["code"]["block"] = 'rec = store.get(params["id"])\nREPLY = make_response(200, rec)\n'
    del document["query"]

    assert decode(json.dumps(document), SEGMENTS).identifier == "{id}"


@given(TEXTS)
def test_any_text_is_a_plan_or_invalid(text: str) -> None:
    """Whatever the text, `decode` makes a plan whose route fits the path, or says why it does not."""
    found: Plan | tuple[str, ...]
    try:
        found = decode(text, SEGMENTS)
    except PlanInvalid as error:
        found = error.reasons

    if isinstance(found, Plan):
        assert found.route in {"/members/{id:int}", "/members/7"}
    else:
        assert found
        assert all(reason.isprintable() for reason in found)


# -- what an answer may hang on -----------------------------------------------------------------------


def test_who_asks_for_collections_has_no_plan_yet() -> None:
    """Its code is not looked at, and is not run; who has been shown all cannot ask for more."""
    text = answer(needs="collections", code={"block": "import os"})

    assert decode(text, SEGMENTS).needs == "collections"
    assert "import" not in decode(text, SEGMENTS).code.text
    with pytest.raises(PlanInvalid, match="all that there are have been shown"):
        decode(text, SEGMENTS, wide=True)
    with pytest.raises(PlanInvalid, match='must be "shape" or "values"'):
        decode(answer(needs="more"), SEGMENTS, wide=True)


@pytest.mark.parametrize("segments", [("articles", "How-To"), ("articles", "isbn-1"), ("articles", "ISBN")])
def test_a_route_names_no_value_of_the_path(segments: tuple[str, ...]) -> None:
    """A word where the request has a slot would suit this request alone, and others are handed the plan."""
    assert "does not match" in reasons(answer(route="/articles/" + segments[1], identifier=None), segments)[0]
    slug = decode(answer(route="/articles/{s:slug}", identifier="{s}"), segments)
    assert slug.route == "/articles/{s:slug}"


@pytest.mark.parametrize("segments", [("v1", "articles"), ("x1", "articles"), ("api", "v1", "articles")])
def test_a_prefix_is_no_slug(segments: tuple[str, ...]) -> None:
    """A plan that takes any prefix would be handed to paths that have none."""
    route = "/".join(["", *("{a:slug}" if each[-1] == "1" else each for each in segments)])

    assert any(
        "can't be a slug" in reason for reason in reasons(answer(route=route, identifier=None), segments)
    )
