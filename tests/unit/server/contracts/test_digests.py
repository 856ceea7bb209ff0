"""The digest of an operation changes with what it refers to, however far, and with nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from server.contracts.converting import objects_in
from server.contracts.digests import Digests


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/{name}"}


#: a leads to b and c, which lead to one another; d leads into their circle; e leads to itself; f to nothing.
RAW: dict[str, Any] = {
    "a": {"x": ref("b"), "y": ref("c")},
    "b": {"x": ref("c")},
    "c": {"x": ref("b"), "y": ref("e")},
    "d": {"x": ref("c")},
    "e": {"x": ref("e")},
    "f": {"n": 1},
}


def digests(raw: dict[str, Any]) -> dict[str, str]:
    made = Digests(raw, objects_in)
    return {name: made.of([f"#/{name}"]) for name in raw}


@pytest.mark.parametrize(
    ("changed", "others"), [("a", "a"), ("b", "abcd"), ("c", "abcd"), ("d", "d"), ("e", "abcde"), ("f", "f")]
)
def test_what_leads_to_a_change_changes(changed: str, others: str) -> None:
    before, after = digests(RAW), digests({**RAW, changed: {**RAW[changed], "more": 1}})

    assert {name for name in RAW if before[name] != after[name]} == set(others)


@pytest.mark.parametrize("start", sorted(RAW))
def test_it_does_not_matter_which_is_asked_for_first(start: str) -> None:
    first = Digests(RAW, objects_in)

    assert first.of([f"#/{start}"]) == digests(RAW)[start]


def test_each_part_is_looked_at_once() -> None:
    """However many operations lead to it: a chain and a circle of a thousand, asked for at each place."""
    looked: list[Any] = []

    def counted(value: Any) -> Any:
        looked.append(value)
        return objects_in(value)

    raw = {f"s{n}": {"x": ref(f"s{(n + 1) % 1000}"), "y": ref(f"s{(n + 7) % 1000}")} for n in range(1000)}
    made = Digests(raw, counted)
    found = {made.of([f"#/{name}"]) for name in raw}

    assert len(looked) == 1000
    assert len(found) == 1
