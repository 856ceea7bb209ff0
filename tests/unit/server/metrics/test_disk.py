"""How full the data root is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.metrics.disk import DiskGauge
from tests.unit.server.record.rows import first, part

if TYPE_CHECKING:
    from pathlib import Path

    from server.record.client import KeeperClient
    from server.sessions.records import Records


async def test_sessions_and_their_bytes(tmp_path: Path, records: Records, keeper: KeeperClient) -> None:
    """Those of the record, as it counts them."""
    from tests.unit.server.record.wire import Worker

    nothing = await DiskGauge(tmp_path, records).read()
    worker = Worker(keeper)
    await worker.commit(part("a", 0, first("x")), part("b", 0, first("y")))
    found = await DiskGauge(tmp_path, records).read()
    worker.close()

    assert (nothing.sessions, nothing.session_bytes) == (0, 0)
    assert found.sessions == 2
    assert found.session_bytes > 0
    assert 0 < found.free <= found.total
    assert found.record["commits"] == 2


async def test_without_a_keeper_the_disk_is_told_all_the_same(
    tmp_path: Path, records: Records, keeper: KeeperClient
) -> None:
    await keeper.close()
    found = await DiskGauge(tmp_path, records).read()

    assert (found.sessions, found.record) == (0, {})
    assert found.free > 0
