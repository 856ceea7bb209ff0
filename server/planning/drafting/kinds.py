"""Kinds of requests: what each may be asked about, in both views, and the questions that follow from it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from attrs import evolve, frozen

from server.planning.kinds.effects import effects_of
from server.planning.kinds.schemas import Schemas, read_schemas
from server.planning.kinds.shape import body_from_text, shape_of
from server.planning.kinds.shown import LearnedLine, Question, narrow_view, question, wide_view
from server.planning.learned.routes import body_shape
from server.planning.prompt import values_text
from server.values.errors import BadReply, DeadlineExceeded, GuestFailed, ReplyTooLarge

if TYPE_CHECKING:
    from server.planning.drafting.author import Draft
    from server.planning.kinds.route_table import LearnedRoute
    from server.planning.kinds.schemas import Disclosure
    from server.planning.kinds.shape import RequestShape
    from server.planning.kinds.shown import Shown
    from server.planning.learned.routes import LearnedRoutes
    from server.planning.providers.base import Turn
    from server.values.model import RequestContext, RunnablePlan
    from wasm_runtime.pool import Executor

log = structlog.get_logger(__name__)


@frozen
class Kind:
    """What kind of request this is, as far as planning is concerned, and both views of it."""

    ctx: RequestContext
    shape: RequestShape
    narrow: Question
    wide: Question
    #: Whether the path names a collection that exists: else the narrow view would show nothing.
    known_path: bool

    @property
    def session(self) -> str:
        return self.ctx.session.directory

    def wide_for(self, plan: RunnablePlan) -> bool:
        """Whether the narrow view leaves out a collection that the plan uses."""
        effects = effects_of(plan.code.text, plan.plan.resource)
        used = {name for name, _ in (*effects.reads, *effects.writes)}
        return any(name not in self.narrow.shown.collections for name in used)


@frozen
class Kinds:
    _executor: Executor
    _learned: LearnedRoutes
    _disclose: Disclosure

    async def kind_of(self, ctx: RequestContext) -> Kind:
        """Reads the session's schemas through its guest. Raises what that raises, and as `shape_of`."""
        shape = shape_of(ctx)
        schemas = await self._schemas(ctx)
        narrow = narrow_view(ctx, shape, schemas)
        learned = await self._learned.serving(ctx.session)
        # On a thread of its own: it reads as many programs as are shown.
        wide = await asyncio.to_thread(wide_view, narrow, schemas, learned)
        known = bool(narrow.collections.collections)
        return Kind(ctx, shape, self._question(narrow), self._question(wide), known_path=known)

    async def _schemas(self, ctx: RequestContext) -> Schemas:
        """What the session holds; unknown where its data, or what a guest makes of it, cannot be shown."""
        try:
            return await read_schemas(self._executor, ctx.session, ctx.segments, disclose=self._disclose)
        except (GuestFailed, BadReply, ReplyTooLarge, DeadlineExceeded):
            log.warning("schemas not read", session=ctx.session.id)
            return Schemas(more=True)

    def _question(self, shown: Shown, session: str = "", *after: str) -> Question:
        return question(shown, self._learned.versions, session=session, after=after)

    def personal(self, kind: Kind, asked: Question) -> Question:
        """The question with the request's values. Raises Unprocessable when they are too long."""
        return self._question(evolve(asked.shown, values=values_text(kind.ctx)), kind.session)

    def about_word(self, asked: Question, slug: LearnedLine) -> Question:
        """Whether a word is a part of the API, for a path that this slug route answered with 404."""
        others = (line for line in asked.shown.learned if line != slug)
        return self._question(evolve(asked.shown, asked="word", learned=(slug, *others)))

    def mending(
        self,
        kind: Kind,
        failed: Draft,
        turn: Turn,
        route: LearnedRoute | None,
        *,
        values: bool,
        wide: bool = False,
    ) -> Question:
        """The question about a failed plan: what was asked before, and what was wrong with the answer.

        `values` says whether values may be shown, where the plan was made from such; `wide` whether the
        narrow view has been asked in vain.
        """
        if failed.question is not None and not wide:
            shown = failed.question.shown
        else:
            wide = wide or not kind.known_path or kind.wide_for(failed.runnable)
            shown = (kind.wide if wide else kind.narrow).shown
        if route is not None and route.body_shape != body_shape(kind.shape):
            shown = evolve(shown, asked="earlier", earlier=body_from_text(route.body_shape))
        # What the failed plan was made from, it may hold.
        personal = failed.runnable.plan.needs == "values"
        if personal and values:
            shown = evolve(shown, values=values_text(kind.ctx))
        own = personal or failed.question is None or bool(failed.question.session)
        asked = self._question(shown, kind.session if own else "", turn.answer, turn.complaint)
        return evolve(asked, personal=personal)
