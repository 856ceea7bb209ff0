"""A worker's stream to the keeper: handed over, replaced, and never waited for."""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING

import pytest

from store.keeper_wire import Decoder, Room, Used, encode
from wasm_runtime.record_stream import RecordStream

if TYPE_CHECKING:
    from collections.abc import Iterator


class Held:
    """A stream, and its other ends."""

    def __init__(self) -> None:
        self.giving, taking = socket.socketpair()
        self.poller = select.poll()
        self.stream = RecordStream(taking, self.poller)
        self.keepers: list[socket.socket] = []

    def hand_over(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self.giving, [b"k"], [theirs.fileno()])
        ours.settimeout(5)
        self.keepers.append(ours)
        return ours

    def close(self) -> None:
        self.stream.close()
        for each in (self.giving, *self.keepers):
            each.close()


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    yield held
    held.close()


def test_without_a_keeper_nothing_is_said_and_nobody_waits(held: Held) -> None:
    held.stream.send(Used("s1"))

    assert not held.stream.is_connected
    assert held.stream.read() == (False, [])


def test_what_is_handed_over_is_spoken_to(held: Held) -> None:
    """In both directions, and the poller says when there is something."""
    keeper = held.hand_over()
    assert held.poller.poll(1000)
    assert held.stream.read() == (True, [])
    held.stream.send(Used("s1"))
    assert list(Decoder().feed(keeper.recv(1000))) == [Used("s1")]
    keeper.sendall(encode(Room("disk")) + encode(Room(""))[:3])
    ((descriptor, _),) = held.poller.poll(1000)

    assert held.stream.owns(descriptor)
    assert held.stream.read() == (False, [Room("disk")])
    keeper.sendall(encode(Room(""))[3:])
    assert held.stream.read() == (False, [Room("")])


def test_another_keeper_takes_the_place_of_the_one_before(held: Held) -> None:
    """Half a message of the old one is nothing to the new one; of several, the last is the one."""
    old = held.hand_over()
    held.stream.read()
    old.sendall(encode(Room("disk"))[:4])
    held.stream.read()
    held.hand_over()
    new = held.hand_over()
    assert held.stream.read() == (True, [])
    new.sendall(encode(Room("total", 7)))

    assert held.stream.read() == (False, [Room("total", 7)])
    assert old.recv(10) == b""


def test_a_keeper_that_ends_is_noticed(held: Held) -> None:
    keeper = held.hand_over()
    held.stream.read()
    keeper.close()

    assert held.stream.read() == (False, [])
    assert not held.stream.is_connected
    held.stream.send(Used("s1"))


def test_a_keeper_that_does_not_read_holds_up_nobody(held: Held) -> None:
    """What it has not taken is sent when it does, in order; waiting for it has an end."""
    keeper = held.hand_over()
    held.stream.read()
    messages = [Used(f"s{number}" * 100) for number in range(5_000)]
    for message in messages:
        held.stream.send(message)
    held.stream.flush(0.01)
    heard: list[object] = []
    decoder = Decoder()
    while len(heard) < len(messages):
        heard += decoder.feed(keeper.recv(2**20))
        held.stream.read()

    assert heard == messages
    held.stream.flush(0.01)
