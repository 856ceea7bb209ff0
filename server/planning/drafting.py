"""New plans from the model: what it is asked, how often at once, and what is remembered of its failures.

    draft       a plan for a kind of request that has none
    mend        another one for a plan that failed when it ran
    about_word  whether a word that a slug took is a part of the API

One call at a time per fingerprint; the others wait for it. A kind of request whose plans are refused or
fail is not asked about again for a while.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import structlog
from attrs import define, evolve, field, frozen

from server.errors import (
    BadReply,
    DeadlineExceeded,
    GuestFailed,
    NotPlannable,
    OverBudget,
    PlanRefused,
    ReplyTooLarge,
    ServiceError,
)
from server.model import RunnablePlan
from server.planning.author import Allowance, Draft, Subject
from server.planning.fingerprint import fingerprint, values_key
from server.planning.learned import body_shape
from server.planning.prompt import complaint_for
from server.planning.providers.base import Turn
from server.planning.route import RouteTemplate
from server.planning.schemas import Schemas, read_schemas
from server.planning.shape import body_from_text, shape_of
from server.planning.single_flight import SingleFlight

if TYPE_CHECKING:
    from server.model import RequestContext
    from server.planner_settings import PlannerSettings
    from server.planning.author import Author
    from server.planning.fingerprint import FieldTypes
    from server.planning.learned import LearnedRoutes
    from server.planning.negative_cache import NegativeCache, Remembered
    from server.planning.prompt import Problem, PromptMaker
    from server.planning.providers.base import Prompt
    from server.planning.route_table import LearnedRoute, Match
    from server.planning.shape import RequestShape, RouteKey
    from wasm_runtime.pool import Executor

_V = TypeVar("_V")

log = structlog.get_logger(__name__)

#: Drafts that have not shown yet whether they work, and kinds of request known to need their values.
_MAX_REMEMBERED: Final = 1_024
_NO_VALUES = (
    "The plan for this request needs its values, and the settings keep them from the model: "
    'set planner.values = "on_request" to let it see them.'
)
_FAILING = "The model's plans for this kind of request fail when they run."


@frozen
class Kind:
    """What kind of request this is, as far as planning is concerned."""

    ctx: RequestContext
    shape: RequestShape
    schemas: Schemas
    field_types: FieldTypes
    #: Without query keys that do not matter: the key under which planning is done once.
    fingerprint: str


@define
class Drafting:
    _author: Author
    _prompts: PromptMaker
    _learned: LearnedRoutes
    _executor: Executor
    _refusals: NegativeCache
    _settings: PlannerSettings
    _flights: SingleFlight[str, Draft] = field(init=False, factory=SingleFlight)
    _fresh: OrderedDict[str, Draft] = field(init=False, factory=OrderedDict)
    #: By the plan and the body's shape that it failed on.
    _mended: OrderedDict[str, Draft] = field(init=False, factory=OrderedDict)
    _need_values: OrderedDict[str, None] = field(init=False, factory=OrderedDict)

    @property
    def author(self) -> Author:
        return self._author

    def allowance(self) -> Allowance:
        return Allowance.of(self._settings)

    async def close(self) -> None:
        await self._author.close()

    async def kind_of(self, ctx: RequestContext) -> Kind:
        """Reads the session's schemas through its guest. Raises what that raises, and as `shape_of`."""
        shape = shape_of(ctx)
        schemas = await self._schemas(ctx)
        types = schemas.types()
        return Kind(ctx, shape, schemas, types, fingerprint(shape, types, self._learned.versions))

    async def _schemas(self, ctx: RequestContext) -> Schemas:
        """What the session holds; unknown where its data, or what a guest makes of it, cannot be shown."""
        try:
            return await read_schemas(
                self._executor, ctx.session, ctx.segments, disclose=self._settings.disclose
            )
        except (GuestFailed, BadReply, ReplyTooLarge, DeadlineExceeded):
            log.warning("schemas not read", session=ctx.session.id)
            return Schemas(more=True)

    def known(self, kind: Kind) -> Draft | Remembered | NotPlannable | None:
        """Why the model would not be asked about this kind: a plan of it that nobody ran, or a refusal."""
        key = kind.fingerprint
        if self._takes_values(kind):
            if not self._shows_values():
                return NotPlannable(_NO_VALUES)
            key = values_key(kind.ctx)
        return self._refusals.look(key) or self._fresh.get(key)

    def forget(self, kind: Kind) -> None:
        """Have the model asked about this kind, whatever it said before; a plan that it wrote stays."""
        self._need_values.pop(kind.fingerprint, None)
        for key in (kind.fingerprint, values_key(kind.ctx)):
            self._refusals.forget(key)

    async def draft(self, kind: Kind, allowance: Allowance) -> Draft:
        """A plan that nobody has run yet, or one that is on its first run right now.

        Raises NotPlannable where it would need values that it may not see, and as `Author.write` does.
        """
        if self._takes_values(kind):
            return await self._with_values(kind, allowance)
        fresh = self._remembered(kind.fingerprint)
        if fresh is not None:
            return fresh
        work = partial(self._from_shape, kind, allowance)
        try:
            draft = await self._flights.run(kind.fingerprint, work)
        except OverBudget:
            # It may have been the budget of another session, whose call this one waited for.
            draft = await self._flights.run(kind.fingerprint, work)
        if draft.runnable.plan.needs == "values":
            _remember(self._need_values, kind.fingerprint, None)
            return await self._with_values(kind, allowance)
        return draft

    async def mend(
        self,
        kind: Kind,
        allowance: Allowance,
        failed: Draft,
        problem: Problem,
        route: LearnedRoute | None = None,
    ) -> Draft | None:
        """Another plan for one that ended so, shown both shapes if `route` learned it from another body.

        However many requests fail so, one call is made, and what comes of it serves them all. None when
        there is none to be had: then the failure stands. Raises what keeps the model from being asked.
        """
        key = f"mend:{failed.runnable.id}:{body_shape(kind.shape)}"
        known = self._mended.get(key)
        if known is not None or self._refusals.recall(key) is not None or not allowance.may_repair():
            return known
        allowance.repairs -= 1
        turn = Turn(failed.answer, complaint_for(problem, failed.runnable.code))
        earlier = None if route is None else _earlier(kind.shape, route)
        values = kind.ctx if failed.runnable.plan.needs == "values" and self._shows_values() else None
        make = partial(self._prompt, kind, values=values, earlier_shape=earlier)

        async def work() -> Draft:
            draft = await self._write(kind, make, allowance, (turn,))
            _remember(self._mended, key, draft)
            return draft

        try:
            return await self._flights.run(key, work)
        except PlanRefused as error:
            self._refusals.remember(key, error)
            return None

    async def about_word(self, kind: Kind, match: Match, word: str, allowance: Allowance) -> Draft | None:
        """A plan for the word's own route; None if the model takes the word for a record's name.

        For a path that the slug route of `match` answered with 404.
        """
        self._learned.asked(match, word)
        try:
            draft = await self._write(kind, partial(self._prompt, kind, slug_word=True), allowance)
        except ServiceError:
            return None
        if draft.runnable.plan.needs == "values":
            return None
        return draft if _has_word(draft, kind.ctx.segments, word) else None

    def learned(self, kind: Kind, draft: Draft) -> None:
        """The draft has worked, and is found as a learned route from now on."""
        self._fresh.pop(_key(kind, draft), None)

    def failed(self, kind: Kind, draft: Draft) -> None:
        """The draft has failed when it ran, and could not be mended: not asked about again for a while."""
        refusal = PlanRefused(_FAILING)
        self._fresh.pop(_key(kind, draft), None)
        self._refusals.remember(_key(kind, draft), refusal)
        for key in [key for key, mended in self._mended.items() if mended is draft]:
            del self._mended[key]
            self._refusals.remember(key, refusal)

    def start_afresh(self) -> None:
        """A person has changed what is learned: what was drafted or refused before counts no more."""
        for memory in (self._fresh, self._mended, self._need_values):
            memory.clear()
        self._refusals.clear()

    def _takes_values(self, kind: Kind) -> bool:
        return self._settings.values == "always" or kind.fingerprint in self._need_values

    def _shows_values(self) -> bool:
        return self._settings.values != "never"

    def _remembered(self, key: str) -> Draft | None:
        """A plan that nobody has run yet. Raises what the model was not asked again for."""
        refusal = self._refusals.recall(key)
        if refusal is not None:
            raise refusal
        return self._fresh.get(key)

    async def _from_shape(self, kind: Kind, allowance: Allowance) -> Draft:
        try:
            draft = await self._write(kind, partial(self._prompt, kind), allowance)
        except ServiceError as error:
            self._refusals.remember(kind.fingerprint, error)
            raise
        if draft.runnable.plan.needs == "shape":
            _remember(self._fresh, kind.fingerprint, draft)
        return draft

    async def _with_values(self, kind: Kind, allowance: Allowance) -> Draft:
        if not self._shows_values():
            raise NotPlannable(_NO_VALUES)
        key = values_key(kind.ctx)
        fresh = self._remembered(key)
        if fresh is not None:
            return fresh
        return await self._flights.run(key, partial(self._from_values, kind, key, allowance))

    async def _from_values(self, kind: Kind, key: str, allowance: Allowance) -> Draft:
        try:
            draft = await self._write(kind, partial(self._prompt, kind, values=kind.ctx), allowance)
        except ServiceError as error:
            self._refusals.remember(key, error)
            raise
        # Whoever was shown values wrote for them: the plan serves this request alone.
        plan = evolve(draft.runnable.plan, needs="values")
        draft = evolve(draft, runnable=RunnablePlan(plan, draft.runnable.code, "planned"))
        _remember(self._fresh, key, draft)
        return draft

    async def _write(
        self, kind: Kind, make: partial[Prompt], allowance: Allowance, turns: tuple[Turn, ...] = ()
    ) -> Draft:
        subject = Subject.of(kind.ctx, kind.shape.route)
        finish = partial(make, learned=await self._learned.keys(kind.ctx.session))
        return await self._author.write(subject, finish, allowance, turns)

    def _prompt(
        self,
        kind: Kind,
        turns: tuple[Turn, ...] = (),
        *,
        learned: tuple[RouteKey, ...] = (),
        values: RequestContext | None = None,
        earlier_shape: RequestShape | None = None,
        slug_word: bool = False,
    ) -> Prompt:
        return self._prompts.prompt(
            kind.shape,
            kind.schemas,
            learned,
            turns,
            values=values,
            earlier_shape=earlier_shape,
            slug_word=slug_word,
        )


def _key(kind: Kind, draft: Draft) -> str:
    """What a draft is remembered under until it is learned."""
    return values_key(kind.ctx) if draft.runnable.plan.needs == "values" else kind.fingerprint


def _remember(memory: OrderedDict[str, _V], key: str, value: _V) -> None:
    memory[key] = value
    if len(memory) > _MAX_REMEMBERED:
        memory.popitem(last=False)


def _earlier(shape: RequestShape, route: LearnedRoute) -> RequestShape | None:
    """The shape that the route was learned from, where its body was another."""
    if route.body_shape == body_shape(shape):
        return None
    return evolve(shape, body=body_from_text(route.body_shape))


def _has_word(draft: Draft, segments: tuple[str, ...], word: str) -> bool:
    """Whether the plan's route has the word as a word, and not in a slot."""
    parts = RouteTemplate.parse(draft.runnable.plan.route).parts
    return all(part == word for part, segment in zip(parts, segments, strict=True) if segment == word)
