"""What the API process may ask of the keeper, by name: arguments and answers are JSON.

Paths are of files in the data root that one of the two makes and the other reads. Whoever changes or removes
a whole session holds it, so no worker has it open; that is looked at once more here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import asdict

from server.record import backup
from server.record.files import PAGE_BYTES, failures
from server.record.record import Invalid, Missing, RecordError, Unavailable
from store import dump
from store.change_set import ChangeSetError

if TYPE_CHECKING:
    from server.record.keeper import Keeper
    from server.record.record import Head, Moment

_Operation: TypeAlias = Callable[..., Awaitable[Any]]


class Operations:
    """All of them may raise RecordError."""

    def __init__(self, keeper: Keeper, root: Path) -> None:
        self._keeper = keeper
        self._record = keeper.record
        self._root = root
        self._known: dict[str, _Operation] = {
            "head": self._head,
            "exists": self._exists,
            "found": self._found,
            "versions": self._keeper.versions,
            "load": self._load,
            "rows": self._rows,
            "adopt": self._adopt,
            "copy": self._copy,
            "reset": self._reset,
            "remove": self._remove,
            "sessions": self._sessions,
            "session": self._session,
            "note": self._note,
            "names": self._names,
            "forget": self._forget,
            "settings": self._settings,
            "change_settings": self._record.change_settings,
            "keep_document": self._keep_document,
            "document": self._document,
            "log": self._log,
            "differences": self._differences,
            "rewind": self._rewind,
            "backup": self._backup,
            "verify": self._verify,
            "tidy": keeper.tidy,
            "stats": self._stats,
        }

    async def run(self, what: str, arguments: dict[str, Any]) -> Any:
        """Raises RecordError."""
        operation = self._known.get(what)
        if operation is None:
            raise Invalid(f"the record does not know '{what}'")
        try:
            return await operation(**arguments)
        except RecordError as error:
            raise self._record.explained(error) from error
        finally:
            self._keeper.look_at_total()

    def _require_closed(self, session: str) -> None:
        if self._keeper.is_open(session):
            raise Unavailable("the session is in use")

    async def _there(self, session: str) -> None:
        """Have it taken over if it waits for that. Raises Missing."""
        if (await self._keeper.ensure(session)).version == 0:
            raise Missing("there is no such session")

    # Files

    async def _head(self, session: str) -> Head:
        return await self._record.head(session)

    async def _exists(self, session: str) -> bool:
        waits = session in self._keeper.adoption.waiting
        return waits or (await self._record.head(session)).version > 0

    async def _found(self, session: str) -> None:
        """There is a file of the old format now, or none any more."""
        self._keeper.adoption.look_for(session)

    async def _load(self, session: str, path: str) -> Head:
        await self._there(session)
        return await self._record.load(session, Path(path))

    async def _rows(self, session: str, path: str) -> Head:
        """Its rows as text (`store/dump.py`)."""
        await self._there(session)
        head = await self._record.head(session)
        await self._record.dump(session, Path(path))
        return head

    async def _adopt(self, session: str, path: str, *, replace: bool = False) -> Head:
        """Have it consist of rows that are text."""
        self._require_closed(session)
        await self._keeper.adoption.adopt(session)
        try:
            head = await self._record.adopt(session, dump.read(Path(path)), replace=replace)
        except (ChangeSetError, UnicodeDecodeError) as error:
            raise Invalid(f"rows that are none: {error}") from error
        self._keeper.shelf.clear(session)
        return head

    # Whole sessions

    async def _copy(self, source: str, target: str, at: Moment | None = None) -> Head:
        self._require_closed(target)
        await self._there(source)
        await self._keeper.adoption.adopt(target)
        head = await self._record.copy(source, target, at=at)
        self._keeper.shelf.clear(target)
        return head

    async def _reset(self, session: str) -> Head:
        self._require_closed(session)
        await self._there(session)
        head = await self._record.reset(session)
        self._keeper.shelf.clear(session)
        return head

    async def _remove(self, session: str) -> list[str]:
        self._require_closed(session)
        self._keeper.adoption.forget(session)
        gone = await self._record.remove([session])
        self._keeper.shelf.remove(session)
        return gone

    # What there is

    async def _sessions(self) -> dict[str, Any]:
        """`sessions`: those of the record. `waiting`: those that are still files, with size and time."""
        found = [asdict(entry) async for entry in self._record.sessions()]
        return {"sessions": found, "waiting": self._keeper.adoption.waiting}

    async def _session(self, session: str) -> dict[str, Any]:
        """One of them with its collections. Raises Missing."""
        await self._there(session)
        entry = await self._record.entry(session)
        collections = await self._record.collections(session)
        return {**asdict(entry), "collections": [asdict(each) for each in collections]}

    async def _stats(self) -> dict[str, Any]:
        keeper, record = self._keeper, self._record
        checkpoints = record.checkpoints
        return {
            "groups": keeper.groups,
            "commits": keeper.parts,
            "commit_seconds": keeper.seconds,
            "loads": keeper.loads,
            "files": len(keeper.shelf),
            "open": keeper.open_count,
            "sessions": record.execute("SELECT count(*) FROM sessions")[0][0],
            "total_bytes": record.writer.total,
            "fenced": keeper.fenced,
            "log_pages": checkpoints.log_pages,
            "log_bytes": checkpoints.log_pages * PAGE_BYTES,
            "log_left": checkpoints.pages - checkpoints.copied,
            "history_bytes": record.history.size if record.history.on else 0,
            "full": keeper.room.full,
            "waiting": len(keeper.adoption.waiting),
            "adopted": keeper.adoption.adopted,
        }

    # Names and settings

    async def _note(self, names: list[tuple[str, str, str]]) -> None:
        """Directories with their owners and labels."""
        with self._record.writer.transaction():
            for name in names:
                self._record.writer.execute("INSERT OR REPLACE INTO names VALUES (?, ?, ?)", name)

    async def _names(self) -> dict[str, tuple[str, str]]:
        rows = self._record.execute("SELECT directory, owner, label FROM names")
        return {directory: (owner, label) for directory, owner, label in rows}

    async def _forget(self, session: str) -> None:
        self._record.execute("DELETE FROM names WHERE directory = ?", (session,))

    async def _settings(self, session: str) -> dict[str, Any]:
        """What was set for it; for one that is not there yet, also what it will begin with."""
        own = await self._record.settings(session)
        template = self._keeper.template_of(session)
        if not template or (await self._record.head(session)).version:
            return own
        return {**await self._record.settings(template), **own}

    async def _keep_document(self, digest: str, text: str) -> None:
        self._record.execute("INSERT OR IGNORE INTO documents VALUES (?, ?)", (digest, text.encode()))

    async def _document(self, digest: str) -> str | None:
        rows = self._record.execute("SELECT bytes FROM documents WHERE digest = ?", (digest,))
        return rows[0][0].decode() if rows else None

    # History

    async def _log(self, session: str, most: int, before: int | None = None) -> list[dict[str, Any]]:
        await self._there(session)
        return [asdict(entry) for entry in await self._record.log(session, most=most, before=before)]

    async def _differences(self, session: str, at: Moment, most: int) -> dict[str, Any]:
        await self._there(session)
        version, found = await self._record.differences(session, at, most=most)
        return {"version": version, "differences": [asdict(each) for each in found]}

    async def _rewind(self, session: str, to: Moment) -> Head:
        self._require_closed(session)
        await self._there(session)
        head = await self._record.rewind(session, to)
        self._keeper.shelf.clear(session)
        return head

    # The whole record

    async def _backup(self, path: str) -> dict[str, Any]:
        return await self._in_thread(lambda: backup.make(self._root, Path(path)))

    async def _verify(self) -> dict[str, Any]:
        found = await self._in_thread(lambda: backup.verify(self._record.path))
        shelf = self._keeper.shelf
        files = [kept.closed.session for kept in shelf if not shelf.is_sound(kept)]
        return {**found, "files": len(self._keeper.shelf), "files_touched": files}

    async def _in_thread(self, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        with failures():
            return await asyncio.to_thread(work)
