"""The rows of one collection: addresses, documents and the counters that go with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from store.errors import DuplicateId, NoIdLeft, StoreDamaged
from store.ids import FIRST_TEXT_ROWID, MAX_INT_ID, Address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.catalogue import Entry
    from store.groups import Grouping
    from store.paging import Order
    from store.query import Where
    from store.sqlite import Database

_CHUNK = 1_000
#: Sums, because the guest's SQLite (3.51) looks at a parameter that is the whole limit while it prepares a
#: statement, and so prepares it anew each time it is bound: a quarter of the work for a list of 20 records.
_SLICE = "LIMIT :limit + 0 OFFSET :offset + 0"


class Table:
    """Row operations on a collection that exists. Writers of rows call `catalogue.touch` first."""

    def __init__(self, database: Database, entry: Entry, column: str = "doc") -> None:
        """`column` is what is read of a record: SQL of ours."""
        self._database = database
        self._entry = entry
        self._name = f"c{entry.number}"
        self._find_by_rowid = f"SELECT {column} FROM {self._name} WHERE rowid = ?"  # noqa: S608  names of ours
        self._find_by_key = f"SELECT {column} FROM {self._name} WHERE key = ?"  # noqa: S608
        self._select = f"SELECT {column} FROM {self._name} WHERE"  # noqa: S608

    @classmethod
    def of(cls, database: Database, entry: Entry) -> Table:
        """The entry's table, made once: its statements are texts that take longer to make than to look up."""
        table: Table | None = entry.table
        if table is None:
            table = entry.table = cls(database, entry)
        return table

    def find(self, address: Address) -> str | None:
        """The document at an address."""
        sql = self._find_by_rowid if isinstance(address, int) else self._find_by_key
        found: str | None = self._database.value(sql, (address,))
        return found

    def next_id(self) -> int:
        """One more than the highest integer id there ever was, which may be one too many."""
        if self._entry.next_id is None:
            highest = self._highest_below(FIRST_TEXT_ROWID)
            self._entry.next_id = max(self._entry.saved_next_id, highest + 1)
        return self._entry.next_id

    def has_text_addresses(self) -> bool:
        """Whether there is, or was since the file was opened, a record whose address is no integer from 1."""
        return self._next_text_rowid() > FIRST_TEXT_ROWID

    def free_id(self) -> int:
        """The id for a new record. Raises NoIdLeft."""
        if self.next_id() > MAX_INT_ID:
            raise NoIdLeft("id: there is no higher integer left; give the record a text id")
        return self.next_id()

    def insert(self, address: Address, document: str) -> int:
        """The new row's number. Raises DuplicateId."""
        rowid, key = (address, None) if isinstance(address, int) else (self._next_text_rowid(), address)
        self._database.take_room(document)
        try:
            self._database.run(
                f"INSERT INTO {self._name} (rowid, key, doc) VALUES (?, ?, ?)",  # noqa: S608  names of ours
                (rowid, key, document),
            )
        except DuplicateId:
            raise DuplicateId(f"there is a record with id '{address}' already") from None
        self._advance(rowid)
        return rowid

    def write(self, address: Address, document: str) -> int:
        """Put a document in the place of one that is there; its row's number."""
        self._database.take_room(document)
        sql = f"UPDATE {self._name} SET doc = ? WHERE {_column(address)} = ?"  # noqa: S608  names of ours
        return self._changed_row(sql, address, (document, address))

    def delete(self, address: Address) -> int:
        """Delete a record that is there; the number its row had."""
        sql = f"DELETE FROM {self._name} WHERE {_column(address)} = ?"  # noqa: S608  names of ours
        row = self._changed_row(sql, address, (address,))
        self._shrink(1)
        return row

    def _changed_row(self, sql: str, address: Address, params: tuple[Any, ...]) -> int:
        if isinstance(address, int):
            self._database.run(sql, params)
            return address
        # Fetched whole: a statement that returns rows has done its work when the last one is.
        row: int = self._database.rows(f"{sql} RETURNING rowid", params)[0][0]
        return row

    def delete_where(self, where: Where) -> None:
        self._shrink(self._database.run(f"DELETE FROM {self._name} WHERE {where.sql}", where.params))  # noqa: S608

    def addresses(self, where: Where) -> list[tuple[int | str, int]]:
        """The stored ids of the records that match, in order, each with its row's number."""
        return self._database.rows(
            f"SELECT json_extract(doc, '$.id'), rowid FROM {self._name} WHERE {where.sql} ORDER BY rowid",  # noqa: S608
            where.params,
        )

    def select(self, where: Where, order: Order, limit: int, offset: int) -> list[str]:
        """Documents that match, ordered, the slice of them."""
        sql = f"{self._select} {where.sql} ORDER BY {order.sql}"
        if not where.params and not order.params:
            return self._database.column(f"{sql} LIMIT ? + 0 OFFSET ? + 0", (limit, offset))
        params = {**where.params, **order.params, "limit": limit, "offset": offset}
        return self._database.column(f"{sql} {_SLICE}", params)

    def groups(self, where: Where, grouping: Grouping, limit: int, offset: int) -> list[tuple[Any, ...]]:
        """A row for each group of the records that match."""
        params = {**where.params, **grouping.params, "limit": limit, "offset": offset}
        chosen = f"WHERE {where.sql} {grouping.tail} {_SLICE}"
        return self._database.rows(f"SELECT {grouping.columns} FROM {self._name} {chosen}", params)  # noqa: S608

    def count(self, where: Where | None = None) -> int:
        """Counted once for all records, then kept: SQLite reads the whole table to count it."""
        if where is not None:
            matching: int = self._database.value(
                f"SELECT count(*) FROM {self._name} WHERE {where.sql}",  # noqa: S608  names of ours
                where.params,
            )
            return matching
        if self._entry.count is None:
            self._entry.count = int(self._database.value(f"SELECT count(*) FROM {self._name}"))  # noqa: S608
        return self._entry.count

    def documents(self) -> Iterator[str]:
        """All documents in order, some at a time."""
        last = 0
        while True:
            rows = self._database.rows(
                f"SELECT rowid, doc FROM {self._name} WHERE rowid > ? ORDER BY rowid LIMIT {_CHUNK}",  # noqa: S608
                (last,),
            )
            yield from (document for _, document in rows)
            if len(rows) < _CHUNK:
                return
            last = rows[-1][0]

    def check(self) -> None:
        """Read every document. Raises StoreDamaged where one is no JSON."""
        if self._database.value(f"SELECT 1 FROM {self._name} WHERE NOT json_valid(doc) LIMIT 1"):  # noqa: S608
            raise StoreDamaged("a record is not JSON text")

    def newest_document(self) -> str | None:
        newest: str | None = self._database.value(f"SELECT doc FROM {self._name} ORDER BY rowid DESC LIMIT 1")  # noqa: S608
        return newest

    def _highest_below(self, bound: int) -> int:
        highest: int | None = self._database.value(
            f"SELECT max(rowid) FROM {self._name} WHERE rowid < ?",  # noqa: S608  names of ours
            (bound,),
        )
        return highest or 0

    def _next_text_rowid(self) -> int:
        if self._entry.next_text_rowid is None:
            highest = self._highest_below(2**63 - 1)
            self._entry.next_text_rowid = max(FIRST_TEXT_ROWID, highest + 1)
        return self._entry.next_text_rowid

    def _advance(self, rowid: int) -> None:
        entry = self._entry
        if rowid >= FIRST_TEXT_ROWID:
            entry.next_text_rowid = rowid + 1
        elif entry.next_id is not None:
            entry.next_id = max(entry.next_id, rowid + 1)
        if entry.count is not None:
            entry.count += 1

    def _shrink(self, by: int) -> None:
        if self._entry.count is not None:
            self._entry.count -= by


def _column(address: Address) -> str:
    return "rowid" if isinstance(address, int) else "key"
