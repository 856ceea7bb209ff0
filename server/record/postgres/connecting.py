"""Connections to PostgreSQL, transactions that are tried again, and what its errors mean.

1. asyncpg raises what is no PostgresError when a connection is lost inside a transaction. Whatever ends a
   transaction before its COMMIT was sent has written nothing; only behind a COMMIT can it be unknown.
2. Every statement has a time. `command_timeout` is the client's; on the server `transaction_timeout` (from
   version 17) and the statement's own end what a client no longer waits for, and
   `client_connection_check_interval` what a dead client has left behind. They are set by statements after
   connecting, which poolers pass on, and a server that does not know one of them goes without.
3. Statements are prepared under names only where the server itself is at the other end of the connection. A
   pooler may hand the connection's next transaction to another server, which has other statements of the
   same names, or none (PgBouncer before 1.21). It is told by the number of the process, which a pooler makes
   up.
4. A server that ends says so, and closes the connection a little later: what is asked between is no error of
   the server's but asyncpg's InternalClientError. It means what a closed connection does.
5. Serialization failures and deadlocks are tried again: distributed engines answer them every day.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import asyncpg

from server.record.record import Full, Invalid, RecordError, TooNew, Unavailable, Unknown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

T = TypeVar("T")
Connection: TypeAlias = "asyncpg.Connection[Any]"

CONNECT_SECONDS: Final = 5.0
_MOST_TRIES: Final = 6
_CONNECTIONS: Final = 8
_PREPARED: Final = 128
#: The connection is of no more use.
_BROKEN: Final = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
#: A server that does not know an option, or does not let one set it: undefined_object, feature_not_supported,
#: insufficient_privilege, invalid_parameter_value, syntax_error.
_NOT_AN_OPTION: Final = frozenset({"42704", "0A000", "42501", "22023", "42601"})
#: serialization_failure, deadlock_detected; and what two nodes that make one table at once may meet.
_AGAIN: Final = frozenset({"40001", "40P01"})
_RACES: Final = frozenset({"42P07", "23505", "42710", "XX000"})
#: What a server says of a statement that it has not done (asyncpg itself says 08, and one that goes may say
#: 57 when it has): data, integrity, rollback, access, resources, program limits, not supported.
_SAYS_NO: Final = frozenset({"22", "23", "40", "42", "53", "54", "0A"})
#: disk_full, out of memory, too many connections, configuration_limit_exceeded.
_FULL: Final = frozenset({"53100", "53400"})


class Lost(Exception):
    """A transaction whose COMMIT was sent, and whose end nobody has heard of."""


def options(seconds: float) -> tuple[str, ...]:
    """What a server is told after connecting, as far as it knows it. `seconds`: the longest transaction."""
    most = max(int(seconds * 1000), 1)
    return (
        f"SET statement_timeout = {most}",
        f"SET idle_in_transaction_session_timeout = {most}",
        f"SET transaction_timeout = {most}",
        "SET client_connection_check_interval = 500",
        f"SET tcp_user_timeout = {most}",
        "SET synchronous_commit = on",
    )


class Pool:
    """Connections to one database, made when they are needed. `seconds` bounds a statement."""

    def __init__(self, url: str, seconds: float) -> None:
        self._url = url
        self._seconds = seconds
        self._idle: list[Connection] = []
        self._room = asyncio.Semaphore(_CONNECTIONS)
        self._prepares: bool | None = None
        self._closed = False

    async def _connect(self) -> Connection:
        """Raises RecordError."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._connected()
        except (asyncpg.PostgresError, *_BROKEN, ValueError) as error:
            raise meaning(error) from error

    async def _connected(self) -> Connection:
        if self._prepares is None:
            probe = await self._opened(0)
            try:
                at_server = await probe.fetchval("SELECT pg_backend_pid()")
                self._prepares = at_server == probe.get_server_pid()
            finally:
                await _end(probe)
        return await self._opened(_PREPARED if self._prepares else 0)

    async def _opened(self, prepared: int) -> Connection:
        connection: Connection = await asyncpg.connect(
            self._url,
            statement_cache_size=prepared,
            max_cached_statement_lifetime=0,
            command_timeout=self._seconds,
            timeout=CONNECT_SECONDS,
        )
        try:
            for statement in options(self._seconds):
                try:
                    await connection.execute(statement)
                except asyncpg.PostgresError as error:
                    if error.sqlstate not in _NOT_AN_OPTION:
                        raise
        except BaseException:
            connection.terminate()
            raise
        return connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One for oneself. It goes when anything was raised that was no word of the server's."""
        async with self._room:
            connection = self._idle.pop() if self._idle else None
            if connection is None or connection.is_closed():
                connection = await self._connect()
            try:
                yield connection
            except (RecordError, asyncpg.PostgresError):
                self._give_back(connection)
                raise
            except BaseException:
                connection.terminate()
                raise
            self._give_back(connection)

    def _give_back(self, connection: Connection) -> None:
        if connection.is_closed() or self._closed or connection.is_in_transaction():
            connection.terminate()
        else:
            self._idle.append(connection)

    async def transaction(self, work: Callable[[Connection], Awaitable[T]], *, again: bool = True) -> T:
        """All of it or nothing, tried again where others were in the way. Raises RecordError, Lost.

        `work` may run several times. `again` False: not after a lost connection either.
        """
        for tried in range(1, _MOST_TRIES + 1):
            try:
                return await self._once(work)
            except asyncpg.PostgresError as error:
                if error.sqlstate not in _AGAIN or tried == _MOST_TRIES:
                    raise meaning(error) from error
                await asyncio.sleep(random.uniform(0, 0.01 * 2**tried))  # noqa: S311  only to be out of step
            except _BROKEN as error:
                # Nothing was written. A connection that was idle may have been closed long ago.
                if tried >= (2 if again else 1) or isinstance(error, TimeoutError):
                    raise meaning(error) from error
                self._forget_idle()
        raise AssertionError

    def _forget_idle(self) -> None:
        for connection in self._idle:
            connection.terminate()
        self._idle.clear()

    async def _once(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        async with self.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                found = await work(connection)
            except BaseException:
                if not connection.is_closed():
                    with suppress(asyncpg.PostgresError, *_BROKEN):
                        await transaction.rollback()
                raise
            try:
                await transaction.commit()
            except asyncpg.PostgresError as error:
                if error.sqlstate in _AGAIN or (error.sqlstate or "").startswith(("23", "53")):
                    raise  # the server says that it has not
                raise Lost(str(error)) from error
            except _BROKEN as error:
                connection.terminate()
                raise Lost(str(error)) from error
            return found

    async def at_once(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Statements that are a transaction each. Raises RecordError, and Lost: of the last nobody knows."""
        try:
            async with self.connection() as connection:
                return await work(connection)
        except asyncpg.PostgresError as error:
            if (error.sqlstate or "")[:2] not in _SAYS_NO:
                raise Lost(str(error)) from error
            raise meaning(error) from error
        except _BROKEN as error:
            raise Lost(str(error)) from error

    async def read(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """In one snapshot. Raises RecordError."""

        async def run(connection: Connection) -> T:
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return await work(connection)

        try:
            return await self.transaction(run)
        except Lost as error:
            raise Unavailable(f"the record's database: {error}") from error

    async def fetch(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """One statement that may run twice. Raises RecordError."""

        async def run(connection: Connection) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await connection.fetch(sql, *values)]

        for tried in range(2):
            try:
                return await self.transaction(run)
            except Lost as error:
                if tried:
                    raise Unknown(f"the record's database: {error}") from error
        raise AssertionError

    async def close(self) -> None:
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            await _end(connection)


async def _end(connection: Connection) -> None:
    try:
        await connection.close(timeout=1.0)
    except (asyncpg.PostgresError, *_BROKEN):
        connection.terminate()


def meaning(error: Exception) -> RecordError:
    """An error of the engine as the record's own, where nothing was written. Never with a password in it."""
    if isinstance(error, RecordError):
        return error
    if isinstance(error, asyncpg.PostgresError):
        if error.sqlstate in _FULL:
            return Full("disk")
        if (error.sqlstate or "").startswith("22"):
            return Invalid("a value that the record's database does not take")
        return Unavailable(f"the record's database: {error}")
    if isinstance(error, TimeoutError):
        return Unavailable("the record's database does not answer in time")
    name = (isinstance(error, OSError) and error.strerror) or type(error).__name__
    return Unavailable(f"the record's database cannot be reached: {name}")


async def prepare(pool: Pool, versions: tuple[tuple[str, ...], ...], identity: str) -> str:
    """Bring the tables up to today's; the record's identity, this where it had none. Raises RecordError."""
    for _ in range(_MOST_TRIES):
        try:
            return await pool.transaction(lambda connection: _migrated(connection, versions, identity))
        except (Lost, Unavailable) as error:
            cause = error.__cause__
            if isinstance(error, Unavailable) and not (
                isinstance(cause, asyncpg.PostgresError) and cause.sqlstate in _RACES
            ):
                raise
            await asyncio.sleep(random.uniform(0.01, 0.1))  # noqa: S311  another node makes them
    raise Unavailable("the record's tables are being made by others, again and again")


async def _migrated(connection: Connection, versions: tuple[tuple[str, ...], ...], identity: str) -> str:
    there = await connection.fetchval("SELECT to_regclass('meta') IS NOT NULL")
    found = 0
    if there:
        text = await connection.fetchval("SELECT value FROM meta WHERE key = 'format' FOR UPDATE")
        found = int(text or 0)
    if found > len(versions):
        raise TooNew(f"the record has format {found}; this version reads up to {len(versions)}")
    for number, statements in enumerate(versions[found:], found + 1):
        for statement in statements:
            await connection.execute(statement)
        await connection.execute(
            "INSERT INTO meta VALUES ('format', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            str(number),
        )
    await connection.execute(
        "INSERT INTO meta VALUES ('identity', $1) ON CONFLICT (key) DO NOTHING", identity
    )
    return str(await connection.fetchval("SELECT value FROM meta WHERE key = 'identity'"))
