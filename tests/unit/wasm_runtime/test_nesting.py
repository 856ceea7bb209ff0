"""Depth is that of the JSON, whatever brackets its texts hold."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasm_runtime.nesting import depth_within

texts = st.text(st.sampled_from('[]{}"\\\\n\u00e9'), max_size=8)
values = st.recursive(
    st.one_of(texts, st.integers(-9, 9), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=30,
)


def depth_of(value: Any) -> int:
    if not isinstance(value, list | dict):
        return 0
    return 1 + max(map(depth_of, value if isinstance(value, list) else value.values()), default=0)


@pytest.mark.parametrize(
    ("text", "limit", "fits"),
    [
        ("[[[[]]]]", 4, True),
        ("[[[[[]]]]]", 4, False),
        ('[{"a":[{}]}]', 4, True),
        ('[{"a":[{"b":[]}]}]', 4, False),
        ('["[[[[[[[[[","\\"[[[[[[["]', 4, True),
        ("[[],[],[],[],[],[]]", 2, True),
        ('["' + "[" * 1000 + '\\\\", [[]]]', 4, True),
    ],
)
def test_depth_counts_nesting_and_not_text(text: str, limit: int, fits: bool) -> None:
    """Depth is that of the JSON, whatever brackets its texts hold."""
    assert depth_within(text.encode(), limit) is fits


@given(values)
def test_any_value(value: Any) -> None:
    """On both sides of its own depth."""
    text, depth = orjson.dumps(value), depth_of(value)

    assert depth_within(text, depth)
    assert depth == 0 or not depth_within(text, depth - 1)
