"""What would happen to a request, and why: the planner's own steps, without running or learning anything.

The steps are those of `LearningPlanner.plan`; a test holds the two together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from attrs import define, field, frozen

from server.errors import NotPlannable, ServiceError
from server.planning.route import RouteTemplate, refuse_unplannable
from server.planning.vetting import vetted

if TYPE_CHECKING:
    from server.model import RequestContext, RunnablePlan
    from server.planner_settings import PlannerSettings
    from server.planning.checked_conventions import CheckedConventions
    from server.planning.drafting import Drafting, Kind
    from server.planning.learned import LearnedRoutes
    from server.planning.library_rows import LearnedRecord

Source: TypeAlias = Literal["learned", "library", "model", "conventions", "none"]

_STALE = (
    "The session has learned a plan for it, which is stale: "
    "prompt, policy, model or house rules are others now."
)


@define
class Explanation:
    """`source` is who has the plan; where the model would have to be asked there is no `runnable`.

    `why` are sentences, in the order in which things were looked at. `error` is what the request would
    be answered with where nobody has a plan.
    """

    source: Source
    why: list[str]
    runnable: RunnablePlan | None = None
    error: ServiceError | None = None
    pinned: bool = False


@frozen
class Explainer:
    """`learned` is None in a service of conventions alone, `drafting` where no model is asked."""

    conventions: CheckedConventions
    settings: PlannerSettings
    learned: LearnedRoutes | None = None
    drafting: Drafting | None = None

    async def explain(self, ctx: RequestContext, *, ask: bool = False) -> Explanation:
        """Nothing is run but the reading of the session's schemas; the model is asked only if `ask`.

        Raises ServiceError when the session's schemas cannot be read, or when the model was asked in vain.
        """
        try:
            refuse_unplannable(ctx.segments)
        except ServiceError as error:
            return Explanation("none", ["Nobody is asked about such a path."], error=error)
        return await _Walk(self, ctx, ask=ask).result()


@define
class _Walk:
    """One request on its way through the planner."""

    of: Explainer
    ctx: RequestContext
    ask: bool
    why: list[str] = field(factory=list)

    async def result(self) -> Explanation:
        stale = None
        if self.of.learned is not None:
            match = await self.of.learned.match(self.ctx)
            if match is not None and not match.route.stale:
                self.why.append("The session has learned a plan for it.")
                if match.route.pinned:
                    self.why.append("It is pinned: nothing replaces it.")
                elif match.route.by_person:
                    self.why.append("A person has written it: only a person replaces it.")
                return Explanation("learned", self.why, match.route.runnable, pinned=match.route.pinned)
            await self._about_quarantine(self.of.learned)
            if match is not None:
                stale = match.route.runnable
                self.why.append(_STALE)
            else:
                self.why.append("The session has learned no plan that serves it.")
        if self.of.learned is None or self.of.drafting is None:
            return await self._without_model(stale)
        return await self._new(self.of.learned, self.of.drafting, stale)

    async def _about_quarantine(self, learned: LearnedRoutes) -> None:
        directory = self.ctx.session.directory
        for record in await learned.read(lambda library: library.routes_of(directory)):
            if record.quarantined and not record.plan.kept and self._is_for(record):
                self.why.append(
                    f"Plan {record.plan.plan_id} is in quarantine here: it failed on three kinds of bodies."
                )

    def _is_for(self, record: LearnedRecord) -> bool:
        method = "GET" if self.ctx.method == "HEAD" else self.ctx.method
        route = RouteTemplate.parse(record.plan.route)
        return record.plan.method == method and route.match(self.ctx.segments) is not None

    async def _new(
        self, learned: LearnedRoutes, drafting: Drafting, stale: RunnablePlan | None
    ) -> Explanation:
        kind = await drafting.kind_of(self.ctx)
        shared = await learned.shared(self.ctx.session, kind.shape, kind.field_types)
        if shared is not None:
            self.why.append("The plan library has one with the same fingerprint; the session would learn it.")
            return Explanation("library", self.why, vetted(shared.record), pinned=shared.record.pinned)
        self.why.append("The plan library has none with its fingerprint.")
        if self.ask:
            return await self._asked(kind, drafting)
        author = drafting.author
        self.why.append(f"The model would be asked: {author.name}, {author.model}.")
        if self.of.settings.fallback == "conventions":
            known = await self._without_model(stale, quiet=True)
            instead = "nobody" if known.error is not None else known.source
            self.why.append(f"While it cannot be reached, the request is served by: {instead}.")
        return Explanation("model", self.why)

    async def _asked(self, kind: Kind, drafting: Drafting) -> Explanation:
        draft = await drafting.draft(kind, drafting.allowance())
        self.why.append("The model was asked just now; the next such request runs what it wrote.")
        return Explanation("model", self.why, draft.runnable)

    async def _without_model(self, stale: RunnablePlan | None, *, quiet: bool = False) -> Explanation:
        why = [] if quiet else self.why
        if stale is not None:
            why.append("No model can be asked, so the stale plan serves on.")
            return Explanation("learned", why, stale)
        try:
            runnable = await self.of.conventions.runnable(self.ctx)
        except NotPlannable as error:
            why.append("No convention covers it, and no model is there to be asked.")
            return Explanation("none", why, error=error)
        except ServiceError as error:
            why.append("The conventions refuse it.")
            return Explanation("none", why, error=error)
        why.append("A convention covers it.")
        return Explanation("conventions", why, runnable)
