"""When the disk is full: who makes room, who is told, when it is over. Here, with a disk that lies."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from server.record import keeper as keeper_module
from server.record.adoption import Adoption
from server.record.keeper import Keeper
from server.record.record import Full, Head, Unknown
from server.record.shelf import Shelf
from server.record.sqlite_record import SqliteRecord
from store.keeper_wire import (
    Closed,
    Commit,
    Committed,
    HeadIs,
    Message,
    Opened,
    Refused,
    Room,
    Spare,
    Spared,
)
from tests.unit.server.record.rows import first, part

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Kept:
    """A keeper, and what it has told."""

    def __init__(self, root: Path) -> None:
        (root / "caches").mkdir()
        self.told: list[Message] = []
        self.reported: list[dict[str, Any]] = []
        self.record = SqliteRecord(root / "record.db")
        self.shelf = Shelf(root / "caches", scratch=root)
        self.keeper = Keeper(
            self.record,
            self.shelf,
            Adoption(root, self.record, self._no_dump),
            tell=self._tell,
            report=self.reported.append,
        )

    def _tell(self, message: Message) -> int:
        """To one worker."""
        self.told.append(message)
        return 1

    async def _no_dump(self, _source: Path, _out: Path) -> None:
        raise AssertionError("there is no old file")

    async def commit(self, session: str) -> Committed:
        answers: list[Message] = []
        self.keeper.commit(Commit(1, (part(session, 0, first("x")),)), answers.append)
        await self.keeper.commit_waiting()
        assert isinstance(answers[0], Committed)
        return answers[0]

    async def used_and_closed(self, session: str) -> Path:
        """A session with a record, whose file nobody has open."""
        assert (await self.commit(session)).refusals == (None,)
        opened = await self.keeper.open(1, session)
        assert isinstance(opened, Opened)
        path = self.shelf.root / session / "store.db"
        found = path.stat()
        self.keeper.closed(Closed(session, opened.head, found.st_size, found.st_ino, found.st_mtime_ns))
        return path


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    made = Kept(tmp_path)
    yield made
    await made.record.close()


def no_room_while(kept: Kept, monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    """No file can be made while these are there."""
    load = kept.record.load

    async def full(session: str, into: Path) -> Head:
        if any(path.exists() for path in paths):
            raise Full("disk")
        return await load(session, into)

    monkeypatch.setattr(kept.record, "load", full)
    monkeypatch.setattr(kept.keeper, "_free_bytes", lambda: 0)


async def test_files_that_nobody_has_open_make_room_for_one_that_is_needed(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The longest closed first, and no more than it takes."""
    oldest, middle, last = [await kept.used_and_closed(name) for name in ("a", "b", "c")]
    await kept.commit("cold")
    no_room_while(kept, monkeypatch, oldest, middle)

    assert isinstance(await kept.keeper.open(2, "cold"), Opened)
    assert [path.exists() for path in (oldest, middle, last)] == [False, False, True]
    assert (kept.shelf.root / "cold" / "store.db").exists()


async def test_a_record_that_is_being_closed_costs_nobody_a_file(tmp_path: Path) -> None:
    """How much is free cannot be told then: that is not the same as nothing."""
    kept = Kept(tmp_path)
    path = await kept.used_and_closed("a")
    await kept.record.close()

    await kept.keeper.look_at_disk()

    assert path.exists()
    assert not kept.keeper.room.full


