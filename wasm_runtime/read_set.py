"""What an answer was made of, and what a write has touched: as the guest says it, checked, and as a value.

Not believed: whoever says it is untrusted. A lie can only make its own session's remembered answers older
than they may be, and a guest that lies could have answered so in the first place. The form is checked, so
that nobody else is harmed: names that a collection can have, addresses that a record can have, and no more of
either than `store.reads` says.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from attrs import frozen

from store.entries import NAME
from store.ids import MAX_INT_ID, MAX_TEXT_ID
from store.reads import MAX_COLLECTIONS, MAX_RECORDS, NAMES, WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterable


@frozen
class Places:
    """Parts of a session: `records` are pairs of a collection and an address as JSON text.

    `collections` are all that are named: those of `records`, of which no more than these is meant, and those
    that are meant as a whole. `store.reads.NAMES` among them: which collections there are, and their fields.
    Where `whole` is true it is all of the session, and the rest is empty.
    """

    records: frozenset[tuple[str, str]] = frozenset()
    collections: frozenset[str] = frozenset()
    whole: bool = False


class Named(Protocol):
    """Parts of a session, named as `Places` has them."""

    @property
    def records(self) -> frozenset[tuple[str, str]]: ...

    @property
    def collections(self) -> frozenset[str]: ...

    @property
    def whole(self) -> bool: ...


@frozen
class ReadSet:
    """What a reply was made of, in a session (the name of its directory) at a version of it."""

    session: str
    version: int
    records: frozenset[tuple[str, str]] = frozenset()
    collections: frozenset[str] = frozenset()
    whole: bool = False


def checked(value: Any) -> str:
    """The text of what a guest has said, written anew; empty where it is none."""
    if value is None:
        return WHOLE
    if not isinstance(value, dict) or len(value) > MAX_COLLECTIONS:
        return ""
    count = 0
    for name, addresses in value.items():
        if not (name == NAMES or NAME.fullmatch(name)):
            return ""
        if addresses is None:
            continue
        if not isinstance(addresses, list) or not all(map(_is_address, addresses)):
            return ""
        count += len(addresses)
    return orjson.dumps(value).decode() if count <= MAX_RECORDS else ""


def are_apart(reads: str, touched: Iterable[str]) -> bool:
    """Whether texts that `checked` has made have nothing in common: none of what was read was touched."""
    read = places(reads)
    return not any(each and have_in_common(read, places(each)) for each in touched)


def have_in_common(read: Named, touched: Named) -> bool:
    """Whether some of what was read was touched.

    A collection that has records among those that are named is not meant as a whole.
    """
    if read.whole or touched.whole:
        return True
    for collection in touched.collections & read.collections:
        written = {address for name, address in touched.records if name == collection}
        looked_at = {address for name, address in read.records if name == collection}
        if not written or not looked_at or written & looked_at:
            return True
    return False


def _is_address(value: Any) -> bool:
    if type(value) is int:
        return 1 <= value <= MAX_INT_ID
    return isinstance(value, str) and len(value) <= MAX_TEXT_ID


@lru_cache(maxsize=256)
def places(text: str) -> Places:
    """What a text that `checked` has made says."""
    found = orjson.loads(text)
    if found is None:
        return Places(whole=True)
    records = [(name, address) for name, each in found.items() for address in _texts(each or ())]
    return Places(frozenset(records), frozenset(found))


def _texts(addresses: Iterable[int | str]) -> Iterable[str]:
    return (str(each) if type(each) is int else orjson.dumps(each).decode() for each in addresses)
