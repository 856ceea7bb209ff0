"""The JSON object in what a model says."""

from __future__ import annotations

import pytest

from server.planning.providers.answer import json_object

OBJECT = '{"action": "get", "code": {"block": "a\\n```\\nb"}}'


@pytest.mark.parametrize(
    "text",
    [
        OBJECT,
        f"\n {OBJECT}\n",
        f"```json\n{OBJECT}\n```",
        f"```\n{OBJECT}\n```",
        f"Here:\n\n  ```JSON\n{OBJECT}\n  ```\nThat is all.",
        f"First\n```python\nx = {{}}\n```\nthen\n```json\n{OBJECT}\n```",
        f"```json\n{OBJECT}",
        f"For {{id}} the plan is {OBJECT}. Done.",
        f"{OBJECT} {{",
        f'<think>maybe {{"no": 1}}</think>\n{OBJECT}',
        f'a <think>b</think> {{"no": 1}} <think>c</think>{OBJECT}',
        f'hm, {{"no": 1}}\n</think>\n\n{OBJECT}',
        f"[THINK]hm[/THINK]{OBJECT}",
        f'<|channel|>analysis<|message|>{{"no": 1}}<|end|><|channel|>final<|message|>{OBJECT}',
        f"\u25c1think\u25b7hm\u25c1/think\u25b7{OBJECT}",
        f'First {{"action": "list"}}, or better {OBJECT}',
        f'A broken one: {{"action": oops}} and then {OBJECT}',
        f"```json {OBJECT} ```",
    ],
)
def test_found(text: str) -> None:
    """However the model wrapped it, the object comes out as it was written."""
    assert json_object(text) == OBJECT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no",
        "</think>",
        f"<think>{OBJECT}</think>",
        "[1]",
        "{id}",
        OBJECT[:-1],
        f"Here: {OBJECT[:-1]}",
        '"{}"',
        '{"a": NaN}',
        "null",
    ],
)
def test_not_found(text: str) -> None:
    """Half an object, or a part of a broken one, is none; JSON that is no object is none."""
    assert json_object(text) is None


WANTED = frozenset({"action", "code"})


@pytest.mark.parametrize(
    "text",
    [
        f'{OBJECT} It answers {{"id": 1}}.',
        f'A body such as {{"id": 1}}. {OBJECT} It answers {{"id": 1}}.',
        f'{{"action": "draft", "code": {{}}}} no: {OBJECT}',
        f'an opening {{"of quotes, and then {OBJECT}',
    ],
)
def test_the_last_that_is_a_plan(text: str) -> None:
    """Examples around a plan are JSON, too: what has a plan's members is the plan."""
    assert json_object(text, WANTED) == OBJECT


def test_an_end_of_thoughts_within_the_plan() -> None:
    """A plan's own code may have such a word in it."""
    plan = '{"action": "get", "code": {"block": "x = \'</think>\'"}}'

    assert json_object(plan) == plan
    assert json_object(f"<think>hm</think>Here: {plan}") == plan


def test_what_was_thought_is_no_answer() -> None:
    """A draft before the end of thoughts is not what the model says."""
    assert json_object(f"<think>{OBJECT}</think> I cannot.", WANTED) is None


@pytest.mark.parametrize(
    "text",
    [
        part * (1_000_000 // len(part))
        for part in ("{", "{ ", '{"', '{"a":', "```json\n", "<think>", "\n```\n{", "</think>", '{"a" ')
    ]
    + ["```" + " " * 500_000 + "x" + " " * 500_000, "{" + " " * 1_000_000, '{"a": "' + '{"' * 500_000],
)
def test_hostile_text_is_read_once(text: str) -> None:
    """A megabyte made to be searched over and over is not: a quadratic search would not end here."""
    assert json_object(text) is None
