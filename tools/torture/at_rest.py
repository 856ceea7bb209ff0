"""A session's file as a stranger finds it: on a private copy, so that the session keeps what it has.

The copy takes the journal along; SQLite on this machine then recovers from a kill as the guest's would.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from server.sessions.identity import session_for
from store import records
from store.errors import StoreError
from store.session_store import Session
from store.sqlite import DATABASE_NAME

if TYPE_CHECKING:
    from tools.torture.ledger import Contents

_LIMIT_BYTES = 2**40


def directory_of(data_root: Path, session: str) -> Path:
    return data_root / session_for(session, None, "reject").directory


def read_at_rest(data_root: Path, session: str, collections: tuple[str, ...]) -> Contents | str:
    """The session's records by collection; or what is wrong with its file."""
    directory = directory_of(data_root, session)
    if not (directory / DATABASE_NAME).exists():
        return {name: [] for name in collections}
    with tempfile.TemporaryDirectory() as scratch:
        for path in directory.glob(f"{DATABASE_NAME}*"):
            shutil.copy(path, scratch)
        try:
            contents = _read(scratch, collections)
        except StoreError as error:
            return f"{type(error).__name__}: {error}"
        verdict = integrity(Path(scratch) / DATABASE_NAME)
    return contents if verdict == "ok" else f"integrity_check: {verdict}"


def _read(directory: str, collections: tuple[str, ...]) -> Contents:
    session = Session.open(directory, page_limit_bytes=_LIMIT_BYTES)
    try:
        session.check_file()
        known = session.plan_view.collections()
        return {
            name: [records.decode(text) for text in session.table(name).documents()] if name in known else []
            for name in collections
        }
    finally:
        session.close()


def integrity(path: Path) -> str:
    """What `PRAGMA integrity_check` says of a database: `ok`, or its first complaints."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            connection.create_function("fold", 1, _fold, deterministic=True)
            return "; ".join(row[0] for row in connection.execute("PRAGMA integrity_check(3)"))
    except sqlite3.Error as error:
        return str(error)


def _fold(text: object) -> str | None:
    return text.casefold() if isinstance(text, str) else None
