"""Settings of single sessions, as the record has them: a session's dialect, for one.

They are an object a session, each member one setting. The record keeps them with the session: they are in
its backup, go with a fork, are what a template's sessions begin with, and end with the session.

Those of sessions in use are in memory, so that a request waits for them once. Whoever adds a setting
has it checked where operators set it (`server/operations/session_settings.py`) and reads it in a
request's `ctx.settings`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import OrderedDict
from contextlib import closing
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import structlog

from server.record.record import RecordError
from server.sessions.records import as_service_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from server.record.client import KeeperClient

#: Where sessions' dialects were before the record had them.
OLD_DIALECTS: Final = "dialects.db"
#: Sessions whose settings are in memory.
_MOST_KNOWN: Final = 16_384

Settings: TypeAlias = "Mapping[str, Any]"
NONE: Final[Settings] = MappingProxyType({})

_log = structlog.get_logger()


class SessionSettings:
    """By the names of sessions' directories. To be used in one event loop."""

    def __init__(self, keeper: KeeperClient) -> None:
        self._keeper = keeper
        self._known: OrderedDict[str, Settings] = OrderedDict()
        self._asked: dict[str, asyncio.Task[Settings]] = {}
        #: Told of a session whose settings may be others now.
        self.on_change: Callable[[str], None] = lambda _session: None
        keeper.on_expired(self.forget)

    def known(self, session: str) -> Settings | None:
        """Those that are in memory; None where the record has to be asked."""
        found = self._known.get(session)
        if found is not None:
            self._known.move_to_end(session)
        return found

    async def of(self, session: str) -> Settings:
        """All of them; of a session that is not there yet, what it will begin with. Raises Unavailable."""
        found = self.known(session)
        if found is not None:
            return found
        task = self._asked.get(session)
        if task is None:
            task = self._asked[session] = asyncio.get_running_loop().create_task(self._ask(session))
            task.add_done_callback(lambda done: self._answered(session, done))
        with as_service_errors():
            return await asyncio.shield(task)

    async def change(
        self, session: str, changes: dict[str, Any], *, expected: dict[str, Any] | None = None
    ) -> Settings:
        """Set some, and take out those that are None; all that are in force then.

        It is durable when this returns. Nothing is changed where one of `expected` is another by now (None:
        not set). Raises Unavailable, NotConfirmed, Unprocessable.
        """
        try:
            with as_service_errors():
                await self._keeper.call(
                    "change_settings", session=session, changes=changes, expected=expected
                )
        finally:
            self.forget([session])
            self.on_change(session)
        return await self.of(session)

    def forget(self, sessions: Iterable[str]) -> None:
        """Ask the record the next time: they may be others there."""
        for session in sessions:
            self._known.pop(session, None)
            self._asked.pop(session, None)
            if session == self._keeper.template:  # others may be about to begin as it was
                self._known.clear()
                self._asked.clear()

    async def _ask(self, session: str) -> Settings:
        found: dict[str, Any] = await self._keeper.read("settings", session=session)
        return MappingProxyType(found) if found else NONE

    def _answered(self, session: str, task: asyncio.Task[Settings]) -> None:
        """An answer that was asked for before a change is not kept."""
        failed = task.cancelled() or task.exception() is not None
        if self._asked.get(session) is not task:
            return
        del self._asked[session]
        if failed:
            return
        self._known[session] = task.result()
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)

    async def adopt(self, root: Path) -> None:
        """Take over the file of dialects of an earlier release; then it is `dialects.db.adopted`."""
        old = root / OLD_DIALECTS
        if not await asyncio.to_thread(old.exists):
            return
        try:
            for session, dialect in await asyncio.to_thread(_read, old):
                changes, unset = {"dialect": dialect}, {"dialect": None}
                await self._keeper.call("change_settings", session=session, changes=changes, expected=unset)
            await asyncio.to_thread(old.rename, root / f"{OLD_DIALECTS}.adopted")
        except (RecordError, OSError, sqlite3.Error):
            _log.warning("sessions' dialects not taken over", exc_info=True)


class ReadsSettings(Protocol):
    """What was set for a session, by its directory."""

    def known(self, session: str) -> Settings | None:
        """None where `of` has to be waited for."""
        ...

    async def of(self, session: str) -> Settings: ...


class NoSettings:
    """For where there is no record: no session has any."""

    def known(self, session: str) -> Settings:  # noqa: ARG002
        return NONE

    async def of(self, session: str) -> Settings:
        return self.known(session)


def _read(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT directory, name FROM dialects").fetchall()
