from __future__ import annotations

from typing import Any

import pytest

from server.live.changes import NAMES, Touched
from server.live.reading import is_touched
from wasm_runtime.read_set import ReadSet

ONE, TWO = ("orders", "1"), ("orders", "2")
ORDERS = frozenset({"orders"})


def reads(*records: tuple[str, str], collections: frozenset[str] = frozenset(), **more: Any) -> ReadSet:
    named = collections | {name for name, _ in records}
    return ReadSet("s", more.pop("version", 1), frozenset(records), named, **more)


def touched(*records: tuple[str, str], collections: frozenset[str] = frozenset(), **more: Any) -> Touched:
    named = collections | {name for name, _ in records}
    return Touched("s", more.pop("version", 2), frozenset(records), named, **more)


@pytest.mark.parametrize(
    ("read", "change", "expected"),
    [
        (None, touched(ONE), True),
        (reads(ONE), touched(ONE), True),
        (reads(ONE), touched(TWO), False),
        (reads(ONE), touched(TWO, ONE), True),
        (reads(collections=ORDERS), touched(TWO), True),
        (reads(ONE), touched(collections=ORDERS), True),
        (reads(ONE), touched(("pets", "1")), False),
        (reads(ONE, ("pets", "1")), touched(("pets", "1")), True),
        (reads(collections=frozenset({NAMES})), touched(ONE, collections=frozenset({NAMES})), True),
        (reads(collections=frozenset({NAMES})), touched(ONE), False),
        (reads(whole=True), touched(("pets", "1")), True),
        (reads(ONE), touched(whole=True), True),
        (reads(), touched(ONE), False),
        (reads(ONE, version=2), touched(ONE, version=2), False),
        (reads(ONE, version=2), touched(ONE, version=3), True),
        (reads(ONE, version=2), touched(ONE, version=0), True),
        (reads(ONE, version=2), touched(version=1, whole=True), True),
    ],
)
def test_what_has_been_touched(read: ReadSet | None, change: Touched, expected: bool) -> None:
    assert is_touched(read, change) == expected
