"""What the API process may ask of the keeper, by name: arguments and answers are JSON.

Paths are of files in the data root that one of the two makes and the other reads. Whoever changes or removes
a whole session holds it, so no worker has it open; that is looked at once more here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import asdict

from server.record.record import Invalid, Missing, RecordError, Unavailable
from store import dump
from store.change_set import ChangeSetError

if TYPE_CHECKING:
    from server.record.keeper import Keeper
    from server.record.postgres.membership import Membership
    from server.record.record import Head, Moment

_Operation: TypeAlias = Callable[..., Awaitable[Any]]


class Operations:
    """All of them may raise RecordError."""

    def __init__(self, keeper: Keeper, membership: Membership | None = None) -> None:
        self._keeper = keeper
        self._record = keeper.record
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
            "names": self._record.names,
            "forget": self._record.forget_name,
            "settings": self._settings,
            "change_settings": self._record.change_settings,
            "take_place": self._take_place,
            "places": self._record.places,
            "keep_document": self._keep_document,
            "document": self._document,
            "log": self._log,
            "changes": self._changes,
            "differences": self._differences,
            "steps": self._steps,
            "record_history": self._record_history,
            "rewind": self._rewind,
            "backup": self._backup,
            "verify": self._verify,
            "tidy": keeper.tidy,
            "stats": self._stats,
            "nodes": self._nodes,
        }
        if membership is not None:
            self._known |= {
                "claim": membership.claim,
                "owner": membership.owner,
                "release": membership.release,
                "nodes": membership.nodes,
                **membership.fleet.operations,
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
        return await self._record.dump(session, Path(path))

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

    async def _nodes(self) -> list[dict[str, Any]]:
        """Of a cluster; a service by itself is none."""
        return []

    async def _stats(self) -> dict[str, Any]:
        keeper = self._keeper
        return {
            "groups": keeper.groups,
            "commits": keeper.parts,
            "commit_seconds": keeper.seconds,
            "loads": keeper.loads,
            "files": len(keeper.shelf),
            "open": keeper.open_count,
            "fenced": keeper.fenced,
            "full": keeper.room.full,
            "waiting": len(keeper.adoption.waiting),
            "adopted": keeper.adoption.adopted,
            **await self._record.stats(),
        }

    # Names and settings

    async def _note(self, names: list[tuple[str, str, str]]) -> None:
        """Directories with their owners and labels."""
        await self._record.note_names(names)

    async def _take_place(self, session: str, token: str, most: int) -> bool:
        waits = session in self._keeper.adoption.waiting
        return await self._record.take_place(session, token, most, has_data=waits)

    async def _settings(self, session: str) -> dict[str, Any]:
        """What was set for it; for one that is not there yet, also what it will begin with."""
        own = await self._record.settings(session)
        template = self._keeper.template_of(session)
        if not template or (await self._record.head(session)).version:
            return own
        return {**await self._record.settings(template), **own}

    async def _keep_document(self, digest: str, text: str) -> None:
        await self._record.keep_document(digest, text.encode())

    async def _document(self, digest: str) -> str | None:
        data = await self._record.document(digest)
        return None if data is None else data.decode()

    # History

    async def _log(self, session: str, most: int, before: int | None = None) -> list[dict[str, Any]]:
        await self._there(session)
        return [asdict(entry) for entry in await self._record.log(session, most=most, before=before)]

    async def _changes(self, session: str, since: int, most: int) -> dict[str, Any]:
        await self._there(session)
        head, found = await self._record.changes(session, since=since, most=most)
        return {"version": head.version, "changes": [asdict(each) for each in found]}

    async def _steps(self, session: str, since: int) -> list[dict[str, Any]]:
        await self._there(session)
        return [asdict(each) for each in await self._record.steps(session, since=since)]

    async def _differences(self, session: str, at: Moment, most: int) -> dict[str, Any]:
        await self._there(session)
        version, found = await self._record.differences(session, at, most=most)
        return {"version": version, "differences": [asdict(each) for each in found]}

    async def _record_history(
        self, session: str, collection: str, id_: str, most: int, before: int | None = None
    ) -> dict[str, Any]:
        await self._there(session)
        found, more = await self._record.record_history(session, collection, id_, most=most, before=before)
        return {"versions": [asdict(each) for each in found], "more": more}

    async def _rewind(self, session: str, to: Moment) -> Head:
        self._require_closed(session)
        await self._there(session)
        head = await self._record.rewind(session, to)
        self._keeper.shelf.clear(session)
        return head

    # The whole record

    async def _backup(self, path: str) -> dict[str, Any]:
        return await self._record.backup(Path(path))

    async def _verify(self) -> dict[str, Any]:
        found = await self._record.verify()
        shelf = self._keeper.shelf
        files = [kept.closed.session for kept in shelf if not shelf.is_sound(kept)]
        return {**found, "files": len(self._keeper.shelf), "files_touched": files}
