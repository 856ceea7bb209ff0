"""What the plan-facing stores of a session share: its database, its catalogue, and notes on the request."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from store import records
from store.errors import ReadOnlyRequest, StoreFull

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.catalogue import Catalogue
    from store.sqlite import Database


#: Searches that would like an index; the host takes up no more of one request.
_MAX_UNINDEXED = 8

Op: TypeAlias = Literal["insert", "replace", "update", "delete"]


@dataclass(slots=True)
class Change:
    """One record that the request wrote: `record` is its JSON text, None when it was deleted."""

    collection: str
    op: Op
    id: int | str
    record: str | None


@dataclass(slots=True)
class Workspace:
    """The current request's view of a session."""

    database: Database
    catalogue: Catalogue
    #: True outside requests too: nothing is written that no transaction holds.
    read_only: bool = True
    #: Whether fields keep the types they have (`schema.enforce`).
    enforce_types: bool = False
    #: Members that one object of a record may have.
    object_members: int = records.NO_LIMIT
    changes: list[Change] = field(default_factory=list)
    unindexed: list[tuple[str, str]] = field(default_factory=list)

    def require_writable(self) -> None:
        """Raises ReadOnlyRequest; StoreFull where SQLite has ended the transaction by itself."""
        if self.read_only:
            raise ReadOnlyRequest("this request may only read")
        if not self.database.in_transaction:
            raise StoreFull("the transaction was rolled back")

    def note_unindexed(self, collection: str, names: tuple[str, ...]) -> None:
        """Each once; of many, the first ones are wish enough."""
        searches = ((collection, name) for name in names)
        self.unindexed.extend(search for search in searches if search not in self.unindexed)
        del self.unindexed[_MAX_UNINDEXED:]

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """All writes within happen, or none: a plan may catch the error and carry on."""
        before = len(self.changes)
        self.database.run("SAVEPOINT batch")
        try:
            yield
        except BaseException:
            self._undo_batch(before)
            raise
        self.database.run("RELEASE batch")

    def _undo_batch(self, changes_before: int) -> None:
        del self.changes[changes_before:]
        if self.database.in_transaction:
            self.database.run("ROLLBACK TO batch")
            self.database.run("RELEASE batch")
            self.catalogue.rolled_back()
