"""One record's history: made of the rows that it was, which each engine finds in its own way.

1. A row was there from the version that has written it until the one that has superseded it (a life).
2. A version at which one life ends and the next one begins has changed the record; one at which a life ends
   and none begins has removed it.
3. A life that begins where none ends was new, if the commit is remembered: it would have kept what it
   superseded. If it is not, nobody knows.
4. A record with a text as its id is another row each time it is made anew. It is known by the id in its text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from server.record import sums
from server.record.record import Damaged, RecordVersion
from store.ids import FIRST_TEXT_ROWID, address_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from server.record.record import LogEntry

#: Of the texts of one answer.
MOST_BYTES: Final = 4 * 1024 * 1024


@frozen
class Sought:
    """A record that is looked for. `row` 0: its id is a text, and `text` is somewhere in its document."""

    address: int | str
    row: int
    text: str

    @classmethod
    def of(cls, id_: str) -> Sought | None:
        """None where no record can be called so."""
        address = address_of(id_)
        if address is None:
            return None
        if isinstance(address, int):
            return cls(address, address, "")
        # What JSON may write otherwise is not looked for in the text.
        return cls(address, 0, f'"{address}"' if address.isascii() and address.isalnum() else "")

    def is_(self, row: int, doc: str) -> bool:
        if row < FIRST_TEXT_ROWID:
            return row == self.row
        return not self.row and str(json.loads(doc)["id"]) == self.address


@frozen
class Life:
    """A row from a version until another; None: it is there. `place` is an engine's own."""

    version: int
    until: int | None
    number: int
    row: int
    place: int = 0


@frozen
class Happened:
    """What a version did to the record, and the life that began there; None: it was removed."""

    version: int
    what: str
    life: Life | None


@define
class Told:
    """What has been found so far."""

    most: int
    versions: list[RecordVersion] = field(factory=list)
    _size: int = 0

    @property
    def full(self) -> bool:
        """Whether no more are to be told."""
        return len(self.versions) == self.most or (self._size > MOST_BYTES and len(self.versions) >= 2)

    def add(self, happened: Happened, entry: LogEntry | None, doc: str | None) -> None:
        """`entry` None: the commit is forgotten."""
        self._size += len(doc or "")
        whose = () if entry is None else (entry.at, entry.request, entry.route, entry.plan)
        self.versions.append(RecordVersion(happened.version, happened.what, doc, *whose))


def happened(lives: Iterable[Life], known: Container[int], before: int | None) -> list[Happened]:
    """At which versions before one, the last one first. `known`: those whose commits are remembered."""
    lives = list(lives)
    begins = {life.version: life for life in lives}
    ends = {life.until for life in lives if life.until is not None}
    versions = [each for each in {*begins, *ends} if before is None or each < before]
    found: list[Happened] = []
    for version in sorted(versions, reverse=True):
        life = begins.get(version)
        if life is None:
            what = "removed"
        elif version in ends:
            what = "changed"
        else:
            what = "new" if version in known else "kept"
        found.append(Happened(version, what, life))
    return found


def checked(life: Life, crc: int, doc: str) -> str:
    """The document. Raises Damaged."""
    if sums.of_record(life.number, life.row, doc.encode()) != crc:
        raise Damaged("a record is not what was written")
    return doc
