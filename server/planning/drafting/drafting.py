"""New plans from the model: what it is asked, how often at once, and what is remembered of its failures.

    draft       a plan for a kind of request that has none
    mend        another one for a plan that failed when it ran
    about_word  whether a word that a slug took is a part of the API

1. What is remembered, and which calls are one, goes by the question: by all that the model was shown.
2. A kind of request whose plans are refused is not asked about again for a while. One whose plan fails when
   it runs is refused in that session, and in others once it has failed in two.
3. A mended plan stays with its session. Others have the plan that was there, and the model's word for the
   same failure, where they were to ask the very same.
4. What was made from values serves one request of one session (`_write` decides that, and nothing else).
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog
from attrs import define, evolve, field

from server.concurrency.single_flight import SingleFlight
from server.planning.drafting.author import Allowance, Draft, Subject
from server.planning.drafting.kinds import Kind, Kinds
from server.planning.kinds.bound import bound_to_contract
from server.planning.kinds.fingerprint import digest
from server.planning.kinds.route import RouteTemplate
from server.planning.kinds.shown import LearnedLine, Question, line_of
from server.planning.prompt import complaint_for
from server.planning.providers.base import Turn
from server.values.errors import (
    NotPlannable,
    OverBudget,
    PlanRefused,
    ServiceError,
)
from server.values.model import RunnablePlan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from server.planning.drafting.author import Author
    from server.planning.drafting.negative_cache import NegativeCache, Remembered
    from server.planning.kinds.route_table import LearnedRoute, Match
    from server.planning.learned.routes import LearnedRoutes
    from server.planning.prompt import Problem, PromptMaker
    from server.settings.planner import PlannerSettings
    from server.values.model import RequestContext
    from wasm_runtime.pool import Executor

_V = TypeVar("_V")

log = structlog.get_logger(__name__)

#: Drafts that have not shown yet whether they work, and questions known to need the wide view.
_MAX_REMEMBERED: Final = 1_024
_NO_VALUES = (
    "The plan for this request needs its values, and the settings keep them from the model: "
    'set planner.values = "on_request" to let it see them.'
)
_FAILING = "The model's plans for this kind of request fail when they run."


@define
class Drafting:
    _author: Author
    _prompts: PromptMaker
    _learned: LearnedRoutes
    _executor: Executor
    _refusals: NegativeCache
    _settings: PlannerSettings
    _kinds: Kinds = field(init=False)
    _flights: SingleFlight[str, Draft] = field(init=False, factory=SingleFlight)
    #: By the question's key, as are the others.
    _fresh: OrderedDict[str, Draft] = field(init=False, factory=OrderedDict)
    _mended: OrderedDict[str, Draft] = field(init=False, factory=OrderedDict)
    _worded: OrderedDict[str, Draft] = field(init=False, factory=OrderedDict)
    _need_all: OrderedDict[str, None] = field(init=False, factory=OrderedDict)

    def __attrs_post_init__(self) -> None:
        self._kinds = Kinds(self._executor, self._learned, self._settings.disclose)

    @property
    def author(self) -> Author:
        return self._author

    def allowance(self) -> Allowance:
        return Allowance.of(self._settings)

    async def close(self) -> None:
        await self._author.close()

    async def kind_of(self, ctx: RequestContext) -> Kind:
        """Reads the session's schemas through its guest. Raises what that raises, and as `shape_of`."""
        return await self._kinds.kind_of(ctx)

    # What is known without a call

    def question(self, kind: Kind) -> Question:
        """What the model is, or was, asked about this kind first."""
        return kind.narrow if kind.known_path and kind.narrow.key not in self._need_all else kind.wide

    def known(self, kind: Kind) -> Draft | Remembered | NotPlannable | None:
        """Why the model would not be asked about this kind: a plan of it that nobody ran, or a refusal."""
        asked = self.question(kind)
        if self._takes_values(asked):
            if not self._shows_values():
                return NotPlannable(_NO_VALUES)
            asked = self._kinds.personal(kind, asked)
        return self._refusals.look(asked.key, kind.session) or self._fresh.get(asked.key)

    def forget(self, kind: Kind) -> None:
        """Have the model asked about this kind, whatever it said before; a plan that it wrote stays."""
        self._need_all.pop(kind.narrow.key, None)
        for each in (kind.narrow, kind.wide):
            self._refusals.forget(_needs_values(each))
            self._refusals.forget(each.key, kind.session)
            if self._shows_values():
                self._refusals.forget(self._kinds.personal(kind, each).key, kind.session)

    # Asking

    async def draft(self, kind: Kind, asked: Question, allowance: Allowance) -> Draft:
        """A plan that nobody has run yet, or one that is on its first run right now.

        It may be no plan but say that the wide view is needed, if `asked` is the narrow one.
        Raises NotPlannable where it would need values that it may not see, and as `Author.write` does.
        """
        draft = None if self._takes_values(asked) else await self._drafted(kind, asked, allowance)
        if draft is None or draft.runnable.plan.needs == "values":
            if draft is not None:
                self._refusals.remember(_needs_values(asked), NotPlannable(_NO_VALUES))
                allowance = allowance.for_another_question(self._settings)
            if not self._shows_values():
                raise NotPlannable(_NO_VALUES)
            draft = await self._drafted(kind, self._kinds.personal(kind, asked), allowance)
        if draft.runnable.plan.needs == "collections" and not (draft.question and draft.question.personal):
            _remember(self._need_all, asked.key, None)
        return draft

    async def _drafted(self, kind: Kind, asked: Question, allowance: Allowance) -> Draft:
        refusal = self._refusals.recall(asked.key, kind.session)
        if refusal is not None:
            raise refusal
        fresh = self._fresh.get(asked.key)
        if fresh is not None:
            return fresh

        async def work() -> Draft:
            try:
                draft = await self._write(kind, asked, allowance)
            except ServiceError as error:
                self._refusals.remember(asked.key, error)
                raise
            if draft.runnable.plan.needs == ("values" if asked.personal else "shape"):
                _remember(self._fresh, asked.key, draft)
            return draft

        return await self._once(kind, asked, work)

    async def _once(self, kind: Kind, asked: Question, work: Callable[[], Awaitable[Draft]]) -> Draft:
        """What comes of the work, or of the work that is under way for the same question."""
        try:
            return await self._flights.run(asked.key, work)
        except OverBudget:
            # It may have been the budget of another session, whose call this one waited for.
            return await self._flights.run(f"{asked.key}:{kind.session}", work)

    async def mend(
        self,
        kind: Kind,
        allowance: Allowance,
        failed: Draft,
        problem: Problem,
        route: LearnedRoute | None = None,
    ) -> Draft | None:
        """Another plan for one that ended so, shown both bodies if `route` learned it from another one.

        However many requests fail so, one call is made. What comes of it serves those of the session, and if
        the failed plan was never seen to work, whoever would ask the very same. None when there is none to be
        had: then the failure stands. Raises what keeps the model from being asked.
        """
        turn = Turn(failed.answer, complaint_for(problem, failed.runnable.code))
        values = self._shows_values()
        asked = self._kinds.mending(kind, failed, turn, route, values=values)
        if self._refusals.recall(asked.key, kind.session) is not None:
            return None
        known = self._mended.get(asked.key)
        if known is not None or not allowance.may_repair():
            return known
        allowance.repairs -= 1

        async def work() -> Draft:
            draft, shown = await self._write(kind, asked, allowance, (turn,)), asked.shown
            if draft.runnable.plan.needs == "collections":
                wide = self._kinds.mending(kind, failed, turn, route, values=values, wide=True)
                another = allowance.for_another_question(self._settings)
                draft, shown = await self._write(kind, wide, another, (turn,)), wide.shown
            # No question of a new kind of request has this fingerprint.
            fingerprint = digest([("mended", asked.key)])
            draft = evolve(draft, question=evolve(asked, shown=shown), fingerprint=fingerprint)
            _remember(self._mended, asked.key, draft)
            self._author.answers.mended += 1
            return draft

        try:
            return await self._once(kind, asked, work)
        except PlanRefused as error:
            self._refusals.remember(asked.key, error)
            return None

    async def about_word(self, kind: Kind, match: Match, word: str, allowance: Allowance) -> Draft | None:
        """A plan for the word's own route; None if the model takes the word for a record's name.

        For a path that the slug route of `match` answered with 404.
        """
        self._learned.asked(match, word)
        try:
            draft = await self._about_word(kind, self.question(kind), line_of(match.route), allowance)
        except ServiceError:
            return None
        if draft.runnable.plan.needs != "shape":
            return None
        return draft if _has_word(draft, kind.ctx.segments, word) else None

    async def _about_word(self, kind: Kind, of: Question, slug: LearnedLine, allowance: Allowance) -> Draft:
        wide = of.shown.view == "wide"
        asked = self._kinds.about_word(of, slug)
        draft = self._worded.get(asked.key)
        if draft is None:
            draft = await self._once(kind, asked, partial(self._write, kind, asked, allowance))
            _remember(self._worded, asked.key, draft)
        if draft.runnable.plan.needs != "collections" or wide:
            return draft
        another = allowance.for_another_question(self._settings)
        return await self._about_word(kind, kind.wide, slug, another)

    async def _write(
        self, kind: Kind, asked: Question, allowance: Allowance, turns: tuple[Turn, ...] = ()
    ) -> Draft:
        """The one place where the model is asked, and where it is decided whom the answer may serve."""
        wide = asked.shown.view == "wide"
        show = partial(self._prompts.prompt, asked.shown)
        subject = Subject.of(kind.ctx, kind.shape.route)
        draft = await self._author.write(subject, show, allowance, turns, wide=wide)
        plan = draft.runnable.plan
        if asked.personal and plan.needs == "shape":
            # Whoever was shown values wrote for them: the plan serves this request alone.
            runnable = RunnablePlan(evolve(plan, needs="values"), draft.runnable.code, "planned")
            draft = evolve(draft, runnable=runnable)
        draft = evolve(draft, runnable=bound_to_contract(draft.runnable, kind.ctx))
        fingerprint = asked.shared_as(any_query=plan.query == "any")
        told = "" if asked.personal else show(turns).request
        return evolve(draft, question=asked, fingerprint=fingerprint, told=told)

    async def about_records(self, ctx: RequestContext, route: str, shown: Mapping[str, Any]) -> str:
        """What the model says of a contract's resource schema, charged to who asks first.

        Raises as `Author.answer` does.
        """
        prompt = self._prompts.about_records(shown)
        return await self._author.answer(Subject.of(ctx, route), prompt, self.allowance())

    # What becomes of a draft

    def learned(self, draft: Draft) -> None:
        """The draft has worked, and is found as a learned route from now on."""
        if draft.question is not None and self._fresh.get(draft.question.key) is draft:
            del self._fresh[draft.question.key]

    def failed(self, kind: Kind, draft: Draft, first: Draft) -> None:
        """The draft has failed when it ran, and could not be mended; it was the mend of `first`, or is that.

        The model is not asked about it again for a while: for this session, or for all if it was the second.
        """
        for each in (draft,) if draft is first else (draft, first):
            if each.question is None:
                continue
            key = each.question.key
            if self._refusals.remember_run(key, kind.session, PlanRefused(_FAILING)):
                self._fresh.pop(key, None)
                self._mended.pop(key, None)

    def start_afresh(self) -> None:
        """A person has changed what is learned: what was drafted or refused before counts no more."""
        for memory in (self._fresh, self._mended, self._worded, self._need_all):
            memory.clear()
        self._refusals.clear()

    def _takes_values(self, asked: Question) -> bool:
        return self._settings.values == "always" or self._refusals.recall(_needs_values(asked)) is not None

    def _shows_values(self) -> bool:
        return self._settings.values != "never"


def _needs_values(asked: Question) -> str:
    """Under what it is remembered for a while that the answer was: not without values."""
    return f"values:{asked.key}"


def _remember(memory: OrderedDict[str, _V], key: str, value: _V) -> None:
    memory[key] = value
    if len(memory) > _MAX_REMEMBERED:
        memory.popitem(last=False)


def _has_word(draft: Draft, segments: tuple[str, ...], word: str) -> bool:
    """Whether the plan's route has the word as a word, and not in a slot."""
    parts = RouteTemplate.parse(draft.runnable.plan.route).parts
    return all(part == word for part, segment in zip(parts, segments, strict=True) if segment == word)
