"""JSON text, fast: Python's own C scanner and encoder, set up once instead of at every call.

`json.loads` and `JSONEncoder.encode` spend more time around the C code than in it, and in the guest that is
what a small request costs (a record of five fields: 92 k units of fuel to encode, 9 k this way).
"""

from __future__ import annotations

from json import JSONDecoder
from json.encoder import c_make_encoder, encode_basestring  # type: ignore[attr-defined]
from typing import Any, NoReturn

#: Undocumented, but what `JSONDecoder.raw_decode` itself calls since Python 2.7.
scan = JSONDecoder().scan_once  # type: ignore[attr-defined]


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"{type(value).__name__} is no JSON type")


#: markers, default, string encoder, indent, separators, sort_keys, skipkeys, allow_nan. No markers: a cycle
#: is not looked for, so callers bound the depth first.
_encode_chunks = c_make_encoder(None, _refuse, encode_basestring, None, ":", ",", False, False, False)  # noqa: FBT003


def decode(text: str) -> Any:
    """The value of JSON text without space around it. Raises ValueError, RecursionError."""
    try:
        value, end = scan(text, 0)
    except StopIteration:
        raise ValueError("not JSON text") from None
    if end != len(text):
        raise ValueError("more than one JSON value")
    return value


def encode(value: object) -> str:
    """Compact JSON text, not ASCII-escaped, of a value whose depth is bounded.

    Raises TypeError for what is no JSON type, ValueError for NaN and infinities.
    """
    return "".join(_encode_chunks(value, 0))
