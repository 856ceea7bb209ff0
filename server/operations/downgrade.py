"""The way back to a release before the record: every session's file where that release looks for it.

1. Each is made beside and then renamed. What ends this halfway leaves the record, and it can be run again.
2. Names of sessions go to the file where they were. History and settings of sessions stay in the record,
   which gets another name, last of all: the releases before do not know it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from server.operations.keeping import make_keeper
from server.record.files import NAME
from server.sessions.names import OLD_FILE, joined
from server.sessions.records import Records

if TYPE_CHECKING:
    from pathlib import Path

    from server.sessions.directories import DataRoot
    from server.settings.schema import Settings

LEFT: Final = ".left"


async def downgraded(settings: Settings, root: DataRoot) -> dict[str, Any]:
    """`sessions`, how many were written, and `record`, what it is called now.

    Raises RecordError, ServiceError, OSError.
    """
    keeper = make_keeper(settings, root)
    try:
        await keeper.start()
        records = Records(keeper)
        sessions = [each["name"] for each in (await records.listed())["sessions"]]
        for session in sessions:
            await _write(records, session, root.path)
        _write_names(await keeper.call("names"), root.path / OLD_FILE)
    finally:
        await keeper.close()
    left = root.path / f"{NAME}{LEFT}"
    (root.path / NAME).rename(left)
    return {"sessions": len(sessions), "record": str(left)}


async def _write(records: Records, session: str, root: Path) -> None:
    made = root / f"scratch-{session}.db"
    made.unlink(missing_ok=True)
    await records.load(session, made)
    directory = root / session
    directory.mkdir(mode=0o700, exist_ok=True)
    made.rename(directory / "store.db")


def _write_names(names: dict[str, Any], path: Path) -> None:
    rows = [(directory, joined(owner, label)) for directory, (owner, label) in names.items()]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS sessions (directory TEXT PRIMARY KEY, id TEXT NOT NULL) STRICT"
        )
        connection.executemany("INSERT OR REPLACE INTO sessions VALUES (?, ?)", rows)
