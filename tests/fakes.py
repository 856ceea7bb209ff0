"""Small real stand-ins for the parts that the edge and the pipeline know as protocols only."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson

from server.live.changes import Changes
from server.planning.kinds.route import refuse_unplannable, template_text
from server.planning.planned import Fixed, RoutesInForce
from server.values.model import Plan, RequestContext, RunnablePlan, SourceCode, ValidatedCode
from wasm_runtime.outcome import Completed, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.values.errors import ServiceError
    from server.values.model import Session
    from wasm_runtime.slot import Job


def completed(
    body: Any = None,
    *,
    status: int = 200,
    headers: tuple[tuple[str, str], ...] = (),
    fuel: int = 1,
    replayed: bool = False,
) -> Completed:
    """A reply as a worker hands it over; `body` None is no body at all."""
    encoded = None if body is None else orjson.dumps(body)
    return Completed(
        status, headers, encoded, committed=status < 400, changed=0, fuel=fuel, micros=1, replayed=replayed
    )


def runnable(route: str, code: str = "REPLY = make_response(200)") -> RunnablePlan:
    plan = Plan(action="any", resource="members", route=route, code=SourceCode(code))
    return RunnablePlan(plan, ValidatedCode(code), "conventions")


class FakePlanner:
    """Has the same plan for every path that may be planned at all, or raises `error`."""

    def __init__(self, error: ServiceError | None = None, *, route: str | None = None) -> None:
        self.error = error
        self.route = route
        self.asked: list[RequestContext] = []

    async def plan(self, ctx: RequestContext) -> Fixed:
        self.asked.append(ctx)
        if self.error is not None:
            raise self.error
        refuse_unplannable(ctx.segments)
        return Fixed(runnable(self.route or template_text(ctx.segments)))

    async def allowed_methods(self, ctx: RequestContext) -> tuple[str, ...]:
        refuse_unplannable(ctx.segments)
        return ("GET", "HEAD", "POST", "OPTIONS")

    async def routes_in_force(self, session: Session) -> RoutesInForce:
        return RoutesInForce()

    async def close(self) -> None:
        """Nothing is held."""


class FakeExecutor:
    """Answers each job by a function; `gate`, while not set, holds them back."""

    def __init__(self, answer: Callable[[Job], Outcome] | None = None) -> None:
        self.answer = answer or (lambda job: completed({"ok": True}))
        self.jobs: list[Job] = []
        #: Who hears of what it says was written.
        self.changes = Changes()
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()
        self.started = self.closed = False

    async def start(self) -> None:
        self.started = True

    async def run(self, job: Job) -> Outcome:
        self.jobs.append(job)
        self.entered.set()
        await self.gate.wait()
        return self.answer(job)

    async def close(self) -> None:
        self.closed = True

    def health(self) -> dict[str, Any]:
        return {
            "ready": 2,
            "configured": 2,
            "lanes": 0,
            "pids": [7, 8],
            "enforced": {"files": True, "tcp": False},
            "jobs": 3,
            "lost": 1,
            "live_guests": 5,
            "spare_guests": 4,
        }

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What each job's guest would be told: `ctx` and `params`."""
        return [_told(job.request) for job in self.jobs]


def _told(request: str) -> dict[str, Any]:
    params, query, head, body = request.split("\n", 3)
    members = {"query": orjson.loads(query), "body_json": orjson.loads(body) if body else None}
    ctx = {**orjson.loads(head), **members}
    return {"ctx": ctx, "params": orjson.loads(params)}
