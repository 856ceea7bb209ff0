"""What the nodes share beside sessions: the plan library's log, who asks a model about a kind, budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from server.record.postgres.connecting import Lost
from server.record.postgres.spending import Spending
from server.record.record import Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.record.postgres.connecting import Connection, Pool
    from server.record.postgres.nodes import Lease

_READ_AT_ONCE: Final = 200


class Fleet:
    """Of one node. All methods may raise RecordError."""

    def __init__(self, pool: Pool, node: str, lease: Callable[[], Lease]) -> None:
        self._pool = pool
        self._node = node
        self._lease = lease
        self.spending = Spending(pool, lease)

    # The plan library

    async def revision(self) -> int:
        """How many things were done to the library."""
        [(revision,)] = await self._pool.fetch("SELECT revision FROM library_head WHERE one = 1")
        return int(revision)

    async def add(self, done: str) -> int:
        """Put something behind all that was done; its number."""

        async def run(connection: Connection) -> int:
            revision = await connection.fetchval(
                "UPDATE library_head SET revision = revision + 1 WHERE one = 1 RETURNING revision"
            )
            await connection.execute(
                "INSERT INTO library_log VALUES ($1, $2, $3)", revision, self._node, done
            )
            return int(revision)

        try:
            return await self._pool.transaction(run)
        except Lost as error:
            raise Unknown("the record's database has not said whether it was done") from error

    async def since(self, after: int) -> list[tuple[int, bool, str]]:
        """What was done after a number, some of it: its own number, whether by another node, and what."""
        rows = await self._pool.fetch(
            "SELECT revision, node, done FROM library_log WHERE revision > $1 ORDER BY revision LIMIT $2",
            after,
            _READ_AT_ONCE,
        )
        return [(revision, node != self._node, done) for revision, node, done in rows]

    # Planning

    async def take(self, fingerprint: str, seconds: float) -> bool:
        """Whether this node is to ask the model about a kind: nobody else does at the moment."""
        lease = self._lease()
        rows = await self._pool.fetch(
            """\
            INSERT INTO planning VALUES ($1, $2, $3, clock_timestamp() + $4 * interval '1 second')
            ON CONFLICT (fingerprint) DO UPDATE
            SET node = excluded.node, epoch = excluded.epoch, until = excluded.until
            WHERE planning.node = excluded.node OR planning.until <= clock_timestamp() OR NOT EXISTS (
              SELECT 1 FROM nodes AS n
              WHERE n.node = planning.node AND n.epoch = planning.epoch AND n.expires > clock_timestamp())
            RETURNING epoch""",
            fingerprint,
            lease.node,
            lease.epoch,
            seconds,
        )
        return bool(rows)

    async def give_up(self, fingerprint: str) -> None:
        """It has asked, and what came of it is in the library, or nothing did."""
        await self._pool.fetch(
            "DELETE FROM planning WHERE fingerprint = $1 AND node = $2", fingerprint, self._node
        )

    @property
    def operations(self) -> dict[str, Any]:
        """For the API process, by name."""
        return {
            "library_add": self.add,
            "library_since": self.since,
            "planning_take": self.take,
            "planning_give_up": self.give_up,
            **self.spending.operations,
        }
