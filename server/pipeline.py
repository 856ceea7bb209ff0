"""The use case: a request becomes a plan, the plan runs in its session, and the outcome is a reply.

Knows whoever plans and whoever runs as protocols only.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from attrs import evolve

from server.live.keys import is_told_by_bytes, key_of
from server.planning.kinds.route import RouteTemplate
from server.sessions.fixed import fixed_line
from server.values.conditions import Turns, conditions_of
from server.values.errors import Overloaded, PlanFailed
from server.values.model import PATCH_TYPES, SAFE_METHODS, Reply
from server.values.preferences import preferences
from server.values.replies import reply_to
from wasm_runtime.outcome import BreaksContract, Completed
from wasm_runtime.read_set import ReadSet, places
from wasm_runtime.slot import Job

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from server.live.memory import Entry, Filling, Memory
    from server.planning.kinds.route import Params
    from server.planning.planned import Planned, Planner
    from server.telemetry.request_line import RequestLine
    from server.values.model import RequestContext, RunnablePlan
    from wasm_runtime.outcome import Outcome
    from wasm_runtime.pool import Executor

_T = TypeVar("_T")

#: How often one request's plan may be replaced by another: a repair, and a word that turns out an action.
MAX_REPLACEMENTS = 3


class Pipeline:
    def __init__(
        self,
        planner: Planner,
        executor: Executor,
        *,
        queue_seconds: float = 20.0,
        enforce: bool = False,
        memory: Memory | None = None,
    ) -> None:
        """`queue_seconds`: how long a request waits for another one with its Idempotency-Key.

        `enforce`: replies that break their contract are none. `memory` has replies that need no run; None:
        each request runs.
        """
        self._enforce = enforce
        self._memory = memory
        self._planner = planner
        self._executor = executor
        self._queue_seconds = queue_seconds
        self._turns = Turns()

    async def serve(self, ctx: RequestContext, line: RequestLine) -> Reply:
        """Answer the request, and note on `line` how. Raises ServiceError.

        HEAD is GET to everything behind this point; the edge leaves the body out.
        """
        if ctx.method == "OPTIONS":
            return _options(await self._planner.allowed_methods(ctx))
        if ctx.method == "HEAD":
            ctx = evolve(ctx, method="GET")
        conditions = conditions_of(ctx)
        if conditions is None:
            return await self._serve(ctx, line)
        if not conditions.key:
            return await self._serve(ctx, line, conditions.text)
        turn = self._turns.of(ctx.session.directory, conditions.key)
        await self._await_turn(turn)
        try:
            return await self._serve(ctx, line, conditions.text)
        finally:
            turn.release()

    async def _await_turn(self, turn: asyncio.Lock) -> None:
        """Raises Overloaded when it does not come in time."""
        try:
            async with asyncio.timeout(self._queue_seconds):
                await turn.acquire()
        except TimeoutError:
            detail = "The request was not started: another one with its Idempotency-Key is still under way."
            raise Overloaded(detail, headers={"Retry-After": "1"}) from None

    async def _serve(self, ctx: RequestContext, line: RequestLine, conditions: str = "") -> Reply:
        planned = await self._timed(self._planner.plan(ctx), line)
        key = self._key(ctx, planned)
        if self._memory is None or key is None:
            return (await self._made(ctx, planned, line, conditions))[0]
        started = perf_counter()
        entry = self._memory.find(ctx.session.directory, key)
        if entry is None:
            filling = self._memory.fill(ctx.session.directory, key)
            return await self._filled(filling, ctx, planned, line)
        line.took("remembered", perf_counter() - started)
        line.planned(planned.runnable)
        line.remembered = True
        _note_entry(entry, planned, line)
        await planned.settled(entry.outcome)
        return entry.reply

    def _key(self, ctx: RequestContext, planned: Planned) -> bytes | None:
        """Under what the reply is remembered; None: it is not looked for."""
        if self._memory is None or ctx.method != "GET":
            return None
        return key_of(ctx, planned) if self._memory.is_worth_it(ctx.session.directory) else None

    async def _filled(
        self, filling: Filling, ctx: RequestContext, planned: Planned, line: RequestLine
    ) -> Reply:
        """The reply to a request that may be remembered, from a run."""
        try:
            reply, outcome, used = await self._made(ctx, planned, line, "", heard=True)
            if used is planned and isinstance(outcome, Completed) and _is_worth_keeping(outcome):
                entry = filling.keep(reply, outcome, line.reads) if line.reads is not None else None
                if entry is not None:
                    _note_entry(entry, planned, line)
            return reply
        finally:
            filling.end()

    async def _made(
        self,
        ctx: RequestContext,
        planned: Planned,
        line: RequestLine,
        conditions: str,
        *,
        heard: bool = False,
    ) -> tuple[Reply, Outcome, Planned]:
        """The reply that a run gives, how that ended, and whose plan it was in the end.

        `heard`: what the reply was made of is to be known.
        """
        heard = heard or line.asked_again
        outcome = await self._run(ctx, planned, line, conditions, heard=heard)
        for _ in range(MAX_REPLACEMENTS):
            other = await self._timed(planned.instead(outcome), line)
            if other is None:
                break
            planned, outcome = other, await self._run(ctx, other, line, conditions, heard=heard)
        await planned.settled(outcome)
        reply = reply_to(outcome, ctx.request_id, writes=ctx.method not in SAFE_METHODS)
        return reply, outcome, planned

    async def _timed(self, planning: Awaitable[_T], line: RequestLine) -> _T:
        started = perf_counter()
        try:
            return await planning
        finally:
            line.took("plan", perf_counter() - started)

    async def _run(
        self, ctx: RequestContext, planned: Planned, line: RequestLine, conditions: str, *, heard: bool
    ) -> Outcome:
        line.planned(planned.runnable)
        job = job_for(ctx, planned.runnable, planned.params, conditions, asked=planned.asked, heard=heard)
        if ctx.contract is not None:
            enforce = self._enforce or planned.on_trial
            job = evolve(job, judged=ctx.contract.judged(enforce=enforce, bare=bool(conditions)))
        ctx.release_value()
        started = perf_counter()
        outcome = await self._executor.run(job)
        line.ran(outcome, perf_counter() - started)
        line.reads = reads_of(outcome, ctx.session.directory)
        # Those of a plan that was mended meanwhile are no longer true.
        line.violations = outcome.violations if isinstance(outcome, Completed | BreaksContract) else ()
        return outcome


def reads_of(outcome: Outcome, session: str) -> ReadSet | None:
    """What a reply was made of; None where that is not known."""
    if type(outcome) is not Completed or not outcome.reads:
        return None
    found = places(outcome.reads)
    return ReadSet(session, outcome.version, found.records, found.collections, found.whole)


def _is_worth_keeping(outcome: Completed) -> bool:
    plain = not outcome.replayed and not outcome.stdout
    return outcome.status == 200 and plain and not outcome.violations  # what is reported, is each time


def _note_entry(entry: Entry, planned: Planned, line: RequestLine) -> None:
    line.reads = entry.reads
    if planned.lasting and is_told_by_bytes(planned.runnable.code.purity):
        line.entry = entry


def _options(allowed: tuple[str, ...]) -> Reply:
    """Accept-Patch says which patches there are (RFC 5789 §3.1)."""
    headers: tuple[tuple[str, str], ...] = (("Allow", ", ".join(allowed)),)
    if "PATCH" in allowed:
        headers = (*headers, ("Accept-Patch", ", ".join(PATCH_TYPES)))
    return Reply(204, headers)


def job_for(
    ctx: RequestContext,
    runnable: RunnablePlan,
    params: Params | None = None,
    conditions: str = "",
    *,
    asked: Mapping[str, Any] | None = None,
    heard: bool = False,
) -> Job:
    """What a worker is handed; `params` as the planner has found them, `conditions` as a line for the guest.

    `asked` is what a dialect has read. `heard`: somebody wants to know what the reply was made of.

    Raises PlanFailed when the plan is for another route.
    """
    if params is None:
        params = _template(runnable.plan.route).match(ctx.segments)
    if params is None:
        raise PlanFailed("The plan's route does not match the request's path.")
    return Job(
        session=ctx.session.directory,
        plan_id=runnable.id,
        plan=runnable.document,
        request=f"{conditions}{orjson.dumps(params).decode()}\n{ctx.guest_head(asked)}",
        body=ctx.body_text or "",
        read_only=ctx.method in SAFE_METHODS,
        dry_run="prefer" in ctx.headers and preferences(ctx.headers["prefer"]).dry_run,
        request_id=ctx.request_id,
        route=f"{ctx.method} {runnable.plan.route}",
        fixed=fixed_line(ctx.settings),
        unheard=not heard,
    )


@lru_cache(maxsize=4096)
def _template(route: str) -> RouteTemplate:
    return RouteTemplate.parse(route)
