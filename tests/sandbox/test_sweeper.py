"""Sessions that expire, and the room that all of them have: real files, a clock that the test sets."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.clock import Clock
from tests.sandbox import programs
from wasm_runtime import session_files
from wasm_runtime.limits import GuestReuse, Limits
from wasm_runtime.outcome import Completed, StorageFull
from wasm_runtime.pool import WorkerPool
from wasm_runtime.slot import Job
from wasm_runtime.sweeper import Retention, Sweeper
from wasm_runtime.worker_process import PoolConfig

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox.conftest import Sandbox
    from wasm_runtime.artifact import Artifact

DAY = 86_400.0
INSERT = "REPLY = make_response(201, store.insert({}))"
COUNT = "REPLY = make_response(200, store.count())"


@pytest.fixture
def clock() -> Clock:
    return Clock(1_700_000_000.0)


def session(root: Path, name: str, used: float, size: int = 10) -> Path:
    directory = session_files.ensure(root, name, {})
    (directory / "store.db").write_bytes(b"x" * size)
    for path in (directory / "store.db", directory):
        os.utime(path, (used, used))
    return directory


def sweeper(root: Path, clock: Clock, *, days: float = 0, total: int = 0, live: str = "") -> Sweeper:
    retention = Retention(days * DAY, total)
    return Sweeper(
        root,
        retention,
        owns=lambda name: not name.startswith("other"),
        in_use=lambda name: name == live,
        clock=clock,
    )


def passed(sweeper: Sweeper) -> Sweeper:
    """After one whole pass."""
    while sweeper.step():
        pass
    return sweeper


def test_what_nobody_has_used_for_so_long_goes(tmp_path: Path, clock: Clock) -> None:
    """On the last second it stays, one later it goes, all of it; without the setting all stay."""
    session(tmp_path, "old", clock.now - 2 * DAY - 1)
    session(tmp_path, "young", clock.now - 2 * DAY)
    (tmp_path / "lock").write_bytes(b"")
    passed(sweeper(tmp_path, clock))
    assert {path.name for path in tmp_path.iterdir()} == {"old", "young", "lock"}
    passed(sweeper(tmp_path, clock, days=2))

    assert {path.name for path in tmp_path.iterdir()} == {"young", "lock"}


def test_a_write_counts_as_use(tmp_path: Path, clock: Clock) -> None:
    """The newest of directory and files tells, whatever the directory's own time is."""
    directory = session(tmp_path, "s1", clock.now - 9 * DAY)
    os.utime(directory / "store.db", (clock.now, clock.now))
    passed(sweeper(tmp_path, clock, days=2))

    assert directory.exists()


def test_a_session_in_use_is_never_touched(tmp_path: Path, clock: Clock) -> None:
    """However old it looks; and while it is in use its time goes on."""
    session(tmp_path, "live", clock.now - 99 * DAY)
    passed(sweeper(tmp_path, clock, days=2, live="live"))
    assert (tmp_path / "live").stat().st_mtime == clock.now
    passed(sweeper(tmp_path, clock, days=2))

    assert (tmp_path / "live").exists()


def test_other_workers_sessions_are_theirs(tmp_path: Path, clock: Clock) -> None:
    """So are sessions that wait to be salvaged, and what a salvage has kept, for ever."""
    for name in ("other1", "s1", "s2"):
        session(tmp_path, name, 0.0)
    (tmp_path / "s1").rename(tmp_path / "s1.damaged")
    (tmp_path / "s2").rename(tmp_path / "s2.salvaged-20260101T000000Z")
    passed(sweeper(tmp_path, clock, days=2))

    assert len(list(tmp_path.iterdir())) == 3


def test_a_removal_that_a_crash_cut_short_is_finished(tmp_path: Path, clock: Clock) -> None:
    """What was renamed is deleted by the next pass, and does not stand in the way of the next removal."""
    session(tmp_path, "s1", 0.0)
    (tmp_path / "s1").rename(tmp_path / "s1.removed")
    session(tmp_path, "s1", clock.now)
    passed(sweeper(tmp_path, clock, days=2))
    assert {path.name for path in tmp_path.iterdir()} == {"s1"}
    (tmp_path / "s1.removed").mkdir()
    (tmp_path / "s1.removed" / "litter").symlink_to("/")
    session_files.remove(tmp_path, "s1")

    assert list(tmp_path.iterdir()) == []


