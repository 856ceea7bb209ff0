"""Reading what a group touches, and writing what becomes of it: a statement a kind, whatever its size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from server.record import sums
from server.record.postgres.changing import Entry, Stored, There
from server.record.writer import ROW_BYTES
from store.entries import EntryRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from server.record.postgres.changing import Writes
    from server.record.postgres.connecting import Connection
    from store.change_set import ChangeSet

#: In the order of their names, so that two nodes never wait for each other.
_LOCK: Final = """\
SELECT id, name, version, batch, bytes FROM sessions WHERE name = ANY($1::text[]) ORDER BY name FOR UPDATE"""
_MAKE: Final = """\
INSERT INTO sessions (name, version, batch, bytes, made_at, changed_at, used_at)
SELECT name, 0, '', 0, $2, $2, $2 FROM unnest($1::text[]) AS new (name)
ON CONFLICT (name) DO NOTHING"""
_ENTRIES: Final = """\
SELECT session, name, number, next_id, updated_at, schema, indexes, version, crc,
  coalesce((SELECT max("row") FROM records AS r WHERE r.session = c.session AND r.collection = c.number), 0)
FROM collections AS c WHERE session = ANY($1::bigint[])"""
_RECORDS: Final = """\
SELECT r.session, r.collection, r."row", r.version, r.crc, r.doc
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS asked (session, collection, "row")
JOIN records AS r
ON r.session = asked.session AND r.collection = asked.collection AND r."row" = asked."row\""""
_ANSWERS: Final = """\
SELECT a.session, a.seq, octet_length(a.answer)
FROM unnest($1::bigint[], $2::bigint[]) AS asked (session, seq)
JOIN answers AS a ON a.session = asked.session AND a.seq = asked.seq"""
_RAISE: Final = """\
UPDATE sessions AS s
SET version = u.version, batch = u.batch, bytes = u.bytes, changed_at = $6, used_at = $6
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[])
  AS u (id, base, version, batch, bytes)
WHERE s.id = u.id AND s.version = u.base
RETURNING s.id"""
_PUT_RECORDS: Final = """\
INSERT INTO records (session, collection, "row", version, crc, doc)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[])
ON CONFLICT (session, collection, "row") DO UPDATE
SET version = excluded.version, crc = excluded.crc, doc = excluded.doc"""
_DROP_RECORDS: Final = """\
DELETE FROM records AS r
USING unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS gone (session, collection, "row")
WHERE r.session = gone.session AND r.collection = gone.collection AND r."row" = gone."row\""""
_PUT_ENTRIES: Final = """\
INSERT INTO collections (session, number, name, next_id, updated_at, schema, indexes, version, crc)
SELECT * FROM unnest(
  $1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::bigint[],
  $9::bigint[])
ON CONFLICT (session, number) DO UPDATE
SET name = excluded.name, next_id = excluded.next_id, updated_at = excluded.updated_at,
  schema = excluded.schema, indexes = excluded.indexes, version = excluded.version, crc = excluded.crc"""
_DROP_ENTRIES: Final = """\
DELETE FROM collections AS c USING unnest($1::bigint[], $2::bigint[]) AS gone (session, number)
WHERE c.session = gone.session AND c.number = gone.number"""
_DROP_ANSWERS: Final = """\
DELETE FROM answers AS a USING unnest($1::bigint[], $2::bigint[]) AS gone (session, seq)
WHERE a.session = gone.session AND a.seq = gone.seq"""
_PUT_ANSWERS: Final = """\
INSERT INTO answers (session, seq, name, fingerprint, made, start, size, crc, answer)
SELECT * FROM unnest(
  $1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
  $9::text[])"""
_PUT_SUPERSEDED: Final = """\
INSERT INTO superseded (session, until, collection, "row", version, crc, doc)
SELECT * FROM unnest(
  $1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])"""
_PUT_COMMITS: Final = """\
INSERT INTO commits (session, version, at, request, route, plan, changes, bytes)
SELECT * FROM unnest(
  $1::bigint[], $2::bigint[], $3::double precision[], $4::text[], $5::text[], $6::text[], $7::text[],
  $8::bigint[])"""
_KEEP_ALL: Final = """\
INSERT INTO superseded (session, until, collection, "row", version, crc, doc)
SELECT session, $3, collection, "row", version, crc, doc FROM records
WHERE session = $1 AND collection = $2"""
_CLEAR: Final = """\
WITH gone AS (DELETE FROM records WHERE session = $1 AND collection = $2 RETURNING octet_length(doc) AS size)
SELECT count(*), coalesce(sum(size + $3::bigint), 0)::bigint FROM gone"""
_FORGET_ANSWERS: Final = """\
WITH gone AS (DELETE FROM answers WHERE session = $1 RETURNING octet_length(answer) AS size)
SELECT coalesce(sum(size + $2::bigint), 0)::bigint FROM gone"""


