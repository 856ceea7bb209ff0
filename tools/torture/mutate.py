"""What becomes of a request's bytes when somebody fiddles with them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tools.http_corpus import Case

MOST_BYTES = 128 * 1024
#: Longer ones teach nothing more when they are mutated, and cost more.
_MUTABLE_BYTES = 16 * 1024
_LENGTH = re.compile(rb"Content-Length: \d+")
_TOKENS = (
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"%", b"%00", b"%2e%2e/", b"/", b"//", b"?", b"#", b"&",
    b"=", b";", b",", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", "\u212a".encode(), b'"', b"{", b"}", b"[", b"]",
    b"-", b"+", b"0", b"9" * 30, b"1e999", b"NaN", b"null", b"chunked", b"gzip", b"HTTP/1.0", b"HTTP/1.1",
    b"GET ", b"POST ",
    b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n",
    b"Connection: upgrade\r\nUpgrade: websocket\r\n", b"X-Session-ID: s2\r\n", b"Host: y\r\n", b"a" * 9_000,
)  # fmt: skip


def mutant(random: Random, cases: list[Case]) -> bytes:
    """One to six changes of a case's bytes, at any place or in its head, where they do most."""
    data = random.choice(cases).data[:_MUTABLE_BYTES]
    for _ in range(random.choice((1, 1, 2, 3, 6))):
        other = random.choice(cases).data[:_MUTABLE_BYTES]
        data = random.choice(_CHANGES)(random, data, other)
    return _with_length(data)[:MOST_BYTES] if random.random() < 0.6 else data[:MOST_BYTES]


def _with_length(data: bytes) -> bytes:
    """With the right Content-Length, so that what was done to the body gets past the parser."""
    head, _, body = data.partition(b"\r\n\r\n")
    return _LENGTH.sub(b"Content-Length: %d" % len(body), head) + b"\r\n\r\n" + body


def _place(random: Random, data: bytes) -> int:
    head = data.find(b"\r\n\r\n")
    end = head if head > 0 and random.random() < 0.5 else len(data)
    return random.randint(0, end)


def _flip(random: Random, data: bytes, _other: bytes) -> bytes:
    at = _place(random, data)
    return data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]


def _drop(random: Random, data: bytes, _other: bytes) -> bytes:
    at = _place(random, data)
    return data[:at] + data[at + random.randint(1, 40) :]


def _cut(random: Random, data: bytes, _other: bytes) -> bytes:
    return data[: _place(random, data)]


def _insert(random: Random, data: bytes, _other: bytes) -> bytes:
    at = _place(random, data)
    return data[:at] + random.choice(_TOKENS) + data[at:]


def _repeat(random: Random, data: bytes, _other: bytes) -> bytes:
    at = _place(random, data)
    return data[:at] + data[at : at + random.randint(1, 60)] * random.choice((2, 3, 50)) + data[at:]


def _splice(random: Random, data: bytes, other: bytes) -> bytes:
    return data[: _place(random, data)] + other[_place(random, other) :]


def _swap_lines(random: Random, data: bytes, _other: bytes) -> bytes:
    lines = data.split(b"\r\n")
    a, b = random.randrange(len(lines)), random.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return b"\r\n".join(lines)


def _follow(_random: Random, data: bytes, other: bytes) -> bytes:
    """Pipelined behind it."""
    return data + other


_CHANGES: tuple[Callable[[Random, bytes, bytes], bytes], ...] = (
    _flip, _flip, _drop, _cut, _insert, _insert, _insert, _repeat, _splice, _swap_lines, _follow,
)  # fmt: skip
