"""Change sets as a guest makes them, and the parts that carry them."""

from __future__ import annotations

import json
import secrets
import time

from server.record.record import Part
from store.change_set import AnswerRow, ChangeSet, RecordRow, encode
from store.entries import EntryRow


def entry(number: int = 1, name: str = "orders", *, next_id: int = 1, indexes: str = "[]") -> EntryRow:
    return EntryRow(name, number, next_id, "2026-11-30T00:00:00Z", json.dumps({"fields": {}}), indexes)


def record(row: int, text: str = "x", *, number: int = 1, id_: str | None = None) -> RecordRow:
    return RecordRow(number, row, json.dumps({"id": row if id_ is None else id_, "text": text}))


def answer(seq: int, name: str = "key") -> AnswerRow:
    return AnswerRow(seq, f"{name}{seq}", "asked", 1_700_000_000, (seq - 1) * 300, 300, "200\n\n{}")


def part(session: str, base: int, rows: ChangeSet, *, batch: str = "", route: str = "POST /orders") -> Part:
    return Part(
        session, base, batch or secrets.token_hex(16), time.time(), "request-1", route, "plan-1", encode(rows)
    )


def first(*texts: str) -> ChangeSet:
    """A collection with records from 1 up."""
    return ChangeSet(entries=(entry(),), puts=tuple(record(row, text) for row, text in enumerate(texts, 1)))
