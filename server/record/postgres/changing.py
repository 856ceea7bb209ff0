"""What change sets do to sessions' rows, worked out in memory.

So a group costs a handful of statements, however many parts it has, and a part that is refused leaves nothing
behind: its changes are a layer of their own (`Change`), which is laid upon the session only when all is well.
The rules, and what is counted, are those of the embedded engine (`server/record/writer.py`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

from attrs import define, field

from server.record import sums
from server.record.history import ENTRY_ROW
from server.record.record import Full, Head, Invalid
from server.record.writer import ROW_BYTES, entry_bytes

if TYPE_CHECKING:
    from server.record.record import Part
    from server.record.writer import Limits
    from store.change_set import AnswerRow, ChangeSet, RecordRow
    from store.entries import EntryRow

#: Counted for a row of history beside its texts.
_HISTORY_BYTES: Final = 64


class Stored(NamedTuple):
    """A record as it is stored."""

    version: int
    crc: int
    doc: str


class Entry(NamedTuple):
    """A row of the catalogue as it is stored."""

    row: EntryRow
    version: int
    crc: int


class Superseded(NamedTuple):
    """A row of history; `row` 0: of the catalogue."""

    session: int
    until: int
    collection: int
    row: int
    version: int
    crc: int
    doc: str


class Commit(NamedTuple):
    """A version as the session's log has it; `size`: what its history comes to in bytes."""

    session: int
    version: int
    at: float
    request: str
    route: str
    plan: str
    changes: str
    size: int


@define
class There:
    """A session in the open transaction: what is written and what is not yet.

    `records`, `answers`: those that were asked for; None: there is none. `answers` have their texts' bytes.
    """

    id: int
    name: str
    version: int
    batch: str
    size: int
    entries: dict[int, Entry] = field(factory=dict)
    records: dict[tuple[int, int], Stored | None] = field(factory=dict)
    answers: dict[int, int | None] = field(factory=dict)
    #: By collection, a row beyond which there is none.
    last_rows: dict[int, int] = field(factory=dict)

    def head(self, identity: str) -> Head:
        return Head(identity, self.version, self.batch)


@define
class Writes:
    """What is to be written for a group."""

    records: dict[tuple[int, int, int], Stored | None] = field(factory=dict)
    entries: dict[tuple[int, int], Entry | None] = field(factory=dict)
    answers: dict[tuple[int, int], AnswerRow | None] = field(factory=dict)
    superseded: list[Superseded] = field(factory=list)
    commits: list[Commit] = field(factory=list)
    #: Sessions by id, with the version that they had.
    raised: dict[int, tuple[There, int]] = field(factory=dict)


