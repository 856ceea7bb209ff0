"""A session that is served by worked plans, in the real guest, in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from server.pipeline import job_for
from server.planning.codec import decode
from server.planning.kinds.shape import shape_of
from server.planning.policy import check
from server.values.model import RunnablePlan
from server.values.replies import reply_to
from tests.unit.server.planning.requests import NO_BODY, a_request
from wasm_runtime import runner
from wasm_runtime.outcome import Completed

if TYPE_CHECKING:
    from server.values.model import Method, RequestContext
    from tests.sandbox.conftest import Sandbox
    from tests.unit.server.planning.worked import Worked
    from wasm_runtime.outcome import Outcome
    from wasm_runtime.slot import Job


class Executor:
    """The pool's protocol over a runner in this process."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._next = 1_000

    async def run(self, job: Job) -> Outcome:
        return self.run_now(job)

    def run_now(self, job: Job) -> Outcome:
        self._next += 1
        inner = runner.Job(self._next, job.plan_id, job.plan, job.read_only, job.request)
        return self._sandbox.run_job(job.session, inner)

    async def start(self) -> None: ...

    def health(self) -> dict[str, Any]:
        return {}

    async def close(self) -> None: ...


class Api:
    """A session that is served by worked plans; `seed` stores records without one."""

    def __init__(self, sandbox: Sandbox, plans: dict[str, Worked]) -> None:
        self._sandbox = sandbox
        self._plans = plans
        self.executor = Executor(sandbox)

    def seed(self, collection: str, *records: dict[str, Any]) -> None:
        code = f'REPLY = make_response(201, session_store["{collection}"].insert_many(ctx["body_json"]))'
        outcome = self._sandbox.run(code, session="d1", body=list(records))
        assert isinstance(outcome, Completed), outcome
        assert outcome.status == 201

    def records(self, collection: str) -> list[dict[str, Any]]:
        outcome = self._sandbox.run(
            f'REPLY = make_response(200, session_store["{collection}"].search({{}}))', session="d1"
        )
        assert isinstance(outcome, Completed), outcome
        found: list[dict[str, Any]] = orjson.loads(outcome.body or b"[]")
        return found

    def __call__(
        self, title: str, method: Method, path: str, body: Any = NO_BODY, **more: Any
    ) -> tuple[int, Any, dict[str, str]]:
        ctx = a_request(method, path, body=body, **more)
        reply = reply_to(self.executor.run_now(job_for(ctx, self.plan(title, ctx))), "r1")
        return reply.status, orjson.loads(reply.body or b"null"), dict(reply.headers)

    def plan(self, title: str, ctx: RequestContext) -> RunnablePlan:
        plan = decode(self._plans[title].answer, ctx.segments)
        return RunnablePlan(plan, check(plan.code), "planned")


def shows_the_request(worked: Worked, ctx: RequestContext) -> bool:
    """Whether a worked plan was written for a request of this shape, which may leave out what is empty."""
    shape = shape_of(ctx)
    given = worked.request
    return (given["method"], given["route"], given.get("content", "none"), given.get("body")) == (
        shape.method,
        shape.route,
        shape.content,
        None if shape.body is None else orjson.loads(orjson.dumps(shape.body.as_json())),
    ) and sorted(given.get("query", [])) == [name for name, _ in shape.query]
