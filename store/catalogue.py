"""Which collections a session has, and what is known of each.

One row a collection, all read when the session is opened and kept: a request asks the database
nothing that is known here. After a rollback the entries that were touched are read again.
Tables are named by number (`c1`, `c2`), so no text of a client or a model is ever a name in SQL.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from store import sqlite
from store.errors import InvalidCollectionName, StoreDamaged, StoreFull
from store.fields import can_index, index_expression
from store.kept_answers import TABLE as ANSWERS
from store.schema import Fields, timestamp
from store.singleton import SINGLES, Single

if TYPE_CHECKING:
    from store.sqlite import Database
    from store.table import Table

MAX_COLLECTIONS = 1_000
MAX_INDEXES = 16

#: Kinds of records that are remembered for a collection, and names and types of one.
_MAX_LOOKS = 64
_MAX_LOOK = 128

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_CREATE = """\
CREATE TABLE collections (
  name TEXT PRIMARY KEY,
  number INTEGER NOT NULL UNIQUE,
  next_id INTEGER NOT NULL,
  schema TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  indexes TEXT NOT NULL
) WITHOUT ROWID"""
_COLUMNS = "name, number, next_id, schema, updated_at, indexes"


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
    #: See `Table.of`.
    table: Table | None = field(default=None, repr=False, compare=False)

    def remember(self, looks: tuple[object, ...]) -> None:
        if len(self.learned) < _MAX_LOOKS and len(looks) <= _MAX_LOOK:
            self.learned.add(looks)


def checked_name(name: object) -> str:
    """A collection's name. Raises InvalidCollectionName."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidCollectionName(
            "a collection's name is a letter, then up to 63 letters, digits, '_' or '-'"
        )
    return name


class Catalogue:
    """The collections, by name. Changes belong to the open transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._touched: set[str] = set()
        self._entries: dict[str, Entry] = {}
        self._blank = database.blank
        self._made_here = False
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
        """The open transaction changes this collection: what is known of it may be rolled back."""
        self._touched.add(entry.name)

    def create(self, name: str) -> Entry:
        """Make a collection and its table. Raises StoreFull."""
        if len(self._entries) >= MAX_COLLECTIONS:
            raise StoreFull(f"the session has {MAX_COLLECTIONS} collections, the most there can be")
        self.make()
        number = 1 + max((entry.number for entry in self._entries.values()), default=0)
        entry = Entry(name, number, 1, {}, timestamp(), [], 1, None, 0)
        self._touched.add(name)
        for statement in _table(number):
            self._database.run(statement)
        self._database.run(
            f"INSERT INTO collections ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608  a constant
            (name, number, 1, "{}", entry.updated_at, "[]"),
        )
        self._entries[name] = entry
        return entry

    def save_fields(self, entry: Entry, fields: Fields, updated_at: str | None = None) -> None:
        """Remember what was learned, and when."""
        entry.fields, entry.updated_at = fields, updated_at or timestamp()
        self.touch(entry)
        self._database.run(
            "UPDATE collections SET schema = ?, updated_at = ? WHERE name = ?",
            (_schema_text(fields, entry.single), entry.updated_at, entry.name),
        )

    def save_single(self, entry: Entry, single: Single) -> None:
        """Remember whether the collection holds one object."""
        entry.single = single
        self.save_fields(entry, entry.fields, entry.updated_at)

    def save_next_id(self, entry: Entry, next_id: int) -> None:
        """Remember the next id where the records no longer tell it."""
        entry.saved_next_id = entry.next_id = next_id
        self.touch(entry)
        self._database.run("UPDATE collections SET next_id = ? WHERE name = ?", (next_id, entry.name))

    def add_index(self, entry: Entry, name: str) -> bool:
        """Index a field; False where it is indexed, can't be, or has no room left for it."""
        if name in entry.indexes or len(entry.indexes) >= MAX_INDEXES or not can_index(name):
            return False
        self.touch(entry)
        self._database.run(_index(entry.number, len(entry.indexes), name))
        entry.indexes = [*entry.indexes, name]
        self._database.run(
            "UPDATE collections SET indexes = ? WHERE name = ?", (json.dumps(entry.indexes), entry.name)
        )
        return True

    def check_tables(self) -> None:
        """Raises StoreDamaged where the file has other tables, indexes or code than ours."""
        expected = set() if self._blank else {_CREATE}
        for entry in self._entries.values():
            expected.update(_table(entry.number))
            expected.update(_index(entry.number, n, name) for n, name in enumerate(entry.indexes))
        found = set(self._database.column("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"))
        if found - {ANSWERS} != expected:
            raise StoreDamaged("the file's tables are not those of a session")

    def ended(self) -> None:
        """The transaction is over, one way or the other."""
        self._touched.clear()
        self._made_here = False

    def rolled_back(self) -> None:
        """Forget what the transaction (or its last savepoint) may have changed, and read it again.

        Names stay touched until the transaction ends: what is read now is not committed either.
        """
        if self._made_here:
            self._blank = sqlite.is_blank(self._database)
        for name in self._touched:
            self._entries.pop(name, None)
        if self._touched and not self._blank:
            again = (entry for name in self._touched for entry in self._read(name))
            self._entries.update({entry.name: entry for entry in again})

    def make(self) -> None:
        """Make the catalogue's own table, unless it is there."""
        if not self._blank:
            return
        self._made_here = True
        self._database.run(_CREATE)
        sqlite.mark_format(self._database)
        self._blank = False

    def _check_own_table(self) -> None:
        """In a file from elsewhere it may be a view, which is code that runs when it is read."""
        if self._database.value("SELECT sql FROM sqlite_master WHERE name = 'collections'") != _CREATE:
            raise StoreDamaged("the file has no catalogue")

    def _read(self, name: str | None = None) -> list[Entry]:
        sql = f"SELECT {_COLUMNS} FROM collections"  # noqa: S608  a constant
        if name is None:
            return [_entry(row) for row in self._database.rows(sql)]
        return [_entry(row) for row in self._database.rows(f"{sql} WHERE name = ?", (name,))]


