"""What a session was: superseded rows, and which commit has superseded them.

1. A commit's row names the one before it of its session (`previous`), and the superseded rows that it has
   made, which follow each other. So a session's history is a chain, found without an index that each write
   would have to keep; and history that is too old goes from the front of both tables, whosever it is. Where
   there is too much, the oldest goes of the session that has most of it.
2. A row was there at version v if it was written at v or before, and, where it was superseded, after v.
3. A row of the catalogue is kept as a record of row 0, which no record has.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from server.record import sums
from server.record.lives import Life, Told, checked, happened
from server.record.record import Changes, Damaged, Difference, LogEntry, Missing, RecordVersion, Step
from server.record.steps import require_few, steps_of
from store.change_set import RecordRow
from store.entries import EntryRow
from store.ids import FIRST_TEXT_ROWID

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from server.record.lives import Sought
    from server.record.record import Moment, Part

#: Where a superseded row of the catalogue is.
ENTRY_ROW: Final = 0
#: Counted for a row of history beside its texts.
_ROW_BYTES: Final = 64
_PRUNED_AT_ONCE: Final = 500
#: Versions that somebody who follows a session may have missed; and addresses that are told of a collection.
_FOLLOWED_COMMITS: Final = 10_000
TOLD_ADDRESSES: Final = 64
#: Of a row: the number, or the text that its record has as `id`.
_ADDRESS: Final = (
    f"CASE WHEN row < {FIRST_TEXT_ROWID} THEN row ELSE CAST(json_extract(doc, '$.id') AS TEXT) END"
)
#: Superseded rows of a commit that may be a record's, and the catalogue's; texts only where they are read.
_MAY_BE: Final = f"""\
SELECT id, collection, row, version, until,
  CASE WHEN row = {ENTRY_ROW} OR row >= {FIRST_TEXT_ROWID} THEN doc ELSE '' END
