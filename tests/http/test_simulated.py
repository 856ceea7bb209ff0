"""Replies on demand: `Prefer: code=` and `delay=`, for whoever tests a client."""

from __future__ import annotations

import asyncio
import json
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import FakeExecutor
from tests.http.client import ask

if TYPE_CHECKING:
    from server.service import Service
    from tests.answer import Answer
    from tests.http.conftest import Start

JSON = {"Content-Type": "application/json"}
OFF: dict[str, Any] = {"simulation": {"replies": False}}


async def preferring(service: Service, wish: str, method: str = "GET", **more: Any) -> Answer:
    return await ask(service.address, method, "/members", {"Prefer": wish, **more})


@pytest.mark.parametrize("status", [400, 401, 404, 405, 409, 418, 422, 429, 500, 503, 599])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_an_error_on_demand(start: Start, status: int, method: str) -> None:
    """A problem document like any other, with the headers that its status asks for; nothing has run."""
    executor = FakeExecutor()
    service = await start(executor=executor)
    answer = await preferring(service, f"code={status}", method)
    problem = json.loads(answer.body)

    assert (answer.status, problem["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["preference-applied"] == f"code={status}"
    assert ("retry-after" in answer.headers) == (status in (429, 503))
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert ("allow" in answer.headers) == (status == 405)
    assert "x-plan-id" not in answer.headers
    assert executor.jobs == []


@pytest.mark.parametrize(
    ("status", "body"), [(200, True), (201, True), (204, False), (304, False), (307, True)]
)
async def test_a_success_on_demand(start: Start, status: int, body: bool) -> None:
    """Says what it is; where HTTP allows no body there is none."""
    answer = await preferring(await start(), f"code={status}")

    assert answer.status == status
    assert bool(answer.body) is body
    assert not body or json.loads(answer.body)["status"] == status


@pytest.mark.parametrize("wish", ["code=199", "code=600", "code=abc", "code=-1", "code=4294967700", "code"])
async def test_what_is_no_status_is_passed_over(start: Start, wish: str) -> None:
    """As any preference that means nothing (RFC 7240 §2)."""
    answer = await preferring(await start(), wish)

    assert answer.status == 200
    assert "preference-applied" not in answer.headers


async def test_head_is_told_as_get_is(start: Start) -> None:
    answer = await preferring(await start(), "code=404", "HEAD")

    assert (answer.status, answer.body) == (404, b"")


async def test_a_delay(start: Start) -> None:
    """The request is begun after it, and its reply says that it was delayed; with `code` both are done."""
    service = await start()
    started = perf_counter()
    plain, error = await preferring(service, "delay=0.2"), await preferring(service, "delay=0.2, code=429")

    assert perf_counter() - started >= 0.4
    assert (plain.status, plain.headers["preference-applied"]) == (200, "delay=0.2")
    assert (error.status, error.headers["preference-applied"]) == (429, "code=429, delay=0.2")


@pytest.mark.parametrize("wish", ["delay=-1", "delay=x", "delay", "delay=1e9", "delay=inf", "delay=9999999"])
async def test_what_is_no_delay_is_passed_over(start: Start, wish: str) -> None:
    answer = await preferring(await start(), wish)

    assert answer.status == 200
    assert "preference-applied" not in answer.headers


async def test_a_delay_is_cut_to_its_limit(start: Start) -> None:
    """What was done is said."""
    service = await start({"simulation": {"delay_seconds": 1}})
    answer = await preferring(service, "delay=100000")

    assert answer.headers["preference-applied"] == "delay=1"


async def test_no_delay_at_all(start: Start) -> None:
    service = await start({"simulation": {"delay_seconds": 0}})

    assert "preference-applied" not in (await preferring(service, "delay=100000")).headers


async def test_so_many_are_delayed_at_once(start: Start) -> None:
    """Each holds a connection; one more than the limit is answered at once, and says no word of it."""
    service = await start({"simulation": {"delayed_requests": 2}})
    answers = await asyncio.gather(*(preferring(service, "delay=1") for _ in range(3)))

    assert sorted("preference-applied" in answer.headers for answer in answers) == [False, True, True]
    assert [answer.status for answer in answers] == [200] * 3


async def test_beside_other_preferences(start: Start) -> None:
    """All that was applied stands in one header."""
    service = await start()
    answer = await ask(
        service.address, "POST", "/members", {"Prefer": "return=minimal, delay=0.01", **JSON}, b"{}"
    )

    assert answer.headers["preference-applied"] == "return=minimal, delay=0.01"


async def test_switched_off(start: Start) -> None:
    """Then both are words that mean nothing."""
    executor = FakeExecutor()
    service = await start(OFF, executor=executor)
    answer = await preferring(service, "code=500, delay=5")

    assert answer.status == 200
    assert "preference-applied" not in answer.headers
    assert len(executor.jobs) == 1
