"""Requests over kept connections, to a node that answers in every way there is, and in some that are none."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest

from server.http.peers import Answer, Broken, Connection, Peers, Target, target_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

REQUEST: Final = b"GET / HTTP/1.1\r\nHost: node\r\n\r\n"
OK: Final = b"HTTP/1.1 200 OK\r\n"


class Node:
    """Answers each request with the next of these; a piece at a time. None: the connection ends there."""

    def __init__(self, answers: Sequence[Sequence[bytes | None]]) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.received: list[bytes] = []
        self._writers: list[asyncio.StreamWriter] = []
        self.target = Target("", 0, False, "", "")
        self.lost = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while True:
                self.received.append(await reader.readuntil(b"\r\n\r\n"))
                for piece in self.answers.pop(0):
                    if piece is None:
                        return
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.lost.set()
        finally:
            writer.close()


@asynccontextmanager
async def node(*answers: Sequence[bytes | None]) -> AsyncIterator[tuple[Node, Peers]]:
    made, peers = Node(answers), Peers(60.0)
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        made.target = target_of(f"http://127.0.0.1:{port}")
        try:
            yield made, peers
        finally:
            peers.close()
            await asyncio.sleep(0)


async def asked(made: Node, peers: Peers, *, bodiless: bool = False) -> tuple[Answer, Connection]:
    connection = await peers.connection("node", made.target)
    try:
        return await connection.ask(REQUEST, bodiless=bodiless), connection
    except Broken:
        connection.abort()
        raise


def split(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


WHOLE: Final = OK + b"Content-Length: 5\r\nX-A: 1\r\n\r\nhello"
CHUNKED: Final = OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=1\r\nllo\r\n0\r\nX-After: 1\r\n\r\n"


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("answer", [WHOLE, CHUNKED])
async def test_an_answer_is_the_same_in_whatever_pieces_it_comes(answer: bytes, size: int) -> None:
    """And its connection is used again."""
    async with node(split(answer, size), [WHOLE]) as (made, peers):
        first, _ = await asked(made, peers)
        assert (first.status, first.reason) == (200, "OK")
        assert await first.content() == b"hello"
        again, _ = await asked(made, peers)
        assert await again.content() == b"hello"
        assert again.is_plain
        assert again.head + b"hello" == WHOLE
        assert again.field(b"x-a") == "1"
        assert made.connections == 1


async def test_what_has_no_length_ends_with_its_connection() -> None:
    async with node([OK, b"\r\nhe", b"llo", None], [WHOLE]) as (made, peers):
        answer, _ = await asked(made, peers)
        assert not answer.is_plain
        assert not answer.is_whole(10**9)
        assert b"".join([piece async for piece in answer.pieces()]) == b"hello"
        assert await (await asked(made, peers))[0].content() == b"hello"
        assert made.connections == 2


@pytest.mark.parametrize(
    ("answer", "bodiless"),
    [
        (OK + b"Content-Length: 5\r\n\r\n", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False),
    ],
)
async def test_what_has_no_content_is_not_waited_for(answer: bytes, bodiless: bool) -> None:
    async with node([answer], [WHOLE]) as (made, peers):
        found, _ = await asked(made, peers, bodiless=bodiless)
        assert await found.content() == b""
        assert found.told_length == (None if found.status == 204 else 5)
        assert await (await asked(made, peers))[0].content() == b"hello"
        assert made.connections == 1


async def test_a_connection_that_is_to_end_is_not_used_again() -> None:
    closing = OK + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello"
    async with node([closing], [WHOLE]) as (made, peers):
        found, _ = await asked(made, peers)
        assert not found.is_plain
        assert await found.content() == b"hello"
        assert await (await asked(made, peers))[0].content() == b"hello"
        assert made.connections == 2


async def test_one_that_was_idle_for_too_long_is_not_used_again() -> None:
    async with node([WHOLE], [WHOLE]) as (made, peers):
        for _ in range(2):
            found, connection = await asked(made, peers)
            assert await found.content() == b"hello"
            connection.idle_since -= 60.0
        assert made.connections == 2


async def test_more_than_was_asked_for_ends_the_connection() -> None:
    async with node([WHOLE + b"HTTP/1.1 200 OK\r\n"], [WHOLE]) as (made, peers):
        assert await (await asked(made, peers))[0].content() == b"hello"
        assert await (await asked(made, peers))[0].content() == b"hello"
        assert made.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        [None],
        [OK, None],
        [b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"],
        [b"HTTP/1.1 100 Continue\r\n\r\n"],
        [b"HTTP/1.1 2x0 OK\r\n\r\n"],
        [b"SSH-2.0-OpenSSH\r\n\r\n"],
        [OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n"],
        [OK + b"X: " + b"x" * 70_000],
    ],
)
async def test_what_is_no_answer_is_said_to_be_none(answer: list[bytes | None]) -> None:
    async with node(answer) as (made, peers):
        with pytest.raises(Broken):
            await asked(made, peers)


@pytest.mark.parametrize(
    "answer",
    [
        [OK + b"Content-Length: 6\r\n\r\nhello", None],
        [OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", None],
        [OK + b"Transfer-Encoding: chunked\r\n\r\nfive\r\nhello\r\n0\r\n\r\n"],
        [OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n"],
        [OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n"],
        [OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 5_000],
    ],
)
async def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(answer: list[bytes | None]) -> None:
    async with node(answer) as (made, peers):
        found, connection = await asked(made, peers)
        with pytest.raises(Broken):
            await found.content()
        connection.abort()


async def test_a_large_answer_waits_until_it_is_taken() -> None:
    data = b"x" * 4_000_000
    head = OK + b"Content-Length: %d\r\n\r\n" % len(data)
    async with node([head, data], [WHOLE]) as (made, peers):
        found, connection = await asked(made, peers)
        size = 0
        async for piece in found.pieces():
            size += len(piece)
            assert len(connection._buffer) < 1_000_000
        assert size == len(data)
        assert await (await asked(made, peers))[0].content() == b"hello"
        assert made.connections == 1


async def test_a_node_that_is_no_more_is_waited_for_no_longer() -> None:
    """Nor is what was idle used again; connections to others stay."""
    async with node([WHOLE], [], [WHOLE]) as (made, peers):
        idle = await peers.connection("other", made.target)
        assert await (await idle.ask(REQUEST)).content() == b"hello"
        waiting = asyncio.ensure_future(asked(made, peers))
        while len(made.received) < 2:
            await asyncio.sleep(0)
        peers.cut("node")
        with pytest.raises(Broken):
            await waiting
        assert await peers.connection("other", made.target) is idle
        await made.lost.wait()


async def test_a_node_that_does_not_listen_was_sent_nothing() -> None:
    async with node() as (made, _):
        pass
    with pytest.raises(OSError, match=r"(?i)connect"):
        await Peers(60.0).connection("node", made.target)


def test_where_a_node_is() -> None:
    assert target_of("https://node.example/below/") == Target(
        "node.example", 443, True, "/below", "node.example"
    )
    assert target_of("http://[::1]:81") == Target("::1", 81, False, "", "[::1]:81")
