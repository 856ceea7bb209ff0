"""Whether a database's schema is the one that this release makes: a file may come from somebody else.

A view, a trigger, an index on an expression or a column that is worked out runs what its author wrote, as
soon as the table is used. So a file from elsewhere is looked at before anything else of it is read.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from functools import cache
from typing import Final

#: Of others, such as what a tool that copies the file notes in it.
_PLAIN: Final = re.compile("CREATE (TABLE|INDEX|UNIQUE INDEX) ")
#: What SQLite makes for itself has names of its own.
_SCHEMA: Final = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type NOT IN ('table', 'index') OR name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"  # noqa: E501


def foreign(
    connection: sqlite3.Connection, script: str, later: frozenset[str] = frozenset(), *, reserved: str = ""
) -> list[str]:
    """What of the schema `script` does not make. Tables of others are left alone.

    `later`: tables that an older file may lack. `reserved`: a script that is yet to be run, whose tables are
    not there. Raises sqlite3.Error.
    """
    found = [tuple(map(str, row)) for row in connection.execute(_SCHEMA)]
    made = _made(script)
    ours = {name for _, name, _, _ in _made(script + reserved)}
    wanted = {name for _, name, _, _ in made}
    faults = [
        f"schema: {kind} {name[:64]!a} is none that this version makes"
        for kind, name, table, sql in found
        if (kind, name, table, sql) not in made and ({name, table} & ours or not _PLAIN.match(sql))
    ]
    there = {row[1] for row in found}
    return faults + [f"schema: {name} is missing" for name in sorted(wanted - there - later)]


@cache
def _made(script: str) -> frozenset[tuple[str, ...]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(script)
        return frozenset(tuple(map(str, row)) for row in connection.execute(_SCHEMA))
