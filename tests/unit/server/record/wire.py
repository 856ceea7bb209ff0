"""A worker as the keeper sees it: the stream, spoken by hand."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from store import keeper_wire as wire

if TYPE_CHECKING:
    from pathlib import Path

    from server.record.client import KeeperClient

M = TypeVar("M")


class Worker:
    """One slot's worker; its questions wait for their answers one by one."""

    def __init__(self, keeper: KeeperClient, slot: int = 0, slots: int = 1) -> None:
        stream = keeper.connect(slot, slots)
        assert stream is not None
        self.stream = stream
        self.stream.setblocking(False)
        self._decoder = wire.Decoder()
        self._n = 0
        #: What was told without having been asked for.
        self.told: list[wire.Message] = []
        self._heard: list[wire.Message] = []

    async def open(self, session: str) -> wire.Opened | wire.Refused:
        self._n += 1
        return await self._ask(wire.Open(self._n, session))  # type: ignore[return-value]

    async def commit(self, *parts: wire.Part) -> tuple[wire.Refusal | None, ...]:
        self._n += 1
        answer = await self._ask(wire.Commit(self._n, parts))
        assert isinstance(answer, wire.Committed)
        return answer.refusals

    async def head(self, session: str) -> wire.Head:
        self._n += 1
        answer = await self._ask(wire.Outcome(self._n, session))
        assert isinstance(answer, wire.HeadIs)
        return answer.head

    async def closed(self, session: str, head: wire.Head, file: Path | None) -> None:
        """`file` None: not soundly."""
        found = None if file is None else await asyncio.to_thread(file.stat)
        looks = (found.st_size, found.st_ino, found.st_mtime_ns) if found else (0, 0, 0)
        await self.send(wire.Closed(session, head, *looks))

    async def send(self, message: wire.Message) -> None:
        await asyncio.get_running_loop().sock_sendall(self.stream, wire.encode(message))

    async def _ask(self, message: wire.Message) -> wire.Message:
        await self.send(message)
        while True:
            answer = await self.hear()
            if not isinstance(answer, wire.Room):
                return answer
            self.told.append(answer)

    async def hear(self) -> wire.Message:
        """The next thing that is said. Raises EOFError."""
        while not self._heard:
            async with asyncio.timeout(10):
                data = await asyncio.get_running_loop().sock_recv(self.stream, 65_536)
            if not data:
                raise EOFError
            self._heard += self._decoder.feed(data)
        return self._heard.pop(0)

    def close(self) -> None:
        self.stream.close()
