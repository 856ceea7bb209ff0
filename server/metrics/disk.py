"""How full the data root is."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from server.values.errors import ServiceError

if TYPE_CHECKING:
    from pathlib import Path

    from server.sessions.records import Records


@frozen
class Disk:
    """Bytes of the data root's file system and of sessions in the record, and how many of these there are.

    `record` are the keeper's own counts, see `server/record/operations.py`; empty: it does not answer.
    """

    free: int = 0
    total: int = 0
    sessions: int = 0
    session_bytes: int = 0
    record: dict[str, Any] = field(factory=dict)


class DiskGauge:
    def __init__(self, root: Path, records: Records) -> None:
        self._root = root
        self._records = records

    async def read(self) -> Disk:
        """As it is. Raises OSError when the data root is gone."""
        usage = shutil.disk_usage(self._root)
        found: dict[str, Any] = {}
        with suppress(ServiceError):
            found = await self._records.ask("stats")
        return Disk(usage.free, usage.total, found.get("sessions", 0), found.get("total_bytes", 0), found)
