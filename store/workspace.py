"""What the plan-facing stores of a session share: its database, its catalogue, and notes on the request."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from store import change_set, records
from store.change_set import ChangeSet, RecordRow
from store.errors import ReadOnlyRequest, StoreFull
from store.reads import Reads, address_of_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.catalogue import Catalogue
    from store.change_set import AnswerRow
    from store.sqlite import Database


#: Searches that would like an index; the host takes up no more of one request.
_MAX_UNINDEXED = 8

Op: TypeAlias = Literal["insert", "replace", "update", "delete"]


@dataclass(slots=True)
class Change:
    """One record that the request wrote: `record` is its JSON text, None when it was deleted.

    `number` is its collection's, `row` its own in there.
    """

    collection: str
    op: Op
    id: int | str
    record: str | None
    number: int
    row: int


@dataclass(slots=True)
class Written:
    """What the request wrote beside `changes`, for its change set."""

    #: Collections that were emptied, each with the number of `changes` that there were when it was done.
    cleared: list[tuple[int, int]] = field(default_factory=list)
    answers: list[AnswerRow] = field(default_factory=list)
    #: By their `seq`.
    purged: list[int] = field(default_factory=list)

    @property
    def is_anything(self) -> bool:
        return bool(self.cleared or self.answers or self.purged)

    def clear(self) -> None:
        self.cleared.clear()
        self.answers.clear()
        self.purged.clear()


@dataclass(slots=True)
class Workspace:
    """The current request's view of a session."""

    database: Database
    catalogue: Catalogue
    #: True outside requests too: nothing is written that no transaction holds.
    read_only: bool = True
    #: Whether fields keep the types they have (`schema.enforce`).
    enforce_types: bool = False
    #: Whether records come from where they were stored before: none is lost for an id that none may have now.
    restoring: bool = False
    #: Members that one object of a record may have.
    object_members: int = records.NO_LIMIT
    changes: list[Change] = field(default_factory=list)
    written: Written = field(default_factory=Written)
    unindexed: list[tuple[str, str]] = field(default_factory=list)
    #: What the request has looked at.
    reads: Reads = field(default_factory=Reads)

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

    def note_cleared(self, number: int) -> None:
        """All records of a collection are gone, as `changes` already says of each."""
        self.written.cleared.append((number, len(self.changes)))

    def forget_changes(self) -> None:
        """What the request wrote is undone, or was another's."""
        self.changes.clear()
        self.written.clear()

    def told(self, body: str) -> str:
        """The text of `change_set`, where the reply's body is this."""
        written = self.written
        if len(self.changes) != 1 or self.catalogue.has_written or written.is_anything:
            return change_set.encode(self.change_set(), body)
        # Nearly always: it is a tenth of what a small request takes in the guest.
        (only,) = self.changes
        if only.record is None:
            return f"d {only.number} {only.row}"
        return f"p {only.number} {only.row} {change_set.BODY if only.record == body else only.record}"

    def touched(self) -> str:
        """What the request has written, as `store.reads` has it: whoever has read some of it is to know."""
        found = Reads()
        for change in self.changes:
            found.record(change.collection, address_of_row(change.row, change.id))
        if self.catalogue.has_written:
            written = {change.collection for change in self.changes}
            for name in self.catalogue.saved:
                if name not in written:
                    found.collection(name)
            if self.catalogue.has_new:
                found.names()
        return found.text()

    def change_set(self) -> ChangeSet:
        """What the request has written; the last write of each row is the one that counts."""
        written, rows = self.written, self._last_writes()
        return ChangeSet(
            self.catalogue.written(),
            tuple(dict.fromkeys(number for number, _ in written.cleared)),
            tuple(address for address, record in rows.items() if record is None),
            tuple(RecordRow(*address, record) for address, record in rows.items() if record is not None),
            tuple(written.purged),
            tuple(written.answers),
        )

    def _last_writes(self) -> dict[tuple[int, int], str | None]:
        emptied = dict(self.written.cleared)  # the last time counts
        return {
            (change.number, change.row): change.record
            for place, change in enumerate(self.changes)
            if place >= emptied.get(change.number, 0)
        }

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """All writes within happen, or none: a plan may catch the error and carry on."""
        before = len(self.changes), len(self.written.cleared)
        self.database.run("SAVEPOINT batch")
        try:
            yield
        except BaseException:
            self._undo_batch(*before)
            raise
        self.database.run("RELEASE batch")

    def _undo_batch(self, changes_before: int, cleared_before: int) -> None:
        del self.changes[changes_before:]
        del self.written.cleared[cleared_before:]
        if self.database.in_transaction:
            self.database.run("ROLLBACK TO batch")
            self.database.run("RELEASE batch")
            self.catalogue.rolled_back()