async def lock(connection: Connection, names: Sequence[str]) -> dict[str, There]:
    """Those sessions that there are, theirs until the transaction ends."""
    rows = await connection.fetch(_LOCK, sorted(set(names)))
    return {row[1]: There(*row) for row in rows}


async def make(connection: Connection, names: Sequence[str], now: float) -> None:
    """Sessions of version 0, without rows, where there are none."""
    await connection.execute(_MAKE, sorted(set(names)), now)


async def read_entries(connection: Connection, sessions: Iterable[There]) -> None:
    by_id = {each.id: each for each in sessions}
    for session, *values, version, crc, last in await connection.fetch(_ENTRIES, list(by_id)):
        row = EntryRow(*values)
        by_id[session].entries[row.number] = Entry(row, version, crc)
        by_id[session].last_rows[row.number] = last


async def read_touched(connection: Connection, parts: Sequence[tuple[There, ChangeSet]]) -> None:
    """What change sets are about to change of records and kept answers."""
    by_id = {there.id: there for there, _ in parts}
    places = {
        (there.id, *place)
        for there, rows in parts
        for place in (*((put.number, put.row) for put in rows.puts), *rows.deletes)
        if place not in there.records
    }
    for session, number, row in places:
        by_id[session].records[number, row] = None
    if places:
        for session, number, row, *stored in await connection.fetch(_RECORDS, *_columns(places, 3)):
            by_id[session].records[number, row] = Stored(*stored)
    numbers = {
        (there.id, seq)
        for there, rows in parts
        for seq in (*rows.purged, *(answer.seq for answer in rows.answers))
        if seq not in there.answers
    }
    for session, seq in numbers:
        by_id[session].answers[seq] = None
    if numbers:
        for session, seq, size in await connection.fetch(_ANSWERS, *_columns(numbers, 2)):
            by_id[session].answers[seq] = size


async def clear(connection: Connection, there: There, number: int, *, history: bool) -> tuple[int, int]:
    """Remove a collection's records; how many, and their bytes."""
    if history:
        await connection.execute(_KEEP_ALL, there.id, number, there.version + 1)
    count, size = await connection.fetchrow(_CLEAR, there.id, number, ROW_BYTES) or (0, 0)
    return count, size


async def forget_answers(connection: Connection, there: There) -> int:
    """Remove all kept answers; what they came to."""
    return int(await connection.fetchval(_FORGET_ANSWERS, there.id, ROW_BYTES))


def put_rows(writes: Writes) -> dict[str, Sequence[Sequence[Any]]]:
    """What is put, by table."""
    return {
        "records": [(*place, *stored) for place, stored in writes.records.items() if stored is not None],
        "collections": [
            (session, number, entry.row.name, *entry.row[2:], entry.version, entry.crc)
            for (session, number), entry in writes.entries.items()
            if entry is not None
        ],
        "answers": [
            (session, *answer[:6], sums.of_answer(answer), answer.answer)
            for (session, _), answer in writes.answers.items()
            if answer is not None
        ],
        "superseded": writes.superseded,
        "commits": writes.commits,
    }


async def write(connection: Connection, writes: Writes, now: float) -> bool:
    """Whether all sessions still had the version that they were found at."""
    gone = [place for place, stored in writes.records.items() if stored is None]
    dropped = [place for place, entry in writes.entries.items() if entry is None]
    put = put_rows(writes)
    raised = [
        (there.id, base, there.version, there.batch, there.size) for there, base in writes.raised.values()
    ]
    done = await connection.fetch(_RAISE, *_columns(raised, 5), now)
    if len(done) != len(raised):
        return False
    for sql, rows, width in (
        (_DROP_RECORDS, gone, 3),
        (_PUT_RECORDS, put["records"], 6),
        (_PUT_ENTRIES, put["collections"], 9),
        (_DROP_ENTRIES, dropped, 2),
        (_DROP_ANSWERS, list(writes.answers), 2),
        (_PUT_ANSWERS, put["answers"], 9),
        (_PUT_SUPERSEDED, put["superseded"], 7),
        (_PUT_COMMITS, put["commits"], 8),
    ):
        if rows:
            await connection.execute(sql, *_columns(rows, width))
    return True


def _columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    columns = [list(column) for column in zip(*rows, strict=True)]
    return columns or [[] for _ in range(width)]
