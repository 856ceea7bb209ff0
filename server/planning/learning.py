"""What becomes of a plan once its outcome is known: it is replaced, learned, or noted as failing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from attrs import define, evolve

from server.concurrency.uninterrupted import uninterrupted
from server.planning.drafting.author import Draft, Subject
from server.planning.kinds.literals import carried_values
from server.planning.kinds.route import RouteTemplate
from server.planning.kinds.shape import shape_of
from server.planning.learned.library_rows import Origin, plan_text
from server.values.errors import ServiceError
from wasm_runtime.outcome import (
    BadReply,
    BreaksContract,
    Completed,
    OutOfFuel,
    OutOfMemory,
    OutOfTime,
    OutputTooLarge,
    Raised,
    StackExhausted,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.planning.drafting.author import Allowance
    from server.planning.drafting.drafting import Drafting
    from server.planning.drafting.kinds import Kind
    from server.planning.kinds.route import Params
    from server.planning.kinds.route_table import Match
    from server.planning.learned.routes import LearnedRoutes
    from server.planning.learned.vetting import Candidate
    from server.planning.prompt import Problem
    from server.values.model import RequestContext, RunnablePlan
    from wasm_runtime.outcome import Outcome

log = structlog.get_logger(__name__)


def fault_of_plan(outcome: Outcome) -> Problem | None:
    """What the plan did wrong, if it is to blame for the outcome and another plan might do better."""
    match outcome:
        case Raised(blame="plan") | BadReply() | OutOfFuel() | OutOfTime() | OutOfMemory() | StackExhausted():
            return outcome
        case BreaksContract():
            return outcome
        case Raised(blame="store") if outcome.status >= 500:
            return outcome
        case _:
            return None


def has_worked(outcome: Outcome) -> bool:
    """Whether the plan behind it is worth learning: it replied, and below 500; or the request was wrong.

    A reply that is too large is a 422: the client is to ask for less of it.
    """
    if isinstance(outcome, Raised):
        return outcome.status < 500
    if isinstance(outcome, OutputTooLarge):
        return True
    return isinstance(outcome, Completed) and outcome.status < 500 and not outcome.replayed


@define
class Trial:
    """A plan on its first run in this session, from the model or from the library."""

    kind: Kind
    candidate: Candidate
    draft: Draft
    #: The first plan for this request, if this one is its mend.
    first: Draft
    drafting: Drafting
    learned: LearnedRoutes
    allowance: Allowance
    #: To be called when it is settled: who waits for what comes of it need wait no longer.
    done: Callable[[], Awaitable[None]] | None = None

    @classmethod
    def of(
        cls,
        kind: Kind,
        draft: Draft,
        drafting: Drafting,
        learned: LearnedRoutes,
        allowance: Allowance,
        *,
        first: Draft | None = None,
    ) -> Trial:
        """The trial of a plan fresh from the model."""
        origin = Origin(drafting.author.name, drafting.author.model)
        candidate = learned.candidate(kind.ctx, kind.shape, draft.runnable, origin, draft.asked)
        return cls(kind, candidate, draft, first or draft, drafting, learned, allowance)

    @property
    def runnable(self) -> RunnablePlan:
        return self.draft.runnable

    @property
    def asked(self) -> None:
        """It reads the request itself."""
        return None

    @property
    def params(self) -> None:
        return None

    @property
    def lasting(self) -> bool:
        """From now on it is a learned one, or none."""
        return False

    @property
    def on_trial(self) -> bool:
        """What a person has written stays as it is."""
        return not self.candidate.record.kept

    async def instead(self, outcome: Outcome) -> Trial | None:
        """A mended plan, once."""
        problem, record = fault_of_plan(outcome), self.candidate.record
        if problem is None:
            return None
        if record.kept:
            _note_kept(problem, self.runnable, self.kind.ctx, pinned=record.pinned)
            return None
        draft = await self.drafting.mend(self.kind, self.allowance, self.draft, problem)
        if draft is None:
            return None
        other = Trial.of(self.kind, draft, self.drafting, self.learned, self.allowance, first=self.first)
        return evolve(other, done=self.done)

    async def settled(self, outcome: Outcome) -> None:
        """Learn the plan if it has worked and is not this one request's."""
        try:
            await self._settle(outcome)
        finally:
            if self.done is not None:
                await self.done()

    async def _settle(self, outcome: Outcome) -> None:
        if has_worked(outcome):
            await self._learn()
            self.drafting.learned(self.draft)
        elif fault_of_plan(outcome) is not None and not self.candidate.record.kept:
            self.drafting.failed(self.kind, self.draft, self.first)
            if self.draft.question is None:
                await self._learn_as_failing()

    async def _learn_as_failing(self) -> None:
        """A plan that is good elsewhere, and fails here: it goes into quarantine as any learned one does."""
        shape = self.kind.shape
        route = await self.learned.learn(self.kind.ctx.session, self.candidate, shape)
        self.learned.failed(route, shape)

    async def _learn(self) -> None:
        plan = self.runnable.plan
        # What another session has learned cannot have its literals from this request.
        if plan.needs == "shape" and self.runnable.source == "planned":
            carried = carried_values(self.runnable.code.text, self.kind.ctx, RouteTemplate.parse(plan.route))
            if carried:
                log.warning(
                    "plan not learned",
                    plan_id=self.runnable.id,
                    reason="its code holds values of the request",
                    places=[f"line {each.line}: {each.place}" for each in carried],
                    **self._about(),
                )
                return
        learning = self.learned.learn(self.kind.ctx.session, self.candidate, self.kind.shape)
        route = await uninterrupted(learning)
        if route.runnable.id == self.runnable.id:
            log.info("plan learned", plan_id=self.runnable.id, source=self.runnable.source, **self._about())

    def _about(self) -> dict[str, str]:
        return Subject.of(self.kind.ctx, self.kind.shape.route).as_log()


