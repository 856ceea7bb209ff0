"""The nodes of a cluster: who lives, for how long, and which of them has a session.

1. A node has a lease: a row with an epoch and a time, by the engine's clock, until which nobody else may take
   its sessions. The node counts its own from before it has asked for it, on a clock that also runs while the
   machine is suspended, and a little shorter: so it ends here no later than there. Only the rates of the two
   clocks matter. (A step forward of the engine's clock, or a failover to one that is ahead, can end it there
   earlier, for up to one renewal.)
2. A lease that has ended is never renewed: the node begins anew, with the next epoch, and owns nothing.
3. A session is owned by a node with an epoch. It can be taken while nobody owns it; or when the owner's lease
   has ended, whose epoch is raised first. So a renewal that is under way then finds another epoch, whichever
   of the two comes first.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, frozen

from server.record.record import Fenced, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.record.postgres.connecting import Pool

#: What two good clocks may differ by, and more.
_SLOWEST: Final = 0.98
_MOST_TRIES: Final = 20
_FOREIGN: Final = """\
SELECT o.node, o.epoch, n.epoch, n.url, n.expires > clock_timestamp()
FROM owners AS o LEFT JOIN nodes AS n ON n.node = o.node WHERE o.session = $1"""


def now() -> float:
    """Seconds on the clock that leases are counted on; all processes of a machine have the same."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@frozen
class Lease:
    """The node's own. `until`: on the clock of `now`."""

    node: str
    epoch: int
    until: float

    @property
    def is_live(self) -> bool:
        return now() < self.until


@frozen
class Node:
    """A node as others see it. `left`: seconds that its lease still has, by the engine's clock."""

    node: str
    url: str
    release: str
    epoch: int
    left: float
    sessions: int


@frozen
class Owner:
    """Whose a session is that is not this node's."""

    node: str
    url: str


class Nodes:
    """What one node does about all of them. Raises RecordError."""

    def __init__(self, pool: Pool, node: str, url: str, release: str, ttl: float) -> None:
        self._pool = pool
        self.node = node
        self._url = url
        self._release = release
        self.ttl = ttl

    async def begin(self) -> Lease:
        """A new lease, with the next epoch: this node owns nothing."""
        asked = now()
        [(epoch,)] = await self._pool.fetch(
            """\
            INSERT INTO nodes (node, url, release, epoch, expires)
            VALUES ($1, $2, $3, 1, clock_timestamp() + $4 * interval '1 second')
            ON CONFLICT (node) DO UPDATE SET url = excluded.url, release = excluded.release,
              epoch = nodes.epoch + 1, expires = excluded.expires
            RETURNING epoch""",
            self.node,
            self._url,
            self._release,
            self.ttl,
        )
        await self._pool.fetch("DELETE FROM owners WHERE node = $1 AND epoch < $2", self.node, epoch)
        return Lease(self.node, epoch, asked + self.ttl * _SLOWEST)

    async def renew(self, lease: Lease) -> Lease:
        """Raises Fenced: it has ended."""
        asked = now()
        rows = await self._pool.fetch(
            """\
            UPDATE nodes SET expires = clock_timestamp() + $3 * interval '1 second'
            WHERE node = $1 AND epoch = $2 AND expires > clock_timestamp() RETURNING epoch""",
            lease.node,
            lease.epoch,
            self.ttl,
        )
        if not rows:
            raise Fenced("the lease of this node has ended")
        return evolve(lease, until=asked + self.ttl * _SLOWEST)

    async def end(self, lease: Lease) -> None:
        """Give everything back."""
        await self._pool.fetch("DELETE FROM owners WHERE node = $1 AND epoch = $2", lease.node, lease.epoch)
        await self._pool.fetch(
            "UPDATE nodes SET expires = clock_timestamp(), epoch = epoch + 1 WHERE node = $1 AND epoch = $2",
            lease.node,
            lease.epoch,
        )

    async def owned(self, lease: Lease) -> list[str]:
        """The sessions of a lease."""
        rows = await self._pool.fetch(
            "SELECT session FROM owners WHERE node = $1 AND epoch = $2", lease.node, lease.epoch
        )
        return [row[0] for row in rows]

    async def live(self) -> list[tuple[str, str]]:
        """Nodes and their addresses, sorted."""
        rows = await self._pool.fetch(
            "SELECT node, url FROM nodes WHERE expires > clock_timestamp() ORDER BY node"
        )
        return [(node, url) for node, url in rows]

    async def all(self) -> list[Node]:
        """Those that live, or have lived within the last hour."""
        rows = await self._pool.fetch(
            """\
            SELECT node, url, release, epoch,
              extract(epoch FROM expires - clock_timestamp())::double precision,
              (SELECT count(*) FROM owners AS o WHERE o.node = n.node AND o.epoch = n.epoch)
            FROM nodes AS n WHERE expires > clock_timestamp() - interval '1 hour' ORDER BY node"""
        )
        return [Node(*row) for row in rows]

    # Sessions

    async def owner(self, session: str) -> Owner | None:
        """Whose it is, if that node lives and is another one."""
        rows = await self._pool.fetch(_FOREIGN, session)
        if not rows:
            return None
        node, epoch, current, url, live = rows[0]
        return Owner(node, url) if node != self.node and epoch == current and live else None

    async def claim(self, session: str, lease: Lease) -> Owner | None:
        """Have a session, unless a node that lives has it: that one. Raises Unavailable."""
        for _ in range(_MOST_TRIES):
            rows = await self._pool.fetch(_FOREIGN, session)
            if not rows:
                if await self._insert(session, lease):
                    return None
                continue
            node, epoch, current, url, live = rows[0]
            if (node, epoch) == (lease.node, lease.epoch):
                return None
            if epoch == current and node != lease.node:
                if live:
                    return Owner(node, url)
                if not await self._end_epoch(node, epoch):
                    continue  # it lives, or somebody else has ended it
            if await self._take(session, (node, epoch), lease):
                return None
        raise Unavailable("the session's owner changes again and again")

    async def _insert(self, session: str, lease: Lease) -> bool:
        return await self._did(
            "INSERT INTO owners VALUES ($1, $2, $3) ON CONFLICT (session) DO NOTHING RETURNING epoch",
            session,
            lease.node,
            lease.epoch,
        )

    async def _end_epoch(self, node: str, epoch: int) -> bool:
        return await self._did(
            """\
            UPDATE nodes SET epoch = epoch + 1
            WHERE node = $1 AND epoch = $2 AND expires <= clock_timestamp() RETURNING epoch""",
            node,
            epoch,
        )

    async def _take(self, session: str, before: tuple[str, int], lease: Lease) -> bool:
        return await self._did(
            """\
            UPDATE owners SET node = $4, epoch = $5
            WHERE session = $1 AND node = $2 AND epoch = $3 RETURNING epoch""",
            session,
            *before,
            lease.node,
            lease.epoch,
        )

    async def _did(self, sql: str, *values: Any) -> bool:
        return bool(await self._pool.fetch(sql, *values))

    async def release(self, sessions: Sequence[str], lease: Lease) -> None:
        await self._pool.fetch(
            "DELETE FROM owners WHERE session = ANY($1::text[]) AND node = $2 AND epoch = $3",
            sorted(sessions),
            lease.node,
            lease.epoch,
        )
