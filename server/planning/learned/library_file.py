"""The plan library's file: `plans.db` in the data root, opened by the API process alone.

1. It is for the owner alone (0600), and so are its `-wal` and `-shm`, which SQLite makes like it.
2. `journal_mode=WAL`: one writer, and readers such as a person's shell never wait for it.
   `synchronous=NORMAL`: what was learned survives a crash of the process; a loss of power may cost the
   last plans, which are then asked for again (https://sqlite.org/pragma.html#pragma_synchronous).
3. A file that is damaged, not ours, or of a later version is set aside under another name with a line
   in the log, and a fresh one is made: the library saves calls, it must never cost the service.
4. The file may come from elsewhere. A schema with more in it than this release makes (a trigger, a view, a
   column that is worked out) is none of ours; and with `trusted_schema=OFF` no function runs from one.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

import structlog

from server.record import schemas

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME: Final = "plans.db"
#: "MSpl": says whose file it is (https://sqlite.org/fileformat.html, offset 68).
APPLICATION_ID: Final = 0x4D53706C
FORMAT_VERSION: Final = 1
#: SQL that takes a file from one format to the next: `MIGRATIONS[1]` makes format 2 out of 1.
MIGRATIONS: Final[dict[int, tuple[str, ...]]] = {}

#: A person's tool may hold the lock for a moment.
_BUSY_SECONDS: Final = 5.0
_CHUNK: Final = 1024 * 1024
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

PLAN_COLUMNS: Final = (
    "plan_id, fingerprint, method, route, content, query, needs, plan, provider, model,"
    " v_prompt, v_policy, v_model, v_rules, values_key, created_at, pinned"
)
LEARNED_COLUMNS: Final = (
    "session, method, pattern, content, query, values_key,"
    " plan, session_id, body_shape, learned_at, failures, quarantined, slug_asked"
)

#: `query` is a JSON array of the sorted keys, or `*` for any; `values_key` is empty but for needs=values.
#: `failures` is a JSON array of digests of body shapes.
_SCHEMA: Final = (
    """CREATE TABLE plans (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        plan_id TEXT NOT NULL, fingerprint TEXT NOT NULL,
        method TEXT NOT NULL, route TEXT NOT NULL, content TEXT NOT NULL, query TEXT NOT NULL,
        needs TEXT NOT NULL, plan TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
        v_prompt TEXT NOT NULL, v_policy TEXT NOT NULL, v_model TEXT NOT NULL, v_rules TEXT NOT NULL,
        values_key TEXT NOT NULL, created_at TEXT NOT NULL, pinned INTEGER NOT NULL,
        UNIQUE (fingerprint, plan_id, values_key)
    ) STRICT""",
    "CREATE INDEX plans_by_id ON plans (plan_id)",
    """CREATE TABLE learned (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        session TEXT NOT NULL, session_id TEXT NOT NULL,
        plan INTEGER NOT NULL REFERENCES plans (number) ON DELETE CASCADE,
        method TEXT NOT NULL, pattern TEXT NOT NULL, content TEXT NOT NULL, query TEXT NOT NULL,
        values_key TEXT NOT NULL, body_shape TEXT NOT NULL, learned_at TEXT NOT NULL,
        failures TEXT NOT NULL, quarantined INTEGER NOT NULL, slug_asked INTEGER NOT NULL,
        UNIQUE (session, method, pattern, content, query, values_key)
    ) STRICT""",
    "CREATE INDEX plans_by_values ON plans (values_key) WHERE values_key != ''",
    "CREATE INDEX learned_by_plan ON learned (plan)",
)

#: Which plan an edit made of which. It came after format 1, which does without it.
_EDITED: Final = "CREATE TABLE IF NOT EXISTS edited (old TEXT PRIMARY KEY, new TEXT NOT NULL) STRICT"
#: What a person wrote, with its comments, of which the plan's code is the checked form. It came later, too.
_SOURCES: Final = "CREATE TABLE IF NOT EXISTS sources (plan_id TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT"

#: Which view the author of a plan was shown. It came after format 1, which does without it.
_VIEWS: Final = """CREATE TABLE IF NOT EXISTS views (
    plan INTEGER PRIMARY KEY REFERENCES plans (number) ON DELETE CASCADE, view TEXT NOT NULL
) STRICT"""

#: What the author of a plan was shown of the request that it was first for. It came later, too.
_TOLD: Final = """CREATE TABLE IF NOT EXISTS told (
    plan INTEGER PRIMARY KEY REFERENCES plans (number) ON DELETE CASCADE, text TEXT NOT NULL
) STRICT"""
#: What a plan was before a person edited it, the oldest first. It came later, too.
_FORMER: Final = """CREATE TABLE IF NOT EXISTS former (
    number INTEGER PRIMARY KEY AUTOINCREMENT, plan_id TEXT NOT NULL, old TEXT NOT NULL, plan TEXT NOT NULL,
    author TEXT NOT NULL, until TEXT NOT NULL
) STRICT"""

#: What a model has said of a contract's resource schema, by the digest of what it was shown.
_RECORD_RULES: Final = """CREATE TABLE IF NOT EXISTS record_rules (
    number INTEGER PRIMARY KEY AUTOINCREMENT, shown TEXT NOT NULL UNIQUE, answer TEXT NOT NULL
) STRICT"""

#: Tables that came after format 1.
_LATER: Final = frozenset({"edited", "sources", "views", "told", "former", "record_rules"})
_ALL_TABLES: Final = ";".join((*_SCHEMA, _EDITED, _SOURCES, _VIEWS, _TOLD, _FORMER, _RECORD_RULES))

_log = structlog.get_logger()


class LibraryError(Exception):
    """The library cannot do this now: a full disk, no rights, a damaged file. Nothing was changed."""


class _Unusable(Exception):
    """What is at the library's path is not our library, and why."""


