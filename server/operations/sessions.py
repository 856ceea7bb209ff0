"""Sessions as operators see them: their data, sizes and routes; copies, archives, and their end.

1. Whatever reads or replaces a session's files holds the session: its requests wait, its guest is dropped.
   What takes long (exporting) is done on a copy, when the session is free again.
2. A session's database is not opened in this process; see `server.sessions.transfer`.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from server.operations.naming import BY_DIRECTORY, session_named
from server.planning.dialects.frame.choice import NoSessionDialects
from server.planning.dialects.frame.registry import names as dialect_names
from server.sessions import transfer
from server.sessions.files import Entry
from server.values.errors import BadRequest, Conflict, NotFound, SessionDamaged, Unprocessable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from server.planning.dialects.frame.choice import SessionDialects
    from server.planning.learned.library_rows import LearnedRecord
    from server.planning.learned.routes import LearnedRoutes
    from server.sessions.files import SessionFiles
    from server.sessions.names import SessionNames
    from server.values.model import Session
    from wasm_runtime.pool import Holder


class SessionOperations:
    """What operators do with sessions, while a service uses them or none."""

    def __init__(
        self,
        files: SessionFiles,
        names: SessionNames,
        holder: Holder,
        learned: LearnedRoutes | None,
        *,
        token_names: tuple[str, ...] = (),
        disk_bytes: int,
        dialects: SessionDialects | None = None,
    ) -> None:
        self._dialects = dialects or NoSessionDialects()
        self._files = files
        self._names = names
        self._holder = holder
        self._learned = learned
        self._disk_bytes = disk_bytes
        derived = [session_named(f"token:{name}", {}) for name in token_names]
        derived.append(session_named("~anonymous", {}))
        self._derived = {each.directory: each.id for each in derived}

    async def names(self) -> dict[str, str]:
        """Sessions' ids by their directory's name, as far as anything tells them."""
        routes = await self._routes()
        learned = {directory: session_id for directory, (session_id, _) in routes.items()}
        return {**self._derived, **learned, **await self._names.all()}

    async def named(self, name: str) -> Session:
        """Raises SessionInvalid, BadRequest."""
        return session_named(name, await self.names() if name.startswith(BY_DIRECTORY) else {})

    async def listed(self) -> dict[str, Any]:
        """All sessions that have data or have learned anything, those that changed last first.

        Those that were set aside are `damaged`, and their `remedy` is what to do about it.
        """
        names, routes = await self.names(), await self._routes()
        entries, damaged = await asyncio.to_thread(lambda: (self._files.entries(), self._files.set_aside()))
        in_use = {entry.directory for entry in entries}
        known = in_use | {entry.directory for entry in damaged}
        entries += [Entry(directory, 0, 0.0) for directory in routes if directory not in known]

        def row(entry: Entry) -> dict[str, Any]:
            found = _on_disk(entry, names.get(entry.directory))
            return {**found, "routes": routes.get(entry.directory, ("", 0))[1], "damaged": False}

        rows = [(entry, row(entry)) for entry in entries]
        for entry in damaged:
            found = row(entry)
            remedy = _remedy(found["session"], replaced=entry.directory in in_use)
            rows.append((entry, {**found, "damaged": True, "remedy": remedy}))
        rows.sort(key=lambda pair: (-pair[0].changed_at, pair[0].directory))
        return {"sessions": [found for _, found in rows]}

    async def show(self, name: str) -> dict[str, Any]:
        """Its collections with counts and learned fields, its size, its learned routes. No records.

        Raises NotFound; SessionDamaged where the data cannot be read.
        """
        session = await self._whole(name)
        entry = await asyncio.to_thread(self._entry, session)
        collections: list[dict[str, Any]] = []
        if entry is not None and self._files.has_data(session.directory):
            async with self._copied(session) as copy:
                collections = await _in_thread(transfer.describe, copy)
        return {
            **(
                _on_disk(entry, session.id)
                if entry
                else {"session": session.id, "directory": session.directory}
            ),
            "dialect": self._dialects.of(session),
            "collections": collections,
            "learned": await self._learned_by(session),
        }

    async def export(self, name: str, archive: Path) -> list[str]:
        """Write the session's data to a tar file in the documented layout; its collections' names.

        Raises NotFound, SessionDamaged.
        """
        session = await self._with_data(name)
        async with self._copied(session) as copy:
            names: list[str] = await _in_thread(transfer.export, copy, archive)
            return names

    async def import_(self, name: str, archive: Path, *, replace: bool = False) -> dict[str, Any]:
        """Make a session's data out of such a tar file.

        Raises Conflict for a session that has data already, without `replace`; Unprocessable for the file.
        """
        session = await self.named(name)
        self._require_free(session, replace=replace)
        async with self._scratch() as prepared:
            try:
                collections = await asyncio.to_thread(self._imported, archive, prepared)
            except transfer.TransferError as error:
                raise Unprocessable(f"The archive is refused: {error}.") from None
            await self._put(prepared, session)
        return {"session": session.id, "collections": collections}

    def _imported(self, archive: Path, prepared: Path) -> list[str]:
        names = transfer.import_(archive, prepared, most_bytes=self._disk_bytes)
        size = sum(path.lstat().st_size for path in prepared.iterdir())
        if size > self._disk_bytes:
            raise transfer.TransferError(f"its data takes {size} bytes, and a session has {self._disk_bytes}")
        return names

    async def fork(self, name: str, target_name: str) -> dict[str, Any]:
        """Copy a session's data and what it has learned to a session that has neither.

        As it is between two requests, however many are under way. Raises NotFound, Conflict.
        """
        source, target = await self._whole(name), await self.named(target_name)
        if source.directory == target.directory:
            raise Conflict("A session cannot be forked to itself.")
        self._require_free(target, replace=False)
        if target.directory in await self._routes():
            raise Conflict(f"Session {target.id} has learned routes already: delete it first.")
        if self._files.exists(source.directory):
            async with self._copied(source) as copy:
                await self._put(copy, target)
        routes = 0
        if self._learned is not None:
            routes = await self._learned.change(
                lambda library: library.copy_session(source.directory, target)
            )
        self._names.note(target)
        self._dialects.settle(target, self._dialects.of(source))
        return {"session": target.id, "from": source.id, "routes": routes}

    async def set_dialect(self, name: str, dialect: object) -> dict[str, Any]:
        """From now on its requests are read so, but for those that say otherwise. Raises BadRequest."""
        session = await self.named(name)
        if not isinstance(dialect, str) or dialect not in dialect_names():
            raise BadRequest(f"`dialect` must be one of {', '.join(dialect_names())}.")
        self._dialects.settle(session, dialect)
        self._names.note(session)
        return {"session": session.id, "dialect": dialect}

    async def reset(self, name: str) -> dict[str, Any]:
        """Remove a session's data, and keep what it has learned.

        Raises NotFound; SessionDamaged for one that was set aside, whose data is not in service.
        """
        session = await self._whole(name)
        async with self._holder.hold(session.directory):
            if self._files.exists(session.directory):
                await asyncio.to_thread(self._files.remove, session.directory)
        return {"session": session.id}

    async def delete(self, name: str) -> dict[str, Any]:
        """Remove a session: data, what was set aside or salvaged of it, learned routes, and its name.

        Raises NotFound.
        """
        session = await self._existing(name)
        async with self._holder.hold(session.directory):
            await asyncio.to_thread(self._files.remove_all, session.directory)
        routes = 0
        if self._learned is not None:
            routes = await self._learned.change(lambda library: library.forget_session(session.directory))
        await self._names.forget(session)
        self._dialects.settle(session, "")
        return {"session": session.id, "routes": routes}

    async def salvage(self, name: str) -> dict[str, Any]:
        """Put in service what can be read of a session that was set aside as damaged; the report.

        Raises Conflict where none of its name was set aside, or its place is taken.
        """
        session = await self.named(name)
        async with self._holder.hold(session.directory):
            try:
                report = await asyncio.to_thread(transfer.salvage, self._files.damaged(session.directory))
            except transfer.TransferError as error:
                raise Conflict(f"Nothing was salvaged: {error}.") from None
        return {"session": session.id, **report}

    @asynccontextmanager
    async def forked(self, session: Session) -> AsyncIterator[str]:
        """The name of a directory with a copy of the data, in which plans can be run; then it is removed.

        Raises SessionDamaged for a session that was set aside, or whose files cannot be read.
        """
        self._require_in_service(session)
        async with self._scratch() as path:
            if self._files.exists(session.directory):
                await self._copy(session, path)
            try:
                yield path.name
            finally:
                async with self._holder.hold(path.name):
                    pass  # the guest that ran there is gone

    @asynccontextmanager
    async def untouched(self, session: Session) -> AsyncIterator[None]:
        """For what asks a session's guest: the directory that this makes where there was none is removed."""
        was_there = self._files.exists(session.directory)
        try:
            yield
        finally:
            if not was_there:
                async with self._holder.hold(session.directory):
                    if self._files.exists(session.directory) and not self._files.has_data(session.directory):
                        await asyncio.to_thread(self._files.remove, session.directory)

    # Files

    @asynccontextmanager
    async def _copied(self, session: Session) -> AsyncIterator[Path]:
        async with self._scratch() as path:
            await self._copy(session, path)
            yield path

    async def _copy(self, session: Session, path: Path) -> None:
        """Raises SessionDamaged."""
        async with self._holder.hold(session.directory):
            try:
                await asyncio.to_thread(self._files.copy, session.directory, path)
            except OSError as error:
                raise SessionDamaged(f"The session's files cannot be read: {error.strerror}.") from None

    @asynccontextmanager
    async def _scratch(self) -> AsyncIterator[Path]:
        """A path below the data root where there is nothing yet; what is there at the end is removed."""
        path = self._files.new_scratch()
        try:
            yield path
        finally:
            await asyncio.to_thread(self._files.remove_scratch, path)

    async def _put(self, prepared: Path, session: Session) -> None:
        async with self._holder.hold(session.directory):
            await asyncio.to_thread(self._files.put, prepared, session.directory)
        self._names.note(session)

    # What there is

    async def _routes(self) -> dict[str, tuple[str, int]]:
        if self._learned is None:
            return {}
        return await self._learned.read(lambda library: library.sessions())

    async def _learned_by(self, session: Session) -> list[dict[str, Any]]:
        if self._learned is None:
            return []
        versions = self._learned.versions
        records = await self._learned.read(lambda library: library.routes_of(session.directory))
        return [{**_route(record), "stale": record.plan.is_stale(versions)} for record in records]

    async def _existing(self, name: str) -> Session:
        """One that has a directory, was set aside, or has learned anything. Raises NotFound."""
        session = await self.named(name)
        if self._files.is_new(session.directory) and session.directory not in await self._routes():
            raise NotFound(f"There is no session {name}.")
        return session

    async def _whole(self, name: str) -> Session:
        """Raises NotFound, and SessionDamaged for one that was set aside."""
        session = await self._existing(name)
        self._require_in_service(session)
        return session

    def _require_in_service(self, session: Session) -> None:
        if self._files.is_set_aside(session.directory):
            remedy = _remedy(session.id, replaced=False)
            raise SessionDamaged(f"The session was set aside as damaged; {remedy}.", remedy=remedy)

    async def _with_data(self, name: str) -> Session:
        session = await self._whole(name)
        if not self._files.has_data(session.directory):
            raise NotFound(f"Session {name} has no data.")
        return session

    def _require_free(self, session: Session, *, replace: bool) -> None:
        if not replace and self._files.has_data(session.directory):
            raise Conflict(f"Session {session.id} has data already.")

    def _entry(self, session: Session) -> Entry | None:
        try:
            return self._files.entry(session.directory)
        except FileNotFoundError:
            return None


