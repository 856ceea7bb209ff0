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


@pytest.mark.parametrize(
    "text",
    [
        part * (1_000_000 // len(part))
        for part in ("{", "{ ", '{"', '{"a":', "```json\n", "<think>", "\n```\n{")
    ],
)
def test_hostile_text_is_read_once(text: str) -> None:
    """A megabyte made to be searched over and over is not: a quadratic search would not end here."""
    assert json_object(text) is None
