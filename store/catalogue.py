"""Which collections a session has, and what is known of each.

One row a collection, all read when the session is opened and kept: a request asks the database
nothing that is known here. After a rollback the entries that were touched are read again.
Tables are named by number (`c1`, `c2`), so no text of a client or a model is ever a name in SQL.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from store import sqlite, tables
from store.entries import MAX_INDEXES, NAME, EntryRow, unreadable
from store.errors import InvalidCollectionName, StoreDamaged, StoreFull
from store.fields import can_index, index_expression
from store.schema import Fields, timestamp

if TYPE_CHECKING:
    from store.singleton import Single
    from store.sqlite import Database

_T = TypeVar("_T")

MAX_COLLECTIONS = 1_000

#: Kinds of records that are remembered for a collection, and names and types of one.
_MAX_LOOKS = 64
_MAX_LOOK = 128
#: Results that are kept of what is derived from names and fields.
_MAX_DERIVED = 256

#: Beside the value that is indexed: the row's number, and headers.
_INDEX_ROW_BYTES = 16
#: As `EntryRow` has them.
_COLUMNS = "name, number, next_id, updated_at, schema, indexes"


@dataclass(slots=True)
class Entry:
    """One collection. The last three are None until somebody needs them; then they are kept up to date."""

    name: str
    number: int
    #: At least this is the next id; the highest rowid in use may say more.
    saved_next_id: int
    fields: Fields
    updated_at: str
    #: Indexed fields; the n-th has the index `x<number>_<n>`.
    indexes: list[str] = field(default_factory=list)
    #: Whether it holds one object, see `store.singleton`; kept beside the fields.
    single: Single = field(default="", kw_only=True)
    next_id: int | None = None
    next_text_rowid: int | None = None
    count: int | None = None
    #: Field names and types of records that `fields` has all of.
    learned: set[tuple[object, ...]] = field(default_factory=set, repr=False, compare=False)
    #: For `Table.of`, which makes it.
    table: Any = field(default=None, repr=False, compare=False)

    def remember(self, looks: tuple[object, ...]) -> None:
        if len(self.learned) < _MAX_LOOKS and len(looks) <= _MAX_LOOK:
            self.learned.add(looks)


def checked_name(name: object) -> str:
    """A collection's name. Raises InvalidCollectionName."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InvalidCollectionName(
            "a collection's name is a letter, then up to 63 letters, digits, '_' or '-'"
        )
    return name


@dataclass(slots=True)
class _Changed:
    """What a request, or a transaction, may have changed: collections by name; whether it made the table."""

    names: set[str] = field(default_factory=set)
    made: bool = False

    def add(self, other: _Changed) -> None:
        self.names |= other.names
        self.made = self.made or other.made

    def clear(self) -> None:
        self.names.clear()
        self.made = False


