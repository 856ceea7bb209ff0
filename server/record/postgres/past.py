"""What a session was, read out of `commits` and `superseded`: see `server/record/history.py` for the rules.

Here a commit is found by its session and version, and what it has superseded by the same two.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from server.record.history import ENTRY_ROW, TOLD_ADDRESSES, checked_rows
from server.record.lives import Life, Told, checked, happened
from server.record.postgres import loading
from server.record.record import Changes, Difference, LogEntry, Missing, RecordVersion, Step
from server.record.steps import require_few, steps_of
from store.change_set import ChangeSet, RecordRow
from store.entries import EntryRow

if TYPE_CHECKING:
    from server.record.lives import Sought
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
_AFTER: Final = """\
SELECT version, at, request, route, plan, changes FROM commits
WHERE session = $1 AND version > $2 ORDER BY version LIMIT $3"""
_WRITTEN: Final = 'SELECT collection, "row", version, doc FROM records WHERE session = $1 AND version > $2'
_REPLACED: Final = """\
SELECT collection, "row", version, until, doc FROM superseded WHERE session = $1 AND until > $2"""
_LIVES_SINCE: Final = f"""\
SELECT collection, "row", version, NULL AS until, crc, doc FROM records
WHERE session = $1 AND version > $2
UNION ALL SELECT collection, "row", version, until, crc, doc FROM superseded
WHERE session = $1 AND until > $2 AND "row" <> {ENTRY_ROW}"""  # noqa: S608  constants
_MUCH: Final = f"SELECT count(*), coalesce(sum(length(doc)), 0) FROM ({_LIVES_SINCE}) AS lives"  # noqa: S608  constants
_SINCE: Final = 'SELECT collection, "row", doc FROM records WHERE session = $1 AND version > $2'
_NOW: Final = """\
SELECT name, number, next_id, updated_at, schema, indexes, version FROM collections WHERE session = $1"""
_MOST: Final = 2**53
_FIRST_TEXT_ROW: Final = 2**60
#: By number a collection that was superseded: its name stays the same.
_FORMER: Final = f"""\
SELECT DISTINCT ON (collection) collection, doc FROM superseded
WHERE session = $1 AND "row" = {ENTRY_ROW} ORDER BY collection, until"""  # noqa: S608  constants
#: Rows that may be a record's; without the texts nobody looks at.
_OF_ROW: Final = 'collection = ANY($2::bigint[]) AND "row" = $3'
_OF_TEXT: Final = f"""\
collection = ANY($2::bigint[]) AND "row" >= {_FIRST_TEXT_ROW} AND strpos(doc, $3) > 0"""
_LIVES: Final = f"""\
SELECT collection, "row", version, until, CASE WHEN "row" >= {_FIRST_TEXT_ROW} THEN doc ELSE '' END
FROM superseded WHERE session = $1 AND """  # noqa: S608  constants
_LIVING: Final = f"""\
SELECT collection, "row", version, NULL, CASE WHEN "row" >= {_FIRST_TEXT_ROW} THEN doc ELSE '' END
FROM records WHERE session = $1 AND """  # noqa: S608  constants
_KNOWN: Final = "SELECT version FROM commits WHERE session = $1 AND version = ANY($2::bigint[])"
_ENTRY: Final = """\
SELECT version, at, request, route, plan, changes FROM commits WHERE session = $1 AND version = $2"""
_DOC_NOW: Final = 'SELECT crc, doc FROM records WHERE session = $1 AND collection = $2 AND "row" = $3'
_DOC_THEN: Final = """\
SELECT crc, doc FROM superseded WHERE session = $1 AND collection = $2 AND "row" = $3 AND until = $4"""


@frozen
class Past:
    """One session's, in the open transaction of `connection`. `version`: the one it is at."""

    connection: Connection
    session: int
    version: int

    async def log(self, *, most: int, before: int | None) -> list[LogEntry]:
        limit = 2**62 if before is None else max(min(before, 2**62), -1)
        rows = await self.connection.fetch(_LOG, self.session, limit, most)
        return [_entry(tuple(row)) for row in rows]

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

    async def changes(self, since: int, most: int) -> list[Changes]:
        """See `server/record/history.py`. Raises Missing."""
        if since > self.version:
            raise Missing(f"the session is at version {self.version}")
        rows = await self.connection.fetch(_AFTER, self.session, since, most)
        if since < self.version and (not rows or rows[0][0] != since + 1):
            raise Missing("its history does not reach back to that version")
        now = await self.connection.fetch(_NOW, self.session)
        names: dict[int, str] = {row[1]: row[0] for row in now}
        touched: dict[tuple[int, int], set[int | str]] = {}
        for number, row, made, doc in await self.connection.fetch(_WRITTEN, self.session, since):
            touched.setdefault((made, number), set()).add(_address(row, doc))
        for number, row, made, until, doc in await self.connection.fetch(_REPLACED, self.session, since):
            if row == ENTRY_ROW:
                names.setdefault(number, json.loads(doc)[0])
                continue
            for version in (made, until):
                touched.setdefault((version, number), set()).add(_address(row, doc))
        return [
            Changes(
                LogEntry(version, at, request, route, plan, _counts(changes)),
                {
                    names[number]: sorted(addresses, key=str) if len(addresses) <= TOLD_ADDRESSES else None
                    for (of, number), addresses in sorted(touched.items())
                    if of == version and number in names
                },
            )
            for version, at, request, route, plan, changes in rows
        ]

    async def steps(self, since: int) -> list[Step]:
        """See `server/record/steps.py`. Raises Missing, Damaged."""
        if since > self.version:
            raise Missing(f"the session is at version {self.version}")
        most = self.version - since
        versions = [row[0] for row in await self.connection.fetch(_AFTER, self.session, since, most)]
        if since < self.version and (not versions or versions[0] != since + 1):
            raise Missing("its history does not reach back to that version")
        count, size = (await self.connection.fetch(_MUCH, self.session, since))[0]
        require_few(count, size)
        names = {row[1]: row[0] for row in await self.connection.fetch(_NOW, self.session)}
        former = await self.connection.fetch(_FORMER, self.session)
        names = {number: json.loads(doc)[0] for number, doc in former} | names
        rows = await self.connection.fetch(_LIVES_SINCE, self.session, since)
        return steps_of(versions, (tuple(row) for row in rows), names)

    async def record_history(
        self, collection: str, sought: Sought, *, most: int, before: int | None
    ) -> tuple[list[RecordVersion], bool]:
        """See `server/record/lives.py`. Raises Damaged."""
        now = await self.connection.fetch(_NOW, self.session)
        numbers = {row[1] for row in now if row[0] == collection}
        former = await self.connection.fetch(_FORMER, self.session)
        numbers |= {number for number, doc in former if json.loads(doc)[0] == collection}
        may_be, wanted = (_OF_ROW, sought.row) if sought.row else (_OF_TEXT, sought.text)
        asked = (self.session, sorted(numbers), wanted)
        rows = [
            *await self.connection.fetch(_LIVES + may_be, *asked),
            *await self.connection.fetch(_LIVING + may_be, *asked),
        ]
        lives = [
            Life(version, until, number, row)
            for number, row, version, until, doc in rows
            if sought.is_(row, doc)
        ]
        begun = [life.version for life in lives]
        known = {row[0] for row in await self.connection.fetch(_KNOWN, self.session, begun)}
        told = Told(most)
        for each in happened(lives, known, before):
            if told.full:
                return told.versions, True
            found = await self.connection.fetch(_ENTRY, self.session, each.version)
            entry = next((_entry(tuple(row)) for row in found), None)
            told.add(each, entry, None if each.life is None else await self._doc(each.life))
        return told.versions, False

    async def _doc(self, life: Life) -> str:
        """Raises Damaged."""
        place = (self.session, life.number, life.row)
        if life.until is None:
            [found] = await self.connection.fetch(_DOC_NOW, *place)
        else:
            [found] = await self.connection.fetch(_DOC_THEN, *place, life.until)
        return checked(life, *found)

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


def _entry(row: tuple[Any, ...]) -> LogEntry:
    version, at, request, route, plan, changes = row
    return LogEntry(version, at, request, route, plan, _counts(changes))


def _counts(changes: str) -> dict[str, tuple[int, int, int]]:
    return {name: (new, changed, gone) for name, (new, changed, gone) in json.loads(changes).items()}


def _address(row: int, doc: str) -> int | str:
    return row if row < _FIRST_TEXT_ROW else str(json.loads(doc)["id"])
