"""The rows of a session, kept by its change sets alone: what whoever keeps the record knows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from store.change_set import ChangeSet
    from store.session_store import Session


class Mirror:
    def __init__(self) -> None:
        self.entries: dict[int, tuple[Any, ...]] = {}
        self.records: dict[tuple[int, int], str] = {}
        self.answers: dict[int, tuple[Any, ...]] = {}

    def apply(self, changes: ChangeSet) -> None:
        self.entries |= {entry.number: tuple(entry) for entry in changes.entries}
        for number in changes.cleared:
            self.records = {key: doc for key, doc in self.records.items() if key[0] != number}
        for address in changes.deletes:
            self.records.pop(address, None)
        self.records |= {(number, row): doc for number, row, doc in changes.puts}
        for seq in changes.purged:
            self.answers.pop(seq, None)
        self.answers |= {answer.seq: tuple(answer) for answer in changes.answers}


def rows_of(session: Session) -> Mirror:
    """What is really there, read past everything that the store remembers."""
    mirror, database = Mirror(), session._database
    if not database.value("SELECT 1 FROM sqlite_master WHERE name = 'collections'"):
        return mirror
    columns = "name, number, next_id, updated_at, schema, indexes"
    mirror.entries = {row[1]: row for row in database.rows(f"SELECT {columns} FROM collections")}
    for number in mirror.entries:
        rows = database.rows(f"SELECT rowid, doc FROM c{number}")
        mirror.records |= {(number, row): doc for row, doc in rows}
    if database.value("SELECT 1 FROM sqlite_master WHERE name = 'answers'"):
        columns = "seq, name, fingerprint, made, start, size, answer"
        mirror.answers = {row[0]: row for row in database.rows(f"SELECT {columns} FROM answers")}
    return mirror