FROM superseded WHERE id BETWEEN ?1 AND ?2 AND (row = {ENTRY_ROW} OR {{of}})"""  # noqa: S608  constants
_OF_ROW: Final = "row = ?3"
_OF_TEXT: Final = f"row >= {FIRST_TEXT_ROWID} AND instr(doc, ?3) > 0"
_json: Final = json.JSONEncoder(separators=(",", ":")).encode


class History:
    """Of all sessions, within the writer's transactions; `keep_seconds` 0: there is none.

    `most_bytes` bounds what both tables hold. Beyond, who has most loses his oldest: no session's flood of
    changes takes away what others go back to.
    """

    def __init__(self, connection: sqlite3.Connection, keep_seconds: float, most_bytes: int) -> None:
        self._execute = connection.execute
        self._many = connection.executemany
        #: Rows that are still to be written in the open transaction, and the ids of the next ones.
        self._superseded: list[tuple[Any, ...]] = []
        self._commits: list[tuple[Any, ...]] = []
        self._next_ids: tuple[int, int] | None = None
        self._keep_seconds = keep_seconds
        self._most_bytes = most_bytes
        self.on = keep_seconds > 0 and most_bytes > 0
        self._size: int | None = None
        #: The same by session, counted once there was too much; and the commit that a session has lost last.
        self._sizes: dict[int, int] | None = None
        self._lost: dict[int, int] = {}
        self._first = 0
        self._made = 0

    def undone(self) -> None:
        """The transaction was rolled back."""
        self._made, self._next_ids = 0, None
        self._forget_sizes()
        self._superseded.clear()
        self._commits.clear()

    def flush(self) -> None:
        """Write what was kept and noted: together, which is quicker. Before the transaction ends."""
        if self._superseded:
            self._many("INSERT INTO superseded VALUES (?, ?, ?, ?, ?, ?, ?, ?)", self._superseded)
            self._superseded.clear()
        if self._commits:
            self._many("INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._commits)
            self._commits.clear()

    def _ids(self) -> tuple[int, int]:
        """Of the next superseded row, and of the next commit."""
        if self._next_ids is None:
            self._next_ids = self._execute(
                "SELECT (SELECT coalesce(max(id), 0) + 1 FROM superseded), "
                "(SELECT coalesce(max(id), 0) + 1 FROM commits)"
            ).fetchone()
        return self._next_ids

    # Writing

    def keep(self, session: int, number: int, row: int, found: Sequence[Any], until: int) -> None:
        """Keep a record as it was: `found` is its id, version, crc and document."""
        if self.on:
            _, version, crc, doc = found
            self._insert(session, number, row, version, until, crc, doc)

    def keep_entry(self, session: int, found: Sequence[Any], until: int) -> None:
        """Keep a row of the catalogue as it was: an EntryRow's values, version and crc."""
        if self.on:
            *values, version, crc = found
            self._insert(session, found[1], ENTRY_ROW, version, until, crc, json.dumps(values))

    def _insert(  # noqa: PLR0917  a row
        self, session: int, number: int, row: int, version: int, until: int, crc: int, doc: str
    ) -> None:
        id_, commit = self._ids()
        self._next_ids = id_ + 1, commit
        self._superseded.append((id_, session, number, row, version, until, crc, doc))
        if not self._made:
            self._first = id_
        self._made += 1
        self._grow_by(len(doc) + _ROW_BYTES, session)

    def keep_all(self, session: int, number: int, until: int) -> None:
        """Keep all records of a collection as they were."""
        if not self.on:
            return
        self.flush()
        self._next_ids = None
        done = self._execute(
            """\
            INSERT INTO superseded (session, collection, row, version, until, crc, doc)
            SELECT session, collection, row, version, ?, crc, doc FROM records
            WHERE session = ? AND collection = ? ORDER BY row""",
            (until, session, number),
        )
        if done.rowcount > 0:
            last = self._execute("SELECT max(id) FROM superseded").fetchone()[0]
            if not self._made:
                self._first = last - done.rowcount + 1
            self._made += done.rowcount
            self._forget_sizes()

    def note(
        self, session: int, version: int, previous: int, part: Part, changes: dict[str, list[int]]
    ) -> int:
        """A commit's row; its id, 0 where there is no history."""
        if not self.on:
            return 0
        text = _json(changes)
        superseded, id_ = self._ids()
        self._next_ids = superseded, id_ + 1
        self._commits.append(
            (
                *(id_, session, version, part.at, part.request, part.route, part.plan, text),
                *(previous, self._first if self._made else 0, self._made),
            )
        )
        self._made = 0
        self._grow_by(len(text) + len(part.route) + _ROW_BYTES, session)
        return id_

    # Upkeep

    @property
    def size(self) -> int:
        """About what both tables hold, in bytes. Read once, then counted."""
        if self._size is None:
            commits = self._execute(
                "SELECT coalesce(sum(length(changes) + length(route) + ?), 0) FROM commits", (_ROW_BYTES,)
            ).fetchone()[0]
            rows = self._execute(
                "SELECT coalesce(sum(length(doc) + ?), 0) FROM superseded", (_ROW_BYTES,)
            ).fetchone()[0]
            self._size = int(commits) + int(rows)
        return self._size

    def prune(self) -> bool:
        """Remove some of what is too old, or too much; whether there may be more. In a transaction.

        The last commit of all stays, so that its number is not given again.
        """
        before = time.time() - self._keep_seconds if self.on else float("inf")
        old = self._oldest("at < ?", (before,), float("inf"))
        if len(old) == _PRUNED_AT_ONCE or self.size <= self._most_bytes:
            return len(old) == _PRUNED_AT_ONCE
        sizes = self._by_session()
        session = max(sizes, key=lambda each: sizes[each])
        # Down to where it has no more than the next: then that one is looked at.
        others = max((size for each, size in sizes.items() if each != session), default=0)
        too_much = max(min(self.size - self._most_bytes, sizes[session] - others), 1)
        gone = self._oldest("session = ? AND id > ?", (session, self._lost.get(session, 0)), too_much)
        if gone:
            self._lost[session] = gone[-1]
        else:
            del sizes[session]
        return bool(sizes) and self.size > self._most_bytes

    def _oldest(self, which: str, values: tuple[float, ...], most_bytes: float) -> list[int]:
        """Remove some of these commits with what they have superseded, from the front; their numbers."""
        rows = self._execute(
            f"SELECT id, session, length(changes) + length(route), first_superseded, superseded FROM commits "  # noqa: S608  constants
            f"WHERE {which} AND id < (SELECT max(id) FROM commits) ORDER BY id LIMIT {_PRUNED_AT_ONCE}",
            values,
        ).fetchall()
        gone: list[int] = []
        freed = 0
        for id_, session, size, first, count in rows:
            if freed >= most_bytes:
                break
            own = size + _ROW_BYTES + (self._superseded_bytes(first, count) if count else 0)
            freed += own
            self._grow_by(-own, session)
            if count:
                self._execute("DELETE FROM superseded WHERE id BETWEEN ? AND ?", (first, first + count - 1))
            gone.append(id_)
        self._many("DELETE FROM commits WHERE id = ?", [(id_,) for id_ in gone])
        return gone

    def _by_session(self) -> dict[int, int]:
        if self._sizes is None:
            self._sizes = {}
            for sql in (
                "SELECT session, sum(length(changes) + length(route) + ?) FROM commits GROUP BY session",
                "SELECT session, sum(length(doc) + ?) FROM superseded GROUP BY session",
            ):
                for session, size in self._execute(sql, (_ROW_BYTES,)):
                    self._sizes[session] = self._sizes.get(session, 0) + int(size)
        return self._sizes

    def _forget_sizes(self) -> None:
        """They are read again when they are asked for."""
        self._size = self._sizes = None
        self._lost.clear()

    def _grow_by(self, by: int, session: int) -> None:
        if self._size is not None:
            self._size += by
        if self._sizes is not None:
            self._sizes[session] = self._sizes.get(session, 0) + by

    def _superseded_bytes(self, first: int, count: int) -> int:
        sql = "SELECT coalesce(sum(length(doc) + ?), 0) FROM superseded WHERE id BETWEEN ? AND ?"
        return int(self._execute(sql, (_ROW_BYTES, first, first + count - 1)).fetchone()[0])

    def purge(self, session: int, last_commit: int) -> None:
        """Remove a session's history."""
        for id_, _, first, count in list(chain(self._execute, session, last_commit)):
            if count:
                self._execute("DELETE FROM superseded WHERE id BETWEEN ? AND ?", (first, first + count - 1))
            # Not the row: its number must not be given again while others' rows may name it.
            self._execute(
                "UPDATE commits SET session = 0, request = '', route = '', plan = '', changes = '{}', superseded = 0 WHERE id = ?",  # noqa: E501
                (id_,),
            )
        self._forget_sizes()


