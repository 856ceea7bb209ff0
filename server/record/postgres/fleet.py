"""What the nodes share beside sessions: the plan library's log, who asks a model about a kind, budgets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from server.record.postgres.connecting import Lost
from server.record.postgres.spending import Spending
from server.record.record import Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.record.postgres.connecting import Connection, Pool
    from server.record.postgres.nodes import Lease

_READ_AT_ONCE: Final = 200
#: Left in the log before the file's number: nodes that follow are not further behind.
_LEFT: Final = 500
_PIECE_BYTES: Final = 1024 * 1024


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

    async def keep(self, revision: int, path: str) -> None:
        """Have the library as of a number as a file, and remove what came well before that from the log."""
        data = await asyncio.to_thread(Path(path).read_bytes)
        pieces = [data[start : start + _PIECE_BYTES] for start in range(0, len(data), _PIECE_BYTES)]

        async def run(connection: Connection) -> None:
            await connection.execute("SELECT 1 FROM library_head WHERE one = 1 FOR UPDATE")
            if await connection.fetchval("SELECT max(revision) >= $1 FROM library_pieces", revision):
                return
            await connection.execute("DELETE FROM library_pieces")
            for number, piece in enumerate(pieces):
                await connection.execute(
                    "INSERT INTO library_pieces VALUES ($1, $2, $3)", revision, number, piece
                )
            await connection.execute("DELETE FROM library_log WHERE revision <= $1", revision - _LEFT)

        try:
            await self._pool.transaction(run)
        except Lost as error:
            raise Unknown("the record's database has not said whether it was done") from error

    async def fetch(self, path: str) -> int:
        """Write that file; the number that it is of, 0: there is none."""

        async def run(connection: Connection) -> int:
            rows = await connection.fetch("SELECT revision, number FROM library_pieces ORDER BY number")
            with await asyncio.to_thread(Path(path).open, "wb") as file:
                for revision, number in rows:
                    sql = "SELECT bytes FROM library_pieces WHERE revision = $1 AND number = $2"
                    file.write(await connection.fetchval(sql, revision, number))
            return int(rows[0][0]) if rows else 0

        return await self._pool.read(run)

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
            "library_keep": self.keep,
            "library_fetch": self.fetch,
            "planning_take": self.take,
            "planning_give_up": self.give_up,
            **self.spending.operations,
        }
