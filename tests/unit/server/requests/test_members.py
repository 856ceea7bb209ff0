"""How many members a body may have, and how a refusal names the place."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from server.requests.members import check_members
from server.values.errors import Unprocessable


def members(number: int, first: int = 0) -> dict[str, int]:
    return {f"m{n}": n for n in range(first, first + number)}


def check(value: Any) -> None:
    check_members(value, orjson.dumps(value), most=20, most_names=50)


@pytest.mark.parametrize(
    "value",
    [
        members(20),
        {"id": 1, **members(20)},
        [members(20) for _ in range(1_000)],
        {"a": {"b": [members(20), members(20, 20)]}},
        [members(20), members(20, 20), members(10, 40)],
        {"text": ": = " * 1_000},
        [[[]]] * 100,
        None,
        "x",
    ],
)
def test_bodies_within_the_limits(value: Any) -> None:
    """Many objects with the same names are as good as one."""
    check(value)


@pytest.mark.parametrize(
    ("value", "pointer", "limit", "says"),
    [
        (members(21), "", 20, "An object may have 20 members, and this one has 21, at the top."),
        ({"a/b": [1, {"c~": members(21)}]}, "/a~1b/1/c~0", 20, "at /a~1b/1/c~0."),
        ({"x" * 100: members(21)}, "/" + "x" * 64, 20, "this one has 21"),
        ([members(20), members(20, 20), members(11, 40)], "/0", 50, "different names of members, at /0."),
    ],
)
def test_bodies_beyond_them(value: Any, pointer: str, limit: int, says: str) -> None:
    """The object is named by its pointer, and so is the remedy."""
    with pytest.raises(Unprocessable) as refused:
        check(value)

    assert refused.value.members == {"pointer": pointer, "limit": limit}
    assert says in refused.value.detail
    assert refused.value.detail.endswith("Send an array of objects instead.")
