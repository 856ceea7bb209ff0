"""The service inside this process, with real workers, and with plans that whoever starts it gives it."""

from __future__ import annotations

import abc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from attrs import evolve

from server.app import make_app
from server.planning.conventions.checked import CheckedConventions
from server.planning.planned import Fixed, Planned, RoutesInForce
from server.settings.reading import from_mapping
from server.values.model import Plan, RunnablePlan, SourceCode
from tools.processes import guest_environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from server.service import Service
    from server.values.model import RequestContext, Session, ValidatedCode


class GivenPlans(abc.ABC):
    """A planner with plans of its own; what it has none for is the conventions'."""

    def __init__(self) -> None:
        self._conventions = CheckedConventions()

    @abc.abstractmethod
    def runnable(self, ctx: RequestContext) -> RunnablePlan | None:
        """The plan for a request, or None. May raise what a planner may."""

    async def plan(self, ctx: RequestContext) -> Planned:
        given = self.runnable(ctx)
        return await self._conventions.plan(ctx) if given is None else Fixed(given)

    async def allowed_methods(self, ctx: RequestContext) -> tuple[str, ...]:
        return await self._conventions.allowed_methods(ctx)

    async def routes_in_force(self, session: Session) -> RoutesInForce:
        return await self._conventions.routes_in_force(session)

    async def close(self) -> None:
        await self._conventions.close()


def program(name: str, code: ValidatedCode) -> RunnablePlan:
    """A plan that is this code, at `/name`."""
    plan = Plan(action="run", resource="members", route=f"/{name}", code=SourceCode(code.text))
    return RunnablePlan(plan, code, "planned")


@asynccontextmanager
async def hosting(root: Path, planner: GivenPlans, **sandbox: Any) -> AsyncIterator[Service]:
    """A service on a free port, with its data in `root`; `sandbox` are settings of that section."""
    settings = from_mapping({"sandbox": sandbox, "store": {"data_root": str(root)}}, guest_environment())
    service = make_app(
        evolve(settings, server=evolve(settings.server, port=0, shutdown_seconds=5)), planner=planner
    )
    try:
        await service.start()
        yield service
    finally:
        await service.close()
