from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guest.patches import json_patch
from server.live.differences import patch_between

_TEXTS = st.text(alphabet="ab/~0", max_size=3)
_LEAVES = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 0.5]) | _TEXTS
VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, VALUES)
def test_it_makes_one_of_the_other(before: Any, after: Any) -> None:
    """As anybody's RFC 6902 applies it, to the kind of number."""
    made = json_patch(before, patch_between(before, after))

    assert json.dumps(made, sort_keys=True) == json.dumps(after, sort_keys=True)


@given(VALUES)
def test_equal_ones_need_nothing(value: Any) -> None:
    assert patch_between(value, json.loads(json.dumps(value))) == []


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ([1, 2, 3], [1, 2, 3, 4], [("add", "/3")]),
        ([1, 2, 3], [0, 1, 2, 3], [("add", "/0")]),
        ([1, 2, 3, 4], [1, 4], [("remove", "/1"), ("remove", "/1")]),
        ([{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 3}], [("replace", "/1/a")]),
        ({"a/b": 1, "c~d": 1}, {"a/b": 2}, [("remove", "/c~0d"), ("replace", "/a~1b")]),
        (1, True, [("replace", "")]),
        ({"a": 1}, {"a": 1.0}, [("replace", "/a")]),
    ],
)
def test_what_has_not_changed_is_not_told(before: Any, after: Any, patch: list[tuple[str, str]]) -> None:
    assert [(step["op"], step["path"]) for step in patch_between(before, after)] == patch
