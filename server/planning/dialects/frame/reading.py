"""What several dialects read alike. All of it is linear in the text's length."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from server.values.errors import InvalidQuery, Unprocessable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from server.values.model import RequestContext

#: As deep as JSON in a query may nest.
MAX_DEPTH = 8
_LEADING_INT = re.compile(r"\s{0,8}([+-]?[0-9]{1,15})")


def first(query: Mapping[str, str | list[str]], key: str) -> str | None:
    """The key's value, of a repeated one the first."""
    value = query.get(key)
    return value[0] if isinstance(value, list) else value


def every(query: Mapping[str, str | list[str]], key: str) -> list[str]:
    value = query.get(key)
    return [] if value is None else value if isinstance(value, list) else [value]


def leading_int(text: str | None) -> int | None:
    """What JavaScript's `parseInt(text, 10)` makes of a text; None for NaN (ECMA-262, 19.2.5)."""
    found = _LEADING_INT.match(text or "")
    return int(found[1]) if found else None


def json_value(key: str, text: str) -> Any:
    """JSON in a query. Raises InvalidQuery that names the key."""
    try:
        value = orjson.loads(text)
    except ValueError:
        raise InvalidQuery(f"{key}: is not JSON") from None
    if _deeper_than(value, MAX_DEPTH):
        raise InvalidQuery(f"{key}: nests deeper than {MAX_DEPTH} levels")
    return value


def _deeper_than(value: Any, levels: int) -> bool:
    left = [(value, levels)]
    while left:
        value, room = left.pop()
        if not isinstance(value, (dict, list)):
            continue
        if not room:
            return True
        left.extend((each, room - 1) for each in (value.values() if isinstance(value, dict) else value))
    return False


def require_object(ctx: RequestContext) -> None:
    """Raise Unprocessable unless the body is an object."""
    if not isinstance(ctx.body_json, dict):
        raise Unprocessable(f"The body of a {ctx.method} is a JSON object.")


def sort_of(terms: Iterable[tuple[str, bool]]) -> str | None:
    """The store's sort from names and whether downwards; None where there are none."""
    return ",".join(f"-{name}" if down else name for name, down in terms) or None
