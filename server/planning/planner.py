"""The planner of a service that learns: learned routes, then the plan library, then the model.

1. A route that the session has learned costs a walk down a tree, and nothing else.
2. A request of a kind never seen in its session is looked up by its fingerprint: what any session has
   learned that was shown the very same serves this one too.
3. Only then is the model asked. What is learned has worked: a reply below 500.
4. While the model cannot be asked, or gives nothing that may run, stale plans and conventions serve what
   they can, if the settings say so; for the rest the failure has its own status.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from attrs import evolve

from server.planning.drafting.author import Draft
from server.planning.kinds.bound import is_of_contract
from server.planning.kinds.route import refuse_unplannable
from server.planning.learning import LearnedPlan, Trial
from server.planning.planned import Fixed, RoutesInForce
from server.planning.turns import await_turn, give_up
from server.values.errors import MethodNotAllowed, NotFound, NotLearned, NotPlannable, ServiceError
from server.values.model import METHODS

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.planning.conventions.checked import CheckedConventions
    from server.planning.drafting.drafting import Drafting
    from server.planning.drafting.switch import LearningSwitch
    from server.planning.kinds.route_table import Match
    from server.planning.kinds.shown import Question
    from server.planning.learned.routes import LearnedRoutes
    from server.planning.learned.vetting import Candidate
    from server.planning.planned import Planned
    from server.planning.turns import PlanningTurns
    from server.settings.planner import PlannerSettings
    from server.values.model import RequestContext, Session

NOT_LEARNED = "This kind of request has not been learned, and planner.learn is false."
#: Failures of planning for which the fall-back is there. Others are about the request itself.
#: 501 is among them: the model would have to see the request's values, which conventions do.
FALL_BACK = frozenset({429, 501, 502, 503, 504})


class LearningPlanner:
    """Nothing new is learned where there is no provider, or while the switch is off (`planner.learn`)."""

    def __init__(
        self,
        learned: LearnedRoutes,
        switch: LearningSwitch,
        conventions: CheckedConventions,
        settings: PlannerSettings,
        turns: PlanningTurns | None = None,
    ) -> None:
        """`turns`: where other nodes ask models, too."""
        self._turns = turns
        self._learned = learned
        self._switch = switch
        self._conventions = conventions
        self._settings = settings

    @property
    def _drafting(self) -> Drafting | None:
        return self._switch.drafting

    async def plan(self, ctx: RequestContext) -> Planned:
        try:
            return await self._plan(ctx)
        except MethodNotAllowed as error:
            raise await self._with_learned(ctx, error) from None

    async def _plan(self, ctx: RequestContext) -> Planned:
        refuse_unplannable(ctx.segments)
        match = await self._learned.match(ctx)
        if match is not None and not match.route.by_person and not is_of_contract(match.route.runnable, ctx):
            match = None  # it was made for another contract, or for this operation as it was then
        if ctx.dialect and (match is None or not match.route.by_person):
            covered = await self._in_dialect(ctx, match)
            if covered is not None:
                return covered
        if match is not None and not match.route.stale:
            return LearnedPlan(ctx, match, self._learned, self._drafting)
        drafting = self._drafting
        if drafting is None:
            return await self._without_model(ctx, match)
        try:
            return await self._new(ctx, drafting)
        except ServiceError as error:
            if error.status not in FALL_BACK or self._settings.fallback == "none":
                raise
            return await self._fallen_back(ctx, match, error)

    @property
    def conventions(self) -> CheckedConventions:
        return self._conventions

    async def written(self, ctx: RequestContext) -> Planned | None:
        """The plan that a person has written for the request's route, if there is one."""
        if not _is_readable(ctx.segments):
            return None
        match = await self._learned.match(ctx)
        if match is None or not match.route.by_person:
            return None
        return LearnedPlan(ctx, match, self._learned, self._drafting)

    async def plans(self, ctx: RequestContext) -> bool:
        """Whether something was learned for the request, or a model can be asked."""
        if not _is_readable(ctx.segments):
            return False
        if self._drafting is not None:
            return True
        match = await self._learned.match(ctx)
        return match is not None and is_of_contract(match.route.runnable, ctx)

    async def _in_dialect(self, ctx: RequestContext, match: Match | None) -> Planned | None:
        """The plan of the request's dialect; None where it has none and somebody else may."""
        try:
            return await self._conventions.plan(ctx)
        except (NotPlannable, MethodNotAllowed):
            if match is None and self._drafting is None:
                raise
            return None

    async def allowed_methods(self, ctx: RequestContext) -> tuple[str, ...]:
        """What the session has learned for the path, and what conventions say of it.

        Where neither knows anything a model might plan whatever it is; without one this raises NotPlannable.
        """
        learned = await self._learned.methods(ctx)
        try:
            return _in_order({*learned, *await self._conventions.allowed_methods(ctx)})
        except NotPlannable:
            if learned:
                return _in_order({*learned, "OPTIONS"})
            if self._drafting is None:
                raise
            return METHODS

    async def routes_in_force(self, session: Session) -> RoutesInForce:
        """With a model, it plans what conventions answer, too: what will come of that is not known.

        Where nobody steps in for the model, conventions answer nothing.
        """
        planned = self._drafting is not None
        conventions = not planned or self._settings.fallback == "conventions"
        return RoutesInForce(await self._learned.serving(session), conventions=conventions, planned=planned)

    async def _with_learned(self, ctx: RequestContext, error: MethodNotAllowed) -> MethodNotAllowed:
        """Conventions know what they have for a path, but not what its session has learned."""
        allowed = _in_order({*await self._learned.methods(ctx), *error.members["allow"]})
        return MethodNotAllowed(allowed, reason=error.members.get("reason", ""))

    async def close(self) -> None:
        await self._learned.close()
        await self._switch.close()

    def on_change(self, told: Callable[[str], None]) -> None:
        """Have somebody told of a session (its directory) whose requests may get other plans; "": of all."""
        self._learned.on_change = told
        self._switch.on_change = lambda: told("")

    @property
    def parts(self) -> tuple[LearnedRoutes, LearningSwitch]:
        """What was learned, and whether more is: for operators, who look at the one and turn the other."""
        return self._learned, self._switch

    @property
    def turns(self) -> PlanningTurns | None:
        """None where no other node asks models."""
        return self._turns

    @property
    def settings(self) -> PlannerSettings:
        return self._settings

    async def _new(self, ctx: RequestContext, drafting: Drafting) -> Trial:
        kind, allowance = await drafting.kind_of(ctx), drafting.allowance()
        asked = drafting.question(kind)
        while True:
            shared = await self._learned.shared(ctx.session, asked.key, asked.any_key)
            if shared is None:
                look = partial(self._look, ctx.session, asked)
                shared = await await_turn(self._turns, asked.key, look)
            if shared is not None:
                known = Draft(shared.runnable, shared.record.text)
                return Trial(kind, shared, known, known, drafting, self._learned, allowance)
            ctx.release_value()
            try:
                draft = await drafting.draft(kind, asked, allowance)
            except BaseException:
                await give_up(self._turns, asked.key)
                raise
            if draft.runnable.plan.needs != "collections":
                trial = Trial.of(kind, draft, drafting, self._learned, allowance)
                return evolve(trial, done=partial(give_up, self._turns, asked.key))
            await give_up(self._turns, asked.key)
            # Where all has been shown no answer is that, so there are two rounds at most.
            asked, allowance = kind.wide, allowance.for_another_question(self._settings)

    async def _look(self, session: Session, asked: Question) -> Candidate | None:
        """What another node has learned."""
        await self._learned.refresh()
        return await self._learned.shared(session, asked.key, asked.any_key)

    async def _without_model(self, ctx: RequestContext, stale: Match | None) -> Planned:
        """Nothing new is learned here."""
        try:
            return await self._known(ctx, stale)
        except NotPlannable:
            if self._switch.on:
                raise
            raise NotLearned(NOT_LEARNED) from None

    async def _fallen_back(self, ctx: RequestContext, stale: Match | None, error: ServiceError) -> Planned:
        try:
            known = await self._known(ctx, stale)
        except ServiceError:
            raise error from None
        return evolve(known, lasting=False) if isinstance(known, Fixed) else known

    async def _known(self, ctx: RequestContext, stale: Match | None) -> Planned:
        """What there is to serve without the model: what was learned at any time, then conventions."""
        if stale is not None:
            return LearnedPlan(ctx, stale, self._learned, None)
        return await self._conventions.plan(ctx)


def _is_readable(segments: tuple[str, ...]) -> bool:
    """Whether routes that are learned can have such a path."""
    try:
        refuse_unplannable(segments)
    except NotFound:
        return False
    return True


def _in_order(methods: set[str]) -> tuple[str, ...]:
    return tuple(each for each in METHODS if each in methods)
