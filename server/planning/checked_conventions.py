"""The conventions planner behind the same policy as any other planner, each plan checked once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.model import RunnablePlan
from server.planning.conventions import ConventionsPlanner
from server.planning.planned import Fixed, RoutesInForce
from server.planning.policy import check

if TYPE_CHECKING:
    from server.model import Plan, RequestContext, Session

#: Plans whose code was checked; there are few kinds, but a route each.
_CHECKED_MAX = 4_096


class CheckedConventions:
    """A `Planner` that needs no key and no network."""

    def __init__(self, *, delete_collections: bool = False) -> None:
        self._conventions = ConventionsPlanner(delete_collections=delete_collections)
        # The planner gives the identical plan for equal kinds of requests, so its identity is a key.
        self._checked: dict[int, tuple[Plan, Fixed]] = {}

    async def plan(self, ctx: RequestContext) -> Fixed:
        """Raises NotPlannable, NotFound, MethodNotAllowed and what else conventions say of a request."""
        return self._fixed(ctx)

    def runnable(self, ctx: RequestContext) -> RunnablePlan:
        """The same plan, for operators to look at. Raises as `plan` does."""
        return self._fixed(ctx).runnable

    def _fixed(self, ctx: RequestContext) -> Fixed:
        plan = self._conventions.plan(ctx)
        found = self._checked.get(id(plan))
        if found is not None and found[0] is plan:
            return found[1]
        if len(self._checked) >= _CHECKED_MAX:
            self._checked.clear()
        planned = Fixed(RunnablePlan(plan, check(plan.code), "conventions"))
        self._checked[id(plan)] = (plan, planned)
        return planned

    async def allowed_methods(self, ctx: RequestContext) -> tuple[str, ...]:
        return self._conventions.allowed_methods(ctx.segments)

    async def routes_in_force(self, session: Session) -> RoutesInForce:  # noqa: ARG002 - the same for all
        return RoutesInForce()

    async def close(self) -> None:
        """Nothing is held."""
