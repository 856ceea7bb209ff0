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

from server.record.postgres.fleet import Fleet
from server.record.postgres.nodes import Lease, Nodes, now
from server.record.record import Fenced, RecordError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from server.record.postgres.engine import PostgresRecord

_RENEWALS: Final = 5
#: What operators change is seen everywhere within a second.
_LONGEST_SECONDS: Final = 0.5
#: Sessions that are there for a moment belong to whoever has made them.
_NOBODYS: Final = "scratch-"


class Membership:
    """All methods may raise RecordError."""

    def __init__(
        self,
        record: PostgresRecord,
        nodes: Nodes,
        lease: Lease,
        report: Callable[[dict[str, Any]], None],
        owned: Iterable[str] = (),
    ) -> None:
        self._record = record
        #: What all nodes have in common beside sessions.
        self.fleet = Fleet(record.pool, nodes.node, lambda: self.lease)
        self._nodes = nodes
        self._report = report
        self._owned: set[str] = set()
        self._ended = False
        self._begin(lease)
        self._owned.update(owned)

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
            await asyncio.sleep(min(self._nodes.ttl / _RENEWALS, _LONGEST_SECONDS))

    async def renew(self) -> None:
        """Renew the lease, or begin another; tell the API process."""
        try:
            self.lease = self._record.lease = await self._nodes.renew(self.lease)
        except Fenced:
            self._begin(await self._nodes.begin())
        await self.tell()

    async def tell(self) -> None:
        event = {
            "event": "lease",
            "epoch": self.lease.epoch,
            "until": self.lease.until,
            "nodes": await self._nodes.live(),
            "revision": await self.fleet.revision(),
        }
        self._report(event)

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
        return {"epoch": lease.epoch, "revision": await self.fleet.revision()}

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


async def joined(
    record: PostgresRecord, nodes: Nodes, report: Callable[[dict[str, Any]], None], *, before: int = 0
) -> Membership:
    """A node more; or one that was there, whose lease of the epoch `before` goes on. Raises RecordError."""
    owned: list[str] = []
    try:
        lease = await nodes.renew(Lease(nodes.node, before, 0.0)) if before else await nodes.begin()
        owned = await nodes.owned(lease) if before else []
    except Fenced:
        lease = await nodes.begin()
    membership = Membership(record, nodes, lease, report, owned)
    await membership.fleet.spending.forget_dead()
    await membership.tell()
    return membership