class Catalogue:
    """The collections, by name. Changes belong to the open transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._entries: dict[str, Entry] = {}
        self._blank = database.blank
        self._request, self._earlier = _Changed(), _Changed()
        #: Names of rows that the request has written.
        self._saved: dict[str, None] = {}
        #: Whether the request has made a collection, or one has learned a field.
        self.has_new = False
        #: See `derive`.
        self.derived: dict[Any, Any] = {}
        if not self._blank:
            self._check_own_table()
            self._entries = {entry.name: entry for entry in self._read()}

    def names(self) -> list[str]:
        return sorted(self._entries)

    def get(self, name: str) -> Entry | None:
        return self._entries.get(name)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def touch(self, entry: Entry) -> None:
        """The request changes this collection: what is known of it may be rolled back."""
        self._request.names.add(entry.name)

    def create(self, name: str) -> Entry:
        """Make a collection and its table. Raises StoreFull."""
        if len(self._entries) >= MAX_COLLECTIONS:
            raise StoreFull(f"the session has {MAX_COLLECTIONS} collections, the most there can be")
        self.make()
        number = 1 + max((entry.number for entry in self._entries.values()), default=0)
        entry = Entry(name, number, 1, {}, timestamp(), [], 1, None, 0)
        self._note_saved(entry)
        self._note_new()
        self._database.take_room(name)
        for statement in tables.of_records(number):
            self._database.run(statement)
        self._database.run(
            f"INSERT INTO collections ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608  a constant
            _row(entry),
        )
        self._entries[name] = entry
        return entry

    def save_fields(self, entry: Entry, fields: Fields, updated_at: str | None = None) -> None:
        """Remember what was learned, and when."""
        entry.fields, entry.updated_at = fields, updated_at or timestamp()
        self._note_saved(entry)
        self._note_new()
        self._database.take_room(_row(entry).schema)
        self._database.run(
            "UPDATE collections SET schema = ?, updated_at = ? WHERE name = ?",
            (_row(entry).schema, entry.updated_at, entry.name),
        )

    def save_single(self, entry: Entry, single: Single) -> None:
        """Remember whether the collection holds one object."""
        entry.single = single
        self.save_fields(entry, entry.fields, entry.updated_at)

    def save_next_id(self, entry: Entry, next_id: int) -> None:
        """Remember the next id where the records no longer tell it."""
        entry.saved_next_id = entry.next_id = next_id
        self._note_saved(entry)
        self._database.run("UPDATE collections SET next_id = ? WHERE name = ?", (next_id, entry.name))

    def add_index(self, entry: Entry, name: str) -> bool:
        """Index a field; False where it is indexed, can't be, or there are too many. Raises StoreFull."""
        if name in entry.indexes or len(entry.indexes) >= MAX_INDEXES or not can_index(name):
            return False
        self._database.take_room_of(int(self._database.value(_index_size(entry.number, name))))
        self._note_saved(entry)
        self._database.run(tables.index(entry.number, len(entry.indexes), name))
        entry.indexes = [*entry.indexes, name]
        self._database.run(
            "UPDATE collections SET indexes = ? WHERE name = ?", (_row(entry).indexes, entry.name)
        )
        return True

    def _note_saved(self, entry: Entry) -> None:
        self.touch(entry)
        self._saved[entry.name] = None

    def derive(self, about: Any, made: _T) -> _T:
        """Keep what was made of names and fields, by what it is about, until one of them is another."""
        if len(self.derived) >= _MAX_DERIVED:
            self.derived.clear()
        self.derived[about] = made
        return made

    def _note_new(self) -> None:
        self.has_new = True
        self.derived.clear()

    @property
    def has_written(self) -> bool:
        """Whether the request has written any row."""
        return bool(self._saved)

    @property
    def saved(self) -> tuple[str, ...]:
        """The collections whose rows these are."""
        return tuple(self._saved)

    def written(self) -> tuple[EntryRow, ...]:
        """The rows that the request has written, as they are now."""
        return tuple(_row(self._entries[name]) for name in self._saved if name in self._entries)

    def check_tables(self) -> None:
        """Raises StoreDamaged where the file has other tables, indexes or code than ours."""
        expected = set() if self._blank else {tables.CATALOGUE}
        for entry in self._entries.values():
            expected.update(tables.of_records(entry.number))
            expected.update(tables.index(entry.number, n, name) for n, name in enumerate(entry.indexes))
        found = set(self._database.column("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"))
        if found - {tables.ANSWERS} != expected:
            raise StoreDamaged("the file's tables are not those of a session")

    def begin_request(self) -> None:
        """What was changed before now is kept, unless the whole transaction is undone."""
        self._earlier.add(self._request)
        self._request.clear()
        self._saved.clear()
        self.has_new = False

    def ended(self) -> None:
        """The transaction is over, one way or the other."""
        self._request.clear()
        self._earlier.clear()
        self._saved.clear()

    def rolled_back(self) -> None:
        """Forget what the request (or its last savepoint) may have changed, and read it again.

        Its names stay noted: what is read now is not committed either.
        """
        self._read_again(self._request)

    def all_rolled_back(self) -> None:
        """Forget what the transaction may have changed, and read it again."""
        self._earlier.add(self._request)
        self._read_again(self._earlier)
        self.ended()

    def _read_again(self, changed: _Changed) -> None:
        if changed.made:
            self._blank = sqlite.is_blank(self._database)
        self.derived.clear()
        for name in changed.names:
            self._entries.pop(name, None)
        if changed.names and not self._blank:
            again = (entry for name in changed.names for entry in self._read(name))
            self._entries.update({entry.name: entry for entry in again})

    def make(self) -> None:
        """Make the catalogue's own table, unless it is there."""
        if not self._blank:
            return
        self._request.made = True
        self._database.run(tables.CATALOGUE)
        sqlite.mark_format(self._database)
        self._blank = False

    def _check_own_table(self) -> None:
        """In a file from elsewhere it may be a view, which is code that runs when it is read."""
        sql = self._database.value("SELECT sql FROM sqlite_master WHERE name = 'collections'")
        if sql != tables.CATALOGUE:
            raise StoreDamaged("the file has no catalogue")

    def _read(self, name: str | None = None) -> list[Entry]:
        sql = f"SELECT {_COLUMNS} FROM collections"  # noqa: S608  a constant
        if name is None:
            return [_entry(row) for row in self._database.rows(sql)]
        return [_entry(row) for row in self._database.rows(f"{sql} WHERE name = ?", (name,))]


def _index_size(number: int, name: str) -> str:
    """What an index will come to, in bytes; it takes as long as to make one."""
    value = f"total(length({index_expression(name)}))"
    return f"SELECT {value} + {_INDEX_ROW_BYTES} * count(*) FROM c{number}"  # noqa: S608  names of ours


def _row(entry: Entry) -> EntryRow:
    schema, indexes = _schema_text(entry.fields, entry.single), json.dumps(entry.indexes)
    return EntryRow(entry.name, entry.number, entry.saved_next_id, entry.updated_at, schema, indexes)


def _entry(row: tuple[Any, ...]) -> Entry:
    """A row, checked: its file may come from a guest that a plan has taken over. Raises StoreDamaged."""
    reason = unreadable(row)
    if reason is not None:
        raise StoreDamaged(reason)
    stored = EntryRow(*row)
    described, indexes = json.loads(stored.schema), json.loads(stored.indexes)
    fields, single = described.get("fields", {}), described.get("single", "")
    return Entry(
        stored.name, stored.number, stored.next_id, fields, stored.updated_at, indexes, single=single
    )


def _schema_text(fields: Fields, single: Single) -> str:
    return json.dumps({"fields": fields, "single": single} if single else {"fields": fields})
