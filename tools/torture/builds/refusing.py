"""A keeper whose record now and then refuses a change set, as if the disk had failed. Nothing is missing."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from server.record import process, sqlite_record
from server.record.record import RecordError, Unavailable
from server.record.writer import Writer

if TYPE_CHECKING:
    from server.record.record import Head, Invalid, Part
    from store.change_set import ChangeSet

_REFUSED = 0.04


class Refusing(Writer):
    def _part(self, part: Part, rows: ChangeSet | Invalid, now: float) -> Head | RecordError:
        if random.random() < _REFUSED:
            return Unavailable("as if the disk had failed")
        return super()._part(part, rows, now)


setattr(sqlite_record, "Writer", Refusing)  # noqa: B010  mypy knows no other way
main = process.main
