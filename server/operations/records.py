"""The record as operators see it: how it is, whether it is what was written, and copies of it.

A backup is made in the data root, and fetched in pieces: neither side holds it in memory. Whoever has it all
has it removed; one that nobody removes goes when the next service starts.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from server.values.errors import BadRequest, NotFound

if TYPE_CHECKING:
    from pathlib import Path

    from server.sessions.files import SessionFiles
    from server.sessions.names import SessionNames
    from server.sessions.records import Records

PIECE_BYTES: Final = 8 * 1024 * 1024
_NAME: Final = re.compile(r"scratch-[0-9a-f]{16}")


@frozen
class RecordOperations:
    files: SessionFiles
    records: Records
    names: SessionNames

    async def show(self) -> dict[str, Any]:
        """The keeper's counts: see `server/record/operations.py`."""
        found: dict[str, Any] = await self.records.ask("stats")
        return found

    async def nodes(self) -> dict[str, Any]:
        """The nodes that use the record, each with its address, release, sessions, and lease in seconds."""
        return {"nodes": await self.records.ask("nodes")}

    async def verify(self) -> dict[str, Any]:
        """Every row looked at: `damaged` is what is not as it was written. Raises SessionDamaged."""
        found: dict[str, Any] = await self.records.ask("verify")
        return {"ok": not found["damaged"], **found}

    async def make_backup(self) -> dict[str, Any]:
        """`name` to fetch it by, `size_bytes`, `sessions`. Raises StorageFull."""
        await self.names.write()
        path = self.files.new_scratch()
        try:
            found: dict[str, Any] = await self.records.ask("backup", path=str(path))
        except BaseException:
            await asyncio.to_thread(path.unlink, missing_ok=True)
            raise
        return {"name": path.name, **found}

    async def piece(self, name: str, offset: int) -> bytes:
        """Bytes from there on; none at its end. Raises BadRequest, NotFound."""
        path = self._path(name)
        try:
            return await asyncio.to_thread(_read, path, offset)
        except FileNotFoundError:
            raise NotFound("There is no such backup.") from None

    async def drop_backup(self, name: str) -> dict[str, Any]:
        """Raises BadRequest."""
        await asyncio.to_thread(self._path(name).unlink, missing_ok=True)
        return {"name": name}

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise BadRequest("`name` must be that of a backup, as POST has told it.")
        return self.files.root / name


def _read(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        # Beyond the end there is nothing; a file system may not be able to name the place.
        file.seek(min(offset, path.stat().st_size))
        return file.read(PIECE_BYTES)
