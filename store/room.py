"""Whether a session has room for what is about to be written, asked before SQLite has to refuse it.

SQLite's own limit (`max_page_count`) ends the whole transaction, and with it all that other requests have
written since the file was opened. So it lies a little higher, and the store looks itself:

1. `free` is a lower bound of the pages that may still be used. A write takes from it the most that it can
   come to, so nearly all writes cost a subtraction.
2. When that is used up, SQLite is asked, at 5 us each: pages of the file, less those on its free list.
3. A document is refused where its own text does not fit. What it comes to beyond that (pages that split, of
   the table and of its indexes) is bounded by `SLACK_PAGES`, but for long texts that are indexed.
"""

from __future__ import annotations

from typing import Any, Protocol

from store.errors import StoreFull

PAGE_BYTES = 4096
#: What SQLite's limit is above the session's: more than one write can split.
SLACK_PAGES = 96
MIN_PAGES = 16
#: Table, index of text keys and the catalogue, each as deep as b-trees of such files get.
_SPLITS = 8


class Asked(Protocol):
    """A database that tells of itself."""

    def value(self, sql: str) -> Any: ...


class Room:
    """The pages that one session may use."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_pages = max(limit_bytes // PAGE_BYTES, MIN_PAGES)
        self._free = 0

    @property
    def most_pages(self) -> int:
        """For `PRAGMA max_page_count`."""
        return self._limit_pages + SLACK_PAGES

    def take(self, database: Asked, size: int) -> None:
        """So many bytes are about to be written. Raises StoreFull."""
        pages = size // PAGE_BYTES
        most = 2 * pages + _SPLITS
        if most > self._free:
            used = database.value("PRAGMA page_count") - database.value("PRAGMA freelist_count")
            self._free = self._limit_pages - used
            if pages >= self._free:
                raise StoreFull("the session's storage is full")
        self._free -= most
