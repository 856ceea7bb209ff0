"""How a session's database is opened, and what SQLite's errors mean here.

The settings and their reasons:

- `vfs=unix-none`: WASI has no file locks. A session has one owner, so none are needed.
- `locking_mode=EXCLUSIVE`: the cache outlives a transaction. Without it every read would first
  look at the file's change counter and journal, at 50 us a call in the guest.
- `journal_mode=TRUNCATE`: the guest's SQLite has no WAL. A commit truncates the journal instead of deleting a
  file. Never PERSIST, which leaves the last transaction's pages behind the zeroed header: only a random
  number per transaction tells them from a new journal's, and in the guest SQLite's random numbers are those
  of the snapshot, the same in every instance. So the n-th transactions of two guests have the same number,
  and a rollback of the second would bring pages of the first back over what was committed since. DELETE
  behaves like PERSIST while the lock is exclusive. A journal that PERSIST left is emptied at opening.
- `synchronous=FULL` ("full"): the journal is synced before its header makes it valid, the database before
  the journal is truncated, and that truncation (which is the commit) is synced too. So what was committed
  survives a loss of power.
  (https://sqlite.org/pragma.html#pragma_synchronous; pager.c, syncJournal and pager_end_transaction)
- "cache": a file that is made anew if it was not closed. `synchronous=OFF`, and `journal_mode=MEMORY`: not
  OFF, which would leave savepoints without a way back.
- `cell_size_check`: SQLite looks a page's cells over as it reads the page, and so meets damage sooner.
- `max_page_count`: a little above the session's disk limit, which the store keeps itself (store/room.py).
- not `trusted_schema=OFF`: SQLite 3.40 counts json_extract() among the functions that this bars from
  indexes. A file that a guest may have written is looked over instead (`Session.check_file`).
"""

from __future__ import annotations

import sqlite3
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias

from store import reach, text_search
from store.errors import (
    DuplicateId,
    InvalidQuery,
    ReadOnlyRequest,
    StoreDamaged,
    StoreError,
    StoreFailed,
    StoreFault,
    StoreFull,
    StoreTooNew,
)
from store.room import PAGE_BYTES, Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Durability: TypeAlias = Literal["full", "cache"]
#: What who opens a file knows of it: there is none, there is one, or either.
File: TypeAlias = Literal["none", "there", "any"]
_Params: TypeAlias = "Sequence[Any] | Mapping[str, Any]"

DATABASE_NAME = "store.db"
#: In the place of a session's directory: a store that is in memory, and gone when it is closed.
MEMORY = ":memory:"
#: "MSst": says whose file it is (https://sqlite.org/fileformat.html, offset 68).
APPLICATION_ID = 0x4D537374
#: 1: records. 2: there may be a table of answers, too (store/kept_answers.py).
FORMAT_VERSION = 2
#: SQL that takes a file from one format to the next: `MIGRATIONS[1]` makes format 2 out of 1. A step that is
#: missing has nothing to do: what the later format may have more is made when it is needed (`raise_format`),
#: and until then the file stays what it is, readable by the earlier version.
MIGRATIONS: dict[int, tuple[str, ...]] = {}

#: Where SQLite's own message quotes text of a damaged file, the message cannot be decoded.
_ERRORS = (sqlite3.Error, UnicodeDecodeError)
_first = itemgetter(0)
#: https://sqlite.org/fileformat.html, "The Rollback Journal".
_JOURNAL_HEADER_BYTES = 28
_CACHED_STATEMENTS = 512
_DURABILITY: dict[Durability, tuple[str, str]] = {
    "full": ("synchronous=FULL", "journal_mode=TRUNCATE"),
    "cache": ("synchronous=OFF", "journal_mode=MEMORY"),
}


