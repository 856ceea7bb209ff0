"""One library for all nodes: all files are equal, and the log before them does not grow for ever."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, evolve

from server.planning.learned.shared_library import SharedLibrary
from server.record.postgres import fleet as fleet_module
from server.record.postgres.engine import open_record
from server.record.postgres.fleet import Fleet
from server.record.postgres.nodes import Lease
from tests.unit.server.planning.plans import a_record, a_session
from tests.unit.server.planning.requests import a_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from server.planning.learned.library import PlanLibrary
    from tools.postgresql import Postgres

SESSION = a_session()
RECORD = a_record(a_request(path="/members/1"))
_EVERY = 10
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)?")


@define
class Direct:
    """The fleet's methods, for a thread."""

    fleet: Fleet
    loop: asyncio.AbstractEventLoop

    def _wait(self, work: Awaitable[Any]) -> Any:
        async def run() -> Any:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(30)

    def add(self, done: str) -> int:
        return int(self._wait(self.fleet.add(done)))

    def since(self, after: int) -> list[tuple[int, bool, str]]:
        found: list[tuple[int, bool, str]] = self._wait(self.fleet.since(after))
        return found

    def keep(self, revision: int, path: Path) -> None:
        self._wait(self.fleet.keep(revision, str(path)))

    def fetch(self, path: Path) -> int:
        return int(self._wait(self.fleet.fetch(str(path))))


@pytest.fixture
async def library_of(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[str], Awaitable[SharedLibrary]]]:
    """A node's library, by the node's name. The log is short: ten things, of which three are left."""
    monkeypatch.setattr(SharedLibrary, "every", _EVERY)
    monkeypatch.setattr(fleet_module, "_LEFT", 3)
    async with AsyncExitStack() as closing:
        record = await open_record(database)
        closing.push_async_callback(record.close)

        async def made(name: str) -> SharedLibrary:
            place = tmp_path / name
            place.mkdir(exist_ok=True)
            fleet = Fleet(record.pool, name, lambda: Lease(name, 1, 0.0))
            journal = Direct(fleet, asyncio.get_running_loop())
            library = await asyncio.to_thread(SharedLibrary.shared, place, journal)
            closing.callback(library.close)
            return library

        yield made


def do(library: SharedLibrary, first: int, last: int) -> None:
    for number in range(first, last):
        library.learn(evolve(RECORD, fingerprint=f"f{number}"), SESSION, "null")


def content(library: PlanLibrary) -> list[str]:
    """But for times: each node notes when it has heard of something."""
    return [_TIME.sub("", line) for line in library._connection.iterdump()]


async def test_a_node_that_begins_later_has_what_all_have(
    library_of: Callable[[str], Awaitable[SharedLibrary]], postgres_server: Postgres, database: str
) -> None:
    """From the file that took the place of the log, and what has come since."""
    one = await library_of("one")
    await asyncio.to_thread(do, one, 0, 25)
    kept = int(postgres_server.sql("SELECT min(revision) FROM library_log", database))
    later = await library_of("later")
    foreign = await asyncio.to_thread(later.catch_up)

    assert kept == 2 * _EVERY - 3 + 1
    assert foreign
    assert (later.revision, content(later)) == (one.revision, content(one))


async def test_who_is_not_far_behind_follows_the_log_and_who_is_begins_with_the_file(
    library_of: Callable[[str], Awaitable[SharedLibrary]],
) -> None:
    """Either way what is added next has the same number at all."""
    one, near, far = [await library_of(name) for name in ("one", "near", "far")]
    await asyncio.to_thread(do, one, 0, 8)
    for each in (near, far):
        await asyncio.to_thread(each.catch_up)
    await asyncio.to_thread(do, one, 8, 10)
    await asyncio.to_thread(near.catch_up)
    await asyncio.to_thread(do, one, 10, 31)
    await asyncio.to_thread(do, far, 31, 33)
    for each in (one, near):
        await asyncio.to_thread(each.catch_up)

    assert content(one) == content(near) == content(far)
    assert one.revision == near.revision == far.revision == 33


async def test_answers_about_records_are_everybody_s(
    library_of: Callable[[str], Awaitable[SharedLibrary]],
) -> None:
    one, other = [await library_of(name) for name in ("one", "other")]
    await asyncio.to_thread(one.keep_record_rules, "a", "{}")
    await asyncio.to_thread(other.catch_up)

    assert other.record_rules("a") == "{}"


async def test_a_library_of_several_pieces_is_whole(
    library_of: Callable[[str], Awaitable[SharedLibrary]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_module, "_PIECE_BYTES", 5_000)
    one = await library_of("one")
    await asyncio.to_thread(do, one, 0, 20)
    later = await library_of("later")
    await asyncio.to_thread(later.catch_up)

    assert content(later) == content(one)
