"""What is wrong with bytes that are no request, as far as the parser tells.

aiohttp's errors quote what was sent, which nobody is told again (T53). So only the beginnings of its texts
are looked at (aiohttp 3.14.5 and the llhttp within it), and the words are ours.
"""

from __future__ import annotations

from typing import Final

from aiohttp.http_exceptions import BadHttpMethod, InvalidURLError, LineTooLong

from server.values.errors import BadRequest

_UNKNOWN: Final = "it cannot be parsed"
_TOO_LONG: Final = "a line of it is too long"
_LINE_END: Final = "a line of it ends in something else than CR LF"
_BOTH: Final = "it has both Content-Length and Transfer-Encoding; send one of them"
_CODING: Final = "its Transfer-Encoding is not chunked, once and at the end"
_LENGTH: Final = "its Content-Length is no length"
_CHUNK: Final = "a chunk of its body is not framed as its size says"
_FIELD: Final = "a header has a name or a value with a character that cannot stand there"
#: By the beginnings of the parser's texts; the first that fits.
_CAUSES: Final = (
    ("Too many headers", "it has too many headers"),
    ("Missing 'Host'", "it has no Host header"),
    ("Duplicate 'Host'", "it has the Host header twice"),
    ("Duplicate Content-Length", "it has the Content-Length header twice"),
    ("Duplicate 'Content-Length'", "it has the Content-Length header twice"),
    ("Duplicate 'Transfer-Encoding'", "it has the Transfer-Encoding header twice"),
    ("Duplicate '", "it has a header twice that may come once"),
    ("Transfer-Encoding can't be present", _BOTH),
    ("Content-Length can't be present", _BOTH),
    ("Invalid `Transfer-Encoding`", _CODING),
    ("Request has invalid `Transfer-Encoding`", _CODING),
    ("Invalid character in Content-Length", _LENGTH),
    ("Empty Content-Length", _LENGTH),
    ("Content-Length overflow", _LENGTH),
    ("Invalid character in chunk size", _CHUNK),
    ("Chunk size overflow", _CHUNK),
    ("Expected LF after chunk", _CHUNK),
    ("Unexpected whitespace after header value", "a header goes on in a second line"),
    ("Invalid header", _FIELD),
    ("Missing expected LF", _LINE_END),
    ("Bad status line:\n  Expected CRLF", _LINE_END),
    ("Bad status line:\n  Invalid HTTP version", "it is in another version of HTTP"),
    ("Pause on PRI", "it is in another version of HTTP"),
    ("Bad status line:\n  Expected HTTP/", "its first line is not a method, a target and HTTP/1.1"),
    ("Received HTTPS", "it is TLS; ask by http:"),
)


def malformed(error: BaseException | None) -> BadRequest:
    """The problem of an error that aiohttp's parser raised."""
    return BadRequest(f"This is not a request of HTTP/1.1 as the service takes it: {_cause(error)}.")


def _cause(error: BaseException | None) -> str:
    if isinstance(error, LineTooLong):
        return _TOO_LONG
    if isinstance(error, InvalidURLError):  # its text may be the target alone
        return "its target is none"
    text = str(getattr(error, "message", ""))
    found = next((words for beginning, words in _CAUSES if text.startswith(beginning)), "")
    if not found and isinstance(error, BadHttpMethod):
        return "its method is none; methods are in capital letters"
    return found or _UNKNOWN
