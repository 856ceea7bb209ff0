"""Rows as PostgREST writes and reads `text/csv`.

Sources: docs.postgrest.org/en/v14/references/api, resource_representation.html and tables_views.html (Bulk
Insert with CSV); asCsvF in Query/SqlFragment.hs of PostgREST 14, which writes rows as PostgreSQL writes
composite values (postgresql.org/docs/17/rowtypes.html, "Composite Type Input and Output Syntax").
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any

import orjson

from server.values.errors import InvalidQuery

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TYPE = "text/csv"
_QUOTED = re.compile(r'[\s",()\\]')


def write(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """A line of names, and one for each row; nothing ends the last one. Numbers may be `orjson.Fragment`."""
    body = "\n".join(",".join(map(_cell, row)) for row in rows)
    return f"{','.join(columns)}\n{body}".encode()


def _cell(value: Any) -> str:
    """Null is nothing, and an empty text two quotes; of booleans there is a letter."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "t" if value else "f"
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    if text and not _QUOTED.search(text):
        return text
    return '"{}"'.format(text.replace("\\", "\\\\").replace('"', '""'))


def read(text: str) -> dict[str, Any]:
    """`columns`, and `rows` with a text for each, or None for NULL. Raises InvalidQuery."""
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    except csv.Error as error:
        raise _wrong(str(error)) from None
    if not lines or "\n" not in text:
        raise _wrong("its first line has the columns' names, and ends")
    columns, *rows = lines
    if not all(columns) or len({*columns}) != len(columns):
        raise _wrong("each column has a name of its own")
    if any(len(row) != len(columns) for row in rows):
        raise InvalidQuery("PGRST102: All lines must have same number of fields")
    return {"columns": columns, "rows": [[None if cell == "NULL" else cell for cell in row] for row in rows]}


def _wrong(detail: str) -> InvalidQuery:
    return InvalidQuery(f"PGRST102: The body is no CSV\n{detail}")
