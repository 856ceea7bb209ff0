"""Whoever can salvage is handed a session's directory while nobody is in it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from server.operations.sessions import SessionOperations
from server.sessions.files import SessionFiles
from server.sessions.names import SessionNames

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Held:
    """Remembers which session is held now."""

    def __init__(self) -> None:
        self.now: set[str] = set()

    @asynccontextmanager
    async def hold(self, session: str) -> AsyncIterator[None]:
        self.now.add(session)
        yield
        self.now.remove(session)


async def test_salvage_is_handed_a_held_session(tmp_path: Path) -> None:
    """Its report is the answer, beside the session's id."""
    holder, seen = Held(), []

    def salvage(directory: Path) -> dict[str, int]:
        seen.append((directory, set(holder.now)))
        return {"records": 3}

    names = SessionNames(tmp_path)
    operations = SessionOperations(
        SessionFiles(tmp_path), names, holder, None, disk_bytes=2**20, salvage=salvage
    )
    session = await operations.named("s1")
    report = await operations.salvage("s1")
    await names.close()

    assert report == {"session": "s1", "records": 3}
    assert seen == [(tmp_path / session.directory, {session.directory})]
    assert holder.now == set()
