"""A stream of a session that another node has: its events go out here, as that node tells them.

Who may have it, for how long, and how many there are is this node's business. Whole events are passed on, so
what is said here between them (signs of life, why the stream ends) stands between them, too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from attrs import define, field

from server.live.outlets import Outlet
from server.values.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_END: Final = b"\n\n"


@define(eq=False)
class Relay(Outlet):
    """`told`: the other node's stream, as it comes; it ends, or raises OSError or ServiceError."""

    told: AsyncIterator[bytes] = field(kw_only=True)
    _blocks: deque[bytes] = field(factory=deque)
    _waiting: int = 0
    _taken: asyncio.Event = field(factory=asyncio.Event)

    async def serve(self) -> str:
        """Until it ends; why it has. Raises ConnectionError when the client has left."""
        with self.registry.holding(self):
            relaying = asyncio.get_running_loop().create_task(self._relay())
            try:
                return await self.run()
            finally:
                relaying.cancel()
                with suppress(asyncio.CancelledError):
                    await relaying

    async def _relay(self) -> None:
        rest = b""
        with suppress(OSError, ServiceError):
            async for piece in self.told:
                whole, end, rest = (rest + piece).rpartition(_END)
                if end:
                    self._blocks.append(whole + end)
                    self._waiting += len(whole) + len(end)
                    self.news()
                while self._waiting > self.registry.limits.buffered_bytes:
                    self._taken.clear()
                    await self._taken.wait()
        self.end("the node that has the session tells no more")

    async def _send_news(self) -> bool:
        while self._blocks:
            block = self._blocks.popleft()
            if not await self._fits(len(block)):
                return False
            self._waiting -= len(block)
            self._taken.set()
            self.events += block.count(_END)
            await self.wire.write(block)
        return True
