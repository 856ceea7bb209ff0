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
from store.keeper_wire import Closed, Commit, Committed, HeadIs, Message, Opened, Refused, Room
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
            tell=self.told.append,
            report=self.reported.append,
        )

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


async def test_where_there_is_nothing_to_free_the_session_is_refused(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It alone; nothing of the try is left."""
    await kept.commit("cold")
    no_room_while(kept, monkeypatch, tmp_path)
    answer = await kept.keeper.open(2, "cold")

    assert isinstance(answer, Refused)
    assert (answer.trouble, answer.reason) == ("full", "disk")
    assert not list(tmp_path.glob("scratch-*"))  # noqa: ASYNC240
    assert kept.told == []


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
