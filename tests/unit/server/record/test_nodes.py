"""Leases and owners, in the engine: who may write, who may take over, and what becomes of a late commit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from server.record.adoption import Adoption
from server.record.keeper import Keeper
from server.record.postgres import nodes as nodes_module
from server.record.postgres.engine import Options, PostgresRecord, open_record
from server.record.postgres.membership import Membership, joined
from server.record.postgres.nodes import Lease, Nodes, now
from server.record.record import Fenced, Head
from server.record.shelf import Shelf
from store.change_set import ChangeSet
from store.keeper_wire import Opened
from tests.unit.server.record.rows import first, part, record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tools.postgresql import Postgres

#: No renewal runs beside a test: a lease ends when the test has it end.
LONG = 60.0


class Side:
    """A node's half: its own connections, its lease, what it has told."""

    def __init__(
        self, record_: PostgresRecord, nodes: Nodes, membership: Membership, told: list[Any]
    ) -> None:
        self.record = record_
        self.nodes = nodes
        self.membership = membership
        self.told = told

    @property
    def lease(self) -> Lease:
        return self.membership.lease


@pytest.fixture
async def sides(database: str) -> AsyncIterator[list[Side]]:
    made: list[Side] = []
    for name in ("one", "two"):
        opened = await open_record(database, Options(history_seconds=3600, history_bytes=1024 * 1024))
        nodes, told = Nodes(opened.pool, name, f"http://{name}", "1", LONG), []
        made.append(Side(opened, nodes, await joined(opened, nodes, told.append), told))
    yield made
    for side in made:
        await side.record.close()


@pytest.fixture
def expire(postgres_server: Postgres, database: str) -> Any:
    """Have a node's lease be over, by the engine's clock."""

    def end(name: str) -> None:
        postgres_server.sql(
            f"UPDATE nodes SET expires = clock_timestamp() - interval '1 s' WHERE node = '{name}'", database
        )

    return end


async def test_of_two_nodes_one_has_a_session_and_the_other_hears_whose_it_is(sides: list[Side]) -> None:
    one, two = sides
    assert await one.membership.claim("a") == {"epoch": 1, "revision": 0}
    assert await one.membership.claim("a") == {"epoch": 1, "revision": 0}
    assert await two.membership.claim("a") == {"node": "one", "url": "http://one"}
    assert await two.membership.owner("a") == {"node": "one", "url": "http://one"}
    assert await one.membership.owner("a") is None


async def test_many_that_claim_at_once_agree_on_one(sides: list[Side]) -> None:
    claims = [side.membership.claim(f"s{n}") for n in range(20) for side in sides]
    found = await asyncio.gather(*claims)
    for mine, theirs in zip(found[::2], found[1::2], strict=True):
        assert ("epoch" in mine) != ("epoch" in theirs)


async def test_only_the_owner_writes(sides: list[Side]) -> None:
    one, two = sides
    await one.membership.claim("a")
    [fenced] = await two.record.commit([part("a", 0, first("x"))])
    assert isinstance(fenced, Fenced)
    [nobodys] = await two.record.commit([part("b", 0, first("x"))])
    assert isinstance(nobodys, Fenced)
    [head] = await one.record.commit([part("a", 0, first("x"))])
    assert isinstance(head, Head)
    with pytest.raises(Fenced):
        await two.record.reset("a")
    assert (await two.record.head("a")).version == 1


async def test_who_is_fenced_costs_the_rest_of_its_group_nothing(sides: list[Side]) -> None:
    one, two = sides
    await one.membership.claim("a")
    await two.membership.claim("b")
    results = await one.record.commit([part("b", 0, first("x")), part("a", 0, first("y"))])
    assert [type(each) for each in results] == [Fenced, Head]


async def test_a_session_is_given_back_and_taken(sides: list[Side]) -> None:
    one, two = sides
    await one.membership.claim("a")
    await one.record.commit([part("a", 0, first("x"))])
    await one.membership.release(["a"])
    assert await two.membership.claim("a") == {"epoch": 1, "revision": 0}
    [head] = await two.record.commit([part("a", 1, ChangeSet(puts=(record(2),)))])
    assert isinstance(head, Head)
    [late] = await one.record.commit([part("a", 1, ChangeSet(puts=(record(3),)))])
    assert isinstance(late, Fenced)


async def test_a_dead_owner_s_session_is_taken_and_its_late_commit_is_fenced(
    sides: list[Side], expire: Any
) -> None:
    one, two = sides
    await one.membership.claim("a")
    expire("one")
    assert await two.membership.claim("a") == {"epoch": 1, "revision": 0}
    [late] = await one.record.commit([part("a", 0, first("x"))])
    assert isinstance(late, Fenced)
    with pytest.raises(Fenced):
        await one.nodes.renew(one.lease)


async def test_a_lease_that_has_ended_is_not_renewed_though_nobody_has_taken_anything(
    sides: list[Side], expire: Any
) -> None:
    one, _ = sides
    await one.membership.claim("a")
    expire("one")
    before = one.lease.epoch
    await one.membership.renew()
    assert one.lease.epoch > before
    assert not one.membership.has("a")
    assert one.told[-1]["epoch"] == one.lease.epoch