@define
class LearnedPlan:
    """A plan that this session has learned, for one request. `drafting` is None where nothing is learned."""

    ctx: RequestContext
    match: Match
    learned: LearnedRoutes
    drafting: Drafting | None

    @property
    def runnable(self) -> RunnablePlan:
        return self.match.route.runnable

    @property
    def asked(self) -> None:
        """It reads the request itself."""
        return None

    @property
    def params(self) -> Params:
        return self.match.params

    @property
    def lasting(self) -> bool:
        """A stale one serves for want of another."""
        return not self.match.route.stale

    @property
    def on_trial(self) -> bool:
        return False

    async def instead(self, outcome: Outcome) -> Trial | None:
        """A plan that also serves this request, where the learned one failed; or the word's own route."""
        problem = fault_of_plan(outcome)
        if problem is not None:
            self._note_failure()
            return await self._mended(problem)
        if isinstance(outcome, Completed) and outcome.status == 404 and not outcome.committed:
            return await self._about_word() if self.match.route.slug_names else None
        return None

    async def settled(self, outcome: Outcome) -> None:
        """It has worked; failures were noted before they were mended."""
        if isinstance(outcome, Completed) and outcome.status < 400 and not outcome.replayed:
            self.learned.succeeded(self.match)

    def _note_failure(self) -> None:
        """Three failures on different bodies put the route into quarantine."""
        if self.learned.failed(self.match.route, shape_of(self.ctx)):
            log.warning("plan quarantined", plan_id=self.runnable.id, session=self.ctx.session.id)

    async def _mended(self, problem: Problem) -> Trial | None:
        drafting, route = self.drafting, self.match.route
        if route.kept:
            _note_kept(problem, self.runnable, self.ctx, pinned=route.pinned)
            return None
        if drafting is None:
            return None
        known = Draft(self.runnable, plan_text(self.runnable))
        try:
            kind, allowance = await drafting.kind_of(self.ctx), drafting.allowance()
            draft = await drafting.mend(kind, allowance, known, problem, route)
        except ServiceError:
            return None  # the plan's own failure says more than why it was not mended
        return None if draft is None else Trial.of(kind, draft, drafting, self.learned, allowance)

    async def _about_word(self) -> Trial | None:
        drafting, word = self.drafting, self.match.word_to_ask_about()
        if drafting is None or word is None or self.ctx.contract is not None:
            return None  # a contract says itself what is a slot
        try:
            kind, allowance = await drafting.kind_of(self.ctx), drafting.allowance()
            draft = await drafting.about_word(kind, self.match, word, allowance)
        except ServiceError:
            return None
        return None if draft is None else Trial.of(kind, draft, drafting, self.learned, allowance)


def _note_kept(problem: Problem, runnable: RunnablePlan, ctx: RequestContext, *, pinned: bool) -> None:
    """Nobody mends it but a person, who finds here what there is to mend."""
    place = {"error": problem.error_type, "line": problem.line} if isinstance(problem, Raised) else {}
    log.warning(
        "pinned plan kept" if pinned else "person's plan kept",
        plan_id=runnable.id,
        session=ctx.session.id,
        why="failed",
        outcome=type(problem).__name__,
        **place,
    )
