"""The embedded engine's file, `record.db`: its tables, and how it is opened.

1. WAL with `synchronous=FULL`: a commit is one write and one sync of the log, for however many sessions it
   holds. NORMAL ("relaxed") syncs the log at checkpoints only: a loss of power may take the last commits.
2. `wal_autocheckpoint=0`: the log is copied into the file beside the commits, not in them (`checkpoints.py`).
3. Documents are in a table with rowids, their keys in an index beside: in a WITHOUT ROWID table SQLite moves
   rows of more than 1,002 bytes to pages of their own (https://sqlite.org/withoutrowid.html). What is new
   goes to the end of the table, so the inserts of a whole group share their last page.
4. `sessions`, `commits` and `superseded` give no number twice (AUTOINCREMENT for sessions; of the other two
   the last row stays): a row that is gone is not taken for another.
5. Tables of others are left alone: Litestream, for one, keeps two of its own in a file that it replicates.
6. A file of an earlier format is brought up to today's when it is opened.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal, NoReturn, TypeAlias

from server.record import schemas
from server.record.record import Damaged, Full, RecordError, TooNew, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Durability: TypeAlias = Literal["full", "relaxed"]

NAME: Final = "record.db"
#: "MSrc": says whose file it is.
APPLICATION_ID: Final = 0x4D537263
PAGE_BYTES: Final = 4096
_CACHE_KIB: Final = 16_384
_SYNCHRONOUS: Final[dict[Durability, str]] = {"full": "FULL", "relaxed": "NORMAL"}
#: Others may read the file (a backup, Litestream), and hold a lock for a moment as they begin.
_BUSY_SECONDS: Final = 5.0
_CACHED_STATEMENTS: Final = 256

#: What each format adds to the one before. One that was released is never changed.
_FORMATS: Final = (
    """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  version INTEGER NOT NULL,
  batch TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  made_at REAL NOT NULL,
  changed_at REAL NOT NULL,
  used_at REAL NOT NULL,
  last_commit INTEGER NOT NULL DEFAULT 0,
  settings TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE documents (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE collections (
  session INTEGER NOT NULL,
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  next_id INTEGER NOT NULL,
  updated_at TEXT NOT NULL,
  schema TEXT NOT NULL,
  indexes TEXT NOT NULL,
  version INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  PRIMARY KEY (session, number)
) WITHOUT ROWID;
CREATE TABLE records (
  id INTEGER PRIMARY KEY,
  session INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  row INTEGER NOT NULL,
  version INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  doc TEXT NOT NULL
);
CREATE UNIQUE INDEX records_by_row ON records (session, collection, row);
CREATE TABLE answers (
  id INTEGER PRIMARY KEY,
  session INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  name TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  made INTEGER NOT NULL,
  start INTEGER NOT NULL,
  size INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  answer TEXT NOT NULL
);
CREATE UNIQUE INDEX answers_by_seq ON answers (session, seq);
CREATE TABLE commits (
  id INTEGER PRIMARY KEY,
  session INTEGER NOT NULL,
  version INTEGER NOT NULL,
  at REAL NOT NULL,
  request TEXT NOT NULL,
  route TEXT NOT NULL,
  plan TEXT NOT NULL,
  changes TEXT NOT NULL,
  previous INTEGER NOT NULL,
  first_superseded INTEGER NOT NULL,
  superseded INTEGER NOT NULL
);
CREATE TABLE superseded (
  id INTEGER PRIMARY KEY,
  session INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  row INTEGER NOT NULL,
  version INTEGER NOT NULL,
  until INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  doc TEXT NOT NULL
);
CREATE TABLE caches (
  session TEXT PRIMARY KEY, identity TEXT NOT NULL, version INTEGER NOT NULL, batch TEXT NOT NULL,
  size INTEGER NOT NULL, inode INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE names (
  directory TEXT PRIMARY KEY, owner TEXT NOT NULL, label TEXT NOT NULL
) WITHOUT ROWID;
""",
    # Which token has a session: see places.py.
    """
CREATE TABLE places (
  session TEXT PRIMARY KEY, token TEXT NOT NULL, used_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX places_by_token ON places (token);
""",
)
FORMAT_VERSION: Final = len(_FORMATS)


def connect(path: Path, durability: Durability = "full", *, read_only: bool = False) -> sqlite3.Connection:
    """A connection to a record that is there. Raises sqlite3.Error."""
    mode = "ro" if read_only else "rw"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY_SECONDS,
        cached_statements=_CACHED_STATEMENTS,
    )
    try:
        for pragma in (
            f"cache_size=-{_CACHE_KIB}",
            f"synchronous={_SYNCHRONOUS[durability]}",
            "wal_autocheckpoint=0",
            "temp_store=MEMORY",
            "cell_size_check=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(path: Path) -> str:
    """See to it that there is a record of today's format; its identity. Raises RecordError.

    It is made under another name and then renamed, so that there is never half of one.
    """
    with failures():
        if not path.exists():
            _make(path)
        connection = connect(path)
        try:
            check_format(connection)
            if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
                raise Unavailable(f"the disk of {path} takes no write-ahead log")
            _bring_up(connection)
            return identity_of(connection)
        finally:
            connection.close()


def check_format(connection: sqlite3.Connection) -> None:
    """Raises Damaged, TooNew, sqlite3.Error."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise Damaged("the file is no record of sessions")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > FORMAT_VERSION:
        raise TooNew(f"the record has format {version}; this version reads up to {FORMAT_VERSION}")
    if version < 1:
        raise Damaged(f"the record has format {version}, which no version writes")


def _bring_up(connection: sqlite3.Connection) -> None:
    """Add what its format lacks. Raises sqlite3.Error."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version < FORMAT_VERSION:
        added = "".join(_FORMATS[max(version, 0) :])
        connection.executescript(f"BEGIN IMMEDIATE;{added}PRAGMA user_version={FORMAT_VERSION};COMMIT;")


def foreign_schema(connection: sqlite3.Connection) -> list[str]:
    """What of its schema no release makes in its format; it must be looked at before anything of it is read.

    Raises sqlite3.Error.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    before, later = "".join(_FORMATS[:version]), "".join(_FORMATS[version:])
    return schemas.foreign(connection, before, reserved=later)


def identity_of(connection: sqlite3.Connection) -> str:
    """Raises Damaged, sqlite3.Error."""
    found = connection.execute("SELECT value FROM meta WHERE key = 'identity'").fetchone()
    if found is None:
        raise Damaged("the record has lost its identity")
    return str(found[0])


def renew_identity(connection: sqlite3.Connection) -> None:
    """Make it another record: no cache of the one before is valid for it."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('identity', ?)", (secrets.token_hex(8),))


def _make(path: Path) -> None:
    scratch = path.with_name(f"scratch-{secrets.token_hex(8)}.db")
    os.close(os.open(scratch, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    connection = sqlite3.connect(scratch, isolation_level=None)
    try:
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        connection.executescript(f"BEGIN;{''.join(_FORMATS)}")
        renew_identity(connection)
        connection.execute("INSERT INTO meta VALUES ('made_at', ?)", (str(time.time()),))
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={FORMAT_VERSION}")
        connection.execute("COMMIT")
    finally:
        connection.close()
    scratch.rename(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Have the names in a directory on disk. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def failures() -> Iterator[None]:
    """Errors of SQLite and of the disk as the record's own."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        fail(error)


def fail(error: Exception) -> NoReturn:
    raise meaning(error) from error


def meaning(error: Exception) -> RecordError:
    """An error of SQLite or of the disk as the record's own."""
    if isinstance(error, UnicodeDecodeError):
        return Damaged("a text of the record is none")
    if isinstance(error, OSError):
        name = error.strerror or type(error).__name__
        return Full("disk") if error.errno in FULL_ERRNOS else Unavailable(f"the disk: {name}")
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return Full("disk")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            damaged = Damaged(f"the record's file is damaged: {error}")
            damaged.structure = True
            return damaged
        case _:
            return Unavailable(f"the record's file: {error}")


class Probe:
    """Whether the disk can read the record's files at all.

    SQLite makes corruption of a read that fails (SQLITE_IOERR_CORRUPTFS). The files stay open: to close one
    would drop the locks that SQLite has on it (fcntl(2)).
    """

    def __init__(self, path: Path) -> None:
        """Once a connection has read something, so that the log is there. Raises OSError."""
        names = (path, path.with_name(f"{path.name}-wal"))
        self._descriptors = [os.open(name, os.O_RDONLY | os.O_CLOEXEC) for name in names]

    def fails(self) -> bool:
        """Read both through, for a second at most: damage is rare, and its session waits."""
        deadline = time.monotonic() + _PROBE_SECONDS
        try:
            for descriptor in reversed(self._descriptors):
                offset = 0
                while data := os.pread(descriptor, _PROBE_BYTES, offset):
                    offset += len(data)
                    if time.monotonic() > deadline:
                        return False
        except OSError:
            return True
        return False

    def close(self) -> None:
        """When nobody in this process has the record open any more."""
        for descriptor in self._descriptors:
            os.close(descriptor)


_PROBE_SECONDS: Final = 1.0
_PROBE_BYTES: Final = 1024 * 1024
#: ENOSPC, EDQUOT.
FULL_ERRNOS: Final = frozenset({28, 122})
