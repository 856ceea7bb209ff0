"""Gets back what can be read of a damaged session, into a fresh store beside it.

1. Every row is taken from its page, without SQLite (`store.pages`), so damage costs what is on the damaged
   pages and nothing behind them. A journal that a crash left behind is rolled back first, by SQLite.
2. A row counts as a record when its document is a JSON object whose id is the row's own address. So a row
   with damage that its page does not show is told by that, in most cases; a wrong letter in a text is not.
3. Rows whose collection is not known any more come into one called `lost_and_found`, under new ids, their
   own in `salvaged_id`; a collection without a name is called `collection-<its number in the file>`.
4. Nothing is deleted: the damaged directory gets another name, `<session>.salvaged-<time>`, once the fresh
   one is in its place. The service may run meanwhile: the session answers that it is damaged until then.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from store import records
from store.errors import StoreError
from store.ids import FIRST_TEXT_ROWID, address_of
from store.ordinary import (
    JOURNAL_NAME,
    NAMES_ANOTHER_FILE,
    NotOrdinaryError,
    names_another_file,
    open_ordinary,
)
from store.pages import PAGE_BYTES, Pages, Row, Tree, Unreadable
from store.session_store import Session
from store.singleton import SINGLES, Single
from store.sqlite import DATABASE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DAMAGED = ".damaged"
SALVAGED = ".salvaged-"
LOST_AND_FOUND = "lost_and_found"
_SALVAGING = ".salvaging"
_TABLE_NAME = re.compile(r"c([1-9][0-9]{0,8})")
_COLLECTION_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_NO_LIMIT = 2**40
_BATCH = 1_000


class Refused(Exception):
    """What will not be salvaged; the message is for the person who asked."""


@dataclass(slots=True)
class Found:
    """What came of one collection. `rows_lost` counts rows that were seen but not readable."""

    name: str
    records: int = 0
    rows_lost: int = 0
    #: Pages nothing could be read from; each may have held many records.
    pages_lost: int = 0

    @property
    def whole(self) -> bool:
        return not self.rows_lost and not self.pages_lost


@dataclass(slots=True)
class Report:
    """The outcome of a salvage: `kept` is where the damaged files are now."""

    kept: Path
    collections: list[Found] = field(default_factory=list)
    #: Damage that belongs to no collection: to the catalogue, or to the list of unused pages.
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Collection:
    number: int
    found: Found
    next_id: int = 1
    fields: list[str] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    single: Single = ""


def salvage(damaged: Path, *, now: datetime | None = None) -> Report:
    """Put a fresh `<session>` beside `<session>.damaged`, with every record that can be read.

    Raises Refused, where nothing has been changed, and OSError.
    """
    if not damaged.name.endswith(DAMAGED) or not damaged.is_dir():
        raise Refused(f"{damaged.name} is no session that was set aside: those are called <session>{DAMAGED}")
    target = damaged.with_name(damaged.name.removesuffix(DAMAGED))
    if os.path.lexists(target):
        raise Refused(f"{target.name} is in service again already; move it away to salvage the other")
    fresh = target.with_name(f"{target.name}{_SALVAGING}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    try:
        report = _salvage_into(fresh, damaged)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    time = now or datetime.now(UTC)
    report.kept = target.with_name(f"{target.name}{SALVAGED}{time:%Y%m%dT%H%M%SZ}")
    fresh.rename(target)
    damaged.rename(report.kept)
    _sync(target.parent)
    return report


def _salvage_into(fresh: Path, damaged: Path) -> Report:
    copy = fresh / "damaged.db"
    _copy(damaged / DATABASE_NAME, copy)
    with suppress(FileNotFoundError):
        _copy(damaged / JOURNAL_NAME, fresh / "damaged.db-journal")
        _roll_back(copy)
    reading = _Reading(Pages(copy.read_bytes()))
    for left in fresh.iterdir():
        left.unlink()
    report = Report(damaged, notes=reading.notes)
    _write(fresh, reading.collections)
    report.collections = sorted((one.found for one in reading.collections), key=lambda found: found.name)
    _sync(fresh)
    return report


def _roll_back(copy: Path) -> None:
    """Have SQLite undo a transaction that was cut short. A journal that is damaged, too, changes nothing."""
    journal = copy.with_name(f"{copy.name}-journal")
    if names_another_file(journal):
        raise Refused(NAMES_ANOTHER_FILE)
    with suppress(sqlite3.Error), closing(sqlite3.connect(copy)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()


class _Reading:
    """All that can be read of a file."""

    def __init__(self, pages: Pages) -> None:
        self.notes: list[str] = []
        self.collections: list[_Collection] = []
        self._pages = pages
        if pages.count == 0:
            self.notes.append("The file has not one whole page.")
            return
        roots, catalogue = self._roots()
        self._name(roots, catalogue)
        trees = {one.number: pages.tree(roots[one.number]) for one in self.collections if one.number in roots}
        self._read(trees)

    def _roots(self) -> tuple[dict[int, int], int]:
        """Where each table `c<number>` and the catalogue start, by the schema table, whose root is page 1."""
        roots, catalogue = {}, 0
        schema = self._pages.tree(1)
        lost = len(schema.damaged)
        for leaf in schema.leaves:
            for row in self._pages.rows(leaf):
                match row.values if row else None:
                    case ["table", "collections", _, int(root), _]:
                        catalogue = root
                    case ["table", str(name), _, int(root), _] if match := _TABLE_NAME.fullmatch(name):
                        roots[int(match[1])] = root
                    case [str(), str(), _, int(), _]:
                        pass
                    case _:
                        lost += 1
        if lost:
            self.notes.append(f"The list of tables is damaged in {lost} places.")
        return roots, catalogue

    def _name(self, roots: dict[int, int], catalogue: int) -> None:
        tree = self._pages.tree(catalogue, index=True) if catalogue else Tree(damaged={0})
        lost = len(tree.damaged)
        named: dict[int, _Collection] = {}
        for page in tree.leaves:
            for row in self._pages.rows(page):
                entry = _entry(row)
                if entry is None:
                    lost += 1
                else:
                    named[entry.number] = entry
        if lost:
            self.notes.append(f"The list of collections is damaged in {lost} places; names may be missing.")
        for number in roots.keys() - named.keys():
            named[number] = _Collection(number, Found(f"collection-{number}"))
        self.collections = [named[number] for number in sorted(named)]

    def _read(self, trees: dict[int, Tree]) -> None:
        lost_and_found, shared = _Collection(0, Found(LOST_AND_FOUND)), set[int]()
        for one in self.collections:
            tree = trees.get(one.number)
            one.found.pages_lost += len(tree.damaged) if tree else 1
            for leaf in tree.leaves if tree else ():
                if self._pages.is_shared(leaf):
                    shared.add(leaf)
                else:
                    self._take(one, leaf)
        for leaf in sorted(shared):
            self._take(lost_and_found, leaf)
        hurt = [one for one in self.collections if one.found.pages_lost]
        try:
            orphans = self._pages.orphans()
        except Unreadable:
            self.notes.append("The list of unused pages is damaged: pages that no table names were left out.")
            orphans = []
        for leaf in orphans:
            self._take(hurt[0] if len(hurt) == 1 else lost_and_found, leaf)
        if lost_and_found.documents:
            self.collections.append(lost_and_found)

    def _take(self, collection: _Collection, leaf: int) -> None:
        for row in self._pages.rows(leaf):
            record = _record(row)
            if record is None:
                collection.found.rows_lost += collection.number > 0
                continue
            if collection.number == 0:
                record = {**record, "id": len(collection.documents) + 1, "salvaged_id": record["id"]}
            collection.documents.setdefault(str(record["id"]), record)


def _entry(row: Row | None) -> _Collection | None:
    """A row of the catalogue; see `store.catalogue` for its columns."""
    match row.values if row else None:
        case [str(name), int(number), int(next_id), str(schema), str(), str(indexes)]:
            with suppress(ValueError, AttributeError, RecursionError):
                if _COLLECTION_NAME.fullmatch(name) and number > 0:
                    described = json.loads(schema)
                    fields, single = list(described.get("fields", {})), described.get("single", "")
                    indexed = [name for name in json.loads(indexes) if isinstance(name, str)]
                    found = _Collection(number, Found(name), max(next_id, 1), fields, indexed)
                    found.single = single if single in SINGLES else ""
                    return found
        case _:
            pass
    return None


def _record(row: Row | None) -> dict[str, Any] | None:
    """A row's record, if there is one in it that belongs to the row."""
    if row is None or len(row.values) != 3:
        return None
    _, key, document = row.values
    # Rowids are split between the two kinds of address, so one that is on the wrong side is none of ours.
    address = row.rowid if key is None else key
    if (key is None) != (row.rowid < FIRST_TEXT_ROWID) or not isinstance(document, str):
        return None
    with suppress(ValueError, RecursionError, StoreError, AttributeError):
        record = records.decode(document)
        if address_of(record.get("id")) == address:
            return dict(record)
    return None


def _write(directory: Path, collections: Iterable[_Collection]) -> None:
    """Make the fresh store. What the store would refuse today is counted as lost."""
    session = Session.open(str(directory), page_limit_bytes=_NO_LIMIT)
    try:
        session.begin(read_only=False)
        for one in collections:
            _write_records(session, one)
            session.restore_collection(
                one.found.name,
                fields=one.fields,
                updated_at=None,
                next_id=min(one.next_id, 2**53),
                single=one.single,
            )
        session.commit()
        for one in collections:
            for name in one.indexes:
                session.ensure_index(one.found.name, name)
    finally:
        session.close()


def _write_records(session: Session, one: _Collection) -> None:
    store = session.plan_view[one.found.name]
    with session.restoring():
        for record in one.documents.values():
            try:
                store.insert(record)
            except StoreError:
                one.found.rows_lost += 1
            else:
                one.found.records += 1


def _copy(source: Path, target: Path) -> None:
    try:
        reading = open_ordinary(source)
    except NotOrdinaryError:
        raise Refused(f"{source.name} is no ordinary file") from None
    with reading, target.open("xb") as writing:
        shutil.copyfileobj(reading, writing, PAGE_BYTES * 256)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
