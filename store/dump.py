"""All rows of a session as text: change sets, one after the other, in a file.

    python -m store.dump SESSION_DIR OUT            the rows of a session's file
    python -m store.dump --import MEMBERS IN OUT    those of files in the documented layout
    (`store/layout.py`), whose objects have at most so many members

Prints {} or {"error": "..."} as JSON (exit status 1). So the record takes over a file that a guest may have
written without SQLite ever reading it where the record is: here it is read, in a process with nothing worth
stealing, and there only text is, strictly (`change_set.decode`).

A chunk is a change set of at most CHUNK_ROWS records, and ends with a line of U+001E, which no JSON text has.
The catalogue comes first, then records by collection and row, then kept answers: equal rows are equal text.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from store import change_set, layout, sqlite, transfer
from store.change_set import AnswerRow, ChangeSet, RecordRow
from store.entries import EntryRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from store.session_store import Session
    from store.sqlite import Database

CHUNK_ROWS: Final = 500
_END: Final = "\x1e\n"
_ENTRIES: Final = "SELECT name, number, next_id, updated_at, schema, indexes FROM collections ORDER BY number"
_ANSWERS: Final = "SELECT seq, name, fingerprint, made, start, size, answer FROM answers ORDER BY seq"


def write(path: Path, chunks: Iterable[ChangeSet]) -> None:
    """Raises OSError."""
    with path.open("x", encoding="utf-8", newline="\n") as file:
        for chunk in chunks:
            file.write(f"{change_set.encode(chunk)}\n{_END}")


def read(path: Path) -> Iterator[ChangeSet]:
    """Raises OSError, ChangeSetError, UnicodeDecodeError."""
    lines: list[str] = []
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            if line == _END:
                yield change_set.decode("".join(lines).removesuffix("\n"))
                lines.clear()
            else:
                lines.append(line)
    if lines:
        raise change_set.ChangeSetError("the text ends before its end")


def chunks_of(
    entries: Iterable[EntryRow], records: Iterable[RecordRow], answers: Iterable[AnswerRow]
) -> Iterator[ChangeSet]:
    """Rows that are in order, as chunks."""
    yield ChangeSet(entries=tuple(entries))
    yield from (ChangeSet(puts=tuple(rows)) for rows in _some_at_a_time(records))
    yield from (ChangeSet(answers=tuple(rows)) for rows in _some_at_a_time(answers))


def _some_at_a_time(rows: Iterable[Any]) -> Iterator[list[Any]]:
    some: list[Any] = []
    for row in rows:
        some.append(row)
        if len(some) == CHUNK_ROWS:
            yield some
            some = []
    if some:
        yield some


def of_session(session: Session) -> Iterator[ChangeSet]:
    """The rows of an open session. Raises StoreError."""
    database = session.database
    if sqlite.is_blank(database):
        return iter(())
    entries = [EntryRow(*row) for row in database.rows(_ENTRIES)]
    return chunks_of(entries, _records(database, entries), _answers(database))


def _records(database: Database, entries: Iterable[EntryRow]) -> Iterator[RecordRow]:
    for entry in entries:
        last = 0
        while True:
            rows = database.rows(
                f"SELECT rowid, doc FROM c{entry.number} WHERE rowid > ? ORDER BY rowid LIMIT {CHUNK_ROWS}",  # noqa: S608  numbers
                (last,),
            )
            yield from (RecordRow(entry.number, row, doc) for row, doc in rows)
            if len(rows) < CHUNK_ROWS:
                break
            last = rows[-1][0]


def _answers(database: Database) -> list[AnswerRow]:
    if not database.value("SELECT 1 FROM sqlite_master WHERE name = 'answers'"):
        return []
    return [AnswerRow(*row) for row in database.rows(_ANSWERS)]


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module."""
    *mode, source, out = sys.argv[1:] if arguments is None else arguments
    found: dict[str, Any] = {}
    try:
        with _imported(Path(source), int(mode[1])) if mode else transfer.looked_over(Path(source)) as session:
            write(Path(out), of_session(session))
            found["collections"] = session.plan_view.collections()
    except transfer.FAILURES as error:
        found = {"error": transfer.told(error)}
    sys.stdout.write(json.dumps(found))
    return int("error" in found)


@contextmanager
def _imported(source: Path, object_members: int) -> Iterator[Session]:
    if not source.is_dir():
        raise transfer.Refused("what is to be imported is no directory")
    with tempfile.TemporaryDirectory() as scratch:
        session = transfer.open_directory(scratch, object_members)
        try:
            layout.import_session(session, source)
            yield session
        finally:
            session.close()


if __name__ == "__main__":
    sys.exit(main())
