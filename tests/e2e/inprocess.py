"""The service inside the test process, with real workers, and with plans that the test writes itself.

A program is reached as a collection is: `POST /attack` runs the program `attack`. It never passes the policy:
what is tested here is what stands behind it. Every other path is the conventions'.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from attrs import frozen

from server.values.model import ValidatedCode
from tests.e2e.files import expect_true_files
from tests.http.client import Answer, ask
from tools.in_process import GivenPlans, hosting, program
from tools.processes import workers_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from server.service import Service
    from server.values.model import RequestContext, RunnablePlan

_JSON = {"Content-Type": "application/json"}
_POLL_SECONDS = 0.001


class GivenPrograms(GivenPlans):
    """Plans whose code is given, by the collection they are asked for; all others by convention."""

    def __init__(self, programs: dict[str, str]) -> None:
        super().__init__()
        self._programs = programs

    def runnable(self, ctx: RequestContext) -> RunnablePlan | None:
        name = ctx.segments[0]
        return program(name, ValidatedCode(self._programs[name])) if name in self._programs else None


@frozen
class Served:
    """A service that runs, and what a test does to it."""

    service: Service

    async def ask(self, method: str, target: str, session: str = "s1", body: bytes | None = None) -> Answer:
        headers = {"X-Session-ID": session} | ({} if body is None else _JSON)
        return await ask(self.service.address, method, target, headers, body)

    async def run(self, program: str, session: str = "s1") -> Answer:
        return await self.ask("POST", f"/{program}", session, b"{}")

    async def records(self, session: str = "s1") -> list[Any]:
        answer = await self.ask("GET", "/members", session)
        assert answer.status == 200, answer
        items: list[Any] = answer.json["items"]
        return items

    async def busy_worker(self) -> int:
        """The process that runs a plan, as soon as there is one."""
        slots = self.service._executor._slots  # type: ignore[attr-defined]
        while True:
            for slot in slots:
                if slot.ready.is_set() and slot._worker.cell.started_ns():
                    return int(slot.pid)
            await asyncio.sleep(_POLL_SECONDS)

    async def all_are_ready(self) -> None:
        """Until the health page says that no worker is missing."""
        while True:
            workers = (await self.ask("GET", "/healthz")).json["workers"]
            if workers["ready"] == workers["configured"]:
                return

    @property
    def workers(self) -> list[int]:
        return workers_of(os.getpid())


@asynccontextmanager
async def serving(root: Path, programs: dict[str, str], **sandbox: Any) -> AsyncIterator[Served]:
    """A service with these programs; `sandbox` are settings of that section.

    When it has stopped, every session's file is what the record has.
    """
    async with hosting(root, GivenPrograms(programs), **sandbox) as service:
        yield Served(service)
    await expect_true_files(root)
