"""The power fails amid writes: what was acknowledged is there, and the simulation can tell if not."""

from __future__ import annotations

import random

from tools.torture import power
from tools.torture.power import Disk, Event


async def test_nothing_acknowledged_is_lost_when_the_power_fails() -> None:
    """At 15 points, with unsynced writes dropped, kept or torn."""
    report = await power.torture(7, 15, steps=120)

    assert report.violations == []
    assert report.figures["points"] == 15


async def test_a_record_that_does_not_sync_its_commits_is_found_out() -> None:
    """With relaxed durability a commit is acknowledged unsynced: that has to be seen, or nothing would be."""
    report = await power.torture(7, 40, steps=120, durability="relaxed")

    assert any("was acknowledged" in what for what in report.violations), report.violations


def test_what_was_synced_is_there_and_what_was_not_may_be() -> None:
    events = [
        Event("create", 1, "f"),
        Event("write", 1, "f", 0, 3, b"one"),
        Event("sync", 1, "f"),
        Event("sync", 1, ""),
        Event("write", 1, "f", 3, 3, b"two"),
        Event("durable", 1, "", size=0),
    ]
    disk = Disk({}, events)
    states = {disk.at(len(events), random.Random(seed)).get("f") for seed in range(60)}

    assert states == {b"one", b"onetwo"}
    assert disk.acknowledged(len(events)) == 1
    assert {disk.at(2, random.Random(seed)).get("f") for seed in range(60)} >= {None, b"one"}


def test_a_write_that_is_torn_is_there_in_some_of_its_sectors() -> None:
    events = [Event("write", 1, "f", 0, 2048, b"x" * 2048), Event("write", 1, "f", 9, 1, b"y")]
    disk = Disk({"f": bytes(2048)}, events)
    states = [disk.at(2, random.Random(seed))["f"] for seed in range(60)]

    assert any(state.count(b"x"[0]) in (512, 1024, 1536) for state in states)


def test_a_sync_covers_no_write_of_another_thread_that_was_still_under_way() -> None:
    """Calls are noted as they begin: this one may have been written after the sync."""
    events = [
        Event("write", 2, "f", 0, 1, b"x"),
        Event("sync", 1, "f"),
        Event("durable", 1, "", size=0),
    ]
    states = {Disk({"f": b"-"}, events).at(3, random.Random(seed))["f"] for seed in range(60)}

    assert states == {b"-", b"x"}
