"""Sessions as operators see them: their data, sizes, history and routes; copies, archives, and their end.

1. Whatever changes or removes a whole session holds it: its requests wait, and its guest is dropped. What is
   only read comes from the record, as of one version of the session, and nobody waits for it.
2. Whether a session may be replaced is asked within the transaction that replaces it. So nothing that was
   acknowledged meanwhile is lost, and there is no moment at which a crash would leave half of it.
3. A session's file is not opened in this process; see `server.sessions.transfer`.
"""

from __future__ import annotations

import asyncio
import math
import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson

from server.concurrency.aside import OPERATORS, aside
from server.live.changes import Changes, Touched
from server.live.differences import field_changes
from server.operations.naming import BY_DIRECTORY, session_named
from server.operations.session_settings import SETTABLE, checked_changes
from server.sessions import transfer
from server.sessions.files import DIRECTORY
from server.sessions.fixed import SEED, SEED_FROM
from server.values.errors import BadRequest, Conflict, NotFound, SessionDamaged, Unprocessable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from server.live.changes import Cause
    from server.planning.learned.library_rows import LearnedRecord
    from server.planning.learned.routes import LearnedRoutes
    from server.record.record import Moment
    from server.sessions.files import SessionFiles
    from server.sessions.names import SessionNames
    from server.sessions.records import Records
    from server.sessions.settings import SessionSettings
    from server.values.model import Session
    from wasm_runtime.pool import Holder

_VERSION: Final = re.compile(r"[0-9]{1,15}")
#: Differences that are shown; there may be more.
_MOST_DIFFERENCES: Final = 1_000


