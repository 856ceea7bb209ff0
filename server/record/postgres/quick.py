"""Commits in one statement: of sessions that this keeper has written before, and nobody else since.

1. What the last commit has left of a session is remembered: its catalogue, and rows beyond which there is
   none. So most groups need nothing read, and one statement compares the owners and the versions, and writes.
2. What is remembered is a guess. The statement writes of a session only while its owner, its identity and its
   version are those that it was made upon; of the others nothing, and they go the long way (`engine.py`).
3. What was read beside counts just as little: between it and the write nobody can have changed anything, or
   the version is another.
4. The statement locks in the order of the long way: the owners' rows by name, then the sessions'. So whoever
   looks under these locks whether a lost one was done sees it done, or it never will be: its version is gone.
5. Rows that it removes and rows that it puts are never the same. An engine that refuses to do both to one
   table in a statement is no worse off: what fails goes the long way.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from server.record.postgres import statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from server.record.postgres.changing import There, Writes
    from server.record.postgres.connecting import Connection
    from server.record.postgres.nodes import Lease
    from store.change_set import ChangeSet

#: Sessions that are remembered, and the rows of their catalogues in all.
_MOST_SESSIONS: Final = 4_096
_MOST_ENTRIES: Final = 32_768

_MINE: Final = """\
mine AS (
  SELECT session FROM owners WHERE session = ANY({names}::text[]) AND node = {node} AND epoch = {epoch}
  ORDER BY session FOR UPDATE
)"""
_RAISED: Final = """\
raised AS (
  UPDATE sessions AS s
  SET version = u.version, batch = u.batch, bytes = u.bytes, changed_at = {now}, used_at = {now}
  FROM unnest({0}::bigint[], {1}::bigint[], {2}::bigint[], {3}::text[], {4}::bigint[], {5}::text[])
    AS u (id, base, version, batch, bytes, name)
  WHERE s.id = u.id AND s.version = u.base{owned} RETURNING s.id
)"""
_PUT: Final = """\
{name} AS (
  INSERT INTO {table} ({columns})
  SELECT new.* FROM unnest({arrays}) AS new ({columns}) JOIN raised ON raised.id = new.session{end}
)"""
_GONE: Final = """\
gone AS (
  DELETE FROM records AS r
  USING unnest({0}::bigint[], {1}::bigint[], {2}::bigint[]) AS g (session, collection, "row"), raised
  WHERE raised.id = g.session
    AND r.session = g.session AND r.collection = g.collection AND r."row" = g."row"
)"""
#: By table: columns with their types, and how the statement ends.
_TABLES: Final[dict[str, tuple[str, str, str]]] = {
    "records": (
        'session, collection, "row", version, crc, doc',
        "bigint bigint bigint bigint bigint text",
        """
  ON CONFLICT (session, collection, "row") DO UPDATE
  SET version = excluded.version, crc = excluded.crc, doc = excluded.doc""",
    ),
    "collections": (
        "session, number, name, next_id, updated_at, schema, indexes, version, crc",
        "bigint bigint text bigint text text text bigint bigint",
        """
  ON CONFLICT (session, number) DO UPDATE
  SET name = excluded.name, next_id = excluded.next_id, updated_at = excluded.updated_at,
    schema = excluded.schema, indexes = excluded.indexes, version = excluded.version, crc = excluded.crc""",
    ),
    "answers": (
        "session, seq, name, fingerprint, made, start, size, crc, answer",
        "bigint bigint text text bigint bigint bigint bigint text",
        "",
    ),
    "superseded": (
        'session, until, collection, "row", version, crc, doc',
        "bigint bigint bigint bigint bigint bigint text",
        "",
    ),
    "commits": (
        "session, version, at, request, route, plan, changes, bytes",
        "bigint bigint double_precision text text text text bigint",
        " ORDER BY new.session, new.version",  # their numbers are in this order, too
    ),
}


class Remembered:
    """Sessions as this keeper's commits have left them, those of late."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, There] = OrderedDict()
        self._entries = 0

    def draft(self, session: str) -> There | None:
        """As it is remembered, to be changed; None where it is not."""
        found = self._known.get(session)
        if found is None:
            return None
        return evolve(found, entries=dict(found.entries), last_rows=dict(found.last_rows))

    def keep(self, there: There) -> None:
        """It was committed so."""
        self.forget(there.name)
        there.records, there.answers = {}, {}
        self._known[there.name] = there
        self._entries += len(there.entries)
        while len(self._known) > _MOST_SESSIONS or (self._entries > _MOST_ENTRIES and self._known):
            _, oldest = self._known.popitem(last=False)
            self._entries -= len(oldest.entries)

    def forget(self, session: str) -> None:
        found = self._known.pop(session, None)
        if found is not None:
            self._entries -= len(found.entries)


def fits(rows: ChangeSet) -> bool:
    """Whether a change set can be written so: nothing that it does has to be looked for."""
    return not rows.cleared and not rows.purged


def note_absent(there: There, rows: ChangeSet) -> None:
    """What is known not to be there, of what a change set touches, has not to be read."""
    for number, row, _ in rows.puts:
        if row > there.last_rows.get(number, 0):
            there.records.setdefault((number, row), None)
    for answer in rows.answers:
        there.answers.setdefault(answer.seq, None)  # else its key says no


class _Parameters:
    """Values of a statement, by the places that they have in it."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def add(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    def columns(self, rows: Iterable[Sequence[Any]]) -> list[str]:
        return [self.add(list(column)) for column in zip(*rows, strict=True)]


async def write(connection: Connection, writes: Writes, lease: Lease | None, now: float) -> set[int]:
    """The sessions of which everything was written; of the others nothing was."""
    sql, values = _statement(writes, lease, now)
    return {row[0] for row in await connection.fetch(sql, *values)}


def _statement(writes: Writes, lease: Lease | None, now: float) -> tuple[str, list[Any]]:
    given = _Parameters()
    parts: list[str] = []
    owned = ""
    if lease is not None:
        names = sorted({there.name for there, _ in writes.raised.values()})
        parts.append(
            _MINE.format(names=given.add(names), node=given.add(lease.node), epoch=given.add(lease.epoch))
        )
        owned = " AND u.name IN (SELECT session FROM mine)"
    raised = [
        (there.id, base, there.version, there.batch, there.size, there.name)
        for there, base in writes.raised.values()
    ]
    parts.append(_RAISED.format(*given.columns(raised), now=f"{given.add(now)}", owned=owned))
    gone = [place for place, stored in writes.records.items() if stored is None]
    if gone:
        parts.append(_GONE.format(*given.columns(gone)))
    for table, rows in statements.put_rows(writes).items():
        if rows:
            columns, types, end = _TABLES[table]
            arrays = ", ".join(
                f"{place}::{kind.replace('_', ' ')}[]"
                for place, kind in zip(given.columns(rows), types.split(), strict=True)
            )
            parts.append(
                _PUT.format(name=f"new_{table}", table=table, columns=columns, arrays=arrays, end=end)
            )
    return f"WITH {', '.join(parts)} SELECT id FROM raised", given.values  # noqa: S608  ours
