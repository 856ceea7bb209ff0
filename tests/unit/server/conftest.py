"""A keeper of the record, in a process of its own as the service has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.record.client import KeeperClient, KeeperConfig
from server.sessions import transfer
from server.sessions.records import Records

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def keeper(tmp_path: Path) -> AsyncIterator[KeeperClient]:
    """Of the record in `tmp_path`."""
    client = KeeperClient(
        KeeperConfig(tmp_path, history_seconds=3600, history_bytes=1024 * 1024), transfer.rows_of
    )
    await client.start()
    yield client
    await client.close()


@pytest.fixture
def records(keeper: KeeperClient) -> Records:
    return Records(keeper)
