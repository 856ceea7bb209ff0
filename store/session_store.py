"""A session: what plans see of it (`SessionStore`), and what runs their requests (`Session`)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from store import records, sqlite
from store.catalogue import Catalogue, checked_name
from store.cut import CutStore
from store.entries import NAME
from store.errors import StoreFull
from store.kept_answers import KeptAnswers
from store.reads import Unheard
from store.resource_store import ResourceStore
from store.table import Table
from store.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.change_set import ChangeSet
    from store.singleton import Single
    from store.sqlite import Durability, File
    from store.workspace import Change


#: Collections whose store is kept for the next request; a session has seldom more.
_MAX_OPENED = 64
#: 16 MiB, and as many rows as may be on as many of its pages.
_MANY_PAGES = 4_096
_MANY_WRITES = 2_048
_UNHEARD = Unheard()


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
        if type(name) is str and NAME.fullmatch(name):  # no other can ever be there
            self._workspace.reads.names()
        return name in self._workspace.catalogue

    def collection(self, name: str) -> ResourceStore:
        """A collection by its name, such as "orders"; one that nobody has written to is empty."""
        opened = self._opened.get(name) if type(name) is str else None
        if opened is None:
            opened = ResourceStore(self._workspace, checked_name(name))
            if len(self._opened) < _MAX_OPENED:
                self._opened[name] = opened
        return opened

    def _cut(self, name: str, left_out: Any) -> ResourceStore:
        """The collection as it is read without these paths. Raises ValueError."""
        return CutStore(self._workspace, checked_name(name), left_out)

    def collections(self) -> list[str]:
        """The names of all collections, sorted."""
        self._workspace.reads.names()
        return self._workspace.catalogue.names()


class Session:
    """An open session, for what runs plans in it; plans only ever get `plan_view`.

    One write alone: `begin`, run, `settle(keep)`, `commit`. Many in one transaction: for each request
    `savepoint`, run, `settle(keep)`, which `change_set` then tells; and some time one `commit`. A read:
    `begin(read_only=True)`, run, `settle`; it sees what the open transaction has written, and leaves it be.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._database = workspace.database
        #: For tools.
        self.database = workspace.database
        self._catalogue = workspace.catalogue
        #: What the current request has changed, in order.
        self.changes: list[Change] = workspace.changes
        #: (collection, field) of its equality searches that read a large collection through.
        self.unindexed_searches: list[tuple[str, str]] = workspace.unindexed
        #: What plans are given.
        self.plan_view = SessionStore(workspace)
        #: To requests with an Idempotency-Key; no plan sees them.
        self.answers = KeptAnswers(workspace)
        self._reads = workspace.reads
        self._query_only = True
        self._in_transaction = False
        self._in_savepoint = False
        #: Requests of a group that were told to stay.
        self._kept = False
        #: SQLite has ended a transaction by itself, and what was kept in it is gone.
        self.lost = False
        #: Rows that were written since somebody looked how large the file is.
        self._writes = 0

    @classmethod
    def open(
        cls,
        directory: str,
        *,
        page_limit_bytes: int,
        durability: Durability = "full",
        enforce_types: bool = False,
        object_members: int = records.NO_LIMIT,
        file: File = "any",
    ) -> Session:
        """Open `store.db` in a session's directory; the file gets its first page at the first write.

        `file`: see `sqlite.connect`.
        `enforce_types`: what is written has the types that its collection has learned, see `store.schema`.
        `object_members`: how many members each object may have in what is written.
        Raises StoreDamaged (StoreTooNew), StoreFailed.
        """
        in_memory = directory == sqlite.MEMORY
        path = directory if in_memory else f"{directory.rstrip('/')}/{sqlite.DATABASE_NAME}"
        database = sqlite.connect(path, page_limit_bytes=page_limit_bytes, durability=durability, file=file)
        try:
            workspace = Workspace(
                database, Catalogue(database), enforce_types=enforce_types, object_members=object_members
            )
            return cls(workspace)
        except BaseException:
            database.close()
            raise

    # Requests

    def begin(self, *, read_only: bool, heard: bool = False) -> None:
        """Start a request, and a transaction unless it only reads or one is open.

        `heard`: somebody will ask for its `reads`.
        """
        workspace = self._workspace
        if not workspace.read_only:
            self.settle(keep=False)  # nobody said that the last one may stay
        workspace.forget_changes()
        workspace.catalogue.begin_request()
        workspace.unindexed.clear()
        workspace.reads = self._reads if heard else _UNHEARD
        workspace.reads.clear()
        workspace.read_only = read_only
        self._database.fault = None
        if self._query_only is not read_only:
            self._database.query_only(on=read_only)
            self._query_only = read_only
        if not read_only:
            self._require_transaction()
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
        self._writes += len(self.changes)
        if not keepable:
            self._workspace.forget_changes()
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
        self._workspace.forget_changes()
        self._catalogue.all_rolled_back()

    def relieve(self) -> None:
        """Between requests: commit, if the transaction has touched so much that its journal is getting large.

        The journal has those pages as they were of which the file had any when the transaction began.
        """
        if self._writes < _MANY_WRITES:
            return
        self._writes = 0
        if self._in_transaction and sqlite.page_count(self._database) > _MANY_PAGES:
            self.commit()

    def told(self, body: str) -> str:
        """The text of it; `body` is the reply's."""
        return self._workspace.told(body)

    def reads(self) -> str:
        """What the request has looked at, as `store.reads` has it; where nobody wants to hear it, nothing."""
        return self._workspace.reads.text()

    @property
    def changes_anything(self) -> bool:
        """Whether the request has written anything that another one could read."""
        return bool(self.changes) or self._catalogue.has_written

    def touched(self) -> str:
        """What it wrote, in the same form."""
        return self._workspace.touched()

    def change_set(self) -> ChangeSet:
        """What the request wrote that was kept last."""
        return self._workspace.change_set()

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
            self.lost = self._kept
            self.rollback()
            raise self._database.fault or StoreFull("the transaction was rolled back")

    # Maintenance and tools

    def ensure_index(self, collection: str, field: str) -> bool:
        """Index a field; False where there is nothing to do. It is a request of its own, and kept.

        In a transaction of its own, unless one is open. Fields are dotted paths of `[A-Za-z0-9_]` steps; a
        collection has 16 indexes at most. Raises StoreFault.
        """
        among_others = self._in_transaction
        self.savepoint()
        entry = self._catalogue.get(collection)
        made = False
        try:
            made = entry is not None and self._catalogue.add_index(entry, field)
        finally:
            self.settle(keep=made)
        if not among_others:
            self.commit()
        return made

    def schemas(self) -> dict[str, dict[str, Any]]:
        """Every collection's `schema()`."""
        return {name: self.plan_view[name].schema() for name in self._catalogue.names()}

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

    @contextmanager
    def restoring(self) -> Iterator[None]:
        """What is inserted within was stored before: it may have an id that no new record may have."""
        self._workspace.restoring = True
        try:
            yield
        finally:
            self._workspace.restoring = False

    def restore_collection(
        self, name: str, *, fields: list[str], updated_at: str | None, next_id: int, single: Single = ""
    ) -> None:
        """Set what a collection's records don't tell, creating it if need be; within a transaction.

        Fields that no record has are known by name only. The next id never goes back. One with more than one
        record holds no single object, whatever it is said to be.
        """
        self._workspace.require_writable()
        entry = self._catalogue.get(checked_name(name)) or self._catalogue.create(name)
        known = {**{field: [] for field in fields}, **entry.fields}
        entry.single = single if Table(self._database, entry).count() <= 1 else ""
        self._catalogue.save_fields(entry, known, updated_at)
        if next_id > Table(self._database, entry).next_id():
            self._catalogue.save_next_id(entry, next_id)
