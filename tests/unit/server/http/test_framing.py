"""Where a request ends on a connection, as it is reckoned beside aiohttp's parser, with that parser."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser
from aiohttp.http_exceptions import HttpProcessingError

from server.http.framing import MOST_RAW, Framing

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
CHUNKED = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
UPGRADE = b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"


class Parsed:
    """A connection's framing, fed as `Connection` does."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.parser = HttpRequestParser(BaseProtocol(loop), loop, 2**16)
        self.framing = Framing()

    def take(self, *pieces: bytes, alone: bool = True) -> Framing:
        for piece in pieces:
            try:
                made = [message for message, _ in self.parser.feed_data(piece)[0]]
            except HttpProcessingError as error:
                made = [error]  # type: ignore[list-item]
            self.framing.take(piece, made, alone=alone)
        return self.framing


@pytest.mark.parametrize(
    ("pieces", "at_end", "raw"),
    [
        ([GET], True, GET),
        ([GET, GET], True, GET),
        ([GET[:9], GET[9:]], True, None),
        ([GET[:9]], False, None),
        ([GET[:-2], GET[-2:], GET], True, GET),
        ([GET + GET], False, None),
        ([GET + GET[:5], GET[5:]], False, None),
        ([b"\r\n" + GET], True, None),
        ([b"\r\n\r\n" + GET], False, None),
        ([b"\r\n\r\n"], False, None),
        ([POST + b"1234"], True, None),
        ([POST + b"1234", GET], True, GET),
        ([POST, b"1234"], True, None),
        ([POST, b"12", b"34", GET], True, GET),
        ([POST, b"12"], False, None),
        ([POST + b"12", b"34" + GET], False, None),
        ([POST + b"1234" + GET], False, None),
        ([POST[:20], POST[20:], b"1234", GET], True, GET),
        ([POST[:20], POST[20:] + b"1234"], True, None),
        ([CHUNKED], False, None),
        ([CHUNKED, GET], False, None),
        ([UPGRADE], False, None),
        ([b"no request at all\r\n\r\n"], False, None),
        ([b"no request at all\r\n\r\n", GET], False, None),
        ([POST.replace(b"\r\n", b"\n") + b"1\r\n\r\n"], False, None),
        ([POST.replace(b": 4", b": 04") + b"1234", GET], True, GET),
        ([b"HEAD" + GET[3:]], True, None),
    ],
    ids=str,
)
async def test_where_a_request_ends(pieces: list[bytes], raw: bytes | None, *, at_end: bool) -> None:
    """Only there, and only after what is plain, is what comes next a request; all else is given up."""
    framing = Parsed().take(*pieces)

    assert framing.at_end is at_end
    assert framing.raw == raw


async def test_a_request_that_others_stand_before() -> None:
    """Its bytes are not known to be those of the one that is served."""
    framing = Parsed().take(GET, alone=False)

    assert framing.at_end
    assert framing.raw is None


async def test_how_long_a_request_is_that_is_known() -> None:
    """By its bytes, on both sides of the limit; and how long a head may come in pieces."""
    padding = MOST_RAW - len(GET.replace(b"Host", b"X-A: \r\nHost"))
    longest = GET.replace(b"Host", b"X-A: " + b"a" * padding + b"\r\nHost")

    assert len(longest) == MOST_RAW
    assert Parsed().take(longest).raw == longest
    longer = longest.replace(b"X-A: ", b"X-A: b")
    assert Parsed().take(longer).raw is None
    assert Parsed().take(longer, GET).raw == GET