async def _in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """For what reads a session's data. Raises SessionDamaged where it cannot be read."""
    try:
        return await asyncio.to_thread(work, *arguments)
    except transfer.TransferError as error:
        raise SessionDamaged(f"The session's data cannot be read: {error}.") from None


def _on_disk(entry: Entry, session_id: str | None) -> dict[str, Any]:
    changed = datetime.fromtimestamp(entry.changed_at, UTC).isoformat(timespec="seconds")
    changed_at = changed if entry.changed_at else None
    return {
        "session": session_id or f"@{entry.directory}",
        "directory": entry.directory,
        "size_bytes": entry.size_bytes,
        "changed_at": changed_at,
    }


def _remedy(session: str, *, replaced: bool) -> str:
    """What an operator does about a session that was set aside; `replaced`: another is in its place."""
    salvage = f"metaservice sessions salvage {session}"
    if not replaced:
        return f"save what can be read: {salvage}"
    return (
        f"another is in its place: metaservice sessions fork {session} NEW, "
        f"metaservice sessions reset {session}, then {salvage}"
    )


def _route(record: LearnedRecord) -> dict[str, Any]:
    plan = record.plan
    return {
        "method": plan.method,
        "route": plan.route,
        "content": plan.content,
        "plan": plan.plan_id,
        "pinned": plan.pinned,
        "quarantined": record.held,
        "learned_at": record.learned_at,
    }
