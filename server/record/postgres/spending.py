"""What planning has cost all nodes together, and whether one more call to a model may be made.

1. What was spent is kept by owner and window, in buckets of a part of the window. A bucket counts until its
   last moment has left the window, by the engine's clock. The service is the owner without a name.
2. A call is admitted under a lock that all nodes take, and reserved for; its bill takes the reservation's
   place, once. The reservation of a node whose lease has ended counts no more, nor one that is older than any
   call: nobody will settle it.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from server.record.postgres.connecting import Lost
from server.record.record import Unknown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from server.record.postgres.connecting import Connection, Pool
    from server.record.postgres.nodes import Lease

SERVICE: Final = ""
#: When only calls under way stand in the way: they are settled within seconds.
_SOON_SECONDS: Final = 1.0
_NOW: Final = "extract(epoch FROM clock_timestamp())::double precision"
_SPENT: Final = """\
SELECT owner, seconds, number, calls, tokens FROM spending WHERE owner = ANY($1::text[]) ORDER BY number"""
_RESERVED: Final = """\
SELECT r.session FROM reserved AS r JOIN nodes AS n ON n.node = r.node AND n.epoch = r.epoch
WHERE n.expires > clock_timestamp() AND r.made > clock_timestamp() - interval '10 minutes'"""
_ADD: Final = """\
INSERT INTO spending VALUES ($1, $2, $3, $4, $5) ON CONFLICT (owner, seconds, number)
DO UPDATE SET calls = spending.calls + excluded.calls, tokens = spending.tokens + excluded.tokens"""
_FORGET: Final = "DELETE FROM spending WHERE seconds = $1 AND number < $2"
_UNITS: Final = {"calls": 3, "tokens": 4}


class Spending:
    """Of one node. All methods may raise RecordError. `buckets`: of a window."""

    def __init__(self, pool: Pool, lease: Callable[[], Lease]) -> None:
        self._pool = pool
        self._lease = lease

    async def admit(
        self, session: str, limits: Sequence[Sequence[Any]], reserve: dict[str, int], buckets: int
    ) -> dict[str, Any]:
        """{"id": ...} of a reservation; or {"refused": [[place of a limit, seconds until it gives way]]}.

        `limits`: (owner, unit, seconds, most) each, the owner being the session or the service.
        """
        lease, reservation = self._lease(), secrets.token_hex(16)

        async def run(connection: Connection) -> dict[str, Any]:
            await connection.execute("SELECT 1 FROM library_head WHERE one = 2 FOR UPDATE")
            now, accounts = await _accounts(connection, [SERVICE, session], limits, reserve, buckets)
            refused = [
                [place, _frees_in(amounts, now, most, seconds)]
                for place, ((amounts, used), (_, _, seconds, most)) in enumerate(
                    zip(accounts, limits, strict=True)
                )
                if used >= most
            ]
            if refused:
                return {"refused": refused}
            await connection.execute(
                "INSERT INTO reserved VALUES ($1, $2, $3, $4, clock_timestamp())",
                reservation,
                session,
                lease.node,
                lease.epoch,
            )
            return {"id": reservation}

        found: dict[str, Any] = await self._do(run)
        return found

    async def used(self, limits: Sequence[Sequence[Any]], reserve: dict[str, int], buckets: int) -> list[int]:
        """What the service has spent under each of its limits, with what calls under way may cost."""

        async def run(connection: Connection) -> list[int]:
            _, accounts = await _accounts(connection, [SERVICE], limits, reserve, buckets)
            return [used for _, used in accounts]

        found: list[int] = await self._do(run)
        return found

    async def settle(
        self, reservation: str, session: str, seconds: Sequence[int], spent: tuple[int, int], buckets: int
    ) -> None:
        """Put the bill in the place of a reservation, once. `spent`: calls, tokens."""

        async def run(connection: Connection) -> None:
            gone = await connection.fetchval("DELETE FROM reserved WHERE id = $1 RETURNING id", reservation)
            if gone is None or not any(spent):
                return
            now = await connection.fetchval(f"SELECT {_NOW}")
            for each in seconds:
                number = int(now * buckets // each)
                for owner in (SERVICE, session):
                    await connection.execute(_ADD, owner, each, number, *spent)
                await connection.execute(_FORGET, each, number - buckets - 1)

        await self._do(run)

    async def forget_dead(self) -> None:
        """Reservations that nobody will settle."""
        await self._pool.fetch(
            """\
            DELETE FROM reserved AS r WHERE made < clock_timestamp() - interval '10 minutes' OR NOT EXISTS (
              SELECT 1 FROM nodes AS n WHERE n.node = r.node AND n.epoch = r.epoch)"""
        )

    async def _do(self, work: Callable[[Connection], Awaitable[Any]]) -> Any:
        try:
            return await self._pool.transaction(work)
        except Lost as error:
            raise Unknown("the record's database has not said whether it was done") from error

    @property
    def operations(self) -> dict[str, Any]:
        """For the API process, by name."""
        return {
            "spending_admit": self.admit,
            "spending_settle": self.settle,
            "spending_used": self.used,
        }


async def _accounts(
    connection: Connection,
    owners: list[str],
    limits: Sequence[Sequence[Any]],
    reserve: dict[str, int],
    buckets: int,
) -> tuple[float, list[tuple[list[tuple[float, int]], int]]]:
    """Now; and under each limit the bills with when they leave, and their sum with what is under way."""
    now: float = await connection.fetchval(f"SELECT {_NOW}")
    spent = await connection.fetch(_SPENT, owners)
    under_way = [row[0] for row in await connection.fetch(_RESERVED)]
    accounts = []
    for owner, unit, seconds, _ in limits:
        amounts = [
            (leaves, row[_UNITS[unit]])
            for row in spent
            if (row["owner"], row["seconds"]) == (owner, seconds)
            and (leaves := _leaves_at(row["number"], seconds, buckets)) > now
        ]
        calls = len(under_way) if owner == SERVICE else under_way.count(owner)
        accounts.append((amounts, sum(amount for _, amount in amounts) + calls * reserve[unit]))
    return now, accounts


def _leaves_at(number: int, seconds: int, buckets: int) -> float:
    return (number + 1) * seconds / buckets + seconds


def _frees_in(amounts: Sequence[tuple[float, int]], now: float, most: int, seconds: int) -> float:
    """Seconds until the bills alone are below the limit; a limit of 0 never is."""
    left = sum(amount for _, amount in amounts)
    if left < most:
        return _SOON_SECONDS
    for leaves, amount in amounts:
        left -= amount
        if left < most:
            return leaves - now
    return float(seconds)