def open_file(path: Path) -> sqlite3.Connection:
    """Open the library, made anew where there is none that can be used. Raises LibraryError."""
    try:
        try:
            return _connect(path)
        except _Unusable as unusable:
            # The disk may have failed, and the file be as good as ever: then nothing is done to it.
            _require_readable(path)
            _log.error("plan library set aside", reason=str(unusable), name=set_aside(path))
            return _connect(path)
    except (OSError, sqlite3.Error, _Unusable) as error:
        raise LibraryError("the plan library cannot be opened") from error


def faults(path: Path) -> list[str]:
    """What is wrong with a file that is to become the library; it is only read, and only as far as needed."""
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        ) as connection:
            connection.execute("PRAGMA trusted_schema=OFF")
            _check(connection, changes=False)
    except (sqlite3.Error, _Unusable) as error:
        return [str(error)]
    return []


def _require_readable(path: Path) -> None:
    """Read the file from end to end, if it is one. Raises OSError."""
    if path.is_file() and not path.is_symlink():
        with path.open("rb") as file:
            while file.read(_CHUNK):
                pass


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the error says that the file itself is bad. The low byte of a code is its class."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def set_aside(path: Path) -> str:
    """Rename the file and its journals to the first free `plans.db.damaged-<n>`; the new name."""
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.damaged-{number}")):
        number += 1
    path.rename(aside)
    for ending in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    return aside.name


def _connect(path: Path) -> sqlite3.Connection:
    _make_private(path)
    # Used by one thread at a time, but not by the one that opened it.
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection)
    except sqlite3.Error as error:
        connection.close()
        if is_damage(error):
            raise _Unusable("damaged") from error
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def _make_private(path: Path) -> None:
    """Make the file if there is none, for the owner alone. A link or a directory is none of ours."""
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        raise _Unusable("not a regular file")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def _prepare(connection: sqlite3.Connection) -> None:
    for pragma in ("trusted_schema=OFF", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    if _pragma(connection, "schema_version") == 0:
        _run(connection, _SCHEMA, FORMAT_VERSION)
    _check(connection)
    connection.execute(_EDITED)
    connection.execute(_SOURCES)
    connection.execute(_VIEWS)
    connection.execute(_TOLD)
    connection.execute(_FORMER)
    connection.execute(_RECORD_RULES)


def _check(connection: sqlite3.Connection, *, changes: bool = True) -> None:
    """`changes`: an older format is brought to today's. Raises _Unusable, sqlite3.Error."""
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise _Unusable("another application's")
    version = int(_pragma(connection, "user_version"))
    if version > FORMAT_VERSION:
        raise _Unusable("of a later version")
    for step in range(version, FORMAT_VERSION if changes else version):
        if step not in MIGRATIONS:
            raise _Unusable("of an unknown version")
        _run(connection, MIGRATIONS[step], step + 1)
    if version == FORMAT_VERSION and (foreign := schemas.foreign(connection, _ALL_TABLES, _LATER)):
        raise _Unusable(f"of another form: {foreign[0]}")
    if _pragma(connection, "quick_check") != "ok":
        raise _Unusable("damaged")
    _check_columns(connection)


def _check_columns(connection: sqlite3.Connection) -> None:
    try:
        for table, columns in (("plans", PLAN_COLUMNS), ("learned", LEARNED_COLUMNS)):
            with closing(connection.execute(f"SELECT number, {columns} FROM {table} LIMIT 0")):  # noqa: S608
                pass
    except sqlite3.OperationalError as error:
        raise _Unusable("of another form") from error


def _run(connection: sqlite3.Connection, statements: tuple[str, ...], version: int) -> None:
    """One step of the format, wholly or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={version}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _pragma(connection: sqlite3.Connection, name: str) -> int | str:
    value: int | str = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value
