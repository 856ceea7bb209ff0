"""A record of each engine there is: another one only has to be added to ENGINES."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from server.record.postgres import engine as engine_module
from server.record.sqlite_record import Options, SqliteRecord
from server.record.writer import Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from server.record.record import Record

LIMITS = Limits(session_bytes=20_000, total_bytes=60_000)


class Engine(Protocol):
    """Opens the record of one test, again and again."""

    async def __call__(self, *, history_seconds: float = 3600.0) -> Record: ...


def sqlite(request: pytest.FixtureRequest) -> Engine:
    path: Path = request.getfixturevalue("tmp_path")

    async def open_(*, history_seconds: float = 3600.0) -> Record:
        options = Options("full", LIMITS, history_seconds, history_bytes=1024 * 1024)
        return SqliteRecord(path / "record.db", options)

    return open_


def postgres(request: pytest.FixtureRequest) -> Engine:
    url: str = request.getfixturevalue("database")

    async def open_(*, history_seconds: float = 3600.0) -> Record:
        options = engine_module.Options(LIMITS, history_seconds, history_bytes=1024 * 1024)
        return await engine_module.open_record(url, options)

    return open_


def pooled(request: pytest.FixtureRequest) -> Engine:
    """As behind a pooler: nothing is prepared under a name."""
    open_postgres = postgres(request)

    async def open_(*, history_seconds: float = 3600.0) -> Record:
        opened = await open_postgres(history_seconds=history_seconds)
        assert isinstance(opened, engine_module.PostgresRecord)
        await opened.pool.close()
        opened.pool._closed, opened.pool._prepares = False, False
        return opened

    return open_


ENGINES: dict[str, Callable[[pytest.FixtureRequest], Engine]] = {
    "sqlite": sqlite,
    "postgres": postgres,
    "pooled": pooled,
}


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[request.param](request)


@pytest.fixture
async def ledger(engine: Engine) -> AsyncIterator[Record]:
    """A record that is open and empty."""
    opened = await engine()
    yield opened
    await opened.close()
