"""Replay: a plan runs a request against a fork of a session, and so may another version of it.

Each run has a fork of its own, made of the same data, so that the two replies can be compared. Nothing of
the session itself changes. What plans take from the clock or at random differs in any case.
"""

from __future__ import annotations

import difflib
import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson
from attrs import evolve, frozen

from server.concurrency.aside import OPERATORS, aside
from server.operations.plans import as_recorded, edited
from server.pipeline import job_for
from server.values.errors import BadRequest, ServiceError
from server.values.replies import error_reply, reply_to
from wasm_runtime.outcome import Completed

#: Lines of a reply that are compared, and those before them that are shown.
_MOST_LINES: Final = 1_000
_CONTEXT: Final = 3

if TYPE_CHECKING:
    from server.operations.plans import PlanOperations
    from server.operations.sessions import SessionOperations
    from server.planning.learned.library_rows import PlanRecord
    from server.values.model import Reply, RequestContext, RunnablePlan
    from wasm_runtime.outcome import Outcome
    from wasm_runtime.pool import Executor


@frozen
class Replayer:
    plans: PlanOperations
    sessions: SessionOperations
    executor: Executor

    async def replay(
        self, name: str, ctx: RequestContext, *, code: str | None = None, against: str = ""
    ) -> dict[str, Any]:
        """The plan's reply to the request.

        With other `code`, or `against` another plan, also that one's, and the difference between the two as
        lines of a unified diff.

        Raises what `PlanOperations` does, BadRequest for a request that the plan is not for.
        """
        record = await self.plans.record(name)
        found: dict[str, Any] = {
            "plan": record.plan_id,
            "reply": await self._run(ctx, record, as_recorded(record)),
        }
        other = await self._other(record, code, against)
        if other is None:
            return found
        reply = await self._run(ctx, *other)
        diff = await aside(partial(difference, found["reply"], reply, record.plan_id, other[1].id), OPERATORS)
        return {**found, "other": {"plan": other[1].id, "reply": reply}, "differs": bool(diff), "diff": diff}

    async def _other(
        self, record: PlanRecord, code: str | None, against: str
    ) -> tuple[PlanRecord, RunnablePlan] | None:
        if code is not None and against:
            raise BadRequest("Give other code, or another plan, not both.")
        if code is not None:
            return record, edited(record, code)
        if against:
            other = await self.plans.record(against)
            return other, as_recorded(other)
        return None

    async def _run(self, ctx: RequestContext, record: PlanRecord, runnable: RunnablePlan) -> dict[str, Any]:
        method = "GET" if ctx.method == "HEAD" else ctx.method
        if record.method != method:
            raise BadRequest(f"Plan {runnable.id} answers {record.method} {record.route}, not {method}.")
        async with self.sessions.forked(ctx.session) as directory:
            session = evolve(ctx.session, directory=directory)
            try:
                job = job_for(evolve(ctx, method=method, session=session), runnable)
            except ServiceError:
                route = f"{record.method} {record.route}"
                raise BadRequest(f"Plan {runnable.id} is for {route}, not for this path.") from None
            return described(await self.executor.run(job), ctx.request_id)


def described(outcome: Outcome, request_id: str) -> dict[str, Any]:
    """What the client would have been told, and what it took."""
    try:
        reply = reply_to(outcome, request_id)
    except ServiceError as error:
        reply = error_reply(error, request_id)
    changed = outcome.changed if isinstance(outcome, Completed) else 0
    return {
        "status": reply.status,
        "headers": [list(header) for header in reply.headers],
        "body": _body(reply),
        "records_changed": changed,
        "fuel": getattr(outcome, "fuel", 0),
        "micros": getattr(outcome, "micros", 0),
    }


def _body(reply: Reply) -> Any:
    return None if reply.body is None else orjson.loads(reply.body)


def difference(one: dict[str, Any], two: dict[str, Any], one_name: str, two_name: str) -> list[str]:
    """Lines of a unified diff of status, headers, body and the number of changed records; none if equal.

    Of long replies it is the first part that differs: all of it would take the square of the lines.
    """
    ours, theirs = _lines(one), _lines(two)
    if max(len(ours), len(theirs)) <= _MOST_LINES:
        return list(difflib.unified_diff(ours, theirs, one_name, two_name, lineterm=""))
    same = next(
        (n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs))
    )
    if same == len(ours) == len(theirs):
        return []
    start = max(same - _CONTEXT, 0)
    part = slice(start, start + _MOST_LINES)
    diff = list(difflib.unified_diff(ours[part], theirs[part], one_name, two_name, lineterm=""))
    return [*diff, f" (lines {start + 1} to {start + _MOST_LINES} of {len(ours)} and {len(theirs)})"]


def _lines(reply: dict[str, Any]) -> list[str]:
    headers = [f"{name}: {value}" for name, value in reply["headers"]]
    body = (
        [] if reply["body"] is None else json.dumps(reply["body"], indent=2, ensure_ascii=False).splitlines()
    )
    return [f"status {reply['status']}", *headers, *body, f"records changed: {reply['records_changed']}"]
