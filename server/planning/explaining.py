"""What would happen to a request, and why: the planner's own steps, without running or learning anything.

The steps are those of `LearningPlanner.plan`; a test holds the two together.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from attrs import define, field, frozen

from server.contracts.listing import told
from server.contracts.record_rules.question import WRITES, is_asked_about
from server.planning.codec import PlanInvalid
from server.planning.contracted import runnable_of
from server.planning.drafting.author import Draft
from server.planning.drafting.negative_cache import Remembered
from server.planning.kinds.route import RouteTemplate, refuse_unplannable
from server.planning.planner import FALL_BACK, NOT_LEARNED
from server.planning.policy import CodeRefused
from server.planning.providers.base import ProviderError
from server.planning.record_rules import recall
from server.values.errors import (
    MethodNotAllowed,
    NotLearned,
    NotPlannable,
    PlanRefused,
    ProviderTimeout,
    ProviderUnavailable,
    ServiceError,
)

if TYPE_CHECKING:
    from server.contracts.contract import Contract
    from server.contracts.model import Role
    from server.planning.conventions.checked import CheckedConventions
    from server.planning.drafting.drafting import Drafting
    from server.planning.drafting.kinds import Kind
    from server.planning.drafting.switch import LearningSwitch
    from server.planning.kinds.route_table import Match
    from server.planning.kinds.shown import Question
    from server.planning.learned.library_rows import LearnedRecord
    from server.planning.learned.routes import LearnedRoutes
    from server.settings.planner import PlannerSettings
    from server.values.model import RequestContext, RunnablePlan

Source: TypeAlias = Literal["learned", "library", "model", "conventions", "contract", "example", "none"]

_LEARN_OFF = "Learning is off (planner.learn)"
_STALE = (
    "The session has learned a plan for it, which is stale: "
    "prompt, policy, model or house rules are others now."
)


@define
class Explanation:
    """`source` is who has the plan; where the model would have to be asked there is no `runnable`.

    `why` are sentences, in the order in which things were looked at. `error` is what the request would
    be answered with where nobody has a plan. `refused` is what was wrong with the model's answer, where
    it was asked just now.
    """

    source: Source
    why: list[str]
    runnable: RunnablePlan | None = None
    error: ServiceError | None = None
    pinned: bool = False
    refused: CodeRefused | PlanInvalid | None = None
    #: In which view the model was, or would be, shown the request; empty where it is not asked, or not known.
    view: str = ""


@frozen
class Explainer:
    """`learned` and `switch` are None in a service of conventions alone."""

    conventions: CheckedConventions
    settings: PlannerSettings
    learned: LearnedRoutes | None = None
    switch: LearningSwitch | None = None
    #: Whether a model is asked about the records of contracts (`contract.ask_about_records`).
    asks: bool = True

    @property
    def drafting(self) -> Drafting | None:
        """None where no model is asked."""
        return None if self.switch is None else self.switch.drafting

    @property
    def learns(self) -> bool:
        return self.settings.learn if self.switch is None else self.switch.on

    async def explain(self, ctx: RequestContext, *, ask: bool = False) -> Explanation:
        """Nothing is run but the reading of the session's schemas; the model is asked only if `ask`.

        Raises ServiceError when the session's schemas cannot be read, or when the model cannot be asked.
        """
        if ctx.contract is not None and ctx.contract.match is not None:
            return await self._of_contract(ctx, ask=ask)
        try:
            refuse_unplannable(ctx.segments)
        except ServiceError as error:
            return Explanation("none", ["Nobody is asked about such a path."], error=error)
        return await _Walk(self, ctx, ask=ask).result()

    async def _of_contract(self, ctx: RequestContext, *, ask: bool) -> Explanation:
        """The steps of `ContractPlanner.plan`."""
        call = ctx.contract
        role = call.contract.role(call.match.operation)
        asked = self.learned is None or await self._recalled(self.learned, call.contract, role)
        runnable = runnable_of(call.contract.compiler.compiled(role))
        why = told(call.contract, role)
        if not asked and self.drafting is not None:
            why.append("A model is asked about its records, once, before the first is written.")
        written = await self._written(ctx)
        if written is not None:
            why.append("A person has written a plan for it, which comes first.")
            return Explanation("learned", why, written.route.runnable, pinned=written.route.pinned)
        if role.plain or call.is_bulk:
            return Explanation("contract", why, runnable if role.plain else None)
        if self.drafting is not None or (self.learned is not None and await self.learned.match(ctx)):
            found = await _Walk(self, ctx, ask=ask).result()
            found.why = [*why, *found.why]
            if found.source not in ("none", "conventions"):
                return found
            why = found.why
        why.append("No model plans it: the contract's example answers it (contract.unplanned).")
        return Explanation("example", why, runnable)

    async def _recalled(self, learned: LearnedRoutes, contract: Contract, role: Role) -> bool:
        """Whether all is known that a model would say of the operation's records."""
        resource = role.resource
        if not self.asks or not role.plain or resource is None or role.name not in WRITES:
            return True
        return await recall(learned, contract, resource) or not is_asked_about(resource)

    async def _written(self, ctx: RequestContext) -> Match | None:
        match = None if self.learned is None else await self.learned.match(ctx)
        return match if match is not None and match.route.by_person else None