def _table(number: int) -> tuple[str, ...]:
    """Nearly all ids are integers: their rows are in one b-tree, and the index of text keys stays empty."""
    return (
        f"CREATE TABLE c{number} (rowid INTEGER PRIMARY KEY, key TEXT, doc TEXT NOT NULL)",
        f"CREATE UNIQUE INDEX k{number} ON c{number} (key) WHERE key IS NOT NULL",
    )


def _index(number: int, n: int, name: str) -> str:
    return f"CREATE INDEX x{number}_{n} ON c{number} ({index_expression(name)})"


def _entry(row: tuple[object, ...]) -> Entry:
    """A row, checked: its file may come from a guest that a plan has taken over. Raises StoreDamaged."""
    name, number, next_id, schema, updated_at, indexes = row
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise StoreDamaged("a collection has a name that none can have")
    if not isinstance(number, int) or not isinstance(next_id, int) or not isinstance(updated_at, str):
        raise StoreDamaged(f"the catalogue's entry for {name} is not readable")
    try:
        described, indexed = json.loads(str(schema)), json.loads(str(indexes))
        fields, single = described.get("fields", {}), described.get("single", "")
    except (ValueError, AttributeError, RecursionError):
        raise StoreDamaged(f"the catalogue's entry for {name} is not readable") from None
    if not _are_fields(fields) or not _are_indexes(indexed) or single not in SINGLES:
        raise StoreDamaged(f"the catalogue's entry for {name} is not readable")
    return Entry(name, number, next_id, fields, updated_at, indexed, single=single)


def _schema_text(fields: Fields, single: Single) -> str:
    return json.dumps({"fields": fields, "single": single} if single else {"fields": fields})


def _are_fields(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(kinds, list) and all(isinstance(kind, str) for kind in kinds) for kinds in value.values()
    )


def _are_indexes(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and can_index(name) for name in value)
