"""What servers, keys, contexts and networks do to a real service: 503, a reason for operators, no memory."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.learning.plans import CREATE, GET, LIST, MEMBERS
from tests.unit.server.planning.providers.gateways import (
    DISGUISED,
    PASSING,
    SETTINGS,
    Case,
    openai,
    refused,
    said,
)
from tools.simulators import Answer, Raw, by_route, plan

if TYPE_CHECKING:
    from tests.learning.conftest import Answer as Reply
    from tests.learning.conftest import StartApi

FAILING = [case for case in (*DISGUISED, *SETTINGS, *PASSING) if case.error is not None]


@pytest.mark.parametrize("case", FAILING[::3], ids=str)
async def test_a_failure_of_the_provider_is_not_remembered(start: StartApi, case: Case) -> None:
    """503 while it lasts, its cause in the log with route, session and request; then it is served."""
    api = await start(case.answers, fallback="none", timeout_seconds=2, attempts=1, breaker_failures=1_000)
    with capture_logs() as logs:
        failed = await api.get("/members")
    api.model.script = [Answer(LIST)]
    served = await api.get("/members")

    assert (failed.status, failed.headers["Content-Type"]) == (503, "application/problem+json")
    assert failed.json["type"].endswith("/provider-unavailable")
    (line,) = [each for each in logs if each["event"] == "provider failed"]
    assert line["cause"] == case.cause
    assert (line["route"], line["session"]) == ("GET /members", "s1")
    assert line["request_id"] == failed.headers["X-Request-ID"]
    assert (served.status, served.source) == (200, "planned")


async def test_what_the_model_wrote_is_remembered(start: StartApi) -> None:
    """502, and the model is not asked again for a while: that is what the memory is for."""
    api = await start([Answer("I cannot.")], fallback="none", repairs=0)
    with capture_logs() as logs:
        refused_ = await api.get("/members")
    calls = api.calls
    again = await api.get("/members")

    assert (refused_.status, again.status, api.calls) == (502, 502, calls)
    (line,) = [each for each in logs if each["event"] == "plan refused"]
    assert (line["route"], line["session"]) == ("GET /members", "s1")
    assert line["request_id"] == refused_.headers["X-Request-ID"]


async def test_a_bad_plan_for_a_prompt_that_was_cut_is_not_remembered(start: StartApi) -> None:
    """The server counts a third of the prompt: the model never saw the rest, and is asked again."""
    body = said('{"action": "list"}').body
    short = Raw({**body, "usage": {"prompt_tokens": 2_048, "completion_tokens": 9}})
    api = await start([short], fallback="none")
    with capture_logs() as logs:
        first = await api.get("/members")
    calls = api.calls
    second = await api.get("/members")

    assert (first.status, second.status) == (503, 503)
    assert api.calls > calls
    assert "provider cut the prompt" in [each["event"] for each in logs]


async def test_plan_learned_is_logged(start: StartApi) -> None:
    """With the route, the session and the request it was learned in."""
    api = await start(by_route(MEMBERS))
    with capture_logs() as logs:
        answer = await api.post("/members", {"name": "Ada"})
        await api.post("/members", {"name": "Bob"})

    (line,) = [each for each in logs if each["event"] == "plan learned"]
    assert (line["route"], line["session"]) == ("POST /members", "s1")
    assert line["request_id"] == answer.headers["X-Request-ID"]
    assert line["plan_id"] == answer.headers["X-Plan-ID"]


WORDS = ("slowly", "slower", "slowest", "slowness", "slowdown", "slowpoke")
SLOW = {f"GET /{word}": plan(f"/{word}", "REPLY = make_response(200)") for word in WORDS}


async def test_slow_prompts_of_one_client_keep_nobody_else_out(start: StartApi) -> None:
    """Five that come too late stop their own session: it gets its wait, everybody else is planned for."""
    slow, quick = by_route(SLOW, latency_seconds=30.0), by_route({"GET /members": LIST})
    api = await start(
        lambda request: slow(request) if "/slow" in str(request) else quick(request),
        timeout_seconds=1,
        fallback="none",
    )
    late = await asyncio.gather(*(api.get(f"/{word}", "mallory") for word in WORDS[:5]))
    calls = api.calls
    own = await api.get(f"/{WORDS[5]}", "mallory")
    other = await api.get("/members", "alice")

    assert [each.status for each in late] == [504] * 5
    assert (own.status, api.calls - calls) == (503, 1)
    assert 25 <= int(own.headers["Retry-After"]) <= 30
    assert (other.status, other.source) == (200, "planned")


async def test_a_name_in_an_error_takes_nothing_from_others(start: StartApi) -> None:
    """A server that quotes a path named like a parameter is asked for the best by every other session."""

    def quoting(request: dict[str, Any]) -> Any:
        if "/temperature" in str(request["messages"][1]):
            return refused(400, openai("cannot plan GET /temperature/{id} (json_schema, response_format)"))
        return Answer(LIST)

    api = await start(quoting, fallback="none")
    assert (await api.get("/temperature/json_schema/response_format", "mallory")).status == 503
    assert (await api.get("/members", "alice")).status == 200

    sent = api.model.requests[-1].body
    assert sent["temperature"] == 0
    assert sent["response_format"]["json_schema"]["strict"] is True


async def test_the_plan_in_what_was_thought_serves(start: StartApi) -> None:
    """Through the whole service: thoughts aside, an answer cut off behind a whole plan, content in parts."""
    answers = [
        said(None, message_reasoning=f"Let me see. {plan_text(LIST)}"),
        said(f"{plan_text(CREATE)}\nThis plan cre", finish_reason="length"),
        said([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": plan_text(GET)}]),
    ]
    api = await start(answers)
    replies: list[Reply] = [
        await api.get("/members"),
        await api.post("/members", {"name": "Ada"}),
        await api.get("/members/1"),
    ]

    assert [each.status for each in replies] == [200, 201, 200]
    assert {each.source for each in replies} == {"planned"}


def plan_text(answer: dict[str, Any]) -> str:
    return json.dumps(answer)
