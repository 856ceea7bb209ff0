"""The tables of a session's file, as SQLite is told of them."""

from __future__ import annotations

from store.fields import index_expression

#: One row a collection.
CATALOGUE = """\
CREATE TABLE collections (
  name TEXT PRIMARY KEY,
  number INTEGER NOT NULL UNIQUE,
  next_id INTEGER NOT NULL,
  schema TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  indexes TEXT NOT NULL
) WITHOUT ROWID"""
#: Kept answers, where there are any.
ANSWERS = """\
CREATE TABLE answers (
  seq INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  fingerprint TEXT NOT NULL,
  made INTEGER NOT NULL,
  start INTEGER NOT NULL,
  size INTEGER NOT NULL,
  answer TEXT NOT NULL
)"""


def of_records(number: int) -> tuple[str, ...]:
    """Nearly all ids are integers: their rows are in one b-tree, and the index of text keys stays empty."""
    return (
        f"CREATE TABLE c{number} (rowid INTEGER PRIMARY KEY, key TEXT, doc TEXT NOT NULL)",
        f"CREATE UNIQUE INDEX k{number} ON c{number} (key) WHERE key IS NOT NULL",
    )


def index(number: int, n: int, name: str) -> str:
    return f"CREATE INDEX x{number}_{n} ON c{number} ({index_expression(name)})"
