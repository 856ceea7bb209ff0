"""What a request has looked at, or has touched, as text: collections, and records in them by their address.

An answer that was made of it is good until some of it changes. So it may say too much, and not too little:

1. `{"orders":[1,"a1"],"members":null}`: two records of one collection, and all of another; `null` alone is
   all of the session. A record is named by its address, so that 1 and "1" are one (store/ids.py).
2. More than `MAX_RECORDS` records, or a text longer than `MAX_TEXT`: the collection of the next one counts as
   a whole. More than `MAX_COLLECTIONS` collections: it is all of the session.
3. `NAMES` stands for which collections there are, and which fields each has. No collection can be called so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from store import json_text
from store.ids import FIRST_TEXT_ROWID

if TYPE_CHECKING:
    from store.ids import Address

MAX_RECORDS: Final = 64
MAX_COLLECTIONS: Final = 16
#: Characters. Names alone take less, however they are escaped.
MAX_TEXT: Final = 8_192
NAMES: Final = "*"
#: All of the session.
WHOLE: Final = "null"


class Reads:
    """Collects for one request after the other."""

    __slots__ = ("_count", "_found", "_whole")

    def __init__(self) -> None:
        #: Addresses by collection; None: all of it.
        self._found: dict[str, dict[Address, None] | None] = {}
        self._count = 0
        self._whole = False

    def clear(self) -> None:
        self._found.clear()
        self._count = 0
        self._whole = False

    def record(self, collection: str, address: Address) -> None:
        """One record, or that there is none."""
        found = self._found.get(collection)
        if found is None:
            if collection in self._found or not self._take(collection, {}):
                return
            found = self._found[collection]
        if found is not None and address not in found:
            if self._count >= MAX_RECORDS:
                self.collection(collection)
                return
            found[address] = None
            self._count += 1

    def collection(self, name: str) -> None:
        """All of a collection, whether it exists or not."""
        found = self._found.get(name)
        if found is not None:
            self._count -= len(found)
            self._found[name] = None
        elif name not in self._found:
            self._take(name, None)

    def names(self) -> None:
        """Which collections there are, and their fields."""
        self.collection(NAMES)

    def _take(self, name: str, found: dict[Address, None] | None) -> bool:
        if self._whole or len(self._found) >= MAX_COLLECTIONS:
            self._found.clear()
            self._count = 0
            self._whole = True
            return False
        self._found[name] = found
        return True

    def text(self) -> str:
        """All that was looked at."""
        if self._whole:
            return WHOLE
        if self._count == 1 and len(self._found) == 1:  # nearly always
            ((name, found),) = self._found.items()
            address = next(iter(found or ()), None)
            if type(address) is int:
                return f'{{"{name}":[{address}]}}'
        text = _text(self._found)
        return text if len(text) <= MAX_TEXT else _text(dict.fromkeys(self._found))


class Unheard(Reads):
    """Of a request of which nobody wants to know it."""

    __slots__ = ()

    def clear(self) -> None:
        """There is nothing."""

    def record(self, collection: str, address: Address) -> None:
        """It is not noted."""

    def collection(self, name: str) -> None:
        """It is not noted."""

    def names(self) -> None:
        """It is not noted."""


def _text(found: dict[str, dict[Address, None] | None]) -> str:
    return json_text.encode({name: None if each is None else [*each] for name, each in found.items()})


def address_of_row(row: int, id_: int | str) -> Address:
    """The address of a record by its row's number and its id."""
    return row if row < FIRST_TEXT_ROWID else str(id_)
