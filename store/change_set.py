"""What a request wrote, as text: rows as the store keeps them, which nobody on the way has to understand.

A guest encodes it behind its answer, the host checks it, the record decodes and keeps it. One line a row,
none for nothing; JSON text has no raw newline in it, so a document stands in its line as it is:

    e JSON of [name, number, next id, updated at, schema, indexes]      a row of the catalogue
    D number                                                            all records of a collection go
    d number row                                                        one record goes
    p number row document                                               one record, new or changed
    x seq                                                               a kept answer goes
    a JSON of [seq, name, fingerprint, made, start, size, answer]       a kept answer

1. They are applied in this order: all deletions of a kind before what is put. The last write of a row in a
   request is the one that is told, so no row is both deleted and put.
2. A document that is the reply's body is `=`: most inserts answer with what they have inserted.
3. A row's number from `FIRST_TEXT_ROWID` up belongs to an id that is text; below it is the id.
4. `decode` checks the form: kinds and their order, numbers and their bounds, what each catalogue row says.
   Whether a document is JSON, and is the record of its row, is for who parses it anyway.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias

from store.entries import EntryRow, unreadable
from store.ids import FIRST_TEXT_ROWID, MAX_INT_ID

if TYPE_CHECKING:
    from collections.abc import Callable

#: U+001F stands between an answer's body and its change set.
SEPARATOR = "\x1f"
#: In the place of a document: the reply's body.
BODY = "="
#: Objects and arrays within one another, the record itself included.
RECORD_DEPTH = 32
_MAX_ROW = 2**63 - 1
_MAX_NUMBER = 2**31 - 1
_MAX_COUNT = 2**53
#: More digits than any number here has.
_MAX_DIGITS = 19

#: (collection's number, row)
Address: TypeAlias = tuple[int, int]


class RecordRow(NamedTuple):
    """A record: its collection's number, its row, and its JSON text."""

    number: int
    row: int
    doc: str


class AnswerRow(NamedTuple):
    """An answer as `store/kept_answers.py` keeps it. `made`: seconds; `start`, `size`: bytes of the log."""

    seq: int
    name: str
    fingerprint: str
    made: int
    start: int
    size: int
    answer: str


class ChangeSet(NamedTuple):
    """The rows, by kind, in the order in which the kinds are applied."""

    entries: tuple[EntryRow, ...] = ()
    cleared: tuple[int, ...] = ()
    deletes: tuple[Address, ...] = ()
    puts: tuple[RecordRow, ...] = ()
    purged: tuple[int, ...] = ()
    answers: tuple[AnswerRow, ...] = ()


NOTHING = ChangeSet()


class ChangeSetError(Exception):
    """The text is no change set. The message names the line and the rule, never what a record holds."""


def encode(change_set: ChangeSet, reply_body: str | None = None) -> str:
    """The text of a change set, "" for one of nothing. `reply_body`: what `=` is to mean."""
    lines = [f"e {_json(entry)}" for entry in change_set.entries]
    lines += [f"D {number}" for number in change_set.cleared]
    lines += [f"d {number} {row}" for number, row in change_set.deletes]
    for number, row, doc in change_set.puts:
        lines.append(f"p {number} {row} {BODY if doc == reply_body else doc}")
    lines += [f"x {seq}" for seq in change_set.purged]
    lines += [f"a {_json(answer)}" for answer in change_set.answers]
    return "\n".join(lines)


def _json(values: tuple[Any, ...]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def decode(text: str, reply_body: str | None = None) -> ChangeSet:
    """The change set of a text. Raises ChangeSetError."""
    if not text:
        return NOTHING
    rows: dict[str, list[Any]] = {kind: [] for kind in _READERS}
    kinds = iter(_READERS)
    current = next(kinds)
    for place, line in enumerate(text.split("\n"), 1):
        kind, space, rest = line.partition(" ")
        if not space or kind not in _READERS:
            raise ChangeSetError(f"line {place}: no row of any kind")
        while kind != current:
            following = next(kinds, None)
            if following is None:
                raise ChangeSetError(f"line {place}: '{kind}' is out of order")
            current = following
        try:
            rows[kind].append(_READERS[kind](rest))
        except ValueError as error:
            raise ChangeSetError(f"line {place}: {error}") from None
    puts = rows["p"] if reply_body is None else [_with_body(put, reply_body) for put in rows["p"]]
    if reply_body is None and any(put.doc == BODY for put in puts):
        raise ChangeSetError("a document is that of a reply which has none")
    return ChangeSet(
        entries=tuple(rows["e"]),
        cleared=tuple(rows["D"]),
        deletes=tuple(rows["d"]),
        puts=tuple(puts),
        purged=tuple(rows["x"]),
        answers=tuple(rows["a"]),
    )


def _with_body(put: RecordRow, reply_body: str) -> RecordRow:
    return put._replace(doc=reply_body) if put.doc == BODY else put


def _entry(text: str) -> EntryRow:
    values = _array(text, 6)
    reason = unreadable(values)
    if reason is not None:
        raise ValueError(reason)
    return EntryRow(*values)


def _cleared(text: str) -> int:
    return _number(text, 1, _MAX_NUMBER)


def _address(text: str) -> Address:
    number, space, row = text.partition(" ")
    if not space:
        raise ValueError("a record's row has two numbers")
    return _number(number, 1, _MAX_NUMBER), _row(row)


def _put(text: str) -> RecordRow:
    number, first, rest = text.partition(" ")
    row, second, doc = rest.partition(" ")
    if not first or not second or not doc:
        raise ValueError("a record has two numbers and a document")
    return RecordRow(_number(number, 1, _MAX_NUMBER), _row(row), doc)


def _purged(text: str) -> int:
    return _number(text, 1, _MAX_ROW)


def _answer(text: str) -> AnswerRow:
    seq, name, fingerprint, made, start, size, answer = _array(text, 7)
    if not all(isinstance(each, str) for each in (name, fingerprint, answer)):
        raise ValueError("a kept answer's texts are none")
    counts = ((seq, 1, _MAX_ROW), (made, 0, _MAX_COUNT), (start, 0, _MAX_ROW), (size, 0, _MAX_ROW))
    if not all(type(value) is int and least <= value <= most for value, least, most in counts):
        raise ValueError("a kept answer's numbers are none")
    for each in (name, fingerprint, answer):
        _require_utf8(each)
    return AnswerRow(seq, name, fingerprint, made, start, size, answer)


def _array(text: str, length: int) -> list[Any]:
    try:
        values = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    if not isinstance(values, list) or len(values) != length:
        raise ValueError(f"not an array of {length}")
    return values


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("no JSON number")


def _require_utf8(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("text with half of a surrogate pair") from None


def _row(text: str) -> int:
    row = _number(text, 1, _MAX_ROW)
    if MAX_INT_ID < row < FIRST_TEXT_ROWID:
        raise ValueError("a row between those of numbers and those of texts")
    return row


def _number(text: str, least: int, most: int) -> int:
    """A number as `str` writes it: ASCII digits, no zero before others."""
    if not (text.isascii() and text.isdigit()) or len(text) > _MAX_DIGITS or (text[0] == "0" and text != "0"):
        raise ValueError("not a number")
    value = int(text)
    if not least <= value <= most:
        raise ValueError("a number out of its bounds")
    return value


_READERS: dict[str, Callable[[str], Any]] = {
    "e": _entry,
    "D": _cleared,
    "d": _address,
    "p": _put,
    "x": _purged,
    "a": _answer,
}
