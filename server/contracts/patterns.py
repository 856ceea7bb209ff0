"""The patterns of a contract: each is tried by itself, for one that does not compile makes all schemas void.

They run on an engine that takes linear time and knows no look-around and no back references. What another
dialect spells otherwise is respelled; what then does not compile is left out, and listed.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from wasm_runtime.schemas import PATTERN_BYTES, SchemaError, compiled, patterns_in_linear_time

#: Sizes that are tried, in bytes: the first in which a pattern compiles is what it is charged.
_SIZES: Final = (16 * 1024, 128 * 1024, 1024 * 1024, PATTERN_BYTES)
#: What ECMA 262 spells otherwise, or not at all (https://262.ecma-international.org/#sec-patterns).
_RESPELLED: Final = (
    (re.compile(r"(\\[dDsSwW])-(?=[^\]])"), r"\1\\-"),  # [\w-.]: no range begins at a class
    (re.compile(r"(?<!\\)\{,(?=[0-9])"), "{0,"),
    (re.compile(r"(?<!\\)\\A"), "^"),
    (re.compile(r"(?<!\\)\\[zZ]"), "$"),
    (re.compile(r"(?<!\\)\(\?P<"), "(?<"),
)


class Patterns:
    """Those of one document."""

    def __init__(self, most_bytes: int, longest: int) -> None:
        """`most_bytes` is what all of them may take compiled, `longest` the characters of one."""
        self._left = most_bytes
        self._longest = longest
        self._known: dict[str, str | None] = {}

    def usable(self, pattern: str) -> str | None:
        """The pattern as it can be compiled; None: not at all, or there is no room for it."""
        if pattern not in self._known:
            self._known[pattern] = self._first_usable(pattern)
        return self._known[pattern]

    def _first_usable(self, pattern: str) -> str | None:
        if len(pattern) > self._longest:
            return None
        respelled = pattern
        for wrong, right in _RESPELLED:
            respelled = wrong.sub(right, respelled)
        return next((each for each in dict.fromkeys((pattern, respelled)) if self._fits(each)), None)

    def _fits(self, pattern: str) -> bool:
        size = _size_of(pattern)
        if size is None or size > self._left:
            return False
        self._left -= size
        return True


@lru_cache(maxsize=8_192)
def _size_of(pattern: str) -> int | None:
    """In how much of room it can be compiled; None: in none that is allowed."""
    for size in _SIZES:
        try:
            compiled({"pattern": pattern}, pattern_options=patterns_in_linear_time(size))
        except SchemaError:
            continue
        return size
    return None
