"""What keeps sessions' records, whichever engine it is: one protocol, its values and its errors.

1. A session's record has a version, which each commit makes one more, and the batch id of the commit that
   made it. Who was told neither yes nor no asks for the head, and knows by the batch.
2. A commit is a group of parts, each upon the version that it was made upon. A part is there whole or not at
   all; one that is refused costs the others nothing. What `commit` has returned is durable.
3. A version that was is never given again: a session that was deleted and made anew has another identity.

    RecordError
    ├── Fenced         the session is not at that version any more
    ├── Exists         there is data already
    ├── Missing        no such session, or no such version any more
    ├── Full           the session's limit, that of all sessions, or the disk
    ├── Damaged        what was read is not what was written
    │   └── TooNew     a later version has written it
    ├── Invalid        the rows contradict each other, or what is there
    ├── Unavailable    the engine or its disk fails: nothing was written
    └── Unknown        it failed in such a way that nobody can tell
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from attrs import frozen

from store.keeper_wire import Head, Part

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from pathlib import Path

    from server.record.writer import Limits
    from store.change_set import ChangeSet
    from store.keeper_wire import Closed, Trouble

__all__ = ["Head", "Part", "Record"]

#: Of one session's settings, as JSON: larger things are documents of their own.
MOST_SETTINGS_BYTES: Final = 65_536
#: The name of a session's directory.
SessionName: TypeAlias = str


class RecordError(Exception):
    """Anything that the record refuses, or fails, to do; the message is for operators and clients."""

    trouble: Trouble = "unavailable"

    def __init__(self, reason: str, limit_bytes: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        #: The limit that was met, where it was one of settings.
        self.limit_bytes = limit_bytes


class Fenced(RecordError):
    """The session's version is another: whoever has made this has not seen what is there."""

    trouble: Trouble = "fenced"


class Exists(RecordError):
    """The session that was to be made has data."""

    trouble: Trouble = "refused"


class Missing(RecordError):
    """There is no such session, or its history does not reach back so far."""

    trouble: Trouble = "refused"


class Full(RecordError):
    """A limit, or the disk. Nothing was written. `reason` is "session", "total" or "disk"."""

    trouble: Trouble = "full"


class Damaged(RecordError):
    """Rows that were read are not those that were written."""

    trouble: Trouble = "damaged"
    #: It is the file's structure that is said to be broken, which SQLite also says of a disk that fails.
    structure = False


class TooNew(Damaged):
    """Written in a format that only a later version reads."""

    trouble: Trouble = "too-new"


class Invalid(RecordError):
    """A change set that no honest guest makes, or an argument that means nothing."""

    trouble: Trouble = "refused"


class Unavailable(RecordError):
    """The engine cannot be used now. Nothing was written."""


class Unknown(RecordError):
    """The disk failed in the sync: what was to be written is there, or is not."""

    trouble: Trouble = "unknown"


@frozen
class Entry:
    """A session as lists show it. Times are Unix times; `size_bytes` is what its rows come to."""

    name: SessionName
    version: int
    size_bytes: int
    used_at: float
    changed_at: float


@frozen
class Collection:
    """A collection as it is described: `schema` and `indexes` are JSON text, as in the catalogue."""

    name: str
    records: int
    next_id: int
    schema: str
    updated_at: str


@frozen
class LogEntry:
    """A version of a session: when it came to be, by which request, and what changed.

    `changes`: by collection, how many records were new, changed and removed.
    """

    version: int
    at: float
    request: str
    route: str
    plan: str
    changes: dict[str, tuple[int, int, int]]


@frozen
class Changes:
    """What a version has touched: its log entry, and by collection the addresses of records.

    An address is a number, or a text; None: more records than are told.
    """

    entry: LogEntry
    records: dict[str, list[int | str] | None]


@frozen
class Difference:
    """A record that is not the same in two states: its JSON text in each, None where it is not there."""

    collection: str
    row: int
    before: str | None
    after: str | None


@frozen
class Step:
    """A version, and what it did: each record that it made, changed or removed, by collection and row."""

    version: int
    records: list[Difference]


@frozen
class RecordVersion:
    """A record as a version of its session left it, and which commit that was.

    `what`: "new", "changed", "removed"; or "kept" where history does not reach back to the commit, and says
    no more of it. `doc`: its JSON text, None where it was removed.
    """

    version: int
    what: str
    doc: str | None
    at: float | None = None
    request: str = ""
    route: str = ""
    plan: str = ""


#: A version's number, or a Unix time: the last version that was there then.
Moment: TypeAlias = "int | float"


