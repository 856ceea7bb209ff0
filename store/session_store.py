"""A session: what plans see of it (`SessionStore`), and what runs their requests (`Session`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from store import records, sqlite
from store.catalogue import Catalogue, checked_name
from store.errors import StoreFull
from store.kept_answers import KeptAnswers
from store.resource_store import ResourceStore
from store.table import Table
from store.workspace import Workspace

if TYPE_CHECKING:
    from store.sqlite import Durability
    from store.workspace import Change


#: Collections whose store is kept for the next request; a session has seldom more.
_MAX_OPENED = 64
#: 256 KiB.
_SMALL_PAGES = 64


class SessionStore:
    """The collections of a session."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._opened: dict[str, ResourceStore] = {}

    def __getitem__(self, name: str) -> ResourceStore:
        """session_store["orders"]: the same as collection("orders")."""
        return self.collection(name)

    def __contains__(self, name: object) -> bool:
        """Whether anything was ever stored in the collection."""
        return name in self._workspace.catalogue

    def collection(self, name: str) -> ResourceStore:
        """A collection by its name, such as "orders"; one that nobody has written to is empty."""
        opened = self._opened.get(name) if type(name) is str else None
        if opened is None:
            opened = ResourceStore(self._workspace, checked_name(name))
            if len(self._opened) < _MAX_OPENED:
                self._opened[name] = opened
        return opened

    def collections(self) -> list[str]:
        """The names of all collections, sorted."""
        return self._workspace.catalogue.names()


