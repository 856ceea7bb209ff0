"""The node's part in a cluster: its lease, kept up, and the sessions that it has.

1. The lease is renewed five times within its life, and each renewal, or the lack of one, is told to the API
   process, which answers nothing of a session that was run after the lease had ended.
2. When the lease has ended the node begins a new one, with another epoch, and has no session any more.
3. What is known here of sessions is memory: a commit is written by the word of the engine alone.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from attrs import asdict

from server.record.postgres.nodes import Lease, Nodes, now
from server.record.record import Fenced, RecordError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from server.record.postgres.engine import PostgresRecord

_RENEWALS: Final = 5
#: Sessions that are there for a moment belong to whoever has made them.
_NOBODYS: Final = "scratch-"


class Membership:
    """All methods may raise RecordError."""

    def __init__(
        self,
        record: PostgresRecord,
        nodes: Nodes,
        lease: Lease,
        ttl: float,
        report: Callable[[dict[str, Any]], None],
    ) -> None:
        self._record = record
        self._nodes = nodes
        self._ttl = ttl
        self._report = report
        self._owned: set[str] = set()
        self._ended = False
        self._begin(lease)

    def _begin(self, lease: Lease) -> None:
        self.lease = self._record.lease = lease
        self._owned.clear()

    def has(self, session: str) -> bool:
        return session.startswith(_NOBODYS) or (session in self._owned and self.lease.is_live)

    async def keep_up(self) -> None:
        """For ever: renew the lease, and say so."""
        while not self._ended:
            with suppress(RecordError):
                await self.renew()
            await asyncio.sleep(self._ttl / _RENEWALS)

    async def renew(self) -> None:
        """Renew the lease, or begin another; tell the API process."""
        try:
            self.lease = self._record.lease = await self._nodes.renew(self.lease)
        except Fenced:
            self._begin(await self._nodes.begin())
        await self.tell()

    async def tell(self) -> None:
        live = await self._nodes.live()
        self._report({"event": "lease", "epoch": self.lease.epoch, "until": self.lease.until, "nodes": live})

    async def claim(self, session: str) -> dict[str, Any]:
        """{"epoch": ...} where the session is this node's now; {"node", "url"}: whose it is."""
        lease = self.lease
        if not lease.is_live:
            raise Unavailable("the lease of this node has ended")
        other = await self._nodes.claim(session, lease)
        if other is not None:
            self._owned.discard(session)
            return asdict(other)
        if self.lease.epoch != lease.epoch:
            raise Unavailable("the lease of this node has ended")
        self._owned.add(session)
        return {"epoch": lease.epoch}

    async def owner(self, session: str) -> dict[str, Any] | None:
        """Which other node has it, if any."""
        other = await self._nodes.owner(session)
        return None if other is None else asdict(other)

    async def release(self, sessions: Sequence[str]) -> None:
        """Give sessions back; nothing of them is under way here."""
        self._owned.difference_update(sessions)
        await self._nodes.release(sessions, self.lease)

    async def take_free(self, sessions: Sequence[str]) -> list[str]:
        """Those of them that are nobody else's, which are this node's now."""
        return [each for each in sessions if "epoch" in await self.claim(each)]

    async def nodes(self) -> list[dict[str, Any]]:
        """All there are, as operators see them."""
        return [{**asdict(each), "self": each.node == self._nodes.node} for each in await self._nodes.all()]

    async def end(self) -> None:
        """Give everything back: the node stops."""
        self._ended = True
        self._owned.clear()
        self._record.lease = Lease(self.lease.node, self.lease.epoch, now())
        await self._nodes.end(self.lease)


async def joined(  # noqa: PLR0917  what a node is
    record: PostgresRecord,
    node: str,
    url: str,
    release: str,
    ttl: float,
    report: Callable[[dict[str, Any]], None],
) -> Membership:
    """A node more. Raises RecordError."""
    nodes = Nodes(record.pool, node, url, release, ttl)
    membership = Membership(record, nodes, await nodes.begin(), ttl, report)
    await membership.tell()
    return membership