class Database:
    """A connection whose errors are the store's own; every answer is fetched whole.

    It is opened by the first statement, as one that may only be read from.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], room: Room) -> None:
        self._connect = connect
        self._room = room
        self._connection: sqlite3.Connection | _Unopened = _Unopened(self._opened)
        #: Whether it was blank when it was opened (`is_blank`).
        self.blank = True
        #: The first error that leaves no doubt of what has to happen to the request, caught by a plan or not.
        self.fault: StoreFault | None = None
        #: As the last `PRAGMA query_only` said.
        self._query_only = False

    def run(self, sql: str, params: _Params = ()) -> int:
        """Execute a statement; the number of rows it changed (-1: it is not that kind)."""
        try:
            return self._connection.execute(sql, params).rowcount
        except _ERRORS as error:
            self._fail(error)

    def _opened(self) -> sqlite3.Connection:
        self._connection = connection = self._connect()
        self._query_only = True
        return connection

    def rows(self, sql: str, params: _Params = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(sql, params).fetchall()
        except _ERRORS as error:
            self._fail(error)

    def column(self, sql: str, params: _Params = ()) -> list[Any]:
        return list(map(_first, self.rows(sql, params)))

    def value(self, sql: str, params: _Params = ()) -> Any:
        """The first column of the first row, or None."""
        try:
            row = self._connection.execute(sql, params).fetchone()
        except _ERRORS as error:
            self._fail(error)
        return None if row is None else row[0]

    def take_room(self, text: str) -> None:
        """A text is about to be written. Raises StoreFull, and the transaction goes on."""
        self.take_room_of(len(text) if text.isascii() else len(text.encode()))

    def take_room_of(self, size: int) -> None:
        """So many bytes are. Raises StoreFull."""
        try:
            self._room.take(self, size)
        except StoreFull as full:
            self.fault = self.fault or full
            raise

    def query_only(self, *, on: bool) -> None:
        """Refuse writes, or take them."""
        self.run(f"PRAGMA query_only={'ON' if on else 'OFF'}")
        self._query_only = on

    @property
    def in_transaction(self) -> bool:
        """SQLite ends a transaction by itself after some errors, such as a full disk."""
        return self._connection.in_transaction

    def close(self) -> None:
        self._connection.close()

    def _fail(self, error: sqlite3.Error | UnicodeDecodeError) -> NoReturn:
        meaning = _meaning(error)
        if meaning is None:
            raise error
        if isinstance(meaning, ReadOnlyRequest) and not self._query_only:
            # When a file cannot be opened for writing SQLite opens it for reading, and goes on like that.
            meaning = StoreFailed("the file could not be opened for writing")
        if isinstance(meaning, StoreFault):
            self.fault = self.fault or meaning
        raise meaning from error


def connect(path: str, *, page_limit_bytes: int, durability: Durability, file: File = "any") -> Database:
    """Open the file, or set up to create it at the first write.

    `file`: what is known of it. Where there is none, it is not opened before the first statement.
    Raises StoreDamaged when it is no database of ours, StoreTooNew when it is a later one, StoreFailed
    when it cannot be read, or is gone.
    """
    room = Room(page_limit_bytes)
    database = Database(lambda: _connection(path, _pragmas(room, durability)), room)
    if file == "none":
        return database
    try:
        database.blank = _check_there(database) if file == "there" else _check_format(database)
        if durability == "full" and path != MEMORY:
            _empty_cold_journal(f"{path}-journal")
    except BaseException:
        database.close()
        raise
    return database


def _connection(path: str, pragmas: Iterable[str]) -> sqlite3.Connection:
    connection = sqlite3.connect(
        _uri(path), uri=True, isolation_level=None, cached_statements=_CACHED_STATEMENTS
    )
    try:
        connection.create_function("fold", 1, _fold, deterministic=True)
        connection.create_function("holds", 3, text_search.holds, deterministic=True)
        connection.create_function("reach", 2, reach.within, deterministic=True)
        # All at once, which is a third of what they cost one by one.
        connection.executescript("".join(f"PRAGMA {pragma};" for pragma in pragmas))
    except BaseException:
        connection.close()
        raise
    return connection


class _Unopened:
    """In the place of a connection until somebody needs one."""

    in_transaction = False

    def __init__(self, open_now: Callable[[], sqlite3.Connection]) -> None:
        self._open_now = open_now

    def execute(self, sql: str, params: _Params) -> sqlite3.Cursor:
        return self._open_now().execute(sql, params)

    def close(self) -> None:
        """There is nothing to close."""


def _empty_cold_journal(path: str) -> None:
    """Empty a journal that is over: its header is zeroed. A hot one was rolled back by the reads before."""
    try:
        with open(path, "r+b") as journal:  # noqa: PTH123  pathlib is not in the guest
            if not any(journal.read(_JOURNAL_HEADER_BYTES)):
                journal.truncate(0)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreFailed("the journal cannot be read") from error


def _uri(path: str) -> str:
    for letter, code in (("%", "%25"), ("?", "%3f"), ("#", "%23")):
        path = path.replace(letter, code)
    return f"file:{path}?vfs=unix-none"


def _pragmas(room: Room, durability: Durability) -> tuple[str, ...]:
    synchronous, journal_mode = _DURABILITY[durability]
    return (
        "locking_mode=EXCLUSIVE",
        f"page_size={PAGE_BYTES}",
        "temp_store=MEMORY",
        "cache_size=-16384",
        synchronous,
        journal_mode,
        "cell_size_check=ON",
        f"max_page_count={room.most_pages}",
        "query_only=ON",
    )


def _fold(text: object) -> str | None:
    return text.casefold() if isinstance(text, str) else None


def is_blank(database: Database) -> bool:
    """No catalogue yet: a new file, or one whose first transaction was rolled back."""
    return int(database.value("PRAGMA user_version")) == 0


def mark_format(database: Database) -> None:
    """Say in the file's header whose it is and in which format, as part of the open transaction."""
    database.value(f"PRAGMA application_id={APPLICATION_ID}")
    database.value(f"PRAGMA user_version={FORMAT_VERSION}")


