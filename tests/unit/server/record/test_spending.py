"""Budgets of all nodes together: exact at any node, whoever dies, and no bill twice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from server.planning.drafting.shared_budget import SharedBudget
from server.record.postgres.engine import open_record
from server.record.postgres.membership import Membership, joined
from server.record.postgres.nodes import Nodes
from server.settings.planner import PlannerSettings
from server.values.errors import OverBudget

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tools.postgresql import Postgres

HOUR = 3_600


def settings(**limits: int) -> PlannerSettings:
    many = dict.fromkeys(
        (
            f"{unit}_per_{of}"
            for unit in ("calls", "tokens")
            for of in ("session_hour", "session_day", "hour", "day")
        ),
        10**9,
    )
    return PlannerSettings(attempts=1, max_prompt_bytes=4_000, max_output_tokens=1_000, **{**many, **limits})


@pytest.fixture
async def nodes(database: str) -> AsyncIterator[list[Membership]]:
    records = [await open_record(database) for _ in range(2)]
    yield [
        await joined(each, Nodes(each.pool, f"n{n}", f"http://n{n}", "1", 60.0), lambda _event: None)
        for n, each in enumerate(records)
    ]
    for each in records:
        await each.close()


def budgets(nodes: list[Membership], **limits: int) -> list[SharedBudget]:
    return [SharedBudget(settings(**limits), each.fleet.spending) for each in nodes]


async def settled(budget: SharedBudget, session: str, calls: int, tokens: int) -> None:
    budget.spent(session, calls, tokens)
    await asyncio.gather(*budget._settling)


async def test_what_one_has_spent_all_have_spent(nodes: list[Membership]) -> None:
    one, two = budgets(nodes, calls_per_session_hour=2)
    for _ in range(2):
        await one.reserve("s")
        await settled(one, "s", 1, 100)
    with pytest.raises(OverBudget, match="calls_per_session_hour") as refused:
        await two.reserve("s")
    assert 3_000 < int(refused.value.headers["Retry-After"]) <= HOUR + HOUR / 24 + 1
    await two.reserve("other")


async def test_of_calls_at_once_as_many_are_admitted_as_may_be(nodes: list[Membership]) -> None:
    both = budgets(nodes, calls_per_hour=5)
    found = await asyncio.gather(*(both[n % 2].reserve(f"s{n}") for n in range(16)), return_exceptions=True)
    assert sum(each is None for each in found) == 5
    assert {type(each) for each in found} == {type(None), OverBudget}


async def test_tokens_count_as_they_are_billed(nodes: list[Membership]) -> None:
    one, two = budgets(nodes, tokens_per_day=5_000)
    await one.reserve("s")
    await settled(one, "s", 1, 2_999)
    await two.reserve("t")
    await settled(two, "t", 1, 2_001)
    with pytest.raises(OverBudget, match="tokens_per_day"):
        await one.reserve("s")


async def test_a_call_that_cost_nothing_gives_its_reservation_back(nodes: list[Membership]) -> None:
    one, two = budgets(nodes, calls_per_hour=1)
    await one.reserve("s")
    with pytest.raises(OverBudget):
        await two.reserve("s")
    await settled(one, "s", 0, 0)
    await two.reserve("s")


async def test_any_node_tells_what_all_have_used(nodes: list[Membership]) -> None:
    """Bills, and what calls under way may cost; of the service's limits alone."""
    one, two = budgets(nodes, calls_per_hour=5, calls_per_session_hour=3)
    await one.reserve("s")
    await settled(one, "s", 1, 100)
    await one.reserve("t")
    found = {limit.name: used for limit, used in await two.used()}
    assert found["calls_per_hour"] == 2
    assert found["tokens_per_day"] > 100
    assert "calls_per_session_hour" not in found


async def test_a_dead_node_s_reservations_count_no_more(
    nodes: list[Membership], postgres_server: Postgres, database: str
) -> None:
    one, two = budgets(nodes, calls_per_hour=1)
    await one.reserve("s")
    postgres_server.sql("UPDATE nodes SET expires = clock_timestamp() WHERE node = 'n0'", database)
    await two.reserve("s")


async def test_a_bill_is_written_once(nodes: list[Membership]) -> None:
    spending = nodes[0].fleet.spending
    limits = [["", "calls", HOUR, 2]]
    found: dict[str, Any] = await spending.admit("s", limits, {"calls": 1, "tokens": 1}, 24)
    for _ in range(3):
        await spending.settle(found["id"], "s", [HOUR], (1, 10), 24)
    assert "id" in await nodes[1].fleet.spending.admit("s", limits, {"calls": 1, "tokens": 1}, 24)


async def test_what_was_spent_before_the_window_is_over(
    nodes: list[Membership], postgres_server: Postgres, database: str
) -> None:
    one, two = budgets(nodes, calls_per_hour=1)
    await one.reserve("s")
    await settled(one, "s", 1, 1)
    postgres_server.sql("UPDATE spending SET number = number - 26", database)
    await two.reserve("s")


async def test_who_leaves_while_asking_reserves_nothing(nodes: list[Membership]) -> None:
    one, two = budgets(nodes, calls_per_hour=1)
    asking = asyncio.create_task(one.reserve("s"))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    async with asyncio.timeout(60):
        while True:
            try:
                await two.reserve("s")
            except OverBudget:
                await asyncio.sleep(0)
            else:
                break
