from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.http import tables
from server.values.errors import ReplyTooLarge

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)
records = st.lists(st.dictionaries(st.text(), values, max_size=4), max_size=5)


def table(body: str) -> str:
    found = tables.records_of(body.encode())
    assert found is not None
    return tables.to_csv(found, body_bytes=len(body)).decode()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("[]", ""),
        ("[{}]", ""),
        ('[{"a":1,"b":"x"},{"b":"y","c":true}]', "a,b,c\r\n1,x,\r\n,y,true\r\n"),
        ('{"items":[{"a":null}],"page":{"limit":1}}', 'a\r\n""\r\n'),
        ('[{"a":{"b":[1,"x"]},"c":[]}]', 'a,c\r\n"{""b"":[1,""x""]}",[]\r\n'),
        ('[{"a":"1,2"},{"a":"say \\"hi\\""},{"a":"x\\r\\ny"}]', 'a\r\n"1,2"\r\n"say ""hi"""\r\n"x\r\ny"\r\n'),
        ('[1,"x",null,{"a":2}]', "value,a\r\n1,\r\nx,\r\n,\r\n,2\r\n"),
        ('[{"n":12345678901234567890123,"f":0.10,"e":1E5}]', "n,f,e\r\n12345678901234567890123,0.10,1E5\r\n"),
        ('[{"a":"=1+1","b":"-1","c":"@x"}]', "a,b,c\r\n=1+1,-1,@x\r\n"),
        ('[{"é":"ü"}]', "é\r\nü\r\n"),
    ],
)
def test_csv(body: str, expected: str) -> None:
    """RFC 4180; the header is every field in the order of first mention; numbers as they were."""
    assert table(body) == expected


@given(records)
def test_csv_is_read_back(rows: list[dict[str, Any]]) -> None:
    """What a CSV reader finds in a cell is the text, or the JSON, that the record had."""
    text = table(json.dumps(rows))
    read = list(csv.reader(io.StringIO(text, newline="")))
    columns = list(dict.fromkeys(name for row in rows for name in row))

    assert (read[0] if read else []) == columns
    assert len(read) == (len(rows) + 1 if columns else 0)
    for row, found in zip(rows, read[1:], strict=False):
        for name, got in zip(columns, found, strict=True):
            value = row.get(name)
            if isinstance(value, str):
                assert got == value
            else:
                assert got == "" if value is None else json.loads(got) == value


@given(records)
def test_ndjson_is_read_back(rows: list[dict[str, Any]]) -> None:
    """A line for each record, and each line is the record."""
    found = tables.records_of(json.dumps(rows).encode())
    assert found is not None
    lines = tables.to_ndjson(found).decode()

    assert [json.loads(line) for line in lines.split("\n")[:-1]] == rows
    assert lines == "" or lines.endswith("\n")


@pytest.mark.parametrize(
    "body",
    [
        '{"id":1,"items":[1,2]}',
        '{"items":[1],"page":3}',
        '{"items":{},"page":{}}',
        '{"id":1}',
        '"text"',
        "1",
        "null",
    ],
)
def test_what_is_no_list(body: str) -> None:
    """A record that has items is a record."""
    assert tables.records_of(body.encode()) is None


def test_a_table_of_empty_cells() -> None:
    """As many cells as are free, and what the body's size adds; not one row more."""

    def sparse(count: int) -> str:
        return json.dumps([{f"f{n}": 1} for n in range(count)], separators=(",", ":"))

    fits = max(n for n in range(200, 300) if n * n <= 65_536 + len(sparse(n)))

    assert table(sparse(fits)).count("\r\n") == fits + 1
    with pytest.raises(ReplyTooLarge) as refused:
        table(sparse(fits + 1))
    assert refused.value.members["size"] == (fits + 1) ** 2
    assert refused.value.members["limit"] == 65_536 + len(sparse(fits + 1))
