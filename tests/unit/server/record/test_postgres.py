"""What is PostgreSQL's own: connections that end, transactions that are tried again, nodes at their start."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from server.record.postgres.connecting import Pool
from server.record.postgres.engine import Options, PostgresRecord, open_record
from server.record.record import (
    Damaged,
    Full,
    Head,
    Invalid,
    Missing,
    RecordError,
    TooNew,
    Unavailable,
    Unknown,
)
from store.change_set import ChangeSet
from tests.unit.server.record.rows import answer, entry, first, part, record
from tools import postgresql
from tools.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tools.postgresql import Postgres

HISTORY = Options(history_seconds=3600, history_bytes=1024 * 1024)
#: A transaction that touches records fails so often with this SQLSTATE; sequences do not go back.
_FAILING = """\
CREATE SEQUENCE tries;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'on purpose' USING ERRCODE = '{state}'; END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER failing AFTER INSERT OR UPDATE ON records FOR EACH STATEMENT EXECUTE FUNCTION fail();
"""


@pytest.fixture
async def ledger(database: str) -> AsyncIterator[PostgresRecord]:
    opened = await open_record(database, HISTORY)
    yield opened
    await opened.close()


@pytest.fixture
async def proxy(postgres_server: Postgres) -> AsyncIterator[TcpProxy]:
    async with TcpProxy("127.0.0.1", postgres_server.port) as between:
        yield between


@pytest.fixture
async def cut_off(proxy: TcpProxy, database: str, postgres_server: Postgres) -> AsyncIterator[PostgresRecord]:
    """A record whose connections can be cut."""
    url = database.replace(str(postgres_server.port), str(proxy.port), 1)
    opened = await open_record(url, Options(history_seconds=3600, history_bytes=1024 * 1024, seconds=5.0))
    yield opened
    await opened.close()


async def test_three_nodes_that_start_at_once_have_one_record(database: str) -> None:
    """Whoever comes second finds the tables, or makes them when the first has failed."""
    opened = await asyncio.gather(*(open_record(database) for _ in range(3)))
    assert len({each.identity for each in opened}) == 1
    for each in opened:
        await each.close()


async def test_a_later_format_is_not_touched(database: str, postgres_server: Postgres) -> None:
    await (await open_record(database)).close()
    postgres_server.sql("UPDATE meta SET value = '99' WHERE key = 'format'", database)
    with pytest.raises(TooNew, match="format 99"):
        await open_record(database)


async def test_a_database_that_is_not_there_says_so_without_its_password() -> None:
    with pytest.raises(Unavailable) as caught:
        await open_record("postgresql://someone:hunter2@127.0.0.1:1/nothing")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_commit_without_an_answer_is_looked_for_and_done_once(
    cut_off: PostgresRecord, proxy: TcpProxy, when: str
) -> None:
    """Whether the server has heard of it or not: the answer is the truth, and there is one version."""
    [head] = await cut_off.commit([part("a", 0, first("x"))])
    assert isinstance(head, Head)
    proxy.when_sent(b"COMMIT", when=when)  # type: ignore[arg-type]
    [done, other] = await cut_off.commit(
        [part("a", 1, ChangeSet(puts=(record(2),))), part("b", 0, first("y"))]
    )
    assert proxy.trapped == 1
    assert (done.version, other.version) == (2, 1)  # type: ignore[union-attr]
    assert await cut_off.head("a") == done
    assert [each.version for each in await cut_off.log("a", most=9)] == [2, 1]
    assert [each.records for each in await cut_off.collections("a")] == [2]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_commit_of_one_statement_without_an_answer_is_looked_for_and_done_once(
    cut_off: PostgresRecord, proxy: TcpProxy, when: str
) -> None:
    """It is the same for what goes the short way, which has no COMMIT."""
    await cut_off.commit([part(session, 0, first("x")) for session in "ab"])
    batch = secrets.token_hex(16)
    proxy.when_sent(batch.encode(), when=when)  # type: ignore[arg-type]
    [done, other] = await cut_off.commit(
        [part("a", 1, ChangeSet(puts=(record(2),)), batch=batch), part("b", 1, first("y"))]
    )
    assert proxy.trapped == 1
    assert (done.version, other.version) == (2, 2)  # type: ignore[union-attr]
    assert await cut_off.head("a") == done
    for session in "ab":
        assert [each.version for each in await cut_off.log(session, most=9)] == [2, 1]
    assert [each.records for each in await cut_off.collections("a")] == [2]


async def test_a_database_out_of_reach_is_unavailable_and_then_there_again(
    cut_off: PostgresRecord, proxy: TcpProxy
) -> None:
    proxy.refuse()
    [refused] = await cut_off.commit([part("a", 0, first("x"))])
    assert isinstance(refused, Unavailable)
    proxy.go_on()
    [head] = await cut_off.commit([part("a", 0, first("x"))])
    assert isinstance(head, Head)


async def test_a_server_that_is_killed_again_and_again_raises_nothing_but_the_record_s_errors() -> None:
    """Whatever was under way: connecting, a statement, the end of a transaction. Then it is there again."""
    killed = postgresql.Postgres()
    try:
        killed.start()
        pool = Pool(killed.url("postgres"), 1.0)
        ends = asyncio.Event()

        async def ask() -> None:
            while not ends.is_set():
                with suppress(RecordError):
                    await pool.fetch("SELECT pg_sleep(0.001)")
                await asyncio.sleep(0)

        asking = [asyncio.create_task(ask()) for _ in range(8)]
        for _ in range(10):
            await asyncio.to_thread(killed.kill)
            await asyncio.to_thread(killed.start)
        ends.set()
        await asyncio.gather(*asking)
        assert await pool.fetch("SELECT 1") == [(1,)]
        await pool.close()
    finally:
        killed.remove()


async def test_a_commit_that_is_never_answered_is_unknown(cut_off: PostgresRecord, proxy: TcpProxy) -> None:
    """Nobody can tell as long as the database cannot be asked."""
    await cut_off.commit([part("a", 0, first("x"))])
    batch = secrets.token_hex(16)
    proxy.when_sent(batch.encode(), when="after")
    written = part("a", 1, ChangeSet(puts=(record(2),)), batch=batch)
    committing = asyncio.ensure_future(cut_off.commit([written]))
    while not proxy.trapped:
        await asyncio.sleep(0)
    proxy.refuse()
    [result] = await committing
    assert isinstance(result, Unknown | Head)
    proxy.go_on()
    assert (await cut_off.head("a")).version == 2


@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_a_transaction_that_others_were_in_the_way_of_is_tried_again(
    ledger: PostgresRecord, postgres_server: Postgres, database: str, state: str
) -> None:
    postgres_server.sql(_FAILING.format(times=3, state=state), database)
    [head] = await ledger.commit([part("a", 0, first("x"))])
    assert isinstance(head, Head)
    assert head.version == 1


async def test_a_database_without_room_says_full(
    ledger: PostgresRecord, postgres_server: Postgres, database: str
) -> None:
    postgres_server.sql(_FAILING.format(times=1, state="53100"), database)
    [refused] = await ledger.commit([part("a", 0, first("x"))])
    assert isinstance(refused, Full)
    assert refused.reason == "disk"
    [head] = await ledger.commit([part("a", 0, first("x"))])
    assert isinstance(head, Head)


@pytest.mark.parametrize(
    "lie",
    [
        ChangeSet(entries=(entry()._replace(updated_at="\x00"),)),
        ChangeSet(entries=(entry(),), answers=(answer(1)._replace(answer="\x00"),)),
    ],
    ids=["the catalogue", "an answer"],
)
async def test_a_text_that_postgresql_cannot_have_costs_its_own_part_alone(
    ledger: PostgresRecord, lie: ChangeSet
) -> None:
    [refused, head] = await ledger.commit([part("a", 0, lie), part("b", 0, first("x"))])
    assert isinstance(refused, Invalid)
    assert isinstance(head, Head)
    assert [each.name async for each in ledger.sessions()] == ["b"]


async def test_a_route_that_postgresql_cannot_have_is_told_without_it(ledger: PostgresRecord) -> None:
    [head] = await ledger.commit([part("a", 0, first("x"), route="GET /\x00\ud800")])
    assert isinstance(head, Head)
    assert (await ledger.log("a", most=1))[0].route == "GET /\ufffd?"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE records SET doc = replace(doc, 'x', 'y')",
        "UPDATE collections SET next_id = 7",
        "UPDATE answers SET answer = 'other'",
    ],
)
async def test_rows_that_are_not_what_was_written_are_damaged(
    ledger: PostgresRecord, postgres_server: Postgres, database: str, tmp_path: Path, change: str
) -> None:
    await ledger.commit([part("a", 0, first("x")._replace(answers=(answer(1),)))])
    assert (await ledger.verify())["damaged"] == []
    postgres_server.sql(change, database)
    with pytest.raises(Damaged):
        await ledger.load("a", tmp_path / "store.db")
    assert not list(tmp_path.iterdir())  # noqa: ASYNC240
    assert len((await ledger.verify())["damaged"]) == 1


async def test_old_history_goes_by_its_age(
    ledger: PostgresRecord, postgres_server: Postgres, database: str
) -> None:
    await ledger.commit([part("a", 0, first("x"))])
    for version in range(1, 6):
        await ledger.commit([part("a", version, ChangeSet(puts=(record(1, str(version)),)))])
    postgres_server.sql("UPDATE commits SET at = at - 7200 WHERE version <= 3", database)
    assert await ledger.prune_history() is False
    assert [each.version for each in await ledger.log("a", most=9)] == [6, 5, 4]
    with pytest.raises(Missing, match="reaches back to version 4"):
        await ledger.rewind("a", 2)
    await ledger.rewind("a", 3)


async def test_history_takes_no_more_than_it_may(database: str) -> None:
    ledger = await open_record(database, Options(history_seconds=3600, history_bytes=20_000))
    await ledger.commit([part("a", 0, first("x"))])
    for version in range(1, 40):
        await ledger.commit([part("a", version, ChangeSet(puts=(record(1, "x" * 1_000),)))])
    assert (await ledger.stats())["history_bytes"] > 30_000
    await ledger.prune_history()
    assert (await ledger.stats())["history_bytes"] <= 20_000
    assert len(await ledger.log("a", most=100)) >= 10
    await ledger.close()


async def test_who_has_most_history_loses_the_oldest_of_it(database: str) -> None:
    ledger = await open_record(database, Options(history_seconds=3600, history_bytes=20_000))
    for session in ("b", "c", "a"):
        await ledger.commit([part(session, 0, first("x"))])
        await ledger.commit([part(session, 1, ChangeSet(puts=(record(1, "changed"),)))])
    for version in range(2, 40):
        await ledger.commit([part("a", version, ChangeSet(puts=(record(1, "x" * 1_000),)))])
    while await ledger.prune_history():
        pass
    assert (await ledger.stats())["history_bytes"] <= 20_000
    for session in ("b", "c"):
        assert [each.version for each in await ledger.log(session, most=9)] == [2, 1]
    assert (await ledger.log("a", most=100))[0].version == 40
    await ledger.close()
