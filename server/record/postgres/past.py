"""What a session was, read out of `commits` and `superseded`: see `server/record/history.py` for the rules.

Here a commit is found by its session and version, and what it has superseded by the same two.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from server.record.history import checked_rows
from server.record.postgres import loading
from server.record.record import Difference, LogEntry, Missing
from store.change_set import ChangeSet, RecordRow
from store.entries import EntryRow

if TYPE_CHECKING:
    from server.record.postgres.connecting import Connection
    from server.record.record import Moment

_LOG: Final = """\
SELECT version, at, request, route, plan, changes FROM commits
WHERE session = $1 AND version < $2 ORDER BY version DESC LIMIT $3"""
_REACH: Final = "SELECT min(version) FROM commits WHERE session = $1"
_AT_TIME: Final = "SELECT max(version) FROM commits WHERE session = $1 AND at <= $2"
_THEN: Final = """\
SELECT collection, "row", version, crc, doc FROM superseded
WHERE session = $1 AND until > $2 AND version <= $2"""
_SINCE: Final = 'SELECT collection, "row", doc FROM records WHERE session = $1 AND version > $2'
_NOW: Final = """\
SELECT name, number, next_id, updated_at, schema, indexes, version FROM collections WHERE session = $1"""
_MOST: Final = 2**53
_FIRST_TEXT_ROW: Final = 2**60


@frozen
class Past:
    """One session's, in the open transaction of `connection`. `version`: the one it is at."""

    connection: Connection
    session: int
    version: int

    async def log(self, *, most: int, before: int | None) -> list[LogEntry]:
        limit = 2**62 if before is None else max(min(before, 2**62), -1)
        rows = await self.connection.fetch(_LOG, self.session, limit, most)
        return [
            LogEntry(version, at, request, route, plan, _counts(changes))
            for version, at, request, route, plan, changes in rows
        ]

    async def version_at(self, moment: Moment) -> int:
        """The number of the version that was there at a moment. Raises Missing."""
        oldest = await self.connection.fetchval(_REACH, self.session)
        if isinstance(moment, float):
            found = await self.connection.fetchval(_AT_TIME, self.session, moment)
            if found is not None:
                return int(found)
        elif oldest is not None and moment >= oldest:
            if moment > self.version:
                raise Missing(f"the session is at version {self.version}")
            return moment
        elif moment == self.version or (oldest is not None and moment == oldest - 1 >= 1):
            return moment
        raise Missing(
            "there is no history of it" if oldest is None else f"its history reaches back to version {oldest}"
        )

    async def superseded(self, version: int) -> tuple[list[EntryRow], list[RecordRow]]:
        """What was there at a version and is not any more. Raises Damaged."""
        found = await self.connection.fetch(_THEN, self.session, version)
        rows = list(checked_rows(tuple(row) for row in found))
        entries = [row for row in rows if isinstance(row, EntryRow)]
        return entries, [row for row in rows if isinstance(row, RecordRow)]

    async def differences(self, version: int, most: int) -> list[Difference]:
        """Records that are not as they were, by collection and row. Raises Damaged."""
        now = await self.connection.fetch(_NOW, self.session)
        names: dict[int, str] = {row[1]: row[0] for row in now}
        entries, puts = await self.superseded(version)
        for entry in entries:
            names.setdefault(entry.number, entry.name)
        before = {(put.number, put.row): put.doc for put in puts}
        rows = await self.connection.fetch(_SINCE, self.session, version)
        after = {(number, row): doc for number, row, doc in rows}
        changed = [
            place for place in sorted(before.keys() | after.keys()) if before.get(place) != after.get(place)
        ]
        return [
            Difference(names[number], row, before.get((number, row)), after.get((number, row)))
            for number, row in changed[:most]
        ]

    async def state(self, version: int) -> ChangeSet:
        """All rows of a version. Raises Damaged."""
        entries, puts = await self.superseded(version)
        replaced = {entry.number for entry in entries}
        now = await self._entries()
        entries += [entry for entry, made in now if made <= version and entry.number not in replaced]
        kept = {(put.number, put.row) for put in puts}
        made_since = {(number, row) for number, row, _ in await self._since(version)}
        for entry, _ in now:
            async for rows in loading.records_of(self.connection, self.session, entry.number):
                puts += [
                    row
                    for row in rows
                    if (row.number, row.row) not in made_since and (row.number, row.row) not in kept
                ]
        return ChangeSet(entries=tuple(entries), puts=tuple(puts))

    async def back(self, version: int) -> ChangeSet:
        """What makes its rows those of a version again. Raises Damaged."""
        entries, puts = await self.superseded(version)
        kept = {(put.number, put.row) for put in puts}
        now = {entry.number: (entry, made) for entry, made in await self._entries()}
        then = {number for number, (_, made) in now.items() if made <= version} | {
            entry.number for entry in entries
        }
        back = {
            entry.number: entry._replace(next_id=max(entry.next_id, now[entry.number][0].next_id))
            if entry.number in now
            else entry
            for entry in entries
        }
        # A collection that was not there yet stays, empty: its next id would go back with it.
        back |= {
            number: entry._replace(schema="{}", indexes="[]")
            for number, (entry, _) in now.items()
            if number not in then
        }
        since = await self._since(version)
        gone = tuple((number, row) for number, row, _ in since if (number, row) not in kept)
        for number, row, _ in since:
            if row < _FIRST_TEXT_ROW:  # the next id never goes back, and only the highest record may tell it
                entry = back.get(number, now[number][0])
                back[number] = entry._replace(next_id=max(entry.next_id, min(row + 1, _MOST)))
        return ChangeSet(entries=tuple(back.values()), deletes=gone, puts=tuple(puts))

    async def _since(self, version: int) -> list[Any]:
        return list(await self.connection.fetch(_SINCE, self.session, version))

    async def _entries(self) -> list[tuple[EntryRow, int]]:
        rows = await self.connection.fetch(_NOW, self.session)
        return [(EntryRow(*row[:-1]), row[-1]) for row in rows]


def _counts(changes: str) -> dict[str, tuple[int, int, int]]:
    return {name: (new, changed, gone) for name, (new, changed, gone) in json.loads(changes).items()}
