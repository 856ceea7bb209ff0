"""A session's files as tools meet them: whoever took over its guest may have left anything in their place."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, BinaryIO

from store.sqlite import DATABASE_NAME

if TYPE_CHECKING:
    from pathlib import Path

JOURNAL_NAME = f"{DATABASE_NAME}-journal"
_SUPER_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
#: For whoever asked for what would have SQLite open such a journal.
NAMES_ANOTHER_FILE = "the session's journal names another file, which an honest guest never writes"


class NotOrdinaryError(Exception):
    """A link's target, a directory or a device, where a file has to be."""


def open_ordinary(path: Path) -> BinaryIO:
    """Open a file to be read: no link is followed, and nothing waits. Raises NotOrdinaryError, OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise NotOrdinaryError(path.name)


def names_another_file(journal: Path) -> bool:
    """Whether it names a super-journal, which SQLite then deletes the file of that name over; ours never do.

    https://sqlite.org/fileformat.html, "The Rollback Journal"; pager.c, readSuperJournal.
    """
    return journal.read_bytes().endswith(_SUPER_JOURNAL_MAGIC)