def test_a_step_is_bounded(tmp_path: Path, clock: Clock) -> None:
    """A hundred sessions take four steps, and steps of one pass are a while apart."""
    for n in range(100):
        session(tmp_path, f"s{n}", 0.0)
    sweep = sweeper(tmp_path, clock, days=2)
    left = [len(list(tmp_path.iterdir())) for _ in range(4) if sweep.step() or True]

    assert left == [68, 36, 4, 0]
    assert 0 < sweep.wait() <= 60
    assert sweeper(tmp_path, clock).wait() == float("inf")


def test_all_sessions_together_have_a_limit(tmp_path: Path, clock: Clock) -> None:
    """Others' sessions count, and those set aside; one byte below the limit there is room."""
    session(tmp_path, "s1", clock.now, 600)
    session(tmp_path, "other", clock.now, 300)
    session(tmp_path, "s2", clock.now, 100)
    (tmp_path / "s2").rename(tmp_path / "s2.damaged")

    assert passed(sweeper(tmp_path, clock, total=1_000)).full
    assert not passed(sweeper(tmp_path, clock, total=1_001)).full
    expiring = sweeper(tmp_path, clock, total=1_000, days=2)
    clock.now += 3 * DAY
    assert not passed(expiring).full


def test_a_root_that_cannot_be_read_is_tried_again(tmp_path: Path, clock: Clock) -> None:
    """A pass that fails ends, and the next one begins anew."""
    sweep = sweeper(tmp_path / "gone", clock, days=2)
    assert not sweep.step()
    (tmp_path / "gone").mkdir()
    session(tmp_path / "gone", "s1", 0.0)
    passed(sweep)

    assert list((tmp_path / "gone").iterdir()) == []


def test_when_all_is_full_reads_go_on(sandbox: Sandbox) -> None:
    """No write, no new session, not even for a read; what there is can be read. With room, all is well."""
    assert isinstance(sandbox.run(INSERT), Completed)
    sandbox.runner.full = True
    refused = [sandbox.run(INSERT), sandbox.run(COUNT, session="s2", read_only=True)]
    read = sandbox.run(COUNT, read_only=True)

    assert refused == [StorageFull(0, whole=True)] * 2
    assert isinstance(read, Completed)
    assert read.body == b"1"
    assert not (sandbox.root / "s2").exists()
    sandbox.runner.full = False
    assert isinstance(sandbox.run(INSERT, session="s2"), Completed)


def test_reading_is_use(sandbox: Sandbox) -> None:
    """Opening a session sets its directory's time."""
    sandbox.run(INSERT)
    sandbox.guests.drop("s1")
    os.utime(sandbox.root / "s1", (0, 0))
    sandbox.run(COUNT, read_only=True)

    assert (sandbox.root / "s1").stat().st_mtime > time.time() - 60


async def test_workers_sweep(guest_artifact: Artifact, tmp_path: Path) -> None:
    """Two confined workers remove the expired ones, each its own, keep the others, and meet the limit."""
    for n in range(20):
        session(tmp_path, f"s{n}", 0.0)
    session(tmp_path, "young", time.time(), 2_000)
    config = PoolConfig(
        component=guest_artifact.path,
        data_root=tmp_path,
        limits=Limits(),
        reuse=GuestReuse(spare_guests=0),
        workers=2,
        retention=Retention(expire_seconds=DAY, total_bytes=2_000),
    )
    plan = programs.plan_id(INSERT), programs.document(INSERT), programs.request()
    pool = WorkerPool(config)
    await pool.start()
    try:
        while os.listdir(tmp_path) != ["young"]:
            await asyncio.sleep(0.02)
        outcomes = [await pool.run(Job(name, *plan, read_only=False)) for name in ("a", "b", "c", "d")]
    finally:
        await pool.close()

    assert outcomes == [StorageFull(2_000, whole=True)] * 4
