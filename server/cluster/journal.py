"""What the nodes have in common for planning, as the planner asks the keeper for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from server.record.record import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from server.record.client import KeeperClient

_SECONDS: Final = 10.0


class KeeperJournal:
    """The plan library's log, for the library's own thread. `loop` is where the keeper is asked.

    All methods block, and raise RecordError.
    """

    def __init__(self, keeper: KeeperClient) -> None:
        self._keeper = keeper
        self.loop: asyncio.AbstractEventLoop | None = None

    def add(self, done: str) -> int:
        return int(self._ask("library_add", done=done))

    def since(self, after: int) -> list[tuple[int, bool, str]]:
        return [
            (revision, foreign, done) for revision, foreign, done in self._ask("library_since", after=after)
        ]

    def keep(self, revision: int, path: Path) -> None:
        self._ask("library_keep", revision=revision, path=str(path))

    def fetch(self, path: Path) -> int:
        return int(self._ask("library_fetch", path=str(path)))

    def _ask(self, what: str, **arguments: Any) -> Any:
        if self.loop is None or self.loop.is_closed():
            raise Unavailable("the service does not run")
        asking = asyncio.run_coroutine_threadsafe(self._keeper.call(what, **arguments), self.loop)
        try:
            return asking.result(_SECONDS)
        except TimeoutError:
            asking.cancel()
            raise Unavailable("the keeper of the record does not answer") from None


class Turns:
    """Who of all nodes asks a model about a kind of request. Raises RecordError."""

    #: A node that lives longer than this without an answer has asked in vain.
    SECONDS: Final = 120.0

    def __init__(self, keeper: KeeperClient) -> None:
        self._keeper = keeper

    async def take(self, fingerprint: str) -> bool:
        return bool(await self._keeper.call("planning_take", fingerprint=fingerprint, seconds=self.SECONDS))

    async def give_up(self, fingerprint: str) -> None:
        await self._keeper.call("planning_give_up", fingerprint=fingerprint)


class Bills:
    """What planning has cost all nodes. Raises RecordError. See `server/record/postgres/spending.py`."""

    def __init__(self, keeper: KeeperClient) -> None:
        self._keeper = keeper

    async def admit(
        self, session: str, limits: Sequence[Sequence[Any]], reserve: dict[str, int], buckets: int
    ) -> dict[str, Any]:
        found: dict[str, Any] = await self._keeper.call(
            "spending_admit", session=session, limits=limits, reserve=reserve, buckets=buckets
        )
        return found

    async def used(self, limits: Sequence[Sequence[Any]], reserve: dict[str, int], buckets: int) -> list[int]:
        found: list[int] = await self._keeper.call(
            "spending_used", limits=limits, reserve=reserve, buckets=buckets
        )
        return found

    async def settle(
        self, reservation: str, session: str, seconds: Sequence[int], spent: tuple[int, int], buckets: int
    ) -> None:
        await self._keeper.call(
            "spending_settle",
            reservation=reservation,
            session=session,
            seconds=seconds,
            spent=spent,
            buckets=buckets,
        )
