"""Commits in one statement: when they are, that they are fenced as others, and that they leave the same."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from server.record.postgres import quick
from server.record.postgres.changing import Entry, There
from server.record.postgres.engine import Options, PostgresRecord, open_record
from server.record.postgres.membership import joined
from server.record.postgres.nodes import Nodes
from server.record.record import Fenced, Head, Part, RecordError
from store.change_set import ChangeSet, RecordRow
from tests.unit.server.record.rows import answer, entry, first, part, record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tools.postgresql import Postgres

HISTORY = Options(history_seconds=3600, history_bytes=1024 * 1024)


class Counting(PostgresRecord):
    """Notes how many parts have gone the long way."""

    slow = 0

    async def _slowly(self, group: Sequence[Part], read: Sequence[Any]) -> list[Head | RecordError]:
        self.slow += len(group)
        return await super()._slowly(group, read)


async def opened(database: str) -> Counting:
    await (await open_record(database, HISTORY)).close()
    plain = await open_record(database, HISTORY)
    return Counting(plain.pool, plain.identity, HISTORY)


@pytest.fixture
async def ledger(database: str) -> AsyncIterator[Counting]:
    made = await opened(database)
    yield made
    await made.close()


async def commit(ledger: PostgresRecord, *group: Part) -> list[int]:
    """The versions that were made."""
    found = await ledger.commit(group)
    assert all(isinstance(each, Head) for each in found), found
    return [each.version for each in found if isinstance(each, Head)]


async def test_only_the_first_commit_of_a_session_goes_the_long_way(ledger: Counting) -> None:
    await commit(ledger, part("a", 0, first("x")), part("b", 0, first("x")))
    assert ledger.slow == 2
    changed = ChangeSet(puts=(record(1, "y"),), deletes=((1, 7),), answers=(answer(1),))
    group = [part("a", 1, changed), part("b", 1, ChangeSet(puts=(record(2),))), part("a", 2, ChangeSet())]
    assert await commit(ledger, *group) == [2, 2, 3]
    assert ledger.slow == 2
    assert [each.version for each in await ledger.log("a", most=9)] == [3, 2, 1]


async def test_what_has_to_be_looked_for_goes_the_long_way(ledger: Counting) -> None:
    """And what is refused, so that whoever is at fault is found; the session is remembered all the same."""
    await commit(ledger, part("a", 0, first("x")))
    await commit(ledger, part("a", 1, ChangeSet(cleared=(1,))), part("a", 2, ChangeSet(answers=(answer(1),))))
    await commit(ledger, part("a", 3, ChangeSet(purged=(1,))))
    [refused] = await ledger.commit([part("a", 4, ChangeSet(puts=(record(1, number=9),)))])
    assert isinstance(refused, RecordError)
    assert ledger.slow == 5
    await commit(ledger, part("a", 4, ChangeSet(puts=(record(1),))))
    assert ledger.slow == 6
    await commit(ledger, part("a", 5, ChangeSet(puts=(record(2),))))
    assert ledger.slow == 6


async def test_what_somebody_else_has_done_is_not_written_over(ledger: Counting, database: str) -> None:
    """Whatever is remembered: the statement compares the versions, and writes the others of its group."""
    await commit(ledger, *(part(each, 0, first("x")) for each in "abc"))
    other = await opened(database)
    await commit(other, part("a", 1, ChangeSet(puts=(record(2, "other"),))))
    await other.remove(["b"])
    stale = ChangeSet(puts=(record(2, "mine"),))
    results = await ledger.commit([part(each, 1, stale) for each in "abc"])
    assert [type(each) for each in results] == [Fenced, Fenced, Head]
    assert (await ledger.entry("a")).version == 2
    assert [each.records for each in await other.collections("a")] == [2]
    assert (await other.head("b")).version == 0
    await commit(ledger, part("a", 2, ChangeSet(puts=(record(3),))), part("b", 0, first("y")))
    await other.close()


async def test_nor_what_is_another_node_s(ledger: Counting, database: str) -> None:
    """The session's version is the same, but not its owner."""
    other = await opened(database)
    sides = []
    for name, each in (("one", ledger), ("two", other)):
        nodes = Nodes(each.pool, name, f"http://{name}", "1", 60.0)
        sides.append(await joined(each, nodes, lambda _event: None))
    for session in "ab":
        assert "epoch" in await sides[0].claim(session)
    await commit(ledger, part("a", 0, first("x")), part("b", 0, first("x")))
    await sides[0].release(["a"])
    assert "epoch" in await sides[1].claim("a")
    written = ChangeSet(puts=(record(2),))
    results = await ledger.commit([part("a", 1, written), part("b", 1, written)])
    assert [type(each) for each in results] == [Fenced, Head]
    assert await commit(other, part("a", 1, written)) == [2]
    await other.close()


async def test_both_ways_leave_the_same(ledger: Counting, postgres_server: Postgres) -> None:
    """Records, catalogue, answers, sizes, log and history, after the same commits of chance."""
    other = await opened(postgres_server.new_database())
    other._drafts = lambda _group, _read: None  # type: ignore[method-assign]
    random = Random(5)
    versions = {"a": 0, "b": 0, "c": 0}
    for _ in range(60):
        group = []
        for session in random.choices("abc", k=random.randint(1, 5)):
            base = versions[session]
            group.append(part(session, base, chance(random, base)))
            versions[session] += 1
        assert await commit(ledger, *group) == await commit(other, *group)
    assert 0 < ledger.slow < other.slow / 3
    for table in ("sessions", "collections", "records", "answers", "superseded", "commits"):
        rows = [
            await each.pool.fetch(f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4") for each in (ledger, other)
        ]
        assert [without_times(table, each) for each in rows[0]] == [
            without_times(table, each) for each in rows[1]
        ]
    assert (await ledger.verify())["damaged"] == []
    assert ledger.total == other.total == await other.total_bytes()
    await other.close()


def chance(random: Random, base: int) -> ChangeSet:
    rows = random.sample(range(1, 30), 4)
    puts = tuple(RecordRow(1, row, record(row, "x" * random.randint(1, 9)).doc) for row in rows[:2])
    return ChangeSet(
        entries=(entry(next_id=base + 1),) if base == 0 or random.random() < 0.3 else (),
        puts=puts,
        deletes=tuple((1, row) for row in rows[2 : random.randint(2, 4)]),
        answers=(answer(base + 1),) if random.random() < 0.3 else (),
    )


def without_times(table: str, row: tuple[Any, ...]) -> tuple[Any, ...]:
    return row[:5] if table == "sessions" else (*row[:2], *row[3:]) if table == "commits" else row


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "_MOST_SESSIONS", 2)
    monkeypatch.setattr(quick, "_MOST_ENTRIES", 3)
    remembered = quick.Remembered()
    for name, entries in (("a", 1), ("b", 1), ("c", 1), ("d", 2)):
        remembered.keep(There(1, name, 1, "", 0, {n: Entry(entry(n), 1, 1) for n in range(entries)}))
    assert [name for name in "abcd" if remembered.draft(name) is not None] == ["c", "d"]
    remembered.keep(There(1, "e", 1, "", 0, {n: Entry(entry(n), 1, 1) for n in range(9)}))
    assert [name for name in "abcde" if remembered.draft(name) is not None] == []
