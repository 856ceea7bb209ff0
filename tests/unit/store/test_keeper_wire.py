"""Frames between worker and keeper: whatever is said is heard, in any pieces, and nothing else is."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.keeper_wire import (
    Closed,
    Commit,
    Committed,
    Decoder,
    Head,
    HeadIs,
    Message,
    Open,
    Opened,
    Outcome,
    Part,
    Refusal,
    Refused,
    Room,
    Spare,
    Spared,
    Used,
    WireError,
    encode,
)

HEAD = Head("record-1", 7, "ab" * 16)
PART = Part(
    "s1", 6, "cd" * 16, 1_800_000_000.25, "req", "POST /members", "plan", 'p 1 1 {"id":1,"n":"\u2028é"}'
)
MESSAGES: list[Message] = [
    Open(1, "s1"),
    Opened(1, "s1", HEAD, 4_096, new=False),
    Refused(1, "s1", "damaged", "row 7", 0),
    Commit(
        2,
        (PART, PART._replace(session="s2", changes="d 1 1\nd 1 2"), PART._replace(changes="")),
    ),
    Committed(2, (None, Refusal("full", "its limit", 1_024), None)),
    Outcome(3, "s1"),
    HeadIs(3, "s1", HEAD),
    Closed("s1", HEAD, 8_192, 12, 1_800_000_000_000_000_000),
    Used("s1"),
    Room("total", 1_024),
    Spare(4),
    Spared(4, closed=True),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_what_was_sent_is_heard(message: Message) -> None:
    heard = list(Decoder().feed(encode(message)))

    assert heard == [message]
    assert type(heard[0]) is type(message)


@given(st.data())
def test_frames_may_come_in_any_pieces(data: st.DataObject) -> None:
    """A stream knows no frames."""
    stream, decoder = b"".join(map(encode, MESSAGES)), Decoder()
    heard: list[Message] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        heard += decoder.feed(stream[:size])
        stream = stream[size:]

    assert heard == MESSAGES


@pytest.mark.parametrize(
    "stream",
    [
        b"\0\0\0\0\x01",
        b"\xff\xff\xff\xff\x01",
        struct.pack(">IB", 3, 99) + b"[]",
        struct.pack(">IB", 3, 1) + b"[]",
        struct.pack(">IB", 3, 1) + b"{{",
        struct.pack(">IB", 9, 9) + b'["s"]\nab',
        struct.pack(">IB", 5, 4) + b"[1,[",
        struct.pack(">IB", 9, 4) + b"[1,[]]\nx",
        struct.pack(">IB", 7, 4) + b"[1,[]]",
    ],
)
def test_what_is_no_frame_ends_the_connection(stream: bytes) -> None:
    with pytest.raises(WireError):
        list(Decoder().feed(stream))
