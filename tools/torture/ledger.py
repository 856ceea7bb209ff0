"""What one session may hold, by what its writers were told: the kill loop's judge.

1. An entry is two records written by one request, and is there whole, once, or not at all.
2. An acknowledged write is there; one that was refused is not; of one that nobody answered for, either is
   right. What is then seen is settled: it stays so.
3. A value that was patched is the last acknowledged one, or one of those that nobody answered for since.
4. An id belongs to one record for ever, also after that record was deleted.

An entry has one writer, which does one thing at a time; so what is possible is a small set.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Records = list[dict[str, Any]]
#: A session as it is read: collection name to records.
Contents = dict[str, Records]


@frozen
class Kind:
    """Where the two records of an entry are: collection and `half` of each."""

    name: str
    places: tuple[tuple[str, int], tuple[str, int]]


#: One plan that writes two collections; one batch into a single collection.
TRANSFER = Kind("transfer", (("debits", 0), ("credits", 1)))
BATCH = Kind("batch", (("notes", 0), ("notes", 1)))
#: What `check` says of an entry that was acknowledged and is not there, after which one it is.
LOST: Final = "is lost, though acknowledged"
COLLECTIONS = ("credits", "debits", "notes")


@define
class Entry:
    """`present` and `values` are what is possible; `ids` is known once a writer was told or it was seen."""

    key: str
    kind: Kind
    present: frozenset[bool] = frozenset({False})
    values: frozenset[int] = frozenset({0})
    ids: tuple[int, ...] | None = None


@define
class SessionLedger:
    """Told by the writers before and after each request; asked with what the session holds."""

    entries: dict[str, Entry] = field(factory=dict)
    #: Every id ever seen, and whose it is.
    owners: dict[tuple[str, int], str] = field(factory=dict)
    #: What is wrong with an answer itself; `check` adds to it.
    violations: list[str] = field(factory=list)

    def begin(self, key: str, kind: Kind) -> Entry:
        entry = self.entries[key] = Entry(key, kind)
        return entry

    def inserted(self, entry: Entry, ids: Iterable[int]) -> None:
        entry.present = frozenset({True})
        entry.ids = tuple(ids)
        self._own(entry)

    def perhaps_inserted(self, entry: Entry) -> None:
        entry.present |= {True}

    def patched(self, entry: Entry, value: int) -> None:
        entry.values = frozenset({value})

    def perhaps_patched(self, entry: Entry, value: int) -> None:
        entry.values |= {value}

    def deleted(self, entry: Entry) -> None:
        entry.present = frozenset({False})

    def perhaps_deleted(self, entry: Entry) -> None:
        entry.present |= {False}

    def check(self, contents: Mapping[str, Records]) -> list[str]:
        """What is wrong with a session that holds this. All of it counts as seen from now on."""
        found: dict[str, dict[tuple[str, int], Records]] = defaultdict(lambda: defaultdict(list))
        for collection, records in contents.items():
            for record in records:
                found[str(record.get("key"))][collection, int(record.get("half", -1))].append(record)
        for key in found.keys() - self.entries.keys():
            self.violations.append(f"a record of {key!r}, which nobody wrote")
        for entry in self.entries.values():
            self._check_entry(entry, found.get(entry.key, {}))
        wrong, self.violations = self.violations, []
        return wrong

    def _check_entry(self, entry: Entry, found: Mapping[tuple[str, int], Records]) -> None:
        counts = [len(found.get(place, ())) for place in entry.kind.places]
        if sum(map(len, found.values())) != sum(counts):
            self.violations.append(f"{entry.kind.name} {entry.key}: records where none belong")
        if counts not in ([0, 0], [1, 1]):
            self.violations.append(f"{entry.kind.name} {entry.key}: {counts} records, a half or a double")
            return
        present = counts == [1, 1]
        if present not in entry.present:
            self.violations.append(f"{entry.kind.name} {entry.key}: {_presence(present=present)}")
        entry.present = frozenset({present})
        if present:
            self._check_records(entry, [found[place][0] for place in entry.kind.places])

    def _check_records(self, entry: Entry, records: Records) -> None:
        ids = tuple(int(record["id"]) for record in records)
        if entry.ids not in (None, ids):
            self.violations.append(f"{entry.kind.name} {entry.key}: its ids were {entry.ids}, are {ids}")
        entry.ids = ids
        self._own(entry)
        value = int(records[0].get("value", 0))
        if value not in entry.values:
            possible = sorted(entry.values)
            self.violations.append(f"{entry.kind.name} {entry.key}: holds {value}, may hold {possible}")
        entry.values = frozenset({value})

    def _own(self, entry: Entry) -> None:
        for (collection, _), identifier in zip(entry.kind.places, entry.ids or (), strict=True):
            owner = self.owners.setdefault((collection, identifier), entry.key)
            if owner != entry.key:
                what = f"id {identifier} of {collection} was {owner}'s, is {entry.key}'s"
                self.violations.append(f"an id is used again: {what}")


def _presence(*, present: bool) -> str:
    return "is there, though it was refused or deleted" if present else LOST
