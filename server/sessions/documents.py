"""Documents that settings of sessions name, by their digests; they stand beside all sessions' data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.sessions.records import Records


class KeptDocuments:
    """All methods may raise Unavailable."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def keep(self, digest: str, text: str) -> None:
        await self._records.ask("keep_document", digest=digest, text=text)

    async def read(self, digest: str) -> str | None:
        found: str | None = await self._records.ask("document", digest=digest)
        return found
