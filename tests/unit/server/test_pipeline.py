from __future__ import annotations

from typing import Any

import orjson
import pytest

from server.pipeline import Pipeline, job_for
from server.sessions.identity import session_for
from server.telemetry.request_line import RequestLine
from server.values.errors import NotPlannable, PlanFailed, WorkerLost
from server.values.model import RequestContext
from tests.fakes import FakeExecutor, FakePlanner, completed, runnable
from wasm_runtime import outcome as outcomes

SESSION = session_for("s1", None, "reject")


def context(method: Any = "GET", *segments: str, body: str | None = None, **members: Any) -> RequestContext:
    return RequestContext(
        method=method,
        path="/" + "/".join(segments),
        segments=segments,
        query={},
        headers={},
        content="none" if body is None else "json",
        body_json=None if body is None else orjson.loads(body),
        body_text=body,
        client_ip="127.0.0.1",
        session=SESSION,
        base_url="http://x",
        request_id="r1",
        **members,
    )


class Case:
    """A pipeline over fakes."""

    def __init__(self, planner: FakePlanner | None = None, executor: FakeExecutor | None = None) -> None:
        self.planner = planner or FakePlanner()
        self.executor = executor or FakeExecutor()
        self.line = RequestLine()
        self.pipeline = Pipeline(self.planner, self.executor)


async def test_a_request_is_planned_and_run_in_its_session() -> None:
    """The guest is told the request and the route's typed slots; the line learns what happened."""
    case = Case(executor=FakeExecutor(lambda job: completed([1], fuel=77)))
    reply = await case.pipeline.serve(context("POST", "members", "7", body='{"a": 1}'), case.line)

    assert (reply.status, reply.body) == (200, b"[1]")
    (job,) = case.executor.jobs
    plan = runnable("/members/{id:int}")
    assert (job.session, job.plan_id, job.plan, job.read_only) == (
        SESSION.directory,
        plan.id,
        plan.document,
        False,
    )
    assert case.executor.requests == [
        {
            "ctx": {
                "method": "POST",
                "path": "/members/7",
                "segments": ["members", "7"],
                "query": {},
                "headers": {},
                "client": {"ip": "127.0.0.1"},
                "session": {"id": "s1", "token": None},
                "base_url": "http://x",
                "body_json": {"a": 1},
            },
            "params": {"id": 7},
        }
    ]
    line = case.line
    assert (line.route, line.plan_id, line.plan_source, line.fuel) == (
        plan.plan.route,
        plan.id,
        "conventions",
        77,
    )
    assert set(line.ms) == {"plan", "queue", "guest", "frame"}


async def test_head_is_get_to_planner_and_guest() -> None:
    """Whoever plans or runs never hears of HEAD, and nothing may be written."""
    case = Case()
    await case.pipeline.serve(context("HEAD", "members"), case.line)

    assert [ctx.method for ctx in case.planner.asked] == ["GET"]
    assert case.executor.requests[0]["ctx"]["method"] == "GET"
    assert case.executor.jobs[0].read_only


@pytest.mark.parametrize(
    ("method", "read_only"), [("GET", True), ("PUT", False), ("PATCH", False), ("DELETE", False)]
)
async def test_only_safe_methods_are_read_only(method: str, read_only: bool) -> None:
    """T24."""
    case = Case()
    await case.pipeline.serve(context(method, "members", "1"), case.line)

    assert case.executor.jobs[0].read_only is read_only


async def test_options_is_answered_without_a_plan() -> None:
    """204 with Allow, and no one is asked to plan or run anything."""
    case = Case()
    reply = await case.pipeline.serve(context("OPTIONS", "members"), case.line)

    assert (reply.status, reply.headers) == (204, (("Allow", "GET, HEAD, POST, OPTIONS"),))
    assert not case.planner.asked
    assert not case.executor.jobs


async def test_a_planner_s_refusal_is_passed_on() -> None:
    """Nothing runs, and no directory is made for it."""
    case = Case(FakePlanner(NotPlannable("no")))
    with pytest.raises(NotPlannable):
        await case.pipeline.serve(context("GET", "members"), case.line)

    assert not case.executor.jobs
    assert set(case.line.ms) == {"plan"}


async def test_an_ending_without_a_reply_is_raised_and_noted() -> None:
    """The client gets the error, the log its reason."""
    case = Case(executor=FakeExecutor(lambda job: outcomes.WorkerLost()))
    with pytest.raises(WorkerLost):
        await case.pipeline.serve(context("GET", "members"), case.line)

    assert case.line.outcome == "WorkerLost"


def test_a_plan_for_another_route_never_runs() -> None:
    """A learned plan that was mixed up is an error, not a guess."""
    with pytest.raises(PlanFailed):
        job_for(context("GET", "members", "alice-1"), runnable("/members/{id:int}"))


def test_the_body_reaches_the_guest_as_it_was_sent() -> None:
    """Numbers keep their spelling: nothing is decoded and encoded on the way."""
    request = job_for(
        context("POST", "members", body='{"n": 1.50,\n "t": "\\u00e9"}'), runnable("/members")
    ).request

    assert request.endswith('\n{"n": 1.50,\n "t": "\\u00e9"}')
