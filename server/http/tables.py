"""Lists as CSV (RFC 4180) and as newline-delimited JSON, out of the JSON that a plan replied.

1. A list is a JSON array, or an envelope: an object with an array `items` and an object `page`. Nothing else
   is; one record that has `items` of its own must not be taken for them.
2. CSV has a header row: every field that any record has, in the order in which they first come. A record
   without a field has nothing there, and so has null. Texts stand as they are, true, false and numbers as in
   JSON, arrays and objects as JSON text. Elements that are no objects stand in a column `value`.
3. Numbers are copied, digit by digit, never read: JSON's are of any size and precision.
4. A text that a spreadsheet takes for a formula (`=1+1`) is *not* changed: who reads this by program must get
   what was stored, and "-1" or "+49 30" would break. docs/http.md says so to those who open it by hand.
5. The work is bounded by the reply's size: a table of mostly empty cells is refused.
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import orjson

from server.values.errors import ReplyTooLarge

if TYPE_CHECKING:
    from server.planning.dialects.frame.table import Csv

DIALECTS_CSV_TYPE = "text/csv; charset=utf-8"
CSV_TYPE = "text/csv; charset=utf-8; header=present"
NDJSON_TYPE = "application/x-ndjson"
_VALUE = "value"
#: Cells that a table may have: a field that is there takes some six bytes of JSON, so only one with
#: mostly empty cells comes near.
_CELLS_PER_BYTE = 1
_FREE_CELLS = 65_536


def records_of(body: bytes) -> list[Any] | None:
    """The elements of a list, numbers as `orjson.Fragment`; None where the body is none."""
    if body[:1] not in (b"[", b"{"):
        return None
    value = json.loads(body, parse_int=orjson.Fragment, parse_float=orjson.Fragment)
    if isinstance(value, dict) and isinstance(value.get("page"), dict):
        value = value.get("items")
    return value if isinstance(value, list) else None


def to_ndjson(records: list[Any]) -> bytes:
    """A line of JSON for each."""
    return b"".join(orjson.dumps(each) + b"\n" for each in records)


def to_csv(records: list[Any], *, body_bytes: int, write: Csv | None = None) -> bytes:
    """A header row and a row for each, ended by CRLF; or as `write` has it. Raises ReplyTooLarge (rule 5)."""
    rows = [each if isinstance(each, dict) else {_VALUE: each} for each in records]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if not columns and write is None:
        return b""
    limit = _FREE_CELLS + body_bytes * _CELLS_PER_BYTE
    cells = len(rows) * len(columns)
    if cells > limit:
        raise ReplyTooLarge(
            f"The records differ so much that their table has {cells} cells, and {limit} are allowed; "
            "ask for less with limit=, or for JSON.",
            size=cells,
            limit=limit,
            hint="limit=",
        )
    if write is not None:
        return write(columns, ([row.get(name) for name in columns] for row in rows))
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
