"""The request target, from its raw text: path segments and query, each decoded exactly once (T46, T35).

The raw path is split first and decoded afterwards, so an encoded slash stays inside its segment, where it is
part of an id. Refused: anything outside printable ASCII, a backslash that is not encoded, a percent sign
without two hex digits, bytes that are not UTF-8, control characters, and `.` or `..` as a step, however it is
spelled, between encoded slashes and backslashes, too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote

from attrs import field, frozen

from server.values.errors import BadRequest, InvalidPath, InvalidQuery, UriTooLong

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_QUERY_PAIRS = 64
#: First segments that are the service's own, whether or not there is a page (yet): never planned for.
RESERVED = frozenset({"healthz", "docs", "redoc", "openapi.json", "swagger.json", "_meta"})

#: What nearly every path is: nothing to decode, and no step that could be `.` or `..`.
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_PRINTABLE = re.compile(r"[!-~]*")
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_IN_VALUE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
#: To some systems a backslash separates the steps of a path, too.
_SLASHES = re.compile(r"[/\\]")
_ABSOLUTE_FORM = re.compile(r"https?://[^/?#]*", re.IGNORECASE)

Pairs: TypeAlias = dict[str, str | list[str]]


@frozen
class Target:
    """`path` is as sent; `segments` are decoded, without the empty one that a trailing slash makes."""

    path: str
    segments: tuple[str, ...]
    raw_query: str
    #: What the query says, once it was read.
    _pairs: list[Pairs] = field(factory=list, init=False, repr=False, eq=False)

    def query(self, query_bytes: int) -> Pairs:
        """As `parse_query` reads it, in a dict of the caller's own. Raises InvalidQuery and UriTooLong."""
        if not self.raw_query:
            return {}
        if not self._pairs:
            self._pairs.append(parse_query(self.raw_query, query_bytes=query_bytes))
        return dict(self._pairs[0])


def parse_target(raw: str, *, path_bytes: int) -> Target:
    """Read the target of a request line. Raises InvalidPath and UriTooLong.

    In the absolute form (RFC 9112 §3.2.2) the scheme and the authority are dropped: whom the
    client believes to talk to is nothing that we could trust.
    """
    path, _, raw_query = (raw if raw[:1] == "/" else _ABSOLUTE_FORM.sub("", raw, count=1)).partition("?")
    if len(path) > path_bytes:
        raise UriTooLong(f"The path is longer than {path_bytes} bytes.", limit=path_bytes)
    if _PLAIN_PATH.fullmatch(path):
        return Target(path, tuple(path[1:].split("/")), raw_query)
    if not path.startswith("/"):
        raise InvalidPath("The path must start with a slash.")
    return Target(path, _segments(path), raw_query)


def _segments(path: str) -> tuple[str, ...]:
    if not _PRINTABLE.fullmatch(path) or "\\" in path or "#" in path:
        raise InvalidPath("The path holds a character that must be percent-encoded.")
    parts = path[1:].removesuffix("/").split("/")
    if parts == [""]:
        return ()
    return tuple(_segment(part) for part in parts)


def _segment(raw: str) -> str:
    segment = _decoded(raw, InvalidPath) if "%" in raw else raw
    if _CONTROL.search(segment):
        raise InvalidPath("A path segment holds a control character.")
    if not {".", ".."}.isdisjoint(_SLASHES.split(segment)):
        raise InvalidPath("The path holds a `.` or `..` step.")
    return segment


def _decoded(text: str, error: Callable[[str], BadRequest]) -> str:
    if _BROKEN_PERCENT.search(text):
        raise error("A percent sign is not followed by two hex digits.")
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise error("Percent-encoded bytes are not UTF-8.") from None


def parse_query(raw: str, *, query_bytes: int) -> Pairs:
    """Keys and texts of a query string; a repeated key has the list of its texts.

    Raises InvalidQuery and UriTooLong.
    """
    if not raw:
        return {}
    if len(raw) > query_bytes:
        raise UriTooLong(f"The query is longer than {query_bytes} bytes.", limit=query_bytes)
    if not _PRINTABLE.fullmatch(raw):
        raise InvalidQuery("The query holds a character that must be percent-encoded.")
    return parse_pairs(raw, InvalidQuery, max_pairs=MAX_QUERY_PAIRS)


def parse_pairs(text: str, error: Callable[[str], BadRequest], *, max_pairs: int) -> Pairs:
    """Read `a=1&b=2` as HTML forms write it: plus is a blank, and only `&` separates."""
    parts = [part for part in text.split("&") if part]
    if len(parts) > max_pairs:
        raise error(f"More than {max_pairs} pairs.")
    pairs: Pairs = {}
    for part in parts:
        key, value = _pair(part, error)
        _add(pairs, key, value)
    return pairs


def _pair(part: str, error: Callable[[str], BadRequest]) -> tuple[str, str]:
    raw_key, _, raw_value = part.replace("+", " ").partition("=")
    key, value = _decoded(raw_key, error), _decoded(raw_value, error)
    if not key or _CONTROL.search(key) or _CONTROL_IN_VALUE.search(value):
        raise error("A key is empty, or a control character is in a key or a value.")
    return key, value


def _add(pairs: Pairs, key: str, value: str) -> None:
    before = pairs.get(key)
    if before is None:
        pairs[key] = value
    elif isinstance(before, list):
        before.append(value)
    else:
        pairs[key] = [before, value]
