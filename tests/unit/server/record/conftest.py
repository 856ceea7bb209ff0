"""A record of each engine there is: another one only has to be added to ENGINES."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from server.record.sqlite_record import Options, SqliteRecord
from server.record.writer import Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from server.record.record import Record

LIMITS = Limits(session_bytes=20_000, total_bytes=60_000)


class Engine(Protocol):
    """Opens the record of one test, again and again."""

    def __call__(self, *, history_seconds: float = 3600.0) -> Record: ...


def sqlite(path: Path) -> Engine:
    def open_(*, history_seconds: float = 3600.0) -> Record:
        options = Options("full", LIMITS, history_seconds, history_bytes=1024 * 1024)
        return SqliteRecord(path / "record.db", options)

    return open_


ENGINES: dict[str, Callable[[Path], Engine]] = {"sqlite": sqlite}


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    return ENGINES[request.param](tmp_path)


@pytest.fixture
async def ledger(engine: Engine) -> AsyncIterator[Record]:
    """A record that is open and empty."""
    opened = engine()
    yield opened
    await opened.close()
