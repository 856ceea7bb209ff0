"""What each row's `crc` is made of: a flipped bit in a page is told by the row that it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from store.change_set import AnswerRow
    from store.entries import EntryRow


def of_record(number: int, row: int, doc: bytes) -> int:
    """Not of its session: a fork's rows are those of its origin."""
    return crc32(doc, crc32(b"%d %d " % (number, row)))


def of_entry(entry: EntryRow) -> int:
    return crc32("\n".join(map(str, entry)).encode())


def of_answer(answer: AnswerRow) -> int:
    return crc32("\n".join(map(str, answer)).encode())
