"""The wire between a worker and the keeper of the record. Pure: bytes to values and back.

A frame is a 4-byte big-endian length (of what follows), one byte of kind, and its fields as one line of JSON:
an array, in the order of the value's members. A COMMIT has its change sets behind that line, one after the
other, each as long as its part says (in bytes of UTF-8).

    OPEN       to the keeper    have the session's `store.db` be the record's, made anew if need be
    OPENED     to the worker    it is, at this head
    REFUSED    to the worker    it cannot be, or an OUTCOME cannot be told
    COMMIT     to the keeper    parts: each a change set that makes `base` the version after it
    COMMITTED  to the worker    of each part, in order: it is durable, or why it is not there
    OUTCOME    to the keeper    which head has the session's record?
    HEAD       to the worker    this one
    CLOSED     to the keeper    the file was closed soundly, and is the record's at this head
    USED       to the keeper    somebody has read it
    ROOM       to the worker    whether there is any, unasked
    SPARE      to the worker    the disk is full: close the file whose guest was used the longest ago
    SPARED     to the keeper    that was closed, or there was none

Each question has a number `n` that its answer repeats. A part is committed whole or not at all, and only upon
its base; parts of one session that come after one that was refused are refused, too.
Both ends are ours, so a frame that does not decode is a bug: WireError, and the connection ends.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: A request is bounded at far less; a length beyond it means the stream is not ours.
MAX_FRAME_BYTES = 512 * 1024 * 1024
_LENGTH = struct.Struct(">IB")
_JSON = json.JSONEncoder(separators=(",", ":")).encode

#: full: `reason` says what, as in `Room`, or "session". damaged: its rows in the record are. too-new: the
#: record, or the file to adopt, was written by a later version. refused: the rows contradict what is there,
#: so a guest has lied. unavailable: nothing was written. unknown: the disk failed in the sync, and what was
#: to be written may be there, or not.
Trouble: TypeAlias = Literal["full", "damaged", "unavailable", "unknown", "too-new", "fenced", "refused"]


class WireError(Exception):
    """The other end sent what is no frame."""


class Head(NamedTuple):
    """A state of a session in the record.

    `identity` is of the record's (another after a restore) and the session's; a session that has no record
    yet has version 0 and no batch. `batch` names the commit that made the version: 32 hexadecimal digits.
    """

    identity: str
    version: int
    batch: str


class Open(NamedTuple):
    n: int
    session: str


class Opened(NamedTuple):
    """`used_bytes`: what its rows come to, as the limit of a session counts. `new`: it has none."""

    n: int
    session: str
    head: Head
    used_bytes: int
    new: bool


class Refused(NamedTuple):
    n: int
    session: str
    trouble: Trouble
    reason: str
    limit_bytes: int = 0


class Part(NamedTuple):
    """One request's change set. `base`: the version it was made upon; `batch`: of the one it makes.

    `at`: seconds since 1970; `request`, `route` and `plan`: whose it was, for the session's log.
    """

    session: str
    base: int
    batch: str
    at: float
    request: str
    route: str
    plan: str
    changes: str


class Commit(NamedTuple):
    n: int
    parts: tuple[Part, ...]


class Refusal(NamedTuple):
    """Why a part is not there."""

    trouble: Trouble
    reason: str
    limit_bytes: int = 0


class Committed(NamedTuple):
    """Of each part: None where it is durable."""

    n: int
    refusals: tuple[Refusal | None, ...]


class Outcome(NamedTuple):
    n: int
    session: str


class HeadIs(NamedTuple):
    n: int
    session: str
    head: Head


class Closed(NamedTuple):
    """The file that was closed: its size in bytes, its inode and when it was changed, in nanoseconds.

    All of them 0: it was not closed soundly, and is worth nothing.
    """

    session: str
    head: Head
    size: int
    inode: int
    mtime_ns: int


class Used(NamedTuple):
    session: str


class Room(NamedTuple):
    """What is full, if anything: the `limit_bytes` of all sessions together, or the disk."""

    full: Literal["", "total", "disk"]
    limit_bytes: int = 0


class Spare(NamedTuple):
    n: int


class Spared(NamedTuple):
    """`closed`: whether there was a file to close, of which CLOSED has told before."""

    n: int
    closed: bool


Message: TypeAlias = (
    Open | Opened | Refused | Commit | Committed | Outcome | HeadIs | Closed | Used | Room | Spare | Spared
)


def encode(message: Message) -> bytes:
    """The frame as it travels, length included."""
    kind = _KINDS[type(message)]
    if isinstance(message, Commit):
        return _encode_commit(kind, message)
    return _frame(kind, _line(message))


def _encode_commit(kind: int, message: Commit) -> bytes:
    texts = [part.changes.encode() for part in message.parts]
    parts = [(*part[:-1], len(text)) for part, text in zip(message.parts, texts, strict=True)]
    return _frame(kind, b"\n".join((_line((message.n, parts)), b"".join(texts))))


def _line(value: object) -> bytes:
    return _JSON(value).encode()


def _frame(kind: int, payload: bytes) -> bytes:
    return _LENGTH.pack(len(payload) + 1, kind) + payload


class Decoder:
    """Messages out of a stream of bytes, whatever pieces it comes in."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that `data` completes. Raises WireError."""
        self._buffer += data
        while (frame := self._next()) is not None:
            yield _decode(*frame)

    def _next(self) -> tuple[int, bytes] | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        length, kind = _LENGTH.unpack_from(self._buffer)
        if not 1 <= length <= MAX_FRAME_BYTES:
            raise WireError(f"a frame of {length} bytes")
        end = _LENGTH.size + length - 1
        if len(self._buffer) < end:
            return None
        payload = bytes(self._buffer[_LENGTH.size : end])
        del self._buffer[:end]
        return kind, payload