async def test_where_there_is_nothing_to_free_the_session_is_refused(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It alone; nothing of the try is left."""
    await kept.commit("cold")
    no_room_while(kept, monkeypatch, tmp_path)
    opening = asyncio.ensure_future(kept.keeper.open(2, "cold"))
    while not kept.told:
        await asyncio.sleep(0)
    kept.keeper.spared(Spared(1, closed=False))
    answer = await opening

    assert isinstance(answer, Refused)
    assert (answer.trouble, answer.reason) == ("full", "disk")
    assert not list(tmp_path.glob("scratch-*"))  # noqa: ASYNC240
    assert kept.told == [Spare(1)]


async def test_a_file_that_a_guest_has_open_is_closed_and_makes_room(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When nobody's is left. The worker that was asked says that it has closed one."""
    path = await kept.used_and_closed("live")
    opened = await kept.keeper.open(2, "live")
    await kept.commit("cold")
    no_room_while(kept, monkeypatch, path)
    opening = asyncio.ensure_future(kept.keeper.open(3, "cold"))
    while Spare(1) not in kept.told:
        await asyncio.sleep(0)
    assert isinstance(opened, Opened)
    found = path.stat()
    kept.keeper.closed(Closed("live", opened.head, found.st_size, found.st_ino, found.st_mtime_ns))
    kept.keeper.spared(Spared(1, closed=True))

    assert isinstance(await opening, Opened)
    assert not path.exists()


async def test_who_asks_twice_is_not_given_a_file_that_is_replaced(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first question was given up on: its file is in place before that of the second is made."""
    await kept.commit("a")
    load, first_may_go_on = kept.record.load, asyncio.Event()
    made: list[int] = []

    async def slowly(session: str, into: Path) -> Head:
        made.append(len(made) + 1)
        if made == [1]:
            await first_may_go_on.wait()
        return await load(session, into)

    monkeypatch.setattr(kept.record, "load", slowly)
    opening = [asyncio.ensure_future(kept.keeper.open(n, "a")) for n in (1, 3)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert made == [1]
    first_may_go_on.set()

    assert [type(await each) for each in opening] == [Opened, Opened]
    assert made == [1, 2]


async def test_a_file_that_was_not_closed_soundly_holds_no_room(kept: Kept) -> None:
    """Nobody will read it: it goes at once, and so do those of a worker that has ended."""
    paths = [await kept.used_and_closed(name) for name in ("a", "b")]
    opened = [await kept.keeper.open(2, name) for name in ("a", "b")]
    assert isinstance(opened[0], Opened)
    kept.keeper.closed(Closed("a", opened[0].head, 0, 0, 0))
    kept.keeper.lost({"b"})
    assert [path.exists() for path in paths] == [False, False]


async def test_files_of_an_earlier_life_make_room_first(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The keeper was killed: nobody has told the next one of them."""
    left = await kept.used_and_closed("left")
    kept.keeper.shelf = Shelf(tmp_path / "caches", scratch=tmp_path)
    mine = await kept.used_and_closed("mine")
    await kept.commit("cold")
    no_room_while(kept, monkeypatch, left)

    assert isinstance(await kept.keeper.open(2, "cold"), Opened)
    assert (left.exists(), mine.exists()) == (False, True)


async def test_a_file_of_an_earlier_life_that_was_made_anew_is_not_one_any_more(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A guest is about to open it: room for another is not made by taking it away."""
    path = await kept.used_and_closed("a")
    kept.keeper.shelf = Shelf(tmp_path / "caches", scratch=tmp_path)
    assert isinstance(await kept.keeper.open(1, "a"), Opened)

    assert not kept.keeper.shelf.free_oldest()
    assert path.exists()


async def test_what_a_copy_of_the_log_will_take_is_not_free(kept: Kept) -> None:
    """The file grows by what the log has beyond its end; when that is copied it is told no more."""
    before = kept.record.checkpoints.pending_bytes
    rows = first(*("x" * 10_000 for _ in range(100)))
    kept.keeper.commit(Commit(1, (part("a", 0, rows),)), lambda _: None)
    await kept.keeper.commit_waiting()
    pending = kept.record.checkpoints.pending_bytes
    kept.record.execute("PRAGMA wal_checkpoint(PASSIVE)")

    assert pending - before >= 100 * 10_000
    assert kept.record.checkpoints.pending_bytes == 0


async def test_a_disk_that_is_nearly_full_is_told_and_so_is_the_end_of_it(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once each; and it is over when there is twice as much as is the least, and a write succeeds."""
    free = keeper_module.LEAST_FREE_BYTES
    monkeypatch.setattr(kept.keeper, "_free_bytes", lambda: free)
    await kept.keeper.look_at_disk()
    assert kept.told == []
    free = keeper_module.LEAST_FREE_BYTES - 1
    for _ in range(2):
        await kept.keeper.look_at_disk()
    assert kept.told == [Room("disk")]
    free = 2 * keeper_module.LEAST_FREE_BYTES - 1
    await kept.keeper.look_at_disk()
    assert kept.told == [Room("disk")]
    free += 1
    await kept.keeper.look_at_disk()
    assert kept.told == [Room("disk"), Room("")]
    assert [each["full"] for each in kept.reported] == ["disk", ""]


async def cannot() -> bool:
    return False


async def test_a_quota_does_not_show_in_what_is_free(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes fail though there is room: it is full until one succeeds."""

    async def full(group: list[object]) -> list[object]:
        return [Full("disk") for _ in group]

    with monkeypatch.context() as patch:
        patch.setattr(kept.record, "commit", full)
        patch.setattr(kept.record, "can_write", cannot)
        [refusal] = (await kept.commit("a")).refusals
        await kept.keeper.look_at_disk()
        assert kept.keeper.room == Room("disk")
    assert refusal is not None
    assert (refusal.trouble, refusal.reason) == ("full", "disk")
    await kept.keeper.look_at_disk()
    assert kept.keeper.room == Room("")
    assert (await kept.commit("a")).refusals == (None,)


async def test_a_doubt_is_ended_before_a_head_is_told(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a failed sync has left in the log would come back with a crash: first it is written over."""

    async def doubtful(group: list[object]) -> list[object]:
        return [Unknown("the disk") for _ in group]

    with monkeypatch.context() as patch:
        patch.setattr(kept.record, "commit", doubtful)
        [refusal] = (await kept.commit("a")).refusals
        assert refusal is not None
        assert refusal.trouble == "unknown"
        patch.setattr(kept.record, "can_write", cannot)
        for answer in (await kept.keeper.head(2, "a"), await kept.keeper.open(3, "a")):
            assert isinstance(answer, Refused)
            assert answer.trouble == "unknown"
    assert isinstance(await kept.keeper.head(4, "a"), HeadIs)
    assert [each["event"] for each in kept.reported] == ["doubt"]


async def test_an_answer_waits_for_what_had_come_before_it_and_not_for_silence(kept: Kept) -> None:
    """Commits of others that go on coming hold nobody up."""
    answers: list[Message] = []
    kept.keeper.commit(Commit(1, (part("a", 0, first("x")),)), answers.append)
    asked = kept.keeper.head(2, "a")
    waiting = asyncio.ensure_future(asked)
    await asyncio.sleep(0)
    assert not waiting.done()
    committing = asyncio.ensure_future(kept.keeper.commit_waiting())
    await asyncio.sleep(0)
    kept.keeper.commit(Commit(3, (part("b", 0, first("x")),)), answers.append)
    await committing
    head = await waiting
    assert isinstance(head, HeadIs)
    assert head.head.version == 1
    assert len(answers) == 1
    await kept.keeper.commit_waiting()
