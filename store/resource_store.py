"""The store that plans see. What a planner is told of it stands in the prompt's `reference.md`."""

# ruff: noqa: A002  the parameter is called what the field is called
from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from store import asked, groups, ids, names, paging, query, records, relations, rest_query, schema
from store.errors import DuplicateId, InvalidId, InvalidRecord, NoIdLeft, TypeMismatch
from store.fields import path_of
from store.lazy import all_stored, stored, written
from store.query import Where
from store.relations import Relations
from store.singleton import Singleton
from store.table import Table
from store.workspace import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from store.catalogue import Entry
    from store.paging import Order
    from store.singleton import Single
    from store.workspace import Op, Workspace

Record: TypeAlias = dict[str, Any]
# Named here because inside the class `list` is the method.
Records: TypeAlias = list[Record]
Names: TypeAlias = list[str]
Sort: TypeAlias = str | list[str] | None

#: Collections up to this size are searched without an index just as well.
UNINDEXED_MAX = 64
_ALL = Where("1", {})


class ResourceStore:
    """One collection of records (JSON objects). What it returns are copies; only its methods change it."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        self._workspace = workspace
        self._name = name

    def insert(self, record: Record) -> Record:
        """Store a new record and return it. Without an "id" it gets the next integer, from 1.

        store.insert({"name": "Alice"}) -> {"id": 1, "name": "Alice"}. A taken id is a 409.
        """
        self._workspace.require_writable()
        return self._insert(record)

    def insert_many(self, records: Records) -> Records:
        """Insert a list of records, all or none of them, and return them as stored."""
        self._workspace.require_writable()
        if not isinstance(records, list):
            raise InvalidRecord(f"a batch is an array of records, not {type(records).__name__}")
        with self._workspace.atomic():
            if self._workspace.enforce_types:
                return self._insert_fitting(records)
            return [self._insert_one_of(number, record) for number, record in enumerate(records, 1)]

    def get(self, id: int | str) -> Record | None:
        """The record with this id, or None. 1 and "1" are the same id."""
        document = self._look(ids.address_of(id))
        return None if document is None else stored(document)

    def exists(self, id: int | str) -> bool:
        """Whether there is a record with this id."""
        return self._look(ids.address_of(id)) is not None

    def delete(self, id: int | str) -> bool:
        """Delete the record with this id; False when there is none. Its id is never assigned again."""
        self._workspace.require_writable()
        entry, address = self._entry(), ids.address_of(id)
        document = self._find(address)
        if entry is None or address is None or document is None:
            return False
        table = Table.of(self._workspace.database, entry)
        highest = isinstance(address, int) and address + 1 == table.next_id()
        self._before_delete(entry, table.next_id() if highest else 0)
        row = table.delete(address)
        self._note("delete", entry, records.decode(document)["id"], None, row)
        return True

    def replace(self, id: int | str, record: Record) -> Record | None:
        """Put `record` in the place of the record with this id; None when there is none. The id stays."""
        return self._rewrite("replace", id, record)

    def update(self, id: int | str, changes: Record) -> Record | None:
        """Set the top-level fields in `changes` (null is stored, too); None when there is no such record.

        store.update(1, {"email": "new@example.com"}) -> the whole record. The id stays.
        """
        return self._rewrite("update", id, changes)

    def upsert(self, record: Record) -> Record:
        """Replace the record that has record["id"], or insert it where there is none or it has no id."""
        self._workspace.require_writable()
        records.check(record, self._workspace.object_members)
        replaced = self.replace(record["id"], record) if "id" in record else None
        return self.insert(record) if replaced is None else replaced

    def list(
        self,
        limit: int | None = None,
        offset: int = 0,
        sort: Sort = None,
        where: Record | None = None,
    ) -> tuple[Records, int]:
        """A page of records, and how many match `where` in all. Without sort: by id, text ids last.

        items, total = store.list(limit=10, offset=20, sort="-price,name", where={"status": "open"})
        """
        self._seen()
        size, start = _slice(limit, offset)
        matching, order = self._where(where), self._order(sort)
        table = self._table()
        if table is None:
            return [], 0
        found = all_stored(table.select(matching or _ALL, order, size, start))
        # A page that is not full is the last one, unless it begins beyond the end.
        if len(found) < size and (found or start == 0):
            return found, start + len(found)
        return found, table.count(matching)

    def search(
        self,
        criteria: Record | None = None,
        sort: Sort = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> Records:
        """Those that match all criteria: {"field": value} or {"field__op": value}; [v1, v2] is any of.

        store.search({"address.city": "Rome", "age__gte": 18, "tags__has": "x"}, sort="-age", limit=10)
        Ops: contains icontains startswith endswith like ilike (* is a wildcard) gt gte lt lte ne in isnull
        has (array). "30" finds 30; {"$or": [{"a": 1}, ...]}, "$and"; {"$text": "al rome"}: all words.
        """
        self._seen()
        size, start = _slice(limit, offset)
        matching, order = self._where(criteria) or _ALL, self._order(sort)
        table = self._table()
        return [] if table is None else all_stored(table.select(matching, order, size, start))

    def count(self, criteria: Record | None = None) -> int:
        """How many records match the criteria (see search); without any, how many there are."""
        self._seen()
        where, table = self._where(criteria), self._table()
        return 0 if table is None else table.count(where)

    def group(
        self,
        by: Sort = None,
        where: Record | None = None,
        *,
        sum: Sort = None,
        avg: Sort = None,
        min: Sort = None,
        max: Sort = None,
        count: Sort = None,
        sort: Sort = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> Records:
        """Count, add up and compare the records that match `where`, by groups; without `by` all in one.

        store.group("status", sum="total", max="total,created_at", sort="-sum_total") ->
        [{"status": "open", "count": 2, "sum_total": 12, "max_total": 9, "max_created_at": "..."}, ...]
        """
        self._seen()
        functions = {"sum": sum, "avg": avg, "min": min, "max": max, "count": count}
        grouping = groups.compile_groups(by, functions, sort)
        size, start = _slice(limit, offset)
        matching = self._where(where) or _ALL
        table = self._table()
        if table is not None:
            return grouping.records(table.groups(matching, grouping, size, start))
        return [] if grouping.by or start or not size else [grouping.of_nothing()]

    def embed(self, records: Any, children: Sort) -> Any:
        """A record or a list of them, each with the records that point at it: children is "orders,notes".

        members.embed(rec, "orders.items") -> {..., "orders": [{..., "items": [...]}]}, by orders' `member_id`
        and items' `order_id`. Two steps at most; children None: the records as they are.
        """
        return self._related(
            records, children, lambda found: self._relations().embed(self._name, found, children)
        )

    def expand(self, records: Any, parents: Sort) -> Any:
        """A record or a list of them, each with the records that it points at, None where there is none.

        orders.expand(rec, "member.team") -> {..., "member_id": 1, "member": {..., "team": {...}}}
        """
        return self._related(
            records, parents, lambda found: self._relations().expand(self._name, found, parents)
        )

    def delete_all(self, criteria: Record | None = None) -> int:
        """Delete the records that match the criteria (see search), without any all; how many there were."""
        self._workspace.require_writable()
        where, entry = self._where(criteria) or _ALL, self._entry()
        if entry is None:
            return 0
        table = Table.of(self._workspace.database, entry)
        deleted = table.addresses(where)
        if deleted:
            self._before_delete(entry, table.next_id())
            table.delete_where(where)
        for each, row in deleted:
            self._note("delete", entry, each, None, row)
        if deleted and where is _ALL:
            self._workspace.note_cleared(entry.number)
        return len(deleted)

    def criteria(self, query: dict[str, Any]) -> Record:
        """Criteria from ctx["query"]: paging keys are dropped, `*` is a wildcard, a repeated key is any of.

        {"name": "hart*", "age__gt": "30", "limit": "5"} -> {"name__ilike": "hart*", "age__gt": "30"};
        {"q": "rome", "or": "(a=1,b__gt=2)"} -> {"$text": "rome", "$or": [{"a": "1"}, {"b__gt": "2"}]}
        """
        return self._criteria_beside(query, ())

    def _criteria_beside(self, query: dict[str, Any], own: Container[str]) -> Record:
        """The same, where a program has words of its own: what it calls `min_price` is no slip of the pen."""
        self._seen()
        entry = self._entry()
        return rest_query.criteria_of(query, entry.fields if entry else {}, own)

    def vet(self, query: Record, sums: bool = False) -> None:  # noqa: FBT001, FBT002  programs pass it by position
        """Refuse (400) a ctx["query"] whose sort, page or fields cannot be; sums: of a query for groups."""
        if query:
            self._seen()
            entry = self._entry()
            known = asked.with_unlearned(query, entry.fields if entry else {}, self._is_in_a_record)
            asked.check(query, known, sums=sums)

    def links(self, parent: str, record: Record | None = None) -> Names:
        """The fields that point at `parent`'s records as spelt here: orders.links("members") -> ["memberId"].

        The first is the one to write in `record`.
        """
        self._workspace.reads.names()
        entry = self._entry()
        known, given = entry.fields if entry else {}, record or {}
        found = names.links_among(parent, dict.fromkeys([*known, *given]))
        return found or [names.styled_foreign_key(parent, [*known, *given])]

    def relations(self) -> Record:
        """Its relations by name: {"author": ("one", "author_id", "authors"), "notes": ("children", ...)}.

        "one": the field has an id of the other's, "list": ids of these; "children": the other's field is it.
        """
        self._workspace.reads.names()
        return {**relations.relations_of(self._workspace.catalogue, self._name)}

    def fields(self, *types: str) -> Names:
        """The fields seen so far; with JSON types only those that have had one of them."""
        self._workspace.reads.names()
        return [*relations.fields_of(self._workspace.catalogue, self._name, types)]

    def schema(self) -> Record:
        """The fields seen so far, with JSON types: {"fields": {"name": ["string"]}, "updated_at": "..."}."""
        self._workspace.reads.names()
        entry = self._entry()
        if entry is None:
            return {"fields": {}, "updated_at": None}
        fields = {name: [*kinds] for name, kinds in entry.fields.items()}
        described = {"fields": fields, "updated_at": entry.updated_at}
        return {**described, "single": entry.single} if entry.single else described

    def singleton(self, make: bool = False) -> Singleton | None:  # noqa: FBT001, FBT002  see vet
        """The one object at a path like /settings: .get() .replace(rec) .update(rec) .delete().

        None for a collection; with make only for one with records.
        """
        self._seen()
        entry, table = self._entry(), self._table()
        if entry is not None and entry.single:
            return Singleton(self, entry.single)
        return Singleton(self, "made") if make and (table is None or not table.count()) else None

    # Reading

    def _entry(self) -> Entry | None:
        return self._workspace.catalogue.get(self._name)

    def _table(self) -> Table | None:
        entry = self._workspace.catalogue.get(self._name)
        return None if entry is None else Table.of(self._workspace.database, entry)

    def _look(self, address: ids.Address | None) -> str | None:
        """As `_find`; that it was looked at is noted."""
        if address is None:
            return None
        self._workspace.reads.record(self._name, address)
        table = self._table()
        return None if table is None else table.find(address)

    def _seen(self) -> None:
        """The request has looked at more than some records: at anything of the collection."""
        self._workspace.reads.collection(self._name)

    def _is_in_a_record(self, field: str) -> bool:
        table = self._table()
        where = Where("json_type(doc, :path) IS NOT NULL", {"path": path_of(field)})
        return table is not None and table.select(where, paging.BY_ROW, 1, 0) != []

    def _find(self, address: ids.Address | None) -> str | None:
        table = self._table()
        return None if table is None or address is None else table.find(address)

    def _relations(self) -> Relations:
        workspace = self._workspace
        return Relations(workspace.catalogue, lambda name: ResourceStore(workspace, name), workspace.reads)

    def _related(self, records: Any, names: Sort, add: Callable[[Records], Records]) -> Any:
        if names is None or names == "":
            return records
        return add(records) if isinstance(records, list) else add([records])[0]

    def _where(self, criteria: Record | None) -> Where | None:
        """The criteria's condition, None where there are no criteria."""
        if criteria is None or criteria == {}:
            return None
        entry, table = self._entry(), self._table()
        if entry is None or table is None:
            return query.compile_criteria(criteria)
        where = query.compile_criteria(criteria, indexed=entry.indexes, known=entry.fields)
        if where.unindexed and table.count() > UNINDEXED_MAX:
            self._workspace.note_unindexed(self._name, where.unindexed)
        return where

    def _order(self, sort: Sort) -> Order:
        if sort is None:
            return paging.BY_ROW
        entry, table = self._entry(), self._table()
        int_ids = entry is not None and entry.fields.get("id") == ["integer"]
        return paging.compile_sort(
            sort, int_ids=int_ids and table is not None and not table.has_text_addresses()
        )

    # Writing

    def _insert(self, record: Record) -> Record:
        records.check(record, self._workspace.object_members)
        unset = "id" in record and ids.is_unset(record["id"])
        if unset and (made := ids.made_for(record["id"])) is not None:
            record, unset = {**record, "id": made}, False
        given = None
        if "id" in record and not unset:
            given = ids.checked_address(record["id"], reachable=not self._workspace.restoring)
        catalogue = self._workspace.catalogue
        entry = self._entry() or catalogue.create(self._name)
        catalogue.touch(entry)
        table = Table.of(self._workspace.database, entry)
        if entry.single:
            self._leave_single(entry, table)
        address = table.free_id() if given is None else given
        whole = {"id": address, **record} if given is None else record
        if unset or type(whole["id"]) is float:
            whole = {**record, "id": address if given is None else int(whole["id"])}
        self._require_types(entry, whole)
        document = records.encode(whole)
        return self._wrote("insert", entry, whole, document, table.insert(address, document))

    def _note_single(self, single: Single) -> None:
        entry = self._entry()
        if entry is not None:
            self._workspace.catalogue.save_single(entry, single)

    def _leave_single(self, entry: Entry, table: Table) -> None:
        """Where the one object was deleted there may be records again. Else raises DuplicateId."""
        if table.count():
            raise DuplicateId(f"{self._name} is a single object, no collection; replace, change or delete it")
        self._workspace.catalogue.save_single(entry, "")

    def _insert_one_of(self, number: int, record: Record) -> Record:
        try:
            return self._insert(record)
        except (InvalidRecord, InvalidId, DuplicateId, NoIdLeft) as error:
            raise type(error)(f"record {number}: {error.detail}") from None

    def _insert_fitting(self, batch: Records) -> Records:
        """Insert all, or say of all what does not fit. Raises TypeMismatch."""
        inserted: Records = []
        errors: list[tuple[str, str]] = []
        for place, record in enumerate(batch):
            try:
                inserted.append(self._insert_one_of(place + 1, record))
            except TypeMismatch as error:
                errors += error.below(place)
            if len(errors) >= schema.MAX_ERRORS:
                break
        if errors:
            raise TypeMismatch(errors[: schema.MAX_ERRORS])
        return inserted

    def _rewrite(self, op: Op, id: int | str, given: Record) -> Record | None:
        self._workspace.require_writable()
        records.check(given, self._workspace.object_members)
        entry, address = self._entry(), ids.address_of(id)
        document = self._find(address)
        if entry is None or address is None or document is None:
            return None
        before = records.decode(document)
        merged = {"id": before["id"], **given} if op == "replace" else {**before, **given}
        merged["id"] = before["id"]
        if len(merged) > len(given):  # what was there has not been looked at
            records.check_size(merged, self._workspace.object_members)
        self._require_types(entry, merged)
        written = records.encode(merged)
        if written == document:
            return stored(document)
        self._workspace.catalogue.touch(entry)
        row = Table.of(self._workspace.database, entry).write(address, written)
        return self._wrote(op, entry, merged, written, row)

    def _wrote(self, op: Op, entry: Entry, record: Record, document: str, row: int) -> Record:
        # Fields only grow, so a record like an earlier one of this collection teaches nothing.
        looks = (*record, *map(type, record.values()))
        if looks not in entry.learned:
            fields = schema.learn(entry.fields, record, fixed=self._workspace.enforce_types)
            if fields is not entry.fields:
                self._workspace.catalogue.save_fields(entry, fields)
            entry.remember(looks)
        self._note(op, entry, record["id"], document, row)
        # Who inserts a record mostly looks for its new id; who changes one passes it on.
        return written(record, document) if op == "insert" else stored(document)

    def _note(self, op: Op, entry: Entry, id: int | str, document: str | None, row: int) -> None:
        self._workspace.changes.append(Change(self._name, op, id, document, entry.number, row))

    def _require_types(self, entry: Entry, record: Record) -> None:
        """Raises TypeMismatch, where types are enforced."""
        if self._workspace.enforce_types and (errors := schema.mismatches(entry.fields, record)):
            raise TypeMismatch(errors)

    def _before_delete(self, entry: Entry, next_id: int) -> None:
        """Records may go that are the only ones to know how far the ids have come."""
        self._workspace.catalogue.touch(entry)
        if next_id > entry.saved_next_id:
            self._workspace.catalogue.save_next_id(entry, next_id)


def _slice(limit: object, offset: object) -> tuple[int, int]:
    return paging.row_count("limit", limit, paging.MAX_ROWS), paging.row_count("offset", offset, 0)
