"""Members in SQLite, as somebody who knows it writes them for one service: columns, an index, one connection.

A commit is on the disk before its answer leaves: ``synchronous=FULL``, in WAL mode, where that costs one sync
instead of the rollback journal's three (https://sqlite.org/wal.html). Each session has members of its own.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FIELDS = ("name", "email", "age", "active", "city")
_COLUMNS = ", ".join(("id", *FIELDS))
_SCHEMA = """
CREATE TABLE IF NOT EXISTS members (
    session TEXT NOT NULL, id INTEGER NOT NULL,
    name TEXT NOT NULL, email TEXT NOT NULL, age INTEGER NOT NULL, active INTEGER NOT NULL,
    city TEXT NOT NULL,
    PRIMARY KEY (session, id)
);
CREATE INDEX IF NOT EXISTS members_by_email ON members (session, email, id);
"""


class Members:
    def __init__(self, path: Path) -> None:
        # Statements are compiled once and kept by the module; transactions are begun here.
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def get(self, session: str, number: int) -> dict[str, Any] | None:
        sql = f"SELECT {_COLUMNS} FROM members WHERE session = ? AND id = ?"
        row = self._db.execute(sql, (session, number)).fetchone()
        return None if row is None else _member(row)

    def page(self, session: str, limit: int | None, offset: int) -> tuple[list[dict[str, Any]], int]:
        """Members in order of their ids, and how many there are in all."""
        sql = f"SELECT {_COLUMNS} FROM members WHERE session = ? ORDER BY id LIMIT ? OFFSET ?"
        rows = self._db.execute(sql, (session, -1 if limit is None else limit, offset))
        items = [_member(row) for row in rows]
        (total,) = self._db.execute("SELECT count(*) FROM members WHERE session = ?", (session,)).fetchone()
        return items, total

    def search(self, session: str, field: str, value: str) -> list[dict[str, Any]]:
        """Raises KeyError for a field that members don't have."""
        if field not in FIELDS:
            raise KeyError(field)
        sql = f"SELECT {_COLUMNS} FROM members WHERE session = ? AND {field} = ? ORDER BY id"
        return [_member(row) for row in self._db.execute(sql, (session, value))]

    def insert(self, session: str, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """All or none. Raises KeyError when a field is missing."""
        values = [tuple(record[field] for field in FIELDS) for record in records]
        with self._transaction():
            (last,) = self._db.execute(
                "SELECT coalesce(max(id), 0) FROM members WHERE session = ?", (session,)
            ).fetchone()
            rows = [(last + at, *row) for at, row in enumerate(values, 1)]
            marks = ", ".join("?" * (len(FIELDS) + 2))
            self._db.executemany(
                f"INSERT INTO members (session, {_COLUMNS}) VALUES ({marks})",
                ((session, *row) for row in rows),
            )
        return [_member(row) for row in rows]

    def update(self, session: str, number: int, changes: Mapping[str, Any]) -> dict[str, Any] | None:
        """Merge at the top level; the id stays. Fields that members don't have are left out."""
        known = {field: changes[field] for field in FIELDS if field in changes}
        assignments = ", ".join(f"{field} = ?" for field in known)
        with self._transaction():
            if known:
                sql = f"UPDATE members SET {assignments} WHERE session = ? AND id = ?"
                self._db.execute(sql, (*known.values(), session, number))
            return self.get(session, number)

    def _transaction(self) -> sqlite3.Connection:
        self._db.execute("BEGIN IMMEDIATE")
        return self._db


def _member(row: Sequence[Any]) -> dict[str, Any]:
    number, name, email, age, active, city = row
    return {"id": number, "name": name, "email": email, "age": age, "active": bool(active), "city": city}
