from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.requests.strict_json import MAX_DEPTH, read
from server.values.errors import InvalidJson


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a":1}', {"a": 1}),
        (b' [1, 2.5, -3e2, "x", null, true]\n', [1, 2.5, -300.0, "x", None, True]),
        (b'"text"', "text"),
        (b"0", 0),
        (b'{"a":{"a":{"a":[]}}}', {"a": {"a": {"a": []}}}),
        (b'{"at":"12:30:00","url":"http://x/"}', {"at": "12:30:00", "url": "http://x/"}),
        (b'{"a":1,"A":2,"b":{"a":3}}', {"a": 1, "A": 2, "b": {"a": 3}}),
        (b'{"__proto__":{"x":1},"__class__":2}', {"__proto__": {"x": 1}, "__class__": 2}),
        (b'"\\u0000\\ud83d\\ude00"', "\0\U0001f600"),
        ('"\u00e9\u202e"'.encode(), "\u00e9\u202e"),
        (b"9223372036854775807", 2**63 - 1),
        (b"-9223372036854775807", -(2**63) + 1),
        (b'{"card":"12345678901234567890123"}', {"card": "12345678901234567890123"}),
        (b"0.1234567890123456789012345", 0.1234567890123456789012345),
        (b"1e308", 1e308),
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)),
        (b'{"a":"' + b"[" * 200 + b'"}', {"a": "[" * 200}),
        (b"[" + b"[]," * 100 + b"[]]", [[]] * 101),
    ],
)
def test_what_is_strict_json_is_read(data: bytes, value: Any) -> None:
    """JSON in which no two readers could disagree is read as `json` reads it."""
    assert read(data) == value


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b'{"a":1,"a":2}', "Invalid JSON: the same key twice in one object (line 1, column 8)"),
        (
            b'{"b":[{"x":1}],\n "c":{"a":1,"\\u0061":2}}',
            "the same key twice in one object (line 2, column 13)",
        ),
        (b'{"\\"":1,"\\u0022":2}', "the same key twice in one object (line 1, column 9)"),
        ('{"é":1, "x":"é", "é":2}'.encode(), "the same key twice in one object (line 1, column 18)"),
        (b"[" * 65 + b"]" * 65, "nested deeper than 64 (line 1, column 65)"),
        (b'[{"a":' * 40 + b"1" + b"}]" * 40, "nested deeper than 64 (line 1, column 193)"),
        (b"9223372036854775808", "an integer of more than 63 bits (line 1, column 1)"),
        (b'{"a":\n -9223372036854775808}', "an integer of more than 63 bits (line 2, column 2)"),
        (b"[0." + b"1" * 400 + b"]", "a number of more than 400 characters (line 1, column 2)"),
        (b"1e400", "(line 1, column 1)"),
        (b'{"a":' + b"1" * 400 + b"}", "(line 1, column 6)"),
        (b"NaN", "(line 1, column 1)"),
        (b'{"a":Infinity}', "(line 1, column 6)"),
        (b"", "(line 1, column 1)"),
        (b"invalid json", "(line 1, column 1)"),
        (b'{"a":1,}', "(line 1, column"),
        (b"{'a':1}", "(line 1, column 2)"),
        (b'{"a":1} x', "(line 1, column 9)"),
        (b'{"a":"\\ud800"}', "(line 1, column"),
        (b'{"\\udc00":1}', "(line 1, column"),
        (b'"\xed\xa0\x80"', "(line 1, column"),
        (b'"\xff\xfe"', "(line 1, column"),
        (b"\xef\xbb\xbf{}", "(line 1, column 1)"),
        ('{"a":1}'.encode("utf-16"), "(line 1, column 1)"),
        (b'"a\x01b"', "(line 1, column 3)"),
        (b"[" * 10_000 + b"]" * 10_000, "(line 1, column"),
        (b"[" * 100_000, "(line 1, column"),
    ],
)
def test_what_could_be_misread_is_refused_with_its_place(data: bytes, detail: str) -> None:
    """The detail says "Invalid JSON", why, and where; it repeats nothing of the body."""
    with pytest.raises(InvalidJson) as caught:
        read(data)

    assert caught.value.detail.startswith("Invalid JSON: ")
    assert detail in caught.value.detail
    assert {"line", "column"} == set(caught.value.members)


_KEYS = st.text(alphabet='ab":\\[{\u00e9', max_size=3)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8)
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(_VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_every_json_value_comes_back_the_same(value: Any, ascii_only: bool, indent: int | None) -> None:
    """However it is spelled, a value with distinct keys is read as what it was."""
    data = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()

    assert read(data) == value


@given(st.text(alphabet='{}[]":,\\ab01.eE- \nu0', max_size=30))
def test_agrees_with_json_on_what_is_no_json(text: str) -> None:
    """What `json` refuses is refused, and what is accepted means what `json` says it means."""
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(InvalidJson):
            read(text.encode())
        return
    try:
        value = read(text.encode())
    except InvalidJson:
        assert _may_be_refused(text)
    else:
        assert value == expected


def _may_be_refused(text: str) -> bool:
    """Whether `text`, which `json` reads, breaks a rule that `json` does not have."""
    broken: list[bool] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        broken.append(len(dict(found)) != len(found))
        return dict(found)

    def number(digits: str) -> float:
        broken.append(
            math.isinf(float(digits)) or (digits.lstrip("-").isdigit() and abs(int(digits)) >= 2**63)
        )
        return float(digits)

    value = json.loads(text, object_pairs_hook=pairs, parse_int=number, parse_float=number)
    surrogate = any("\ud800" <= character <= "\udfff" for character in json.dumps(value, ensure_ascii=False))
    return any(broken) or surrogate


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [(b"\xff", 1, 1), (b'{"a": "\xff"}', 1, 8), (b'{\n  "\xc3\xa9": "\xe9"}', 2, 9)],
)
def test_the_place_of_a_byte_that_is_not_utf8(data: bytes, line: int, column: int) -> None:
    """Counted in characters, as an editor shows it."""
    with pytest.raises(InvalidJson) as error:
        read(data)

    assert (error.value.members["line"], error.value.members["column"]) == (line, column)
