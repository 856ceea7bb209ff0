"""A disk that is really full, and has room again."""

from __future__ import annotations

import pytest

from tools.torture import full

pytestmark = pytest.mark.long


async def test_a_full_disk_loses_nothing_and_needs_no_restart() -> None:
    """Writes are 507, reads go on, `/healthz` and the log say so, and then all is as before."""
    report = await full.torture(1)

    assert report.violations == []
    assert report.figures["507 storage-full"]
    assert report.figures["acknowledged"]
