"""The conventions planner behind the same policy as any other planner, each plan checked once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.planning.conventions.planner import (
    NOT_PLANNABLE,
    ConventionsPlanner,
    doubtful_name,
    refuse_credentials,
    whole_name,
)
from server.planning.dialects.frame.compiling import allowed_methods, compile_request
from server.planning.dialects.frame.registry import known
from server.planning.kinds.route import is_collection_name, refuse_unplannable, split_prefix
from server.planning.own_programs import OwnPrograms
from server.planning.planned import Fixed, RoutesInForce
from server.values.errors import MethodNotAllowed, NotFound, NotPlannable
from server.values.model import RunnablePlan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.planning.kinds.schemas import Holds
    from server.values.model import Plan, RequestContext, Session

_BELOW = "Below a record, {name} is a collection once there are records at /{name}, as a plural is at once."
#: Plans whose code was checked; there are few kinds, but a route each.
_CHECKED_MAX = 4_096


async def _no_collections(_session: Session, _name: str) -> bool:
    return False


async def _records(_session: Session, _name: str) -> Holds:
    return "records"


async def _no_files(_session: Session, _path: tuple[str, ...]) -> bool:
    return False


class CheckedConventions:
    """A `Planner` that needs no key and no network.

    `exists` says whether a session has a collection. It is asked only about what is below a record and has
    no plural for a name, which may as well be an action. `holds` says what a collection has in it, and is
    asked where a method is for a path as a whole: it may be one object. `has_file` says whether there is a
    file in a record's field, by collection, id and field.
    """

    def __init__(
        self,
        *,
        delete_collections: bool = False,
        exists: Callable[[Session, str], Awaitable[bool]] = _no_collections,
        holds: Callable[[Session, str], Awaitable[Holds]] = _records,
        has_file: Callable[[Session, tuple[str, ...]], Awaitable[bool]] = _no_files,
    ) -> None:
        self._clearing = delete_collections
        self._has_file = has_file
        self._exists = exists
        self._holds = holds
        self._conventions = ConventionsPlanner(delete_collections=delete_collections)
        # The planner gives the identical plan for equal kinds of requests, so its identity is a key.
        self._checked: dict[int, tuple[Plan, Fixed]] = {}
        self._programs = OwnPrograms()

    async def plan(self, ctx: RequestContext) -> Fixed:
        """Raises NotPlannable, NotFound, MethodNotAllowed and what else conventions say of a request.

        And what `exists` raises.
        """
        if ctx.dialect:
            return await self._in_dialect(ctx)
        try:
            return await self._fixed(ctx)
        except (NotFound, NotPlannable) as error:
            if await self._is_file(ctx):
                return await self._checked_plan(self._conventions.plan_of_field(ctx), ctx)
            if isinstance(error, NotFound) or not await self._doubted(ctx):
                raise
        except MethodNotAllowed:
            name = whole_name(ctx.method, ctx.segments)
            if name is None:
                raise
            return await self._fixed(ctx, holds=await self._holds(ctx.session, name))
        return await self._fixed(ctx, exists=True)

    async def _in_dialect(self, ctx: RequestContext) -> Fixed:
        refuse_credentials(ctx.method, ctx.segments, ctx.body_json)
        compiled = compile_request(known()[ctx.dialect], ctx, clearing=self._clearing)
        checked = await self._checked_plan(compiled.plan, ctx)
        return Fixed(checked.runnable, compiled.params, compiled.asked)

    async def runnable(self, ctx: RequestContext) -> RunnablePlan:
        """The same plan, for operators to look at. Raises as `plan` does."""
        return (await self.plan(ctx)).runnable

    async def _fixed(self, ctx: RequestContext, *, exists: bool = False, holds: Holds | None = None) -> Fixed:
        return await self._checked_plan(self._conventions.plan(ctx, exists=exists, holds=holds), ctx)

    async def _checked_plan(self, plan: Plan, ctx: RequestContext) -> Fixed:
        found = self._checked.get(id(plan))
        if found is not None and found[0] is plan:
            return found[1]
        code = await self._programs.checked(plan.code, ctx.session.directory)
        if len(self._checked) >= _CHECKED_MAX:
            self._checked.clear()
        planned = Fixed(RunnablePlan(plan, code, "conventions"))
        self._checked[id(plan)] = (plan, planned)
        return planned

    async def allowed_methods(self, ctx: RequestContext) -> tuple[str, ...]:
        if ctx.dialect:
            return allowed_methods(known()[ctx.dialect], ctx.segments)
        name = whole_name("OPTIONS", ctx.segments)
        try:
            if name is None:
                return self._conventions.allowed_methods(ctx.segments)
            self._conventions.allowed_methods(ctx.segments)
            held = await self._holds(ctx.session, name)
            return self._conventions.allowed_methods(ctx.segments, holds=held)
        except NotPlannable:
            if not await self._doubted(ctx):
                raise
        return self._conventions.allowed_methods(ctx.segments, exists=True)

    async def _is_file(self, ctx: RequestContext) -> bool:
        """Whether the path is that of a file in a record: `/photos/1/image`, or `/photos/1/images[]/0`.

        Raises NotFound for what is never a path of ours.
        """
        path, place = (rest := split_prefix(ctx.segments)[1])[:3], rest[3:]
        if ctx.method != "GET" or len(path) != 3 or len(place) > 1 or not is_collection_name(path[0]):
            return False
        refuse_unplannable(ctx.segments)
        if doubtful_name(ctx.segments) is None and is_collection_name(path[2]):
            return False
        if place and not place[0].isdecimal():
            return False
        return await self._has_file(ctx.session, path)

    async def _doubted(self, ctx: RequestContext) -> bool:
        """Whether the path is a collection's, although its name alone does not say so.

        Raises NotPlannable that says what would make it one, unless the request is plainly an action.
        """
        name = doubtful_name(ctx.segments)
        if name is None:
            return False
        if await self._exists(ctx.session, name):
            return True
        if ctx.method == "POST" and ctx.content == "none":
            return False
        raise NotPlannable(f"{NOT_PLANNABLE} {_BELOW.format(name=name)}")

    async def routes_in_force(self, session: Session) -> RoutesInForce:  # noqa: ARG002 - the same for all
        return RoutesInForce()

    async def close(self) -> None:
        """Nothing is held."""
