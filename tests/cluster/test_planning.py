"""One plan library for all nodes: what one has learned all know, and of each kind a model is asked once."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.conftest import ADMIN, RECORD, Cluster
from tools.simulators import Answer, OpenAISimulator, plan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.long

CANCEL = 'record = store.update(params["id"], {"state": "cancelled"})\nREPLY = make_response(200, record)'


def cancelling(_request: dict[str, Any]) -> Answer:
    """Slow enough for all requests to be there before the first plan is."""
    return Answer(plan("/orders/{id:int}/cancel", CANCEL, "orders"), latency_seconds=0.5)


@pytest.fixture
async def model() -> AsyncIterator[OpenAISimulator]:
    async with OpenAISimulator(cancelling) as simulator:
        yield simulator


async def start(cluster: Cluster, model: OpenAISimulator, *names: str) -> None:
    """Nodes of which each may ask the model."""
    variables = {
        "OPENAI_API_KEY": "key",
        "OPENAI_BASE_URL": model.base_url,
        "LARS_SANDBOX_LLM_ALLOWED_HOSTS": "127.0.0.1",
    }
    for name in names:
        await asyncio.to_thread(partial(cluster.start, name, **variables))


@pytest.fixture
async def planned(model: OpenAISimulator, tmp_path: Path, database: str) -> AsyncIterator[Cluster]:
    """Two nodes, whose leases do not end on a busy machine: with a lease goes the turn to ask."""
    record = {**RECORD, "lease_ms": 20_000}
    cluster = Cluster(tmp_path, database, record, planner={"fallback": "conventions"})
    try:
        await start(cluster, model, "one", "two")
        yield cluster
    finally:
        await asyncio.to_thread(cluster.close)


def cancelled(cluster: Cluster, node: int, session: str) -> tuple[int, str, str]:
    answer = cluster.nodes[node].client(session).post("/orders/1/cancel", {})
    return answer.status, answer.json.get("state", ""), answer.headers.get("x-plan-source", "")


async def test_of_a_kind_that_all_ask_for_at_once_one_plan_is_made(
    planned: Cluster, model: OpenAISimulator
) -> None:
    """Whichever of three nodes the sessions are at. And it is known at the node that one goes to next."""
    await start(planned, model, "three")
    sessions = [f"s{n}" for n in range(64)]
    loop = asyncio.get_running_loop()

    def made(number: int, session: str) -> int:
        client = planned.nodes[number % 3].client(session, X_Dialect="native")
        status = client.put("/orders/1", {"state": "new"}).status
        return client.post("/orders", {"state": "new"}).status if status == 404 else status

    with ThreadPoolExecutor(len(sessions)) as at_once:
        statuses = await asyncio.gather(
            *(loop.run_in_executor(at_once, made, number, session) for number, session in enumerate(sessions))
        )
        assert set(statuses) <= {200, 201}
        before = len(model.requests)
        found = await asyncio.gather(
            *(
                loop.run_in_executor(at_once, cancelled, planned, number % 3, session)
                for number, session in enumerate(sessions)
            )
        )
    assert {each[:2] for each in found} == {(200, "cancelled")}
    assert len(model.requests) - before == 1

    await asyncio.to_thread(planned.nodes[0].stop)
    for session in sessions:
        assert await asyncio.to_thread(cancelled, planned, 1, session) == (200, "cancelled", "learned")
    assert len(model.requests) - before == 1


async def test_what_operators_change_is_changed_at_every_node(
    planned: Cluster, model: OpenAISimulator
) -> None:
    one, two = planned.nodes
    await asyncio.to_thread(one.client("edited").post, "/orders", {"state": "new"})
    assert (await asyncio.to_thread(cancelled, planned, 0, "edited"))[0] == 200

    def plans(node: Any) -> list[dict[str, Any]]:
        answer = node.client(None, Authorization=f"Bearer {ADMIN}").get("/_meta/plans")
        found: list[dict[str, Any]] = answer.json["plans"]
        return found

    async def agreed(*, cancels: bool) -> list[dict[str, Any]]:
        """What both nodes list, as soon as it is the same and has the plan, or has it no more."""
        while True:
            here, there = await asyncio.to_thread(plans, one), await asyncio.to_thread(plans, two)
            has = any(each["route"].endswith("/cancel") for each in here)
            if has is cancels and {each["id"] for each in here} == {each["id"] for each in there}:
                return here
            await asyncio.sleep(0.02)

    async with asyncio.timeout(60):
        first = await agreed(cancels=True)
    [made] = [each for each in first if each["route"].endswith("/cancel")]
    operator = one.client(None, Authorization=f"Bearer {ADMIN}")
    gone = await asyncio.to_thread(operator.request, "DELETE", f"/_meta/plans/{made['id']}?force=true")
    assert gone.status == 200, gone
    async with asyncio.timeout(60):
        left = await agreed(cancels=False)
    assert made["id"] not in {each["id"] for each in left}
