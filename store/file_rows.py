"""How a session's file is made of rows that somebody else has: the statements, for who makes it in SQLite.

The file is as a guest would have made it: the same tables, texts and marks (`store/tables.py`,
`store/sqlite.py`), so that a guest opens it like one of its own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from store import tables
from store.ids import FIRST_TEXT_ROWID
from store.sqlite import APPLICATION_ID, FORMAT_VERSION

if TYPE_CHECKING:
    from store.entries import EntryRow

#: The rows' key from a record's row and document: text ids have one, and rows of their own.
KEY: Final = f"CASE WHEN row >= {FIRST_TEXT_ROWID} THEN json_extract(doc, '$.id') END"


def marks(schema: str) -> tuple[str, ...]:
    """What says whose file it is; to be run in the transaction. `schema`: as what the file is attached."""
    return (
        f"PRAGMA {schema}.application_id={APPLICATION_ID}",
        f"PRAGMA {schema}.user_version={FORMAT_VERSION}",
    )


def catalogue_table(schema: str) -> str:
    return _in(schema, tables.CATALOGUE)


def answers_table(schema: str) -> str:
    return _in(schema, tables.ANSWERS)


def record_tables(schema: str, number: int) -> tuple[str, ...]:
    """A collection's table, and the index of its text keys."""
    return tuple(_in(schema, each) for each in tables.of_records(number))


def indexes(schema: str, entry: EntryRow) -> list[str]:
    """A collection's indexes on fields, for when its rows are there."""
    names: list[str] = json.loads(entry.indexes)
    return [_in(schema, tables.index(entry.number, n, name)) for n, name in enumerate(names)]


def _in(schema: str, statement: str) -> str:
    """The statement for an attached file; what SQLite keeps of it is the text without the file's name."""
    for kind in ("CREATE TABLE ", "CREATE UNIQUE INDEX ", "CREATE INDEX "):
        if statement.startswith(kind):
            return f"{kind}{schema}.{statement.removeprefix(kind)}"
    raise ValueError("no statement that makes anything")
