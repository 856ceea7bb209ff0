"""A field's name, a dotted path into nested objects, as SQLite is told of it."""

from __future__ import annotations

import re
from functools import lru_cache

from store.errors import InvalidQuery

MAX_STEPS = 32

_INDEXABLE = re.compile(r"[A-Za-z0-9_]{1,64}(\.[A-Za-z0-9_]{1,64})*")
#: No quote, backslash or control character: SQLite versions differ in how they find keys that have one.
_STEP = re.compile(r'[^"\\\x00-\x1f]+')


@lru_cache(maxsize=1024)
def path_of(name: str) -> str:
    """The SQLite JSON path of a field: `a.b` is `$."a"."b"`. Raises InvalidQuery."""
    steps = name.split(".")
    if len(steps) > MAX_STEPS or not all(_STEP.fullmatch(step) for step in steps) or _has_surrogate(name):
        raise InvalidQuery(f"'{_printable(name)}' is no field name")
    return "$" + "".join(f'."{step}"' for step in steps)


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _printable(text: str) -> str:
    return text[:100].encode("utf-8", "replace").decode()


@lru_cache(maxsize=1024)
def can_index(name: str) -> bool:
    return _INDEXABLE.fullmatch(name) is not None and name.count(".") < MAX_STEPS


def index_expression(name: str) -> str:
    """The expression an index on a field is made of; only for fields that `can_index` allows."""
    if not can_index(name):
        raise ValueError("a field that cannot be indexed")
    return f"json_extract(doc, '{path_of(name)}')"