class Session:
    """An open session, for what runs plans in it; plans only ever get `plan_view`.

    One write alone: `begin`, run, `settle(keep)`, `commit`. A group: `begin`, then for each request
    `savepoint`, run, `settle(keep)`, and one `commit`. A read: `begin(read_only=True)`, run, `settle`;
    where a group is under way it sees what the group has written, and leaves its transaction alone.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._database = workspace.database
        self._catalogue = workspace.catalogue
        #: What the current request has changed, in order.
        self.changes: list[Change] = workspace.changes
        #: (collection, field) of its equality searches that read a large collection through.
        self.unindexed_searches: list[tuple[str, str]] = workspace.unindexed
        #: What plans are given.
        self.plan_view = SessionStore(workspace)
        #: To requests with an Idempotency-Key; no plan sees them.
        self.answers = KeptAnswers(workspace.database, workspace.catalogue)
        self._query_only = True
        self._in_transaction = False
        self._in_savepoint = False
        #: Requests of a group that were told to stay.
        self._kept = False

    @classmethod
    def open(
        cls,
        directory: str,
        *,
        page_limit_bytes: int,
        durability: Durability = "full",
        enforce_types: bool = False,
        object_members: int = records.NO_LIMIT,
        cold_journal: bool = True,
        empty: bool = False,
    ) -> Session:
        """Open `store.db` in a session's directory; the file gets its first page at the first write.

        `cold_journal`, `empty`: see `sqlite.connect`.
        `enforce_types`: what is written has the types that its collection has learned, see `store.schema`.
        `object_members`: how many members each object may have in what is written.
        Raises StoreDamaged (StoreTooNew), StoreFailed.
        """
        in_memory = directory == sqlite.MEMORY
        path = directory if in_memory else f"{directory.rstrip('/')}/{sqlite.DATABASE_NAME}"
        database = sqlite.connect(
            path,
            page_limit_bytes=page_limit_bytes,
            durability=durability,
            cold_journal=cold_journal,
            empty=empty,
        )
        try:
            workspace = Workspace(
                database, Catalogue(database), enforce_types=enforce_types, object_members=object_members
            )
            return cls(workspace)
        except BaseException:
            database.close()
            raise

    # Requests

    def begin(self, *, read_only: bool) -> None:
        """Start a request, and a transaction unless it only reads or one is open."""
        workspace = self._workspace
        if not workspace.read_only:
            self.settle(keep=False)  # nobody said that the last one may stay
        workspace.changes.clear()
        workspace.unindexed.clear()
        workspace.read_only = read_only
        self._database.fault = None
        if self._query_only is not read_only:
            self._database.query_only(on=read_only)
            self._query_only = read_only
        if not read_only and not self._in_transaction:
            self._database.run("BEGIN")
            self._in_transaction = True

    def savepoint(self) -> None:
        """Start a request that writes and can be undone without the rest of its group."""
        self.begin(read_only=False)
        self._database.run("SAVEPOINT request")
        self._in_savepoint = True

    def settle(self, *, keep: bool) -> None:
        """Keep or undo what the request wrote; without a savepoint, undoing ends the transaction.

        Raises StoreFault where it cannot be kept, or where SQLite has given up the whole
        transaction (as it does when the session is full) and with it what was kept of the group.
        """
        if self._workspace.read_only:
            return
        self._workspace.read_only = True
        if keep or self._kept:
            self._require_transaction()
        keepable = keep and self._database.fault is None
        if self._in_savepoint and self._database.in_transaction:
            self._end_savepoint(keep=keepable)
        elif not keepable:
            self.rollback()
        self._kept = self._kept or keepable
        if not keepable:
            self._workspace.changes.clear()
        if keep and self._database.fault is not None:
            raise self._database.fault

    def commit(self) -> None:
        """Make the transaction durable, if one is open. Raises StoreFull; then it is rolled back.

        Raises StoreFailed when the disk failed: what is then on it, the next opening of the file shows.
        """
        if not self._in_transaction:
            return
        self._require_transaction()
        try:
            self._database.run("COMMIT")
        except BaseException:
            self.rollback()
            raise
        self._workspace.read_only = True
        self._in_transaction = self._kept = False
        self._catalogue.ended()

    def rollback(self) -> None:
        """Undo the whole transaction, if one is open."""
        self._workspace.read_only = True
        if not self._in_transaction:
            return
        if self._database.in_transaction:
            self._database.run("ROLLBACK")
        self._in_transaction = self._in_savepoint = self._kept = False
        self._workspace.changes.clear()
        self._catalogue.rolled_back()
        self._catalogue.ended()

    def close(self) -> None:
        """Roll back what is not committed, and close the file."""
        self._database.close()

    def _end_savepoint(self, *, keep: bool) -> None:
        if not keep:
            self._database.run("ROLLBACK TO request")
            self._catalogue.rolled_back()
        self._database.run("RELEASE request")
        self._in_savepoint = False

    def _require_transaction(self) -> None:
        """After some errors SQLite rolls back by itself; then the whole group is lost. Raises StoreFault."""
        if self._in_transaction and not self._database.in_transaction:
            self.rollback()
            raise self._database.fault or StoreFull("the transaction was rolled back")

    # Maintenance and tools

    def ensure_index(self, collection: str, field: str) -> bool:
        """Index a field, in a transaction of its own; False where there is nothing to do.

        Fields are dotted paths of `[A-Za-z0-9_]` steps; a collection has 16 indexes at most.
        """
        self.begin(read_only=False)
        entry = self._catalogue.get(collection)
        try:
            made = entry is not None and self._catalogue.add_index(entry, field)
        except BaseException:
            self.rollback()
            raise
        self.commit()
        return made

    def schemas(self) -> dict[str, dict[str, Any]]:
        """Every collection's `schema()`."""
        return {name: self.plan_view[name].schema() for name in self._catalogue.names()}

    def check_small_file(self) -> None:
        """`check_file` where that is a matter of a millisecond. Raises StoreDamaged.

        A larger file is only found to be damaged where a request comes upon it. What is read here is read
        from memory afterwards.
        """
        if sqlite.page_count(self._database) <= _SMALL_PAGES:
            self.check_file()

    def check_file(self) -> None:
        """Read the whole file, for tools that did not write it. Raises StoreDamaged.

        Anything but our own tables and indexes is refused, too: a view or a trigger is code.
        """
        self._catalogue.check_tables()
        sqlite.check_structure(self._database)
        for name in self._catalogue.names():
            self.table(name).check()

    def table(self, collection: str) -> Table:
        """The rows of a collection, for tools. Raises KeyError."""
        entry = self._catalogue.get(collection)
        if entry is None:
            raise KeyError(collection)
        return Table(self._database, entry)

    def restore_collection(
        self, name: str, *, fields: list[str], updated_at: str | None, next_id: int
    ) -> None:
        """Set what a collection's records don't tell, creating it if need be; within a transaction.

        Fields that no record has are known by name only. The next id never goes back.
        """
        self._workspace.require_writable()
        entry = self._catalogue.get(checked_name(name)) or self._catalogue.create(name)
        known = {**{field: [] for field in fields}, **entry.fields}
        self._catalogue.save_fields(entry, known, updated_at)
        if next_id > Table(self._database, entry).next_id():
            self._catalogue.save_next_id(entry, next_id)