def page_count(database: Database) -> int:
    return int(database.value("PRAGMA page_count"))


def raise_format(database: Database) -> None:
    """Mark an older file as today's, as part of the transaction that gives it what only today's may have."""
    if int(database.value("PRAGMA user_version")) < FORMAT_VERSION:
        mark_format(database)


def check_structure(database: Database) -> None:
    """Read the whole file. Raises StoreDamaged where its structure is broken."""
    if database.value("PRAGMA quick_check(1)") != "ok":
        raise StoreDamaged("the file's structure is damaged")


def _check_format(database: Database) -> bool:
    """Whether it is blank. Raises StoreDamaged, StoreTooNew."""
    version = database.value("PRAGMA user_version")
    if version == 0 and database.value("SELECT count(*) FROM sqlite_master") == 0:
        return True
    if database.value("PRAGMA application_id") != APPLICATION_ID or version < 1:
        raise StoreDamaged("the file is not a session's database")
    if version > FORMAT_VERSION:
        raise StoreTooNew(f"the file has format {version}; this version reads up to {FORMAT_VERSION}")
    _migrate(database, version)
    return False


def _check_there(database: Database) -> bool:
    """As `_check_format`, of a file that somebody knows to be there. Raises StoreFailed, too."""
    if _check_format(database):
        raise StoreFailed("the file is gone")
    return False


def _migrate(database: Database, version: int) -> None:
    statements = [each for step in range(version, FORMAT_VERSION) for each in MIGRATIONS.get(step, ())]
    if not statements:
        return
    database.query_only(on=False)
    database.run("BEGIN")
    for statement in statements:
        database.run(statement)
    mark_format(database)
    database.run("COMMIT")
    database.query_only(on=True)


def _meaning(error: sqlite3.Error | UnicodeDecodeError) -> StoreError | None:
    """SQLite's error as the store's, where it means something to a client or to the operator."""
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_CONSTRAINT:
            return DuplicateId("a record with this id exists already")
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN:
            return StoreFailed("the session's storage failed")
        case sqlite3.SQLITE_FULL:
            return StoreFull("the session's storage is full")
        case sqlite3.SQLITE_READONLY:
            return ReadOnlyRequest("this request may only read")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return StoreDamaged(str(error))
        case _:
            return _meaning_of_text(str(error))


def _meaning_of_text(text: str) -> StoreError | None:
    # Of our functions, only the one that decodes records can fail.
    if "malformed JSON" in text or "decode to UTF-8" in text or "user-defined function raised" in text:
        return StoreDamaged("a record is not JSON text")
    if "codec can't decode" in text:
        return StoreDamaged("the file's schema is no text")
    if "unsupported file format" in text or "malformed database schema" in text:
        return StoreDamaged(text)
    if text == "integer overflow":
        return InvalidQuery("a sum is beyond 2^63")
    return None
