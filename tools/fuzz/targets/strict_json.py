"""Bytes are accepted where a plain reading of the rules accepts them, as `json.loads` reads them.

In all other cases InvalidJson names a line and a column that there are.
"""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import strategies as st

from server.requests.strict_json import MAX_DEPTH, MAX_INTEGER, MAX_NUMBER_CHARACTERS, read
from server.values.errors import InvalidJson

_PLACE = re.compile(r"Invalid JSON: .+ \(line (\d+), column (\d+)\)", re.DOTALL)
_PIECES = (
    *(
        '{"a":',
        '{"a":1,',
        '"a":2',
        '"\\u0061":3',
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '""',
        '"',
        "\\",
        "\\u",
        "\\ud800",
    ),
    *(
        '"\\ud83d\\ude00"',
        '"\\ud800"',
        '"\\udc00\\ud800"',
        "NaN",
        "Infinity",
        "-Infinity",
        "null",
        "true",
        "false",
    ),
    *(
        "1e400",
        "-1e400",
        "1e-400",
        "0.1",
        "-0",
        "-0.0",
        "01",
        "1.",
        ".5",
        "+1",
        "1E5",
        str(2**63),
        str(2**63 - 1),
    ),
    *(
        str(-(2**63)),
        str(-(2**63) + 1),
        "9" * 19,
        "9" * 20,
        "1" * 400,
        "1" * 401,
        f"0.{'1' * 398}",
        f"0.{'1' * 399}",
    ),
    *("1" * 18, "[" * 63, "[" * 64, "[" * 65, "]" * 64, "]" * 65, "[" * 2000, '{"a":' * 64, "}" * 64),
    *(
        " ",
        "\n",
        "\r",
        "\t",
        "\x0b",
        "\xa0",
        "\0",
        "\x1f",
        "\x7f",
        "\xef\xbb\xbf",
        "\xc3\xa9",
        "\xff",
        "\xed\xa0\x80",
    ),
    *("\xf4\x90\x80\x80", "\xc0\xaf", "\xf0\x9f\x98\x80", "//", "/**/", "'a'", "a"),
)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**64), 2**64),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=6),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
)
#: JSON as one end of the service would write it, as the other might, and with pieces put in.
_WRITTEN = st.builds(
    lambda value, plain, indent: json.dumps(value, ensure_ascii=not plain, indent=indent)
    .encode("utf-8", "surrogatepass").decode("latin-1"),
    _VALUES, st.booleans(), st.none() | st.integers(0, 2),
)  # fmt: skip
_PATCHED = st.builds(
    lambda text, at, piece, drop: text[: at % (len(text) + 1)] + piece + text[at % (len(text) + 1) + drop :],
    _WRITTEN,
    st.integers(0, 200),
    st.sampled_from(_PIECES),
    st.integers(0, 3),
)
INPUTS = st.one_of(_WRITTEN, _PATCHED, st.lists(st.sampled_from(_PIECES), max_size=8).map("".join))


class _Refused(Exception):
    """What the plain reading says of bytes that break a rule."""


def hold(text: str) -> None:
    data = text.encode("latin-1")
    try:
        expected = _plain(data)
    except _Refused as refused:
        _hold_refusal(data, str(refused))
    else:
        value = read(data)
        assert _same(value, expected), f"{value!r}, expected {expected!r}"


def _hold_refusal(data: bytes, why: str) -> None:
    try:
        value = read(data)
    except InvalidJson as refused:
        place = _PLACE.fullmatch(refused.detail)
        assert place, refused.detail
        assert 1 <= int(place[1]) <= data.count(b"\n") + 1, refused.detail
        assert 1 <= int(place[2]) <= len(data) + 1, refused.detail
        return
    raise AssertionError(f"accepted as {value!r}, although: {why}")


def _plain(data: bytes) -> Any:
    """The rules, one after the other, without a thought for speed. Raises _Refused."""
    try:
        text = data.decode()
        if text.startswith("\ufeff"):
            raise _Refused("a byte order mark")
        value = json.loads(
            text, parse_constant=_refuse, object_pairs_hook=_object, parse_int=_integer, parse_float=_number
        )
    except (ValueError, RecursionError) as error:
        raise _Refused(f"no JSON: {error}") from None
    _walk(value)
    return value


def _refuse(what: str) -> Any:
    raise _Refused(what)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise _Refused("a key twice")
    return dict(pairs)


def _integer(digits: str) -> int:
    if len(digits) > MAX_NUMBER_CHARACTERS or abs(int(digits)) >= MAX_INTEGER:
        raise _Refused("an integer that is too large")
    return int(digits)


def _number(digits: str) -> float:
    if len(digits) > MAX_NUMBER_CHARACTERS or float(digits) in (float("inf"), float("-inf")):
        raise _Refused("a number that is too large or too long")
    return float(digits)


def _walk(value: Any) -> None:
    """No lone surrogate anywhere, and no nesting beyond the limit."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        if any("\ud800" <= letter <= "\udfff" for each in level for letter in _texts(each)):
            raise _Refused("a lone surrogate")
        boxes = [each for each in level if isinstance(each, list | dict)]
        level = [each for box in boxes for each in (box.values() if isinstance(box, dict) else box)]
        if not boxes:
            return
    raise _Refused("too deep")


def _texts(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(value)
    return value if isinstance(value, str) else ""


def _same(one: Any, other: Any) -> bool:
    """Equal, and of equal types: 1 is not 1.0, and true is not 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other) and str(one) == str(other)
