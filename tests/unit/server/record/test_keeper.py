"""The keeper as workers and the API process meet it: a process, its streams, and the files that it makes."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from typing import TYPE_CHECKING

import pytest

from server.record.client import KeeperClient, KeeperConfig
from server.record.record import Exists, Missing, Unavailable, Unknown
from store.change_set import ChangeSet
from store.keeper_wire import Opened, Refused, Room, Used
from tests.unit.server.record.rows import first, part, record
from tests.unit.server.record.wire import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def worker(keeper: KeeperClient) -> AsyncIterator[Worker]:
    made = Worker(keeper)
    yield made
    made.close()


def file_of(root: Path, session: str) -> Path:
    return root / "caches" / session / "store.db"


async def opened(worker: Worker, session: str) -> Opened:
    answer = await worker.open(session)
    assert isinstance(answer, Opened), answer
    return answer


def texts(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return [row[0] for row in connection.execute("SELECT json_extract(doc, '$.text') FROM c1")]
    finally:
        connection.close()


# Opening


async def test_a_session_that_is_new_has_a_directory_and_nothing_in_it(
    worker: Worker, keeper: KeeperClient, tmp_path: Path
) -> None:
    answer = await opened(worker, "a")
    assert (answer.new, answer.head.version, answer.head.batch) == (True, 0, "")
    assert os.listdir(file_of(tmp_path, "a").parent) == []
    assert await keeper.call("exists", session="a") is False


async def test_a_session_that_has_a_record_has_its_file(worker: Worker, tmp_path: Path) -> None:
    await worker.commit(part("a", 0, first("x", "y"), batch="7" * 32))
    answer = await opened(worker, "a")
    assert (answer.new, answer.head.version, answer.head.batch) == (False, 1, "7" * 32)
    assert answer.used_bytes > 0
    assert texts(file_of(tmp_path, "a")) == ["x", "y"]


async def test_a_file_closed_at_the_records_version_is_used_again(worker: Worker, tmp_path: Path) -> None:
    await worker.commit(part("a", 0, first("x")))
    answer = await opened(worker, "a")
    path = file_of(tmp_path, "a")
    inode = path.stat().st_ino
    await worker.closed("a", answer.head, path)
    await opened(worker, "a")
    assert path.stat().st_ino == inode


@pytest.mark.parametrize(
    "why",
    [
        "not soundly",
        "touched",
        "touched, and its times set back",
        "behind",
        "another record",
        "gone",
        "not closed",
    ],
)
async def test_any_other_file_is_made_anew(worker: Worker, tmp_path: Path, why: str) -> None:
    """Unread: here it holds what the record has not."""
    await worker.commit(part("a", 0, first("x")))
    head = (await opened(worker, "a")).head
    path = file_of(tmp_path, "a")
    inode = path.stat().st_ino
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE c1 SET doc = json_set(doc, '$.text', 'a lie')")
    connection.close()
    if why == "not closed":
        pass
    elif why == "not soundly":
        await worker.closed("a", head, None)
    elif why == "another record":
        await worker.closed("a", head._replace(identity="0" * 16), path)
    else:
        await worker.closed("a", head, path)
    await worker.head("a")  # it has heard that
    if why == "touched":
        os.utime(path, ns=(1, 1))
    elif why == "touched, and its times set back":
        found = path.stat()
        path.write_bytes(path.read_bytes().replace(b"a lie", b"a LIE"))
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    elif why == "behind":
        await worker.commit(part("a", 1, ChangeSet(puts=(record(1, "newer"),))))
    elif why == "gone":
        path.unlink()
    await opened(worker, "a")
    assert texts(path) == ["newer" if why == "behind" else "x"]
    assert why == "gone" or path.stat().st_ino != inode or texts(path) != ["a lie"]


@pytest.mark.parametrize(
    "planted", ["directory", "link", "pipe", "directory for the session", "link for the session"]
)
async def test_what_a_guest_may_have_left_is_in_nobodys_way(
    worker: Worker, tmp_path: Path, planted: str
) -> None:
    """And nothing is written through a link."""
    await worker.commit(part("a", 0, first("x")))
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "store.db").write_bytes(b"untouched")
    path = file_of(tmp_path, "a")
    if planted == "link for the session":
        path.parent.symlink_to(victim)
    elif planted == "directory for the session":
        (path.parent / "deep" / "er").mkdir(parents=True)
        (path / "x").mkdir(parents=True)
    else:
        path.parent.mkdir()
        if planted == "directory":
            (path / "x").mkdir(parents=True)
        elif planted == "link":
            path.symlink_to(victim / "store.db")
        else:
            os.mkfifo(path)
    await opened(worker, "a")
    assert texts(path) == ["x"]
    assert not path.is_symlink()
    assert not path.parent.is_symlink()
    assert (victim / "store.db").read_bytes() == b"untouched"


# Workers


async def test_a_worker_is_heard_on_its_own_sessions_alone(keeper: KeeperClient) -> None:
    """One that was broken out of cannot write to sessions of others: its stream ends."""
    worker = Worker(keeper, 0, 2)
    mine = next(name for name in map(str, range(99)) if slot(name) == 0)
    other = next(name for name in map(str, range(99)) if slot(name) == 1)
    assert await worker.commit(part(mine, 0, first("x"))) == (None,)
    with pytest.raises(EOFError):
        await worker.commit(part(other, 0, first("x")))
    worker.close()
    assert (await keeper.head(other)).version == 0
    assert (await keeper.head(mine)).version == 1


def slot(name: str) -> int:
    from store.placement import slot_of

    return slot_of(name, 2)


async def test_what_a_dead_worker_had_sent_is_decided_before_anybody_is_told(keeper: KeeperClient) -> None:
    """Heads that the API process asks for, and those of the worker that comes after."""
    worker = Worker(keeper)
    parts = [
        part("a", base, first("x") if base == 0 else ChangeSet(puts=(record(1, str(base)),)))
        for base in range(50)
    ]
    for each in parts:
        await worker.send(commit_of(each))
    worker.close()
    assert (await keeper.head("a")).version == 50

    worker = Worker(keeper)
    for each in range(50, 100):
        await worker.send(commit_of(part("a", each, ChangeSet(puts=(record(1, str(each)),)))))
    worker.close()
    after = Worker(keeper)
    assert (await after.head("a")).version == 100
    after.close()


def commit_of(each: object) -> object:
    from store.keeper_wire import Commit

    return Commit(1, (each,))  # type: ignore[arg-type]


async def test_nonsense_ends_a_workers_stream_and_nothing_else(keeper: KeeperClient, worker: Worker) -> None:
    bad = keeper.connect(1, 2)
    assert bad is not None
    bad.sendall(b"\0\0\0\5\xffhello")
    assert bad.recv(10) == b""
    bad.close()
    assert await worker.commit(part("a", 0, first("x"))) == (None,)


# Whole sessions


async def test_a_session_that_is_open_is_not_replaced(
    keeper: KeeperClient, worker: Worker, tmp_path: Path
) -> None:
    """Whoever replaces it holds it first; here somebody has forgotten to."""
    await worker.commit(part("a", 0, first("x")), part("b", 0, first("y")))
    head = (await opened(worker, "a")).head
    for what in ("reset", "remove"):
        with pytest.raises(Unavailable, match="in use"):
            await keeper.call(what, session="a")
    with pytest.raises(Unavailable, match="in use"):
        await keeper.call("rewind", session="a", to=1)
    await worker.closed("a", head, None)
    await worker.head("a")
    await keeper.call("reset", session="a")
    assert (await worker.head("a")).version == 2


async def test_a_fork_has_a_file_of_its_own(keeper: KeeperClient, worker: Worker, tmp_path: Path) -> None:
    await worker.commit(part("a", 0, first("x")))
    await keeper.call("copy", source="a", target="b")
    with pytest.raises(Missing):
        await keeper.call("copy", source="nobody", target="c")
    with pytest.raises(Exists):
        await keeper.call("copy", source="a", target="b")
    await opened(worker, "b")
    assert texts(file_of(tmp_path, "b")) == ["x"]


async def test_a_session_that_is_removed_leaves_nothing_on_the_disk(
    keeper: KeeperClient, worker: Worker, tmp_path: Path
) -> None:
    await worker.commit(part("a", 0, first("x")))
    head = (await opened(worker, "a")).head
    await worker.closed("a", head, file_of(tmp_path, "a"))
    await worker.head("a")
    await keeper.call("remove", session="a")
    assert os.listdir(tmp_path / "caches") == []
    assert (await opened(worker, "a")).new


# Restarts


async def restarted(keeper: KeeperClient) -> None:
    again = asyncio.Event()
    keeper.on_start(again.set)
    os.kill(keeper.pid, signal.SIGKILL)
    async with asyncio.timeout(20):
        await again.wait()


async def test_a_keeper_that_was_killed_is_followed_by_another(
    keeper: KeeperClient, worker: Worker, tmp_path: Path
) -> None:
    """What was acknowledged is there; workers get a stream to the new one; no file is believed."""
    await worker.commit(part("a", 0, first("x"), batch="5" * 32))
    head = (await opened(worker, "a")).head
    await worker.closed("a", head, file_of(tmp_path, "a"))
    await worker.head("a")
    inode = file_of(tmp_path, "a").stat().st_ino
    await restarted(keeper)
    with pytest.raises(EOFError):
        await worker.hear()
    again = Worker(keeper)
    assert (await again.head("a")).batch == "5" * 32
    await opened(again, "a")
    assert texts(file_of(tmp_path, "a")) == ["x"]
    assert file_of(tmp_path, "a").stat().st_ino != inode or keeper.lost == 1
    assert await again.commit(part("a", 1, ChangeSet(puts=(record(2),)))) == (None,)
    again.close()


async def test_a_worker_that_is_made_before_the_first_keeper_has_started_is_told_of_it(
    tmp_path: Path,
) -> None:
    client = KeeperClient(KeeperConfig(tmp_path))
    told: list[bool] = []

    def connect() -> None:
        stream = client.connect(0, 1)
        told.append(stream is not None)
        if stream is not None:
            stream.close()

    client.on_start(connect)
    starting = asyncio.ensure_future(client.start())
    while not client.pid:
        await asyncio.sleep(0)
    assert client.connect(0, 1) is None
    await starting
    await client.close()

    assert told == [True]


async def test_a_worker_that_is_made_while_a_keeper_starts_is_told_of_it_once(
    keeper: KeeperClient,
) -> None:
    """By `on_start`. A second stream would be another worker: the files of the first would go."""
    before = keeper.pid
    started = asyncio.ensure_future(restarted(keeper))
    refused = 0
    while not started.done():
        if keeper.pid not in (0, before) and not keeper.ready:
            assert keeper.connect(0, 1) is None
            refused += 1
        await asyncio.sleep(0)
    await started

    assert refused
    stream = keeper.connect(0, 1)
    assert stream is not None
    stream.close()


async def test_who_asks_while_a_keeper_ends_asks_the_next_one(keeper: KeeperClient) -> None:
    """Its stream has ended, and its process has not been waited for yet."""
    process = keeper._process
    assert process is not None
    assert process.transport is not None
    os.kill(keeper.pid, signal.SIGKILL)
    while not process.transport.is_closing():
        await asyncio.sleep(0)
    assert keeper.lost == 0

    assert keeper.connect(0, 1) is None
    assert await keeper.versions(["a"]) == {"a": 0}


async def test_who_asked_a_keeper_that_was_killed_is_told_what_may_have_been_done(
    keeper: KeeperClient,
) -> None:
    """A read was not; a write may have been."""
    os.kill(keeper.pid, signal.SIGSTOP)
    reading = asyncio.ensure_future(keeper.call("sessions"))
    writing = asyncio.ensure_future(keeper.call("reset", session="a"))
    await asyncio.sleep(0.05)
    os.kill(keeper.pid, signal.SIGKILL)
    with pytest.raises(Unavailable):
        await reading
    with pytest.raises(Unknown):
        await writing
    assert (await keeper.call("stats"))["sessions"] == 0  # it waits for the next one


async def test_an_orderly_stop_leaves_files_that_the_next_one_believes(tmp_path: Path) -> None:
    """Once: if that one is killed, nothing it found is believed by the one after."""
    config = KeeperConfig(tmp_path)
    one = KeeperClient(config)
    await one.start()
    worker = Worker(one)
    await worker.commit(part("a", 0, first("x")))
    head = (await opened(worker, "a")).head
    path = file_of(tmp_path, "a")
    await worker.closed("a", head, path)
    await worker.head("a")
    worker.close()
    await one.close()
    assert not (tmp_path / "record.db-wal").exists()

    two = KeeperClient(config)
    await two.start()
    inode = path.stat().st_ino
    worker = Worker(two)
    await opened(worker, "a")
    assert path.stat().st_ino == inode
    path.write_bytes(b"left open by a guest that was killed with it")
    os.kill(two.pid, signal.SIGKILL)
    worker.close()
    await two.close()

    three = KeeperClient(config)
    await three.start()
    worker = Worker(three)
    await opened(worker, "a")
    assert texts(path) == ["x"]
    worker.close()
    await three.close()


async def test_a_keeper_ends_with_its_parent_and_with_nothing_else(keeper: KeeperClient) -> None:
    """Not with the signals of a terminal: what is in flight is to be answered first."""
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(keeper.pid, number)
    assert (await keeper.call("stats"))["sessions"] == 0
    assert keeper.lost == 0


async def test_a_record_of_a_later_release_is_refused(tmp_path: Path) -> None:
    one = KeeperClient(KeeperConfig(tmp_path))
    await one.start()
    await one.close()
    with sqlite3.connect(tmp_path / "record.db") as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    two = KeeperClient(KeeperConfig(tmp_path))
    with pytest.raises(Exception, match="format 99"):
        await two.start()
    await two.close()


# Beginnings and ends of sessions


async def test_a_new_session_begins_as_a_copy_of_the_template(tmp_path: Path) -> None:
    """Its own from then on; the template itself, and scratch, begin with nothing."""
    keeper = KeeperClient(KeeperConfig(tmp_path, template="t"))
    await keeper.start()
    worker = Worker(keeper)
    assert (await opened(worker, "early")).new
    await worker.commit(part("t", 0, first("from the template")))
    answer = await opened(worker, "a")
    assert (answer.new, answer.head.version) == (False, 1)
    assert texts(file_of(tmp_path, "a")) == ["from the template"]
    await worker.commit(part("a", 1, ChangeSet(deletes=((1, 1),))))
    await opened(worker, "b")
    assert texts(file_of(tmp_path, "b")) == ["from the template"]
    assert (await opened(worker, "scratch-1")).new
    worker.close()
    await keeper.close()


async def test_sessions_that_nobody_uses_expire_and_those_that_are_open_do_not(tmp_path: Path) -> None:
    keeper = KeeperClient(KeeperConfig(tmp_path, expire_seconds=2))
    told: list[str] = []
    keeper.on_expired(told.extend)
    await keeper.start()
    worker = Worker(keeper)
    await worker.commit(*(part(name, 0, first("x")) for name in ("gone", "open", "read")))
    heads = {name: (await opened(worker, name)).head for name in ("gone", "open", "read")}
    for name in ("gone", "read"):
        await worker.closed(name, heads[name], file_of(tmp_path, name))
    await worker.head("gone")
    while not (expired := await keeper.call("tidy")):
        await worker.send(Used("read"))
        await worker.closed("read", heads["read"], file_of(tmp_path, "read"))
        await worker.head("read")
        await asyncio.sleep(0.1)
    assert expired == told == ["gone"]
    assert sorted(os.listdir(tmp_path / "caches")) == ["open", "read"]
    worker.close()
    await keeper.close()


async def test_files_that_nobody_asks_for_go_and_sessions_stay(tmp_path: Path) -> None:
    keeper = KeeperClient(KeeperConfig(tmp_path, cache_seconds=0.1))
    await keeper.start()
    worker = Worker(keeper)
    await worker.commit(part("a", 0, first("x")))
    head = (await opened(worker, "a")).head
    await worker.closed("a", head, file_of(tmp_path, "a"))
    await worker.head("a")
    await asyncio.sleep(0.2)
    assert await keeper.call("tidy") == []
    assert not file_of(tmp_path, "a").exists()
    await opened(worker, "a")
    assert texts(file_of(tmp_path, "a")) == ["x"]
    worker.close()
    await keeper.close()


# Room


async def test_all_workers_and_the_service_hear_that_all_sessions_are_full(tmp_path: Path) -> None:
    """Also those that come later; and that there is room again."""
    keeper = KeeperClient(KeeperConfig(tmp_path, total_bytes=400))
    await keeper.start()
    worker, other = Worker(keeper, 0, 2), Worker(keeper, 1, 2)
    mine = [name for name in map(str, range(99)) if slot(name) == 0]
    [too_much] = await worker.commit(part(mine[0], 0, first("x" * 400)))
    assert too_much is not None
    assert (too_much.trouble, too_much.reason, too_much.limit_bytes) == ("full", "total", 400)
    assert keeper.full == ""
    assert await worker.commit(part(mine[1], 0, first("x" * 270))) == (None,)
    size = (await keeper.call("stats"))["total_bytes"]
    assert await worker.commit(part(mine[2], 0, exactly(400 - size))) == (None,)
    assert await other.hear() == Room("total", 400)
    late = Worker(keeper, 1, 2)
    assert await late.hear() == Room("total", 400)
    assert await worker.head(mine[2])
    assert worker.told == [Room("total", 400)]
    assert keeper.full == "total"
    await worker.closed(mine[1], await worker.head(mine[1]), None)
    await worker.head(mine[1])
    await keeper.call("remove", session=mine[1])
    assert await late.hear() == Room("")
    assert (await keeper.call("stats"))["full"] == keeper.full == ""
    late.close()
    worker.close()
    other.close()
    await keeper.close()


def exactly(size: int) -> ChangeSet:
    """Of a session that comes to so many bytes."""
    bare = size_of(first(""))
    return first("x" * (size - bare))


def size_of(rows: ChangeSet) -> int:
    entries = sum(len(each.name) + len(each.schema) + len(each.indexes) + 8 for each in rows.entries)
    return entries + sum(len(each.doc) + 8 for each in rows.puts)


async def test_a_record_that_cannot_be_read_refuses_the_session_it_is_of(
    keeper: KeeperClient, worker: Worker, tmp_path: Path
) -> None:
    """And no other: a flipped bit is told by the row's sum."""
    await worker.commit(part("a", 0, first("x")), part("b", 0, first("y")))
    with sqlite3.connect(tmp_path / "record.db") as connection:
        connection.execute(
            "UPDATE records SET doc = replace(doc, 'x', 'z') "
            "WHERE session = (SELECT id FROM sessions WHERE name = 'a')"
        )
    connection.close()
    answer = await worker.open("a")
    assert isinstance(answer, Refused)
    assert answer.trouble == "damaged"
    await opened(worker, "b")
    found = await keeper.call("verify")
    assert len(found["damaged"]) == 1
    assert "session a" in found["damaged"][0]
