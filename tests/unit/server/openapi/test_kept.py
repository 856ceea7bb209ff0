"""Documents are made once for what they are made from, beside the event loop, and kept up to a size."""

from __future__ import annotations

import asyncio
import threading

import pytest

from server.openapi.kept import KeptDocuments


class Maker:
    """Makes documents of a size, and counts; `gate` holds it up."""

    def __init__(self, size: int = 1) -> None:
        self.made = 0
        self.size = size
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()

    def __call__(self) -> bytes:
        self.begun.set()
        assert self.gate.wait(10)
        assert threading.current_thread() is not threading.main_thread()
        self.made += 1
        return b"%d" % self.made * self.size


async def test_made_once_for_all_who_wait() -> None:
    """And not again until what it is made from changes."""
    documents, maker = KeptDocuments(), Maker()
    maker.gate.clear()
    waiting = [asyncio.ensure_future(documents.of("s", 1, maker)) for _ in range(16)]
    await asyncio.to_thread(maker.begun.wait, 10)
    maker.gate.set()

    assert set(await asyncio.gather(*waiting)) == {b"1"}
    assert await documents.of("s", 1, maker) == b"1"
    assert await documents.of("s", 2, maker) == b"2"
    assert await documents.of("other", 2, maker) == b"3"
    assert await documents.of("s", 1, maker) == b"4"


async def test_who_leaves_takes_nothing_from_the_others() -> None:
    documents, maker = KeptDocuments(), Maker()
    maker.gate.clear()
    first, second = (asyncio.ensure_future(documents.of("s", 1, maker)) for _ in range(2))
    await asyncio.to_thread(maker.begun.wait, 10)
    first.cancel()
    maker.gate.set()

    assert await second == b"1"
    assert maker.made == 1


async def test_a_change_while_it_is_made() -> None:
    """Whoever asks after a write is not answered from before it."""
    documents, old, new = KeptDocuments(), Maker(), Maker(size=2)
    old.gate.clear()
    before = asyncio.ensure_future(documents.of("s", 1, old))
    await asyncio.to_thread(old.begun.wait, 10)
    after = asyncio.ensure_future(documents.of("s", 2, new))
    await asyncio.sleep(0)
    old.gate.set()

    assert (await before, await after) == (b"1", b"11")
    assert await documents.of("s", 2, new) == b"11"


async def test_a_failure_is_not_kept() -> None:
    documents = KeptDocuments()

    def fails() -> bytes:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await documents.of("s", 1, fails)
    assert await documents.of("s", 1, Maker()) == b"1"


async def test_those_least_asked_for_go() -> None:
    """Both sides of the size that all of them may have."""
    documents = KeptDocuments(most_bytes=20)
    makers = {name: Maker(size=10) for name in "abc"}
    for name in "aba":
        await documents.of(name, 1, makers[name])
    assert [makers[name].made for name in "abc"] == [1, 1, 0]
    for name in "cab":
        await documents.of(name, 1, makers[name])

    assert [makers[name].made for name in "abc"] == [1, 2, 1]
