"""What the API process and the keeper say to each other: one JSON object a message, behind its length.

{"n": 1, "do": "copy", ...}      asked by the API process
{"n": 1, "answer": ...}          or {"n": 1, "error": "Missing", "reason": "...", "limit": 0}
{"n": -1, "do": "dump", ...}     asked by the keeper, with a number of its own; answered likewise
{"event": "room", ...}           told by the keeper, and not answered
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, Final

from server.record import record
from server.record.record import RecordError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

_LENGTH: Final = struct.Struct(">I")
_ERRORS: Final[dict[str, type[RecordError]]] = {
    each.__name__: each
    for each in (
        *(record.Fenced, record.Exists, record.Missing, record.Full, record.Damaged, record.TooNew),
        *(record.Invalid, record.Unavailable, record.Unknown),
    )
}


def encode(message: dict[str, Any]) -> bytes:
    text = json.dumps(message, separators=(",", ":")).encode()
    return _LENGTH.pack(len(text)) + text


class Decoder:
    """Messages out of a stream of bytes, whatever pieces it comes in."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                return
            text = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield json.loads(text)


def refusal(error: RecordError) -> dict[str, Any]:
    return {"error": type(error).__name__, "reason": error.reason, "limit": error.limit_bytes}


def error_of(answer: dict[str, Any]) -> RecordError:
    kind = _ERRORS.get(answer["error"], Unavailable)
    return kind(answer["reason"], answer["limit"])