async def test_a_renewal_under_way_and_a_claim_do_not_both_succeed(
    sides: list[Side], expire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim has seen an ended lease; before it acts, the renewal comes; and the other way round."""
    one, two = sides
    await one.membership.claim("a")
    expire("one")
    ended = two.nodes._end_epoch

    async def renewed_before(node: str, epoch: int) -> bool:
        # As if the renewal had been sent in time and came through now.
        sql = "UPDATE nodes SET expires = clock_timestamp() + interval '60 s' WHERE node = $1 AND epoch = $2"
        await one.record.pool.fetch(sql, "one", one.lease.epoch)
        return await ended(node, epoch)

    monkeypatch.setattr(two.nodes, "_end_epoch", renewed_before)
    assert await two.membership.claim("a") == {"node": "one", "url": "http://one"}
    await one.nodes.renew(one.lease)
    expire("one")
    monkeypatch.setattr(two.nodes, "_end_epoch", ended)
    assert await two.membership.claim("a") == {"epoch": 1, "revision": 0}
    with pytest.raises(Fenced):
        await one.nodes.renew(one.lease)


async def test_a_commit_under_way_is_waited_for_by_who_takes_over(
    sides: list[Side], expire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the row: what it writes is there before the session is another's."""
    one, two = sides
    await one.membership.claim("a")
    begun, go_on = asyncio.Event(), asyncio.Event()
    finished = one.record._finished

    async def slow(*arguments: Any) -> None:
        begun.set()
        await go_on.wait()
        await finished(*arguments)

    monkeypatch.setattr(one.record, "_finished", slow)
    committing = asyncio.ensure_future(one.record.commit([part("a", 0, first("x"))]))
    await begun.wait()
    expire("one")
    claiming = asyncio.ensure_future(two.membership.claim("a"))
    await asyncio.wait({claiming}, timeout=0.2)
    assert not claiming.done()
    go_on.set()
    [head] = await committing
    assert isinstance(head, Head)
    assert await claiming == {"epoch": 1, "revision": 0}
    assert (await two.record.head("a")).version == 1


async def test_a_node_counts_its_lease_from_before_it_asked(
    sides: list[Side], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that takes long makes it shorter, never longer; and two clocks may differ a little."""
    one, _ = sides
    times = iter([100.0, 130.0])
    monkeypatch.setattr(nodes_module, "now", lambda: next(times))
    renewed = await one.nodes.renew(one.lease)
    assert renewed.until == 100.0 + LONG * 0.98


async def test_a_keeper_that_comes_after_another_goes_on_with_its_lease(
    sides: list[Side], database: str
) -> None:
    one, two = sides
    await one.membership.claim("a")
    again = await open_record(database)
    nodes = Nodes(again.pool, "one", "http://one", "1", LONG)
    membership = await joined(again, nodes, lambda _event: None, before=one.lease.epoch)
    assert membership.lease.epoch == one.lease.epoch
    assert membership.has("a")
    assert await two.membership.claim("a") == {"node": "one", "url": "http://one"}
    await again.close()


async def test_a_node_that_stops_gives_all_back_at_once(sides: list[Side]) -> None:
    one, two = sides
    await one.membership.claim("a")
    await one.membership.end()
    assert await two.membership.claim("a") == {"epoch": 1, "revision": 0}
    assert [node["node"] for node in await two.membership.nodes() if node["left"] > 0] == ["two"]
    assert not one.lease.is_live or one.record.lease is not None
    assert one.record.lease is not None
    assert one.record.lease.until <= now()


async def test_nodes_are_told_of_each_other(sides: list[Side]) -> None:
    one, two = sides
    await one.membership.claim("a")
    await one.membership.renew()
    assert one.told[-1]["nodes"] == [("one", "http://one"), ("two", "http://two")]
    listed = {node["node"]: node for node in await two.membership.nodes()}
    assert listed["one"]["sessions"] == 1
    assert (listed["one"]["self"], listed["two"]["self"]) == (False, True)


_GATE = """\
CREATE TABLE gate (one bigint);
INSERT INTO gate VALUES (1);
CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM 1 FROM gate FOR UPDATE; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER passing AFTER INSERT OR UPDATE ON records DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION pass();
"""


async def test_a_keeper_that_goes_on_with_a_lease_opens_what_the_last_one_has_committed(
    sides: list[Side], database: str, tmp_path: Path
) -> None:
    """That one is dead in the middle of a COMMIT, which the database does all the same, some time later."""
    one = sides[0]
    assert "epoch" in await one.membership.claim("a")
    await one.record.commit([part("a", 0, first("x"))])
    holder = await asyncpg.connect(database)
    await holder.execute(_GATE)
    gate = holder.transaction()
    await gate.start()
    await holder.execute("SELECT 1 FROM gate FOR UPDATE")

    async def until_one_waits(count: int, task: asyncio.Task[Any]) -> None:
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not task.done() and count > await holder.fetchval(waiting):
            await asyncio.sleep(0)

    committing = asyncio.ensure_future(
        one.record.commit([part("a", 1, ChangeSet(puts=(record(2),)), batch="2" * 32)])
    )
    await until_one_waits(1, committing)
    later = await open_record(database)
    nodes = Nodes(later.pool, "one", "http://one", "1", LONG)
    membership = await joined(later, nodes, lambda _event: None, before=one.lease.epoch)
    (tmp_path / "caches").mkdir()
    keeper = Keeper(
        later,
        Shelf(tmp_path / "caches", [], scratch=tmp_path),
        Adoption(tmp_path, later, lambda _source, _out: asyncio.sleep(0)),
        tell=lambda _message: 0,
        report=lambda _event: None,
        membership=membership,
    )
    opening = asyncio.ensure_future(keeper.open(1, "a"))
    await until_one_waits(2, opening)
    await gate.rollback()
    opened, [head] = await opening, await committing

    assert isinstance(opened, Opened), opened
    assert opened.head == head
    await later.close()
    await holder.close()
