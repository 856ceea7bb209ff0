"""The answers to requests that came with an Idempotency-Key, kept with the session for a day.

1. A row is written in the transaction of the effect that it answers for: both are there, or neither.
2. A row is found by a name, which the host derives from the key and its scope; what was asked under it is
   remembered as a fingerprint. What name, fingerprint and answer are made of is not known here.
3. The table is made by the first request that needs it, so a session without keys has none.
4. The rows are a log: each begins where the last one ended (`start`, `size`). So what they hold together
   is known from the first and the last of them: nothing is counted, or kept in memory to be rolled back.
   Expired rows go from its beginning, a few with each new row; one that is asked for goes at once.
5. When the log is full, a new row is refused, and with it its request. Forgetting an answer that is not a day
   old would make a retry a second effect, of which nobody would be told.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store import sqlite
from store.change_set import AnswerRow
from store.errors import AnswersFull
from store.tables import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.workspace import Workspace

KEPT_SECONDS = 24 * 60 * 60
#: Expired rows that one new row takes away. More than one, so that a log that has grown gets small again.
_PURGED_AT_ONCE = 8
#: Counted for a row beside its answer: its columns, its entry in the index of names, what pages leave free.
ROW_BYTES = 256

_MAKE = ANSWERS.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1)
_BOUNDS = """\
SELECT (SELECT start FROM answers ORDER BY seq LIMIT 1),
       (SELECT start + size FROM answers ORDER BY seq DESC LIMIT 1)"""
# A time that lies ahead was written by a clock that was wrong, or is read by one; it expires like any other.
_EXPIRED = f"abs(:now - made) > {KEPT_SECONDS}"
_PURGE = f"""\
DELETE FROM answers WHERE {_EXPIRED}
AND seq IN (SELECT seq FROM answers ORDER BY seq LIMIT {_PURGED_AT_ONCE}) RETURNING seq"""  # noqa: S608  constants
_FORGET = f"DELETE FROM answers WHERE name = :name AND {_EXPIRED} RETURNING seq"  # noqa: S608
_KEEP = """\
INSERT INTO answers (name, fingerprint, made, start, size, answer) VALUES (?, ?, ?, ?, ?, ?) RETURNING seq"""


@dataclass(frozen=True)
class KeptAnswer:
    """What was asked under a name, and what was answered."""

    fingerprint: str
    answer: str


class KeptAnswers:
    """A session's log of answers. Both methods work in the open transaction, which must be a writing one."""

    def __init__(self, workspace: Workspace, clock: Callable[[], float] = time.time) -> None:
        self._database = workspace.database
        self._catalogue = workspace.catalogue
        self._written = workspace.written
        self._clock = clock

    def find(self, name: str) -> KeptAnswer | None:
        """The answer that was given under this name in the last day."""
        self._make()
        found = {"name": name, "now": int(self._clock())}
        self._written.purged += self._database.column(_FORGET, found)
        rows = self._database.rows("SELECT fingerprint, answer FROM answers WHERE name = ?", (name,))
        return KeptAnswer(*rows[0]) if rows else None

    def keep(self, name: str, fingerprint: str, answer: str, *, limit_bytes: int) -> None:
        """Keep an answer under a name that `find` has not found. Raises AnswersFull."""
        self._make()
        now, size = int(self._clock()), len(answer.encode()) + ROW_BYTES
        self._written.purged += self._database.column(_PURGE, {"now": now})
        (first, end) = self._database.rows(_BOUNDS)[0]
        start = end or 0
        if start - (first or 0) + size > limit_bytes:
            raise AnswersFull(
                f"the session keeps {limit_bytes} bytes of answers, and has no room for another"
            )
        self._database.take_room(answer)
        row = (name, fingerprint, now, start, size, answer)
        self._written.answers.append(AnswerRow(self._database.column(_KEEP, row)[0], *row))

    def _make(self) -> None:
        """Make the table where it is missing; the file then has today's format."""
        self._catalogue.make()
        self._database.run(_MAKE)
        sqlite.raise_format(self._database)
