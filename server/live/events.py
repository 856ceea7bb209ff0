r"""Events as they go over the wire (WHATWG HTML, "Server-sent events"), so that all clients read them alike.

1. `data` is one line of ASCII: some clients end a line at U+2028 or U+0085, or in the middle of a character.
2. Every event has an id: some clients take the last one's for the next, some none.
3. No block is without data: some clients take one for an empty event. So what is no event (a comment, the
   time after which to come again) is a line without the blank one that would end a block.
4. No event is called `error`: in a browser that is the connection's own.
"""

from __future__ import annotations

import json
import re
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Between streams that ended and their next try: spread, so that not all come at once.
_LEAST_RETRY_MS: Final = 1_000
_MOST_RETRY_MS: Final = 3_000
#: What a stream is not told: it is about a reply of its own, or about who may keep it.
_UNTOLD: Final = frozenset(
    {"cache-control", "connection", "content-length", "date", "keep-alive", "transfer-encoding", "vary"}
)
_NOT_ASCII: Final = re.compile(r"[^\x20-\x7e]")
_random: Final = SystemRandom()

HEARTBEAT: Final = b":\n"


def event(name: str, identity: str, data: bytes) -> bytes:
    """A whole event; `data` is one line of ASCII."""
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name.encode(), identity.encode(), data)


def retry(*, least_ms: int = _LEAST_RETRY_MS, most_ms: int = _MOST_RETRY_MS) -> bytes:
    """After how long a client that lost its stream is to come again. Never 0: it would come at once."""
    return b"retry: %d\n" % _random.randint(least_ms, most_ms)


def comment(text: str) -> bytes:
    return b": %b\n" % text.encode()


def reply_head(
    route: str, status: int, headers: Iterable[tuple[str, str]], body: bytes | None, media_type: str
) -> bytes:
    """A reply as an event's data begins, an object that is still open.

    `route` as it was asked for, `status`, and `headers` by lower-case name.
    """
    told: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower not in _UNTOLD:
            told[lower] = f"{told[lower]}, {value}" if lower in told else value
    if body is not None:
        told["content-type"] = media_type
    return to_ascii({"route": route, "status": status, "headers": told})[:-1]


def closed(head: bytes, member: str, value: bytes) -> bytes:
    """Data that is complete: `value` is JSON in one line of ASCII."""
    return b'%b,"%b":%b}' % (head, member.encode(), value)


def to_ascii(value: Any) -> bytes:
    """JSON in one line of ASCII."""
    return json.dumps(value, separators=(",", ":")).encode()


def is_json(media_type: str) -> bool:
    kind = media_type.partition(";")[0].strip().lower()
    return kind in {"application/json", "text/json"} or kind.endswith("+json")


def body_text(body: bytes | None, media_type: str) -> bytes:
    """A body in one line of ASCII: what is JSON as it is, any other as a JSON text, none as null."""
    if body is None:
        return b"null"
    if not is_json(media_type):
        return to_ascii(body.decode("utf-8", "replace"))
    if body.isascii() and b"\n" not in body and b"\r" not in body:
        return body
    return _escaped(body.decode()).encode()


def _escaped(text: str) -> str:
    """JSON with everything that is not ASCII escaped; outside of its texts there are only blanks of that."""
    return _NOT_ASCII.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if character in "\r\n\t":
        return " "  # within a text they are escaped already
    return json.dumps(character)[1:-1]


def without(body: bytes, *members: str) -> bytes:
    """A JSON object without some of its members; anything else as it is."""
    value = orjson.loads(body)
    if not isinstance(value, dict):
        return body
    return orjson.dumps({name: each for name, each in value.items() if name not in members})
