"""The service inside this process, with real workers, where a plan is whatever program is asked for."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from attrs import evolve

from server.app import Service, make_app
from server.model import Plan, RunnablePlan, SourceCode, ValidatedCode
from server.planning.checked_conventions import CheckedConventions
from server.planning.planned import Fixed, Planned, RoutesInForce
from server.planning.policy import check
from server.settings import from_mapping

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from server.model import RequestContext, Session
    from tools.torture.attacks import Attack

ATTACK = "attack"
MEMORY_BYTES = 128 * 1024 * 1024
DISK_BYTES = 4 * 1024 * 1024
_SANDBOX = {
    "workers": 1,
    "spare_guests": 1,
    "fuel": 3_000_000_000,
    "wall_ms": 1_000,
    "memory_bytes": MEMORY_BYTES,
    "session_disk_bytes": DISK_BYTES,
}


class ProgramPlanner:
    """`/attack` runs `attack`, past the policy if that is switched off for it; the rest is by convention."""

    def __init__(self) -> None:
        self.attack: Attack | None = None
        self._conventions = CheckedConventions()

    async def plan(self, ctx: RequestContext) -> Planned:
        """Raises CodeRefused (502) where the policy is on and does its work."""
        if self.attack is None or ctx.segments[0] != ATTACK:
            return await self._conventions.plan(ctx)
        source = SourceCode(self.attack.code)
        # The one place but the policy that makes one: what stands behind the policy is what is tried.
        code = check(source) if self.attack.policy else ValidatedCode(source.text)
        plan = Plan(action="run", resource="members", route=f"/{ATTACK}", code=source)
        return Fixed(RunnablePlan(plan, code, "planned"))

    async def allowed_methods(self, ctx: RequestContext) -> tuple[str, ...]:
        return await self._conventions.allowed_methods(ctx)

    async def routes_in_force(self, session: Session) -> RoutesInForce:
        return await self._conventions.routes_in_force(session)

    async def close(self) -> None:
        await self._conventions.close()


@asynccontextmanager
async def hosting(root: Path, planner: ProgramPlanner) -> AsyncIterator[Service]:
    """One worker, so that victims and attackers share it, and small limits, so that they are reached."""
    environment = {name: os.environ[name] for name in _CACHE if name in os.environ}
    settings = from_mapping({"sandbox": _SANDBOX, "store": {"data_root": str(root)}}, environment)
    service = make_app(
        evolve(settings, server=evolve(settings.server, port=0, shutdown_seconds=5)), planner=planner
    )
    try:
        await service.start()
        yield service
    finally:
        await service.close()


#: Where the guest was built into, and nothing else of the environment.
_CACHE = ("HOME", "XDG_CACHE_HOME", "LARS_CACHE_DIR")
