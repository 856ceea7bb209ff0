"""The metrics of a real service with a simulated model."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from tests.operations.conftest import MEMBERS
from tools.simulators import by_route

if TYPE_CHECKING:
    from tests.learning.conftest import Api, StartApi

_LABELS = ("route", "status", "source", "direction", "result", "outcome")


async def metrics(api: Api) -> dict[tuple[str, ...], float]:
    """Value by name and the values of what tells samples apart here."""
    answer = await api.ask("GET", "/_meta/metrics")
    assert answer.status == 200
    return {
        (sample.name, *(sample.labels[label] for label in _LABELS if label in sample.labels)): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


async def test_a_service_that_learns(start: StartApi) -> None:
    """Sources, calls, tokens and their cost, fuel, guests and disk are those of what was done."""
    price = {"openai": {"input_price": 1_000_000, "output_price": 2_000_000}}
    api = await start(by_route(MEMBERS), metrics={"open": True}, **price)
    for session in ("s1", "s2"):
        assert (await api.post("/members", {"name": "Ada"}, session)).status == 201
        assert (await api.get("/members/1", session)).status == 200
        assert (await api.get("/members/2", session)).status == 404
    found = await metrics(api)
    tokens = {way: found["metaservice_llm_tokens_total", way] for way in ("input", "output")}

    assert found["metaservice_requests_total", "/members", "201"] == 2
    assert found["metaservice_requests_total", "/members/{id:int}", "404"] == 2
    assert found["metaservice_requests_fuel_total", "/members", "201"] > 100_000
    assert found["metaservice_plans_total", "planned"] + found["metaservice_plans_total", "learned"] == 6
    assert found["metaservice_outcomes_total", "Completed"] == 6
    assert found["metaservice_llm_calls_total",] == api.calls == 2
    assert found["metaservice_llm_results_total", "answered"] == 2
    assert all(tokens.values())
    assert found["metaservice_llm_cost_total",] == (tokens["input"] + 2 * tokens["output"]) / 1_000
    assert found["metaservice_sessions",] == 2
    assert found["metaservice_sessions_bytes",] > 0
    assert found["metaservice_queue_depth",] == 0


async def test_guests(start: StartApi) -> None:
    """Live guests are one a session that was used; a worker that dies takes them along and is counted."""
    api = await start(by_route(MEMBERS), metrics={"open": True}, sandbox={"spare_guests": 2})
    for session in ("s1", "s2", "s3"):
        assert (await api.post("/members", {"name": "Ada"}, session)).status == 201
    async with asyncio.timeout(10):
        while (await metrics(api))["metaservice_spare_guests",] != 2:
            await asyncio.sleep(0.02)
    before = await metrics(api)
    api.kill_workers()
    async with asyncio.timeout(10):
        while (await metrics(api))["metaservice_workers_lost_total",] == 0:
            await asyncio.sleep(0.02)
    assert (await api.get("/members/1")).status == 200
    async with asyncio.timeout(10):
        while (await metrics(api))["metaservice_live_guests",] != 1:
            await asyncio.sleep(0.02)

    assert before["metaservice_live_guests",] == 3
    assert before["metaservice_workers_ready",] == 1
