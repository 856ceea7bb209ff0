"""Whether what has come on a connection ends where a request ends: only there is one known by its bytes.

aiohttp's parser does not tell. So it is reckoned beside it, from the messages that the parser has made;
wherever that is not plain (requests that come together, chunks, other ends of lines) it is given up for the
connection, which costs nothing but the short way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp.http import RawRequestMessage

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD_END: Final = b"\r\n\r\n"
#: What is looked through of a head that comes in pieces.
_MOST_HEAD: Final = 16 * 1024
_LOST: Final = -1
#: What the bytes of a request can have to be known by.
MOST_RAW: Final = 4_096


class Framing:
    """Of one connection."""

    __slots__ = ("_owed", "_part", "raw")

    def __init__(self) -> None:
        #: Bytes of a body that are still to come.
        self._owed = 0
        #: The beginning of a head.
        self._part = b""
        #: All of the request that came last, if it is a GET without a body that came alone and in one piece.
        self.raw: bytes | None = None

    @property
    def at_end(self) -> bool:
        return self._owed == 0 and not self._part

    def take(self, data: bytes, made: Sequence[object], *, alone: bool) -> None:
        """`data` has come, of which the parser has made these. `alone`: no other request is under way."""
        self.raw = None
        if self._owed == _LOST:
            return
        if self._owed:
            self._owed = _LOST if made or len(data) > self._owed else self._owed - len(data)
            return
        whole, self._part = not self._part, self._part + data
        end = self._part.find(_HEAD_END)
        if end < 0 and not made and len(self._part) <= _MOST_HEAD:
            return
        head, rest = self._part[:end], len(self._part) - end - len(_HEAD_END)
        self._part = b""
        self._owed = _owed(head, rest, made) if end >= 0 else _LOST
        if whole and alone and not rest and not self._owed and _can_be_known(data):
            self.raw = data


def _can_be_known(data: bytes) -> bool:
    return data.startswith(b"GET ") and len(data) <= MOST_RAW


def _owed(head: bytes, rest: int, made: Sequence[object]) -> int:
    """What is still to come behind a head and the bytes after it."""
    message = made[0] if len(made) == 1 else None
    if not isinstance(message, RawRequestMessage) or message.chunked or message.upgrade:
        return _LOST
    if head.count(b"\n") != head.count(b"\r\n"):
        return _LOST
    length = message.headers.get("Content-Length", "0")
    return max(int(length) - rest, _LOST) if length.isdecimal() else _LOST