def _decode(kind: int, payload: bytes) -> Message:
    try:
        if kind == _KINDS[Commit]:
            line, texts = payload.split(b"\n", 1)
            return _commit(json.loads(line.decode()), texts)
        return _READERS[kind](json.loads(payload.decode()))
    except (ValueError, TypeError, LookupError) as error:
        raise WireError(f"a frame of kind {kind} that does not decode") from error


def _commit(values: Any, texts: bytes) -> Commit:
    n, heads = values
    parts: list[Part] = []
    start = 0
    for *members, length in heads:
        changes = texts[start : start + length].decode()
        parts.append(Part._make((*members, changes)))
        start += length
    if start != len(texts):
        raise ValueError("texts of another length")
    return Commit(n, tuple(parts))


def _committed(values: Any) -> Committed:
    n, refusals = values
    return Committed(n, tuple(None if each is None else Refusal(*each) for each in refusals))


def _opened(values: Any) -> Opened:
    n, session, head, used_bytes, new = values
    return Opened(n, session, Head(*head), used_bytes, new)


def _head_is(values: Any) -> HeadIs:
    n, session, head = values
    return HeadIs(n, session, Head(*head))


def _closed(values: Any) -> Closed:
    session, head, size, inode, mtime_ns = values
    return Closed(session, Head(*head), size, inode, mtime_ns)


_KINDS: Final[dict[type, int]] = {
    Open: 1,
    Opened: 2,
    Refused: 3,
    Commit: 4,
    Committed: 5,
    Outcome: 6,
    HeadIs: 7,
    Closed: 8,
    Used: 9,
    Room: 10,
    Spare: 11,
    Spared: 12,
}
_READERS: Final[dict[int, Callable[[Any], Message]]] = {
    1: lambda values: Open(*values),
    2: _opened,
    3: lambda values: Refused(*values),
    5: _committed,
    6: lambda values: Outcome(*values),
    7: _head_is,
    8: _closed,
    9: lambda values: Used(*values),
    10: lambda values: Room(*values),
    11: lambda values: Spare(*values),
    12: lambda values: Spared(*values),
}
