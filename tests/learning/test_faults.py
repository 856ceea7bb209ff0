"""Everything a provider can do wrong, for every method: the pinned status, few calls, and no write."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tools.simulators import FAULTS, Answer, Fault, plan

if TYPE_CHECKING:
    from tests.learning.conftest import StartApi
    from tools.simulators import Simulator

METHODS: dict[str, tuple[str, Any]] = {
    "GET": ("/members/1", None),
    "POST": ("/members", {"name": "Alice"}),
    "PUT": ("/members/1", {"name": "Alice"}),
    "PATCH": ("/members/1", {"name": "Alice"}),
    "DELETE": ("/members/1", None),
}
#: The others are answers in the end.
FAILING = [fault for fault in FAULTS if fault.reply_status is not None]
ANSWERING = [fault for fault in FAULTS if fault not in FAILING]
#: One of each cause that the planner can tell from the others. What a provider's class makes of all of them
#: is in tests/unit/server/planning/providers/test_faults.py.
_OF_A_CAUSE = {
    (fault.error, fault.retried, fault.reply_status): fault for fault in reversed(FAILING)
}.values()
REST = [
    pytest.param(fault, marks=[] if fault in _OF_A_CAUSE else pytest.mark.more, id=fault.name.lower())
    for fault in FAILING
]


def seconds_for(fault: Fault) -> float:
    """How long a provider may take: one that is silent is not waited for long, all others answer."""
    return 1 if fault.reply_status == 504 else 20


@pytest.mark.parametrize("fault", FAILING, ids=lambda fault: fault.name.lower())
async def test_every_fault_has_its_status(start: StartApi, wire: type[Simulator], fault: Fault) -> None:
    """Without a fall-back: 502, 503 or 504 by cause, at most 3 calls a request, nothing written, in time."""
    seconds = seconds_for(fault)
    api = await start([fault], wire=wire, fallback="none", timeout_seconds=seconds, breaker_failures=1000)

    async def asked(method: str) -> None:
        target, body = METHODS[method]
        answer = await api.ask(method, target, body, session=method)
        assert answer.status == fault.reply_status, (method, answer.body)
        assert answer.headers["Content-Type"] == "application/problem+json"
        if answer.status == 503:
            assert int(answer.headers["Retry-After"]) >= 1

    # Providers that are silent are waited for by all at a time.
    async with asyncio.timeout(60):
        await asked("GET")
        assert api.calls <= 3
        await asyncio.gather(*map(asked, METHODS))
    assert api.calls <= 3 * (1 + len(METHODS))
    count = plan("/members", "REPLY = make_response(200, store.count())")
    api.model.script = [Answer(count)]

    assert [(await api.get("/members", method)).json for method in METHODS] == [0] * len(METHODS)


@pytest.mark.parametrize("fault", REST)
async def test_conventions_step_in_for_every_fault(start: StartApi, fault: Fault) -> None:
    """With the fall-back, what conventions can read is served by them and marked so."""
    api = await start([fault], timeout_seconds=seconds_for(fault), breaker_failures=1000)
    created = await api.post("/members", {"name": "Alice"})

    assert (created.status, created.source, created.json) == (201, "conventions", {"id": 1, "name": "Alice"})

    async def asked(method: str, status: int) -> None:
        target, body = METHODS[method]
        answer = await api.ask(method, target, body)
        assert (answer.status, answer.source) == (status, "conventions"), method

    async def refused(action: Any) -> None:
        assert (await api.post("/members/1/promote", action)).status == fault.reply_status

    await asyncio.gather(asked("GET", 200), asked("PUT", 200), asked("PATCH", 200), refused(None))
    await asyncio.gather(asked("DELETE", 204), refused({"to": "chair"}))


@pytest.mark.parametrize("fault", ANSWERING, ids=lambda fault: fault.name.lower())
async def test_servers_that_know_less_still_serve(
    start: StartApi, wire: type[Simulator], fault: Fault
) -> None:
    """A compatible server without strict schemas or a parameter is found out once, and used as it is."""
    api = await start([fault], wire=wire)

    assert (await api.get("/things")).source == "planned"
    first = api.calls
    assert (await api.get("/things/of/mine/all")).status in {200, 404, 502}
    assert api.calls - first <= 2