def chain(execute: Any, session: int, last_commit: int) -> Iterator[tuple[int, int, int, int]]:
    """A session's commits, the last one first: id, version, and the superseded rows that it has made."""
    current = last_commit
    while current:
        row = execute(
            "SELECT id, version, first_superseded, superseded, previous FROM commits WHERE id = ? AND session = ?",  # noqa: E501
            (current, session),
        ).fetchone()
        if row is None:
            return  # as far back as history goes
        yield row[:4]
        current = row[4]


class Past:
    """One session's history, read in the open transaction of any connection."""

    def __init__(self, connection: sqlite3.Connection, session: int, version: int, last_commit: int) -> None:
        self._execute = connection.execute
        self._session = session
        self._version = version
        self._last_commit = last_commit

    def log(self, *, most: int, before: int | None) -> list[LogEntry]:
        """The last versions there were before `before`, the last one first."""
        found: list[LogEntry] = []
        for id_, version, _, _ in chain(self._execute, self._session, self._last_commit):
            if before is not None and version >= before:
                continue
            if len(found) == most:
                break
            found.append(self._entry(id_, version))
        return found

    def changes(self, since: int, most: int) -> list[Changes]:
        """What the versions after `since` have touched, the first ones first. Raises Missing.

        A record was touched by a version that it was written at, and by one that has superseded it.
        """
        commits = self._commits_after(since)
        names = self._names_since(since)
        touched = self._touched_since(since, commits)
        found = []
        for id_, version, _, _ in commits[::-1][:most]:
            of_version = touched.get(version, {})
            records = {
                names[number]: sorted(addresses, key=str) if len(addresses) <= TOLD_ADDRESSES else None
                for number, addresses in sorted(of_version.items())
                if number in names
            }
            found.append(Changes(self._entry(id_, version), records))
        return found

    def steps(self, since: int) -> list[Step]:
        """See `server/record/steps.py`. Raises Missing, Damaged."""
        commits = self._commits_after(since)[::-1]
        require_few(sum(count for *_, count in commits), 0)
        rows = self._superseded_by(commits, "collection, row, version, until, crc, doc")
        size = sum(len(row[-1]) for row in rows)
        for row in self._written_since(since, rows, sum(map(self._made_by, commits))):
            rows.append(row)
            size += len(row[-1])
            require_few(len(rows), size)
        require_few(len(rows), size)
        return steps_of([version for _, version, _, _ in commits], rows, self._names_since(since))

    def _written_since(self, since: int, superseded: Sequence[Any], made: int) -> Iterator[Any]:
        """Records that there are, and were written since. `made`: how many of all were made since.

        Those that had been there are found by what has superseded them. All others were made since and are as
        they were made: that is known to be so many, and they are among the last that the file was given.
        """
        written = "SELECT collection, row, version, NULL, crc, doc FROM records WHERE {} AND version > ?"
        places = dict.fromkeys((number, row) for number, row, *_ in superseded)
        lives = [(number, row, version, until) for number, row, version, until, *_ in superseded]
        one = written.format("session = ? AND collection = ? AND row = ?")
        for place in places:
            found = self._execute(one, (self._session, *place, since)).fetchone()
            if found is not None:
                lives.append(found[:4])
                yield found
        ends = {(number, row, until) for number, row, _, until in lives}
        left = made - sum(life[2] > since and life[:3] not in ends for life in lives)
        if left > 0:
            # The sign keeps SQLite from the session's index, which has all of its records.
            others = "collection || ':' || row NOT IN (SELECT value FROM json_each(?))"
            last = f"{written.format('+session = ?')} AND {others} ORDER BY id DESC LIMIT ?"
            known = json.dumps([f"{number}:{row}" for number, row in places])
            yield from self._execute(last, (self._session, since, known, left))

    def _made_by(self, commit: tuple[int, int, int, int]) -> int:
        """How many records a commit has made."""
        (changes,) = self._execute("SELECT changes FROM commits WHERE id = ?", commit[:1]).fetchone()
        return sum(new for new, _, _ in json.loads(changes).values())

    def _superseded_by(self, commits: Sequence[tuple[int, int, int, int]], columns: str) -> list[Any]:
        """Of the records' rows that the commits have superseded, these columns."""
        sql = f"SELECT {columns} FROM superseded WHERE id BETWEEN ? AND ? AND row <> {ENTRY_ROW}"  # noqa: S608  constants
        return [
            row
            for _, _, first, count in commits
            if count
            for row in self._execute(sql, (first, first + count - 1))
        ]

    def _commits_after(self, since: int) -> list[tuple[int, int, int, int]]:
        """Those after a version, the last one first. Raises Missing."""
        if since > self._version:
            raise Missing(f"the session is at version {self._version}")
        commits = []
        for each in chain(self._execute, self._session, self._last_commit):
            if each[1] <= since:
                break
            commits.append(each)
            if len(commits) > _FOLLOWED_COMMITS:
                raise Missing("that is too long ago to be followed")
        if since < self._version and (not commits or commits[-1][1] != since + 1):
            raise Missing("its history does not reach back to that version")
        return commits

    def _names_since(self, since: int) -> dict[int, str]:
        """Of the collections that there are, and were, by number."""
        sql = "SELECT number, name FROM collections WHERE session = ?"
        names: dict[int, str] = dict(self._execute(sql, (self._session,)).fetchall())
        for number, row, _, _, doc in self.superseded_since(since):
            if row == ENTRY_ROW:
                names.setdefault(number, json.loads(doc)[0])
        return names

    def _touched_since(
        self, since: int, commits: Sequence[tuple[int, int, int, int]]
    ) -> dict[int, dict[int, set[int | str]]]:
        """By version and collection's number: addresses."""
        rows = self._execute(
            f"SELECT collection, {_ADDRESS}, version, NULL FROM records WHERE session = ? AND version > ?",  # noqa: S608  constants
            (self._session, since),
        ).fetchall()
        rows += self._superseded_by(commits, f"collection, {_ADDRESS}, version, until")
        touched: dict[int, dict[int, set[int | str]]] = {}
        for number, address, *versions in rows:
            for version in versions:
                if version is not None and version > since:
                    touched.setdefault(version, {}).setdefault(number, set()).add(address)
        return touched

    def _entry(self, id_: int, version: int) -> LogEntry:
        sql = "SELECT at, request, route, plan, changes FROM commits WHERE id = ?"
        at, request, route, plan, changes = self._execute(sql, (id_,)).fetchone()
        counts = {name: (new, changed, gone) for name, (new, changed, gone) in json.loads(changes).items()}
        return LogEntry(version, at, request, route, plan, counts)

    def version_at(self, moment: Moment) -> int:
        """The number of the version that was there at a moment. Raises Missing."""
        oldest: int | None = None
        for id_, version, _, _ in chain(self._execute, self._session, self._last_commit):
            if isinstance(moment, int) and version <= moment:
                return self._checked(moment)
            if isinstance(moment, float):
                at = self._execute("SELECT at FROM commits WHERE id = ?", (id_,)).fetchone()[0]
                if at <= moment:
                    return version
            oldest = version
        # The version before the oldest commit that is kept can still be told: what that has superseded is
        # kept.
        if oldest is not None and oldest - 1 >= 1 and moment == oldest - 1:
            return oldest - 1
        if isinstance(moment, int) and moment == self._version:
            return moment
        reach = (
            "there is no history of it" if oldest is None else f"its history reaches back to version {oldest}"
        )
        raise Missing(reach)

    def _checked(self, version: int) -> int:
        if not 1 <= version <= self._version:
            raise Missing(f"the session is at version {self._version}")
        return version

    def superseded_since(self, version: int) -> Iterator[tuple[int, int, int, int, str]]:
        """Rows that were there at a version and no longer are: collection, row, version, crc, document."""
        for _, made, first, count in chain(self._execute, self._session, self._last_commit):
            if made <= version:
                return
            if not count:
                continue
            yield from self._execute(
                "SELECT collection, row, version, crc, doc FROM superseded WHERE id BETWEEN ? AND ? AND version <= ?",  # noqa: E501
                (first, first + count - 1, version),
            ).fetchall()

    def record_history(
        self, collection: str, sought: Sought, *, most: int, before: int | None
    ) -> tuple[list[RecordVersion], bool]:
        """See `server/record/lives.py`. Raises Damaged."""
        sql = "SELECT number FROM collections WHERE session = ? AND name = ?"
        numbers = {row[0] for row in self._execute(sql, (self._session, collection))}
        may_be, wanted = (_OF_ROW, sought.row) if sought.row else (_OF_TEXT, sought.text)
        commits: dict[int, int] = {}
        lives: list[Life] = []
        for id_, made, first, count in chain(self._execute, self._session, self._last_commit):
            commits[made] = id_
            rows = (
                self._execute(_MAY_BE.format(of=may_be), (first, first + count - 1, wanted)) if count else ()
            )
            for place, number, row, version, until, doc in rows:
                if row != ENTRY_ROW:
                    lives += [Life(version, until, number, row, place)] if sought.is_(row, doc) else []
                elif number not in numbers and json.loads(doc)[0] == collection:
                    numbers.add(number)
        lives = [life for life in lives if life.number in numbers]
        for number in numbers:
            lives += self._living(number, sought)
        told = Told(most)
        for each in happened(lives, commits, before):
            if told.full:
                return told.versions, True
            known = each.version in commits
            entry = self._entry(commits[each.version], each.version) if known else None
            told.add(each, entry, None if each.life is None else self._doc(each.life))
        return told.versions, False

    def _living(self, number: int, sought: Sought) -> list[Life]:
        """The record as it is there, if it is."""
        may_be, wanted = (_OF_ROW, sought.row) if sought.row else (_OF_TEXT, sought.text)
        rows = self._execute(
            f"SELECT row, version, doc FROM records WHERE session = ?1 AND collection = ?2 AND {may_be}",  # noqa: S608  constants
            (self._session, number, wanted),
        )
        return [Life(version, None, number, row) for row, version, doc in rows if sought.is_(row, doc)]

    def _doc(self, life: Life) -> str:
        """Raises Damaged."""
        if life.place:
            found = self._execute("SELECT crc, doc FROM superseded WHERE id = ?", (life.place,)).fetchone()
        else:
            sql = "SELECT crc, doc FROM records WHERE session = ? AND collection = ? AND row = ?"
            found = self._execute(sql, (self._session, life.number, life.row)).fetchone()
        return checked(life, *found)

    def differences(self, version: int, most: int) -> list[Difference]:
        """Records that are not as they were at a version, by collection and row."""
        sql = "SELECT number, name FROM collections WHERE session = ?"
        names: dict[int, str] = dict(self._execute(sql, (self._session,)).fetchall())
        before: dict[tuple[int, int], str] = {}
        for number, row, _, _, doc in self.superseded_since(version):
            if row == ENTRY_ROW:
                names.setdefault(number, json.loads(doc)[0])
            else:
                before[number, row] = doc
        after = {
            (number, row): doc
            for number, row, doc in self._execute(
                "SELECT collection, row, doc FROM records WHERE session = ? AND version > ?",
                (self._session, version),
            )
        }
        places = sorted(before.keys() | after.keys())
        changed = [place for place in places if before.get(place) != after.get(place)]
        return [
            Difference(names[number], row, before.get((number, row)), after.get((number, row)))
            for number, row in changed[:most]
        ]


def checked_rows(rows: Iterator[tuple[int, int, int, int, str]]) -> Iterator[RecordRow | EntryRow]:
    """Superseded rows as they were. Raises Damaged."""
    for number, row, _, crc, doc in rows:
        if row == ENTRY_ROW:
            entry = EntryRow(*json.loads(doc))
            if sums.of_entry(entry) != crc:
                raise Damaged("a superseded row of the catalogue is not what was written")
            yield entry
            continue
        if sums.of_record(number, row, doc.encode()) != crc:
            raise Damaged("a superseded record is not what was written")
        yield RecordRow(number, row, doc)