class Record(Protocol):
    """The engine. All its methods may raise Unavailable.

    `scratch` paths are files that an engine writes or reads for somebody else.
    """

    @property
    def identity(self) -> str:
        """Of this record: another one after a restore."""
        ...

    async def head(self, session: SessionName) -> Head: ...

    async def commit(self, group: Sequence[Part]) -> list[Head | RecordError]:
        """Of each part in order: the head that it made, or why it is not there."""
        ...

    async def load(self, session: SessionName, into: Path) -> Head:
        """Write the session's file, which must not be there yet. Raises Missing, Damaged, Full."""
        ...

    async def adopt(
        self,
        session: SessionName,
        rows: Iterable[ChangeSet],
        *,
        replace: bool = False,
        route: str = "import",
    ) -> Head:
        """Have a session consist of these rows, all or nothing.

        `route` is what its log says it was. Raises Exists (unless told to replace), Invalid, Full.
        """
        ...

    async def copy(
        self, source: SessionName, target: SessionName, *, at: Moment | None = None, missing_ok: bool = False
    ) -> Head:
        """Make a session of another's rows and settings. Raises Missing, Exists.

        `missing_ok`: it begins as a template, where there is one; settings that it has already stay.
        """
        ...

    async def reset(self, session: SessionName) -> Head:
        """Remove all rows; the session goes on, and can be rewound. Raises Missing."""
        ...

    async def remove(
        self, sessions: Sequence[SessionName], *, unused_since: float | None = None
    ) -> list[SessionName]:
        """Remove sessions with their history, for good; those that were there, and not used since a time."""
        ...

    async def use(self, sessions: Iterable[SessionName]) -> None:
        """Note that somebody has read them."""
        ...

    def sessions(self) -> AsyncIterator[Entry]: ...

    async def collections(self, session: SessionName) -> list[Collection]:
        """What it has, sorted. Raises Missing."""
        ...

    async def total_bytes(self) -> int: ...

    async def settings(self, session: SessionName) -> dict[str, Any]:
        """What was set for it alone; {} also where there is no such session."""
        ...

    async def change_settings(
        self,
        session: SessionName,
        changes: dict[str, Any],
        *,
        expected: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Set some of them, and take out those that are None; all that it has then.

        The session is made if need be. Where one of `expected` is another by now (None: not set) nothing is
        changed. They go with `copy`, stay in `adopt`, `reset` and `rewind`, and end in `remove`.
        Raises Invalid where they are too long.
        """
        ...

    async def log(self, session: SessionName, *, most: int, before: int | None = None) -> list[LogEntry]: ...

    async def changes(self, session: SessionName, *, since: int, most: int) -> tuple[Head, list[Changes]]:
        """What the versions after one have touched, the first ones first; and the head.

        Raises Missing where history does not reach back so far, and for a version that was never there.
        """
        ...

    async def steps(self, session: SessionName, *, since: int) -> list[Step]:
        """What each version after one did, the first one first; as records were before it and after it.

        Raises Missing where history does not reach back so far, where that is more than `steps.MOST_RECORDS`
        or `steps.MOST_BYTES`, and for a version that was never there; and Damaged.
        """
        ...

    async def differences(
        self, session: SessionName, at: Moment, *, most: int
    ) -> tuple[int, list[Difference]]:
        """Records that are not as they were; and the version that was there. Raises Missing."""
        ...

    async def record_history(
        self, session: SessionName, collection: str, id_: str, *, most: int, before: int | None = None
    ) -> tuple[list[RecordVersion], bool]:
        """At which versions before one a record was written or removed, the last one first; are there more.

        `id_` as a path has it. So many at most, and fewer where they come to more than 4 MiB, but at least
        two where there are two. None where there was never such a record, as far as history reaches.
        Raises Missing where there is no such session, and Damaged.
        """
        ...

    async def rewind(self, session: SessionName, to: Moment) -> Head: ...

    async def close(self) -> None: ...


class Engine(Record, Protocol):
    """What the keeper asks beside: of one session, and of what is kept beside the sessions."""

    @property
    def limits(self) -> Limits: ...

    @property
    def total(self) -> int:
        """What all sessions come to in bytes, as far as it is known without asking."""
        ...

    @property
    def pending_bytes(self) -> int:
        """What will be written to this node's disk without anybody asking for it."""
        ...

    def explained(self, error: RecordError) -> RecordError:
        """What the disk says of damage that was found."""
        ...

    async def used_bytes(self, session: SessionName) -> int: ...

    async def certain_head(self, session: SessionName) -> Head:
        """The head, when no commit of a keeper that is no more can change it."""
        ...

    async def entry(self, session: SessionName) -> Entry:
        """Raises Missing."""
        ...

    async def dump(self, session: SessionName, into: Path) -> Head:
        """Write the session's rows as text (`store/dump.py`). Raises Missing."""
        ...

    async def note_names(self, names: Sequence[tuple[str, str, str]]) -> None:
        """Directories with their owners and labels."""
        ...

    async def names(self) -> dict[str, tuple[str, str]]:
        """Owners and labels by directory."""
        ...

    async def forget_name(self, session: SessionName) -> None: ...

    async def take_place(
        self, session: SessionName, token: str, most: int, *, has_data: bool = False
    ) -> bool:
        """Whether the session is one of so many at most that the token has: see `places.py`."""
        ...

    async def places(self) -> dict[SessionName, str]:
        """Sessions that take a place of a token's, with its name."""
        ...

    async def keep_document(self, digest: str, data: bytes) -> None: ...

    async def document(self, digest: str) -> bytes | None: ...

    async def take_files(self) -> list[tuple[Closed, int]]:
        """The files that an orderly stop of this node has left, with their ctimes; and forget them."""
        ...

    async def keep_files(self, kept: Iterable[tuple[Closed, int]]) -> None:
        """What `take_files` is to find at the next start."""
        ...

    async def can_write(self) -> bool: ...

    async def prune_history(self) -> bool:
        """A step of removing old history; whether there is more."""
        ...

    async def stats(self) -> dict[str, Any]: ...

    async def backup(self, path: Path) -> dict[str, Any]: ...

    async def verify(self) -> dict[str, Any]:
        """Read everything. `sessions`, `records`; `damaged`: what is not as it was written."""
        ...