class SessionOperations:
    """What operators do with sessions, while a service uses them or none."""

    def __init__(
        self,
        files: SessionFiles,
        records: Records,
        names: SessionNames,
        holder: Holder,
        learned: LearnedRoutes | None,
        *,
        token_names: tuple[str, ...] = (),
        disk_bytes: int,
        object_members: int,
        settings: SessionSettings,
        changes: Changes | None = None,
    ) -> None:
        """`changes` hears of sessions that are replaced, before anybody can ask them again."""
        self._changes = changes or Changes()
        self._settings = settings
        self._files = files
        self._records = records
        self._names = names
        self._holder = holder
        self._learned = learned
        self._disk_bytes = disk_bytes
        self._object_members = object_members
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

    async def _to_write(self, name: str) -> Session:
        """One that may be new. Raises SessionInvalid, BadRequest, and NotFound for a new one without a name.

        A directory's name is made from the session's: whoever has only the first could never use it.
        """
        session = await self.named(name)
        if session.id.startswith(BY_DIRECTORY) and not await self._is_known(session):
            raise NotFound(f"There is no session {name}; a new one needs a name of its own.")
        return session

    async def listed(self) -> dict[str, Any]:
        """All sessions that have data or have learned anything, those that changed last first.

        Those whose old file was set aside are `damaged`, and their `remedy` is what to do about it.
        """
        names, routes = await self.names(), await self._routes()
        found = await self._records.listed()
        entries = [(each["name"], each["size_bytes"], each["changed_at"]) for each in found["sessions"]]
        entries += [(directory, *looks) for directory, looks in found["waiting"].items()]
        put_aside = await asyncio.to_thread(self._files.all_set_aside)
        in_use = {directory for directory, _, _ in entries}
        known = in_use | {entry.directory for entry in put_aside}
        entries += [(directory, 0, 0.0) for directory in routes if directory not in known]

        def row(directory: str, size: int, changed_at: float) -> dict[str, Any]:
            shown = _shown(directory, names.get(directory), size, changed_at)
            return {**shown, "routes": routes.get(directory, ("", 0))[1], "damaged": False}

        rows = [(entry[2], row(*entry)) for entry in entries]
        for entry in put_aside:
            damaged = row(entry.directory, entry.size_bytes, entry.changed_at)
            remedy = _remedy(damaged["session"], replaced=entry.directory in in_use)
            rows.append((entry.changed_at, {**damaged, "damaged": True, "remedy": remedy}))
        rows.sort(key=lambda pair: (-pair[0], pair[1]["directory"]))
        return {"sessions": [shown for _, shown in rows]}

    async def show(self, name: str) -> dict[str, Any]:
        """Its collections with counts and learned fields, its size, its learned routes. No records.

        Raises NotFound; SessionDamaged where the data cannot be read.
        """
        session = await self._whole(name)
        found: dict[str, Any] = {"session": session.id, "directory": session.directory}
        collections: list[dict[str, Any]] = []
        if await self._records.exists(session.directory):
            shown = await self._records.show(session.directory)
            found |= _shown(session.directory, session.id, shown["size_bytes"], shown["changed_at"])
            found["version"] = shown["version"]
            collections = await aside(partial(_all_described, shown["collections"]), OPERATORS)
        settings = await self._settings.of(session.directory)
        found["settings"] = {name: value for name, value in settings.items() if name in SETTABLE}
        return {**found, "collections": collections, "learned": await self._learned_by(session)}

    async def export(self, name: str, archive: Path) -> list[str]:
        """Write the session's data to a tar file in the documented layout; its collections' names.

        Raises NotFound, SessionDamaged.
        """
        session = await self._with_data(name)
        async with self._scratch() as path:
            path.mkdir(mode=0o700)
            await self._records.load(session.directory, path / "store.db")
            names: list[str] = await _in_thread(transfer.export, path, archive)
            return names

    async def import_(self, name: str, archive: Path, *, replace: bool = False) -> dict[str, Any]:
        """Make a session's data out of such a tar file.

        Raises Conflict for a session that has data already, without `replace`; Unprocessable for the file;
        StorageFull; NotFound for a new one without a name.
        """
        session = await self._to_write(name)
        if not replace:
            await self._require_free(session)  # asked again when it is written; this spares reading the file
        rows = self._files.new_scratch()
        try:
            try:
                collections = await asyncio.to_thread(
                    lambda: transfer.imported(
                        archive, rows, most_bytes=self._disk_bytes, most_members=self._object_members
                    )
                )
            except transfer.TransferError as error:
                raise Unprocessable(f"The archive is refused: {error}.") from None
            async with self._replaced(session.directory, "import"):
                await self._adopt(session, rows, replace=replace)
        finally:
            rows.unlink(missing_ok=True)
        self._names.note(session)
        return {"session": session.id, "collections": collections}

    async def _adopt(self, session: Session, rows: Path, *, replace: bool) -> None:
        try:
            await self._records.adopt(session.directory, rows, replace=replace)
        except Conflict:
            raise Conflict(f"Session {session.id} has data already.") from None

    async def fork(self, name: str, target_name: str, *, at: str | None = None) -> dict[str, Any]:
        """Copy a session's data and what it has learned to a session that has neither.

        As it is between two requests, however many are under way, or as it was `at` a version or time.
        Raises NotFound, Conflict.
        """
        source, target = await self._whole(name), await self._to_write(target_name)
        if source.directory == target.directory:
            raise Conflict("A session cannot be forked to itself.")
        if target.directory in await self._routes():
            raise Conflict(f"Session {target.id} has learned routes already: delete it first.")
        moment = None if at is None else moment_of(at)
        await self._require_free(target)
        if await self._records.exists(source.directory):
            async with self._replaced(target.directory, "import"):
                try:
                    await self._records.copy(source.directory, target.directory, at=moment)
                except Conflict:
                    raise Conflict(f"Session {target.id} has data already.") from None
                finally:
                    self._settings.forget([target.directory])
        else:
            await self._settings.change(target.directory, dict(await self._settings.of(source.directory)))
        routes = 0
        if self._learned is not None:
            routes = await self._learned.change(
                lambda library: library.copy_session(source.directory, target)
            )
        self._names.note(target)
        if SEED in await self._settings.of(target.directory):
            await self._begin_sequence(target)
        return {"session": target.id, "from": source.id, "routes": routes}

    async def change_settings(self, name: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Set what holds for this session alone; None takes a setting out. All that it has then.

        Raises BadRequest.
        """
        session = await self._to_write(name)
        found = await self._settings.change(session.directory, checked_changes(changes))
        if SEED in changes:
            await self._begin_sequence(session)
        self._names.note(session)
        shown = {name: value for name, value in found.items() if name in SETTABLE}
        return {"session": session.id, "settings": shown}

    async def _begin_sequence(self, session: Session) -> None:
        """The session's sequence begins at the version that there is now."""
        version = await self._records.version(session.directory)
        await self._settings.change(session.directory, {SEED_FROM: version})

    async def reset(self, name: str) -> dict[str, Any]:
        """Remove a session's data, and keep what it has learned.

        Raises NotFound; SessionDamaged for one that was set aside, whose data is not in service.
        """
        session = await self._whole(name)
        async with self._replaced(session.directory, "reset"):
            if await self._records.exists(session.directory):
                await self._records.reset(session.directory)
                if SEED in await self._settings.of(session.directory):
                    await self._begin_sequence(session)
        return {"session": session.id}

    async def delete(self, name: str) -> dict[str, Any]:
        """Remove a session: data, history, what was set aside or salvaged of it, learned routes, its name.

        Raises NotFound.
        """
        session = await self._existing(name)
        async with self._replaced(session.directory, "deleted"):
            await self._records.remove(session.directory)
            await asyncio.to_thread(self._files.remove_all, session.directory)
        routes = 0
        if self._learned is not None:
            routes = await self._learned.change(lambda library: library.forget_session(session.directory))
        await self._names.forget(session)
        self._settings.forget([session.directory])
        return {"session": session.id, "routes": routes}

    async def salvage(self, name: str) -> dict[str, Any]:
        """Put in service what can be read of an old file that is damaged; the report.

        Raises NotFound; Conflict where there is no such file, or the session has data.
        """
        session = await self._existing(name)
        directory = session.directory
        async with self._replaced(directory, "import"):
            waiting = (await self._records.listed())["waiting"]
            if directory in waiting and not self._files.is_set_aside(directory):
                await asyncio.to_thread(self._files.set_aside, directory)
                await self._records.ask("found", session=directory)
            if await self._records.has_data(directory):
                raise Conflict(f"Nothing was salvaged: {_remedy(session.id, replaced=True)}.")
            report = await self._salvage(directory)
        return {"session": session.id, **report}

    async def _salvage(self, directory: str) -> dict[str, Any]:
        """Take over what can be read of what was set aside, which then gets another name, `kept`."""
        if not self._files.is_set_aside(directory):
            raise Conflict("Nothing was salvaged: nothing of this session was set aside as damaged.")
        rows = self._files.new_scratch()
        try:
            report = await asyncio.to_thread(transfer.salvaged, self._files.damaged(directory), rows)
            await self._records.adopt(directory, rows, replace=False)
            return {**report, "kept": await asyncio.to_thread(self._files.salvaged, directory)}
        except transfer.TransferError as error:
            raise Conflict(f"Nothing was salvaged: {error}.") from None
        except OSError as error:
            raise Conflict(f"Nothing was salvaged: {error.strerror}.") from None
        finally:
            rows.unlink(missing_ok=True)

    @asynccontextmanager
    async def _replaced(self, directory: str, cause: Cause) -> AsyncIterator[None]:
        """Hold the session while all of it becomes another one; tell of that before anybody can ask it.

        What has failed may have been done all the same.
        """
        async with self._holder.hold(directory):
            done: Cause = "doubtful"
            try:
                yield
                done = cause
            finally:
                self._changes.publish(Touched(directory, whole=True, cause=done))

    # History

    async def log(self, name: str, *, most: int, before: int | None) -> dict[str, Any]:
        """Its versions, the last one first: time, request, route, plan and what changed. Raises NotFound."""
        session = await self._with_record(name)
        found = await self._records.ask("log", session=session.directory, most=most, before=before)
        return {"session": session.id, "versions": [_logged(each) for each in found]}

    async def record_log(self, name: str, record: str, *, most: int, before: int | None) -> dict[str, Any]:
        """A record's versions, the last one first: what each did, by which request, and the record then.

        `record` is COLLECTION/ID. `next`: the version to go on before; None: that is all there is.
        Raises NotFound, BadRequest.
        """
        session = await self._with_record(name)
        collection, slash, id_ = record.partition("/")
        if not (collection and slash and id_):
            raise BadRequest("A record is named COLLECTION/ID, such as orders/7.")
        # One more than is shown: what a version has changed is told by the one before it.
        asked = {"collection": collection, "id_": id_, "most": most + 1, "before": before}
        answer = await self._records.ask("record_history", session=session.directory, **asked)
        found, more = answer["versions"], answer["more"]
        if not found and before is None:
            raise NotFound(f"{collection} has no record {id_}, and history knows of none.")
        more = more or len(found) > most
        shown = found[:-1] if more else found
        versions = [
            _recorded(each, earlier) for each, earlier in zip(shown, [*found[1:], None], strict=False)
        ]
        last = shown[-1]["version"] if more else None
        return {"session": session.id, "record": record, "versions": versions, "next": last}

    async def changes(self, name: str, since: int | None, *, most: int) -> dict[str, Any]:
        """What the versions after one have touched, the first ones first; None: only which there is now.

        Of a collection `None` stands for more records than are told. Raises NotFound, also where history does
        not reach back so far.
        """
        session = await self._with_record(name)
        if since is None:
            shown = await self._records.show(session.directory)
            return {"session": session.id, "version": shown["version"], "changes": []}
        found = await self._records.ask("changes", session=session.directory, since=since, most=most)
        changes = [_changed(each) for each in found["changes"]]
        return {"session": session.id, "version": found["version"], "changes": changes}

    async def rewind(self, name: str, to: str, *, dry: bool = False) -> dict[str, Any]:
        """Have its records be those of an earlier version or time, as a new version; `dry`: only say how.

        Raises NotFound, BadRequest.
        """
        session, moment = await self._with_record(name), moment_of(to)
        directory = session.directory
        asked = {"session": directory, "at": moment, "most": _MOST_DIFFERENCES}
        if dry:
            found = await self._records.ask("differences", **asked)
            return {"session": session.id, "to": found["version"], "differences": found["differences"]}
        async with self._replaced(directory, "rewind"):
            found = await self._records.ask("differences", **asked)
            head = await self._records.ask("rewind", session=directory, to=found["version"])
        changed = len(found["differences"])
        return {"session": session.id, "to": found["version"], "version": head[1], "changed": changed}

    @asynccontextmanager
    async def forked(self, session: Session) -> AsyncIterator[str]:
        """The name of a session with a copy of the data, in which plans can be run; then it is removed.

        Raises SessionDamaged for a session that was set aside, or whose data cannot be read.
        """
        scratch = self._files.new_scratch().name
        try:
            if DIRECTORY.fullmatch(session.directory) and await self._records.exists(session.directory):
                await self._records.copy(session.directory, scratch)
            else:
                await self._require_in_service(session)
            yield scratch
        finally:
            async with self._holder.hold(scratch):
                await self._records.remove(scratch)

    # Files

    @asynccontextmanager
    async def _scratch(self) -> AsyncIterator[Path]:
        """A path below the data root where there is nothing yet; what is there at the end is removed."""
        path = self._files.new_scratch()
        try:
            yield path
        finally:
            await asyncio.to_thread(self._files.remove_scratch, path)

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
        """One that has data or settings, was set aside, or has learned anything. Raises NotFound."""
        session = await self.named(name)
        if not await self._is_known(session) and not await self._settings.of(session.directory):
            raise NotFound(f"There is no session {name}.")
        return session

    async def _is_known(self, session: Session) -> bool:
        directory = session.directory
        if await self._records.exists(directory) or self._files.is_set_aside(directory):
            return True
        return directory in await self._routes()

    async def _whole(self, name: str) -> Session:
        """Raises NotFound, and SessionDamaged for one that was set aside."""
        session = await self._existing(name)
        await self._require_in_service(session)
        return session

    async def _require_in_service(self, session: Session) -> None:
        if self._files.is_set_aside(session.directory) and not await self._records.exists(session.directory):
            remedy = _remedy(session.id, replaced=False)
            raise SessionDamaged(f"The session was set aside as damaged; {remedy}.", remedy=remedy)

    async def _with_record(self, name: str) -> Session:
        session = await self._whole(name)
        if not await self._records.exists(session.directory):
            raise NotFound(f"Session {name} has no data.")
        return session

    async def _with_data(self, name: str) -> Session:
        session = await self._whole(name)
        if not await self._records.has_data(session.directory):
            raise NotFound(f"Session {name} has no data.")
        return session

    async def _require_free(self, session: Session) -> None:
        if await self._records.has_data(session.directory):
            raise Conflict(f"Session {session.id} has data already.")


def moment_of(text: str) -> Moment:
    """A version's number, or a time (ISO 8601; UTC where it says nothing else). Raises BadRequest."""
    if _VERSION.fullmatch(text):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest("A moment is a version's number, or a time such as 2026-11-30T12:00:00Z.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


async def _in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """For what reads a session's data. Raises SessionDamaged where it cannot be read."""
    try:
        return await asyncio.to_thread(work, *arguments)
    except transfer.TransferError as error:
        raise SessionDamaged(f"The session's data cannot be read: {error}.") from None


def _shown(directory: str, session_id: str | None, size: int, changed_at: float) -> dict[str, Any]:
    return {
        "session": session_id or f"@{directory}",
        "directory": directory,
        "size_bytes": size,
        "changed_at": _time(changed_at) if changed_at else None,
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _all_described(collections: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [_described(each) for each in collections]


def _described(collection: dict[str, Any]) -> dict[str, Any]:
    schema = orjson.loads(collection["schema"])
    return {
        "name": collection["name"],
        **({"single": schema["single"]} if schema.get("single") else {}),
        "records": collection["records"],
        "next_id": collection["next_id"],
        "fields": schema.get("fields", {}),
        "updated_at": collection["updated_at"],
    }


def _logged(entry: dict[str, Any]) -> dict[str, Any]:
    """`changes`: by collection, how many records were new, changed, removed."""
    changes = {
        name: dict(zip(("new", "changed", "removed"), counts, strict=True))
        for name, counts in entry["changes"].items()
    }
    return {**entry, "at": _at(entry["at"]), "changes": changes}


def _at(seconds: float) -> str:
    """Rounded up, so that the version was there at the time that is shown."""
    at = datetime.fromtimestamp(math.ceil(seconds * 1_000) / 1_000, UTC)
    return at.isoformat(timespec="milliseconds")


def _recorded(version: dict[str, Any], earlier: dict[str, Any] | None) -> dict[str, Any]:
    """A record's version; `fields`: what has become of each that is not as it was at the earlier one."""
    record, before = (
        None if each is None or each["doc"] is None else orjson.loads(each["doc"])
        for each in (version, earlier)
    )
    told = {name: version[name] for name in ("version", "what", "request", "route", "plan")}
    at = None if version["at"] is None else _at(version["at"])
    fields = [] if version["what"] == "kept" else field_changes(before or {}, record or {})
    return {**told, "at": at, "record": record, "fields": fields}


def _changed(change: dict[str, Any]) -> dict[str, Any]:
    entry = _logged(change["entry"])
    told = {name: entry[name] for name in ("version", "at", "route", "plan", "request")}
    return {**told, "collections": change["records"]}


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
