"""Sessions' data as the service asks the record for it.

What the record refuses, in the service's own errors.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn

from server.record import record
from server.record.record import RecordError
from server.values.errors import (
    Conflict,
    NotConfirmed,
    NotFound,
    ServiceError,
    SessionDamaged,
    StorageFull,
    Unavailable,
    Unprocessable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from server.record.client import KeeperClient
    from server.record.record import Moment

#: Of sessions that exist for a moment, in which plans are tried.
SCRATCH: Final = "scratch-"
_FULL: Final = {
    "session": "The session's data would take more than {limit} bytes.",
    "total": "All sessions together have reached the limit of {limit} bytes.",
    "disk": "The disk is full.",
}


class Records:
    """All methods may raise Unavailable; `session` is a directory's name."""

    def __init__(self, keeper: KeeperClient) -> None:
        self._keeper = keeper

    async def ask(self, what: str, **arguments: Any) -> Any:
        """See `server/record/operations.py`. Raises ServiceError."""
        with as_service_errors():
            return await self._keeper.call(what, **arguments)

    async def exists(self, session: str) -> bool:
        """Whether anything was ever written to it."""
        return bool(await self.ask("exists", session=session))

    async def version(self, session: str) -> int:
        """0: nothing was ever written to it."""
        _, version, _ = await self.ask("head", session=session)
        return int(version)

    async def steps(self, session: str, since: int) -> list[dict[str, Any]]:
        """What each version after one did to records: `server.record.record.Step`. Raises NotFound."""
        found: list[dict[str, Any]] = await self.ask("steps", session=session, since=since)
        return found

    async def has_data(self, session: str) -> bool:
        """Whether it has a collection."""
        return await self.exists(session) and bool((await self.show(session))["collections"])

    async def show(self, session: str) -> dict[str, Any]:
        """`name`, `version`, `size_bytes`, `used_at`, `changed_at`, `collections`. Raises NotFound."""
        found: dict[str, Any] = await self.ask("session", session=session)
        return found

    async def listed(self) -> dict[str, Any]:
        """`sessions`, and `waiting`: files of the old format, by session, with size and time."""
        found: dict[str, Any] = await self.ask("sessions")
        found["sessions"] = [each for each in found["sessions"] if not each["name"].startswith(SCRATCH)]
        return found

    async def load(self, session: str, path: Path) -> None:
        """Write its file, which must not be there. Raises NotFound, SessionDamaged, StorageFull."""
        await self.ask("load", session=session, path=str(path))

    async def adopt(self, session: str, rows: Path, *, replace: bool) -> None:
        """Raises Conflict, Unprocessable, StorageFull."""
        await self.ask("adopt", session=session, path=str(rows), replace=replace)

    async def copy(self, source: str, target: str, *, at: Moment | None = None) -> None:
        """Raises NotFound, Conflict."""
        await self.ask("copy", source=source, target=target, at=at)

    async def reset(self, session: str) -> None:
        """Raises NotFound."""
        await self.ask("reset", session=session)

    async def remove(self, session: str) -> None:
        """Nothing where it is not."""
        await self.ask("remove", session=session)


@contextmanager
def as_service_errors() -> Iterator[None]:
    """What the record refuses, as the service answers it."""
    try:
        yield
    except RecordError as error:
        _raise(error)


def _raise(error: RecordError) -> NoReturn:
    raise _service_error(error) from error


def _service_error(error: RecordError) -> ServiceError:
    match error:
        case record.Missing():
            return NotFound(_sentence(error.reason))
        case record.Exists():
            return Conflict(_sentence(error.reason))
        case record.Full():
            limit = error.limit_bytes or "disk"
            return StorageFull(_FULL[error.reason].format(limit=limit), limit=limit)
        case record.Damaged():
            return SessionDamaged(f"The session's data cannot be read: {error.reason}.")
        case record.Invalid():
            return Unprocessable(_sentence(error.reason))
        case record.Unknown():
            return NotConfirmed("It may have been done, or not: look before it is tried again.")
        case _:
            return Unavailable("The record of sessions cannot be used at the moment; the log has more.")


def _sentence(reason: str) -> str:
    return f"{reason[:1].upper()}{reason[1:]}."
