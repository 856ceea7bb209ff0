"""The model: which one is asked, what it has cost, and whether it can be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from server.console.operating import document
from server.console.rendering import link
from server.console.visit import Visit, go
from server.operations.call import Call
from server.values.errors import ServiceError

if TYPE_CHECKING:
    from server.operations.api import Api
    from server.values.model import Reply


@frozen
class ModelViews:
    api: Api

    async def show(self, visit: Visit) -> Reply:
        return await self._page(visit)

    async def turn(self, visit: Visit) -> Reply:
        learn = visit.form.get("learn") == "true"
        try:
            await self.api.call(Call("PUT", ("learning",), body={"learn": learn}))
        except ServiceError as error:
            return await self._page(visit, status=error.status, failed=error.detail)
        return go(link("model", said="turned"))

    async def test(self, visit: Visit) -> Reply:
        """Ask the provider something, as `metaservice doctor --reach` does."""
        found = await self._get("doctor", reach="true")
        tested = next((each for each in found["findings"] if each["name"] == "provider"), None)
        return await self._page(visit, tested=tested)

    async def _page(
        self, visit: Visit, *, status: int = 200, failed: str = "", tested: dict[str, Any] | None = None
    ) -> Reply:
        return visit.page(
            "model.html",
            "model",
            status=status,
            failed=failed,
            tested=tested,
            model=await self._get("model"),
            usage=await self._get("usage", by="day,model"),
            findings=(await self._get("doctor"))["findings"],
        )

    async def _get(self, *segments: str, **query: str) -> dict[str, Any]:
        return await document(self.api, Call("GET", segments, query))