class Change:
    """The next version of a session, until it is known to be one. `grown`: bytes that it adds."""

    def __init__(self, there: There, *, history: bool) -> None:
        self.there = there
        self.version = there.version + 1
        self.grown = 0
        self._history = history
        self._counts: dict[int, list[int]] = {}
        self._names = {number: entry.row.name for number, entry in there.entries.items()}
        self._dropped: dict[int, str] = {}
        self.entries: dict[int, Entry | None] = {}
        self.records: dict[tuple[int, int], Stored | None] = {}
        self.answers: dict[int, AnswerRow | None] = {}
        self.superseded: list[Superseded] = []
        self._history_bytes = 0

    def apply(self, rows: ChangeSet) -> None:
        """All but `cleared`, which the engine does itself (`note_cleared`). Raises Invalid."""
        for entry in rows.entries:
            self._entry(entry)
        for place in rows.deletes:
            self._delete(place)
        for put in rows.puts:
            self._put(put)
        for seq in rows.purged:
            self._purge(seq)
        for answer in rows.answers:
            self._answer(answer)

    def note_cleared(self, number: int, count: int, size: int) -> None:
        """A collection's records went, with this many bytes, and are in the history."""
        if not count:
            return
        self._require(number)
        self.grown -= size
        self._count(number, 2, count)
        self._history_bytes += size + count * _HISTORY_BYTES
        for place in self.there.records:
            if place[0] == number:
                self.records[place] = None

    def forget_answers(self, size: int) -> None:
        """All kept answers went."""
        self.grown -= size
        for seq in self.there.answers:
            self.answers[seq] = None

    def drop(self, number: int) -> None:
        """Remove a collection that was cleared."""
        entry = self.there.entries[number]
        self._keep_entry(entry)
        self.entries[number] = None
        self.grown -= entry_bytes(entry.row)
        self._dropped[number] = self._names.pop(number)

    # Rows

    def _entry(self, row: EntryRow) -> None:
        if any("\x00" in text for text in (row.updated_at, row.schema, row.indexes)):
            raise Invalid("a text with U+0000")
        name = self._names.get(row.number)
        if name is None:
            if row.name in self._names.values():
                raise Invalid("a collection has a second number")
            self._names[row.number] = row.name
        elif name != row.name:
            raise Invalid("a collection has another's number")
        before = self.entries.get(row.number, self.there.entries.get(row.number))
        if before is not None:
            if before.version != self.version:
                self._keep_entry(before)
            self.grown -= entry_bytes(before.row)
        self.grown += entry_bytes(row)
        self.entries[row.number] = Entry(row, self.version, sums.of_entry(row))

    def _keep_entry(self, entry: Entry) -> None:
        if self._history:
            doc = json.dumps(entry.row)
            self._keep(entry.row.number, ENTRY_ROW, Stored(entry.version, entry.crc, doc))

    def _keep(self, number: int, row: int, was: Stored) -> None:
        if self._history:
            self.superseded.append(Superseded(self.there.id, self.version, number, row, *was))
            self._history_bytes += len(was.doc) + _HISTORY_BYTES

    def _found(self, place: tuple[int, int]) -> Stored | None:
        if place in self.records:
            return self.records[place]
        return self.there.records.get(place)

    def _delete(self, place: tuple[int, int]) -> None:
        found = self._found(place)
        if found is None:
            return  # made and deleted by one request
        if found.version != self.version:
            self._keep(*place, found)
        self.records[place] = None
        self.grown -= len(found.doc.encode()) + ROW_BYTES
        self._count(place[0], 2)

    def _put(self, put: RecordRow) -> None:
        place, data = (put.number, put.row), put.doc.encode()
        self._require(put.number)
        if "\x00" in put.doc:
            raise Invalid("a text with U+0000")
        found = self._found(place)
        if found is not None and found.version != self.version:
            self._keep(*place, found)
        self.records[place] = Stored(self.version, sums.of_record(*place, data), put.doc)
        self.grown += len(data) + ROW_BYTES
        if found is not None:
            self.grown -= len(found.doc.encode()) + ROW_BYTES
        self._count(put.number, 0 if found is None else 1)

    def _purge(self, seq: int) -> None:
        size = self.there.answers.get(seq)
        if size is not None and seq not in self.answers:
            self.answers[seq] = None
            self.grown -= size + ROW_BYTES

    def _answer(self, answer: AnswerRow) -> None:
        if any("\x00" in text for text in (answer.name, answer.fingerprint, answer.answer)):
            raise Invalid("a text with U+0000")
        taken = self.there.answers.get(answer.seq) is not None
        if (taken and answer.seq not in self.answers) or self.answers.get(answer.seq) is not None:
            raise Invalid("a kept answer has another's number")
        self.answers[answer.seq] = answer
        self.grown += len(answer.answer.encode()) + ROW_BYTES

    def _require(self, number: int) -> None:
        if number not in self._names:
            raise Invalid("a record is in no collection")

    def _count(self, number: int, kind: int, by: int = 1) -> None:
        self._counts.setdefault(number, [0, 0, 0])[kind] += by

    # Its end

    def require_room(self, limits: Limits, total: int) -> None:
        """`total`: what all sessions come to without it. Raises Full."""
        if self.grown <= 0:
            return
        for what, most, wanted in (
            ("session", limits.session_bytes, self.there.size + self.grown),
            ("total", limits.total_bytes, total + self.grown),
        ):
            if 0 < most < wanted:
                raise Full(what, most)

    def finish(self, part: Part, writes: Writes) -> None:
        """It is the session's version now."""
        there = self.there
        writes.raised.setdefault(there.id, (there, there.version))
        for place, stored in self.records.items():
            there.records[place] = writes.records[there.id, *place] = stored
            there.last_rows[place[0]] = max(there.last_rows.get(place[0], 0), place[1])
        for number, entry in self.entries.items():
            writes.entries[there.id, number] = entry
            if entry is None:
                del there.entries[number]
            else:
                there.entries[number] = entry
        for seq, answer in self.answers.items():
            writes.answers[there.id, seq] = answer
            there.answers[seq] = None if answer is None else len(answer.answer.encode())
        if self._history:
            writes.superseded += self.superseded
            writes.commits.append(self._commit(part))
        there.version, there.batch = self.version, part.batch
        there.size += self.grown

    def _commit(self, part: Part) -> Commit:
        names = {**self._dropped, **self._names}
        text = json.dumps(
            {names[number]: counts for number, counts in self._counts.items()}, separators=(",", ":")
        )
        size = self._history_bytes + len(text) + len(part.route) + _HISTORY_BYTES
        told = (_text(part.request), _text(part.route), _text(part.plan))
        return Commit(self.there.id, self.version, part.at, *told, text, size)


def _text(text: str) -> str:
    """As PostgreSQL can have it."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