@define
class _Walk:
    """One request on its way through the planner."""

    of: Explainer
    ctx: RequestContext
    ask: bool
    why: list[str] = field(factory=list)

    async def result(self) -> Explanation:
        stale = None
        learned = self.of.learned
        match = None if learned is None else await learned.match(self.ctx)
        if self.ctx.dialect and (match is None or not match.route.by_person):
            found = await self._in_dialect()
            if found is not None:
                return found
        if self.of.learned is not None:
            if match is not None and not match.route.stale:
                self.why.append("The session has learned a plan for it.")
                if match.route.pinned:
                    self.why.append("It is pinned: nothing replaces it.")
                elif match.route.by_person:
                    self.why.append("A person has written it: only a person replaces it.")
                found = Explanation("learned", self.why, match.route.runnable, pinned=match.route.pinned)
                found.view = await self._view_of(self.of.learned, match)
                return found
            await self._about_quarantine(self.of.learned)
            if match is not None:
                stale = match.route.runnable
                self.why.append(_STALE)
            else:
                self.why.append("The session has learned no plan that serves it.")
        drafting = self.of.drafting
        if self.of.learned is None or drafting is None:
            return await self._without_model(stale)
        return await self._new(self.of.learned, drafting, stale)

    async def _in_dialect(self) -> Explanation | None:
        """What its dialect has for it; None where somebody else may."""
        self.why.append(f"It is read in the dialect {self.ctx.dialect}.")
        try:
            return Explanation("conventions", self.why, await self.of.conventions.runnable(self.ctx))
        except (NotPlannable, MethodNotAllowed):
            self.why.append("The dialect has nothing for it.")
            return None
        except ServiceError as error:
            return Explanation("none", self.why, error=error)

    async def _view_of(self, learned: LearnedRoutes, match: Match) -> str:
        """In which view its author saw the request, where a model wrote it and that was noted."""
        if match.route.by_person:
            return ""
        return await learned.read(lambda library: library.view_of(match.route.number))

    async def _about_quarantine(self, learned: LearnedRoutes) -> None:
        directory = self.ctx.session.directory
        for record in await learned.read(lambda library: library.routes_of(directory)):
            if record.held and self._is_for(record):
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
        if self.ask:
            # Also about what it refused before.
            drafting.forget(kind)
        return await self._about(kind, drafting.question(kind), learned, drafting, stale)

    async def _about(
        self,
        kind: Kind,
        asked: Question,
        learned: LearnedRoutes,
        drafting: Drafting,
        stale: RunnablePlan | None,
    ) -> Explanation:
        """What is known of an answer to this question, or what the model says to it."""
        self.why.append(_which_view(kind, asked))
        found = await self._answer(kind, asked, learned, drafting, stale)
        found.view = found.view or asked.shown.view
        return found

    async def _answer(
        self,
        kind: Kind,
        asked: Question,
        learned: LearnedRoutes,
        drafting: Drafting,
        stale: RunnablePlan | None,
    ) -> Explanation:
        shared = await learned.shared(self.ctx.session, asked.key, asked.any_key)
        if shared is not None:
            self.why.append("The plan library has one with the same fingerprint; the session would learn it.")
            return Explanation("library", self.why, shared.runnable, pinned=shared.record.pinned)
        self.why.append("The plan library has none with its fingerprint.")
        if self.ask:
            return await self._asked(kind, asked, learned, drafting, stale)
        match drafting.known(kind):
            case Draft() as draft:
                self.why.append("The model has written a plan for it, which has not run yet.")
                return Explanation("model", self.why, draft.runnable)
            case NotPlannable() as error:
                return await self._refused(error, stale, "The model has said that it needs the values.")
            case Remembered() as known:
                return await self._refused(known.error, stale, _remembered(known))
            case None:
                return await self._would_ask(drafting, stale)

    async def _would_ask(self, drafting: Drafting, stale: RunnablePlan | None) -> Explanation:
        author = drafting.author
        self.why.append(f"The model would be asked: {author.name}, {author.model}.")
        if author.trouble is not None:
            since = f"{author.trouble.since:%Y-%m-%d %H:%M:%SZ}"
            self.why.append(f"It was last asked in vain, on {since}: {author.trouble.reason}.")
        if self.of.settings.fallback == "conventions":
            instead = await self._without_model(stale, quiet=True)
            whose = "nobody" if instead.error is not None else instead.source
            self.why.append(f"While it cannot be reached, the request is served by: {whose}.")
        return Explanation("model", self.why)

    async def _asked(
        self,
        kind: Kind,
        asked: Question,
        learned: LearnedRoutes,
        drafting: Drafting,
        stale: RunnablePlan | None,
    ) -> Explanation:
        """The model is asked just now."""
        try:
            draft = await drafting.draft(kind, asked, drafting.allowance())
        except (NotPlannable, PlanRefused) as error:
            found = await self._refused(error, stale, "The model was asked just now, and gave no plan.")
            cause = error.__cause__
            if isinstance(cause, CodeRefused | PlanInvalid):
                found.refused = cause
            return found
        except (ProviderUnavailable, ProviderTimeout) as error:
            reason = error.__cause__ if isinstance(error.__cause__, ProviderError) else error.detail
            return await self._refused(error, stale, f"The model was asked just now, in vain: {reason}")
        if draft.runnable.plan.needs == "collections":
            self.why.append("The model was asked just now, and said that it needs the other collections.")
            return await self._about(kind, kind.wide, learned, drafting, stale)
        self.why.append("The model was asked just now; the next such request runs what it wrote.")
        return Explanation("model", self.why, draft.runnable)

    async def _refused(self, error: ServiceError, stale: RunnablePlan | None, sentence: str) -> Explanation:
        """What happens to a request that the model has no plan for."""
        self.why.append(sentence)
        if error.status in FALL_BACK and self.of.settings.fallback == "conventions":
            instead = await self._without_model(stale, quiet=True)
            if instead.error is None:
                self.why.append(f"In its place the request is served by: {instead.source}.")
                return Explanation(instead.source, self.why, instead.runnable)
        return Explanation("none", self.why, error=error)

    async def _without_model(self, stale: RunnablePlan | None, *, quiet: bool = False) -> Explanation:
        why = [] if quiet else self.why
        learns = self.of.learns
        if stale is not None:
            why.append(f"{'No model can be asked' if learns else _LEARN_OFF}, so the stale plan serves on.")
            return Explanation("learned", why, stale)
        try:
            runnable = await self.of.conventions.runnable(self.ctx)
        except NotPlannable as error:
            if not learns:
                why.append(f"No convention covers it. {_LEARN_OFF}, so no model is asked: 404 not-learned.")
                return Explanation("none", why, error=NotLearned(NOT_LEARNED))
            why.append("No convention covers it, and no model is there to be asked.")
            return Explanation("none", why, error=error)
        except ServiceError as error:
            why.append("The conventions refuse it.")
            return Explanation("none", why, error=error)
        why.append("A convention covers it.")
        return Explanation("conventions", why, runnable)


def _which_view(kind: Kind, asked: Question) -> str:
    if asked.shown.view == "narrow":
        return "The model's view of it is the narrow one: the request, and the collections in its path."
    why = "the model said that it needs it" if kind.known_path else "its path names no collection that exists"
    return f"The model's view of it is the wide one, with all collections and earlier plans: {why}."


def _remembered(known: Remembered) -> str:
    now = datetime.now(UTC)
    since, until = (
        f"{now + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%SZ}"
        for seconds in (-known.age_seconds, known.left_seconds)
    )
    return (
        f"The model was asked on {since}, in vain: {known.error.detail} "
        f"It is not asked again before {until}, but by `--ask`."
    )
