"""After a test that has written: whether sessions' files are what the record has of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.record import files
from tools.torture.at_rest import untrue_files

if TYPE_CHECKING:
    from pathlib import Path


async def expect_true_files(data_root: Path) -> None:
    """Row by row, for all that an orderly stop has left to be opened again; some milliseconds."""
    if (data_root / files.NAME).exists():
        _, untrue = await untrue_files(data_root)
        assert untrue == [], "files of sessions that are not what the record has"
