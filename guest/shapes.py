"""Records in another shape: what a tool wants around them, without taking each apart.

A shape is written once as JSON text. A record that nobody has looked into is text, too, and mostly begins
with its id; so its new shape is those texts one behind the other. Whatever is not so plain is decoded, and
its shape is made member by member: the two amount to the same.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from guest.reply import RequestFault
from store import json_text
from store.change_set import RECORD_DEPTH
from store.lazy import all_stored, stored, untouched_text, untouched_texts

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How deep a shape may nest.
MAX_DEPTH = 8
#: The member of a shape that stands for a record's members, and what texts hold for its id.
MEMBERS = "**"
ID, PATH = "{id}", "{id:path}"
_BEGIN = '{"id":'


class _Shape(NamedTuple):
    """A shape as it was given; and as text, if it can be that.

    `before` and `after` are what stands around the members: the id stands between their parts. `kept`: it is
    among the members, too. `needles` are what may not be in a record's text: other names that are left out.
    """

    given: dict[str, Any]
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    kept: bool = False
    needles: tuple[str, ...] = ()
    depth: int = 0


def shaped(records: Any, shape: dict[str, Any] | str) -> Any:
    """A record, or a list of them, in another shape, which may be JSON text, too.

    shaped(items, {"type": "a", "id": "{id}", "data": {"**": ["id"]}}): "**" stands for the record's members
    but for those of its list and those beside it; in texts {id} is its id, {id:path} its segment of a path.
    """
    form = _shape(shape if isinstance(shape, str) else json_text.encode(shape))
    if not isinstance(records, list):
        text = untouched_text(records)
        one = None if text is None else _quick_one(text, form)
        return _slow(records, form) if one is None else stored(one)
    texts = untouched_texts(records)
    quick = None if texts is None else _quick(texts, form)
    return [_slow(record, form) for record in records] if quick is None else all_stored(quick)


@lru_cache(maxsize=64)
def _shape(text: str) -> _Shape:
    given = json_text.decode(text)
    if not isinstance(given, dict):
        raise RequestFault(500, "a shape is an object")
    spreads = list(_spreads(given, 1))
    parent, depth = spreads[0] if len(spreads) == 1 else ({}, 0)
    left = parent.get(MEMBERS)
    if depth > MAX_DEPTH or not isinstance(left, list) or not all(isinstance(name, str) for name in left):
        return _Shape(given)  # what is left out further in is looked for member by member
    mark = f"{json_text.encode(MEMBERS)}:{json_text.encode(left)}"
    if text.count(mark) != 1:
        return _Shape(given)
    names = [*left, *(name for name in parent if name != MEMBERS)]
    before, after = (tuple(part.replace(PATH, ID).split(ID)) for part in text.split(mark))
    needles = tuple(f"{json_text.encode(name)}:" for name in names if name != "id")
    return _Shape(given, before, after, "id" not in names, needles, depth)


def _spreads(value: Any, depth: int) -> Iterator[tuple[dict[str, Any], int]]:
    """The objects that hold `MEMBERS`, each with its depth; with what is too deep it ends."""
    if not isinstance(value, (dict, list)):
        return
    if depth > MAX_DEPTH:
        yield {}, depth
        return
    if isinstance(value, dict) and MEMBERS in value:
        yield value, depth
    for each in value.values() if isinstance(value, dict) else value:
        yield from _spreads(each, depth + 1)


def _quick(texts: list[str], shape: _Shape) -> list[str] | None:
    """The texts in their shape; None where one of them has to be looked into."""
    if not shape.before or not _are_plain(texts, shape):
        return None
    return _around(texts, shape)


def _quick_one(text: str, shape: _Shape) -> str | None:
    """The same of one text, which takes less to be looked through."""
    if not shape.before or not text.startswith(_BEGIN):
        return None
    for needle in shape.needles:
        if needle in text:
            return None
    if text.count("{") + text.count("[") > RECORD_DEPTH - shape.depth:
        return None
    rid, _, own = text[6:-1].partition(",")
    if own and not shape.kept and rid.isdecimal():
        return f"{rid.join(shape.before)}{own}{rid.join(shape.after)}"
    made = _around([text], shape)
    return None if made is None else made[0]


def _around(texts: list[str], shape: _Shape) -> list[str] | None:
    """What stands around the records' members, and these; None where an id has to be looked into."""
    before, after = shape.before, shape.after
    if shape.kept and len(before) == len(after) == 1:
        head, tail = before[0], after[0]
        return [f"{head}{text[1:-1]}{tail}" for text in texts]
    parts = list(map(str.partition, texts, repeat(",")))
    ids = [begin[6:] for begin, _, _ in parts]
    others = list(map(itemgetter(2), parts))
    if "" in others:
        return None  # one has no other member
    if not "".join(ids).isdecimal():
        if not all(map(_is_plain, ids)):
            return None
        ids = [rid.removeprefix('"').removesuffix('"') for rid in ids]
    if len(before) == len(after) == 2 and not shape.kept and after[0].startswith("}"):  # as nearly all are
        one, two, three, four = *before, after[0][1:], after[1]  # the members have their own end
        return [f"{one}{rid}{two}{own}{three}{rid}{four}" for rid, own in zip(ids, others, strict=True)]
    members = [text[1:-1] for text in texts] if shape.kept else [own[:-1] for own in others]
    return [f"{rid.join(before)}{own}{rid.join(after)}" for rid, own in zip(ids, members, strict=True)]


def _is_plain(rid: str) -> bool:
    """Whether an id as JSON is a number, or a text that is the same in a path."""
    if rid.isdecimal():
        return True
    quoted = rid[:1] == rid[-1:] == '"' and rid.isascii()
    return quoted and rid[1:-1].replace("-", "").replace("_", "").isalnum()


def _are_plain(texts: list[str], shape: _Shape) -> bool:
    """Whether all begin with their id, and have nothing that is left out; and are not too deep."""
    whole = "\n".join(texts)
    count = len(texts)
    if not whole.startswith(_BEGIN) or whole.count("\n" + _BEGIN) != count - 1:
        return False
    for needle in shape.needles:
        if needle in whole:
            return False
    if "[" not in whole and whole.count("{") == count:
        return True
    room = RECORD_DEPTH - shape.depth
    return all(text.count("{") + text.count("[") <= room for text in texts)


def _slow(record: Any, shape: _Shape) -> dict[str, Any]:
    made: dict[str, Any] = _made(shape.given, record, str(record["id"]))
    return made


def _made(value: Any, record: dict[str, Any], rid: str) -> Any:
    if isinstance(value, str):
        return value.replace(PATH, quote(rid, safe="")).replace(ID, rid) if "{" in value else value
    if isinstance(value, list):
        return [_made(each, record, rid) for each in value]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for name, each in value.items():
        if name == MEMBERS:
            left = {*(one for one in each if isinstance(one, str)), *value.keys() - {MEMBERS}}
            found.update({key: record[key] for key in record if key not in left})
            for path in (one for one in each if isinstance(one, list) and one):
                _leave_out(found, path)
        else:
            found[_made(name, record, rid)] = _made(each, record, rid)
    return found


def _leave_out(record: dict[str, Any], path: list[Any]) -> None:
    """Take away what the names lead to, from the outside in; what is around it is copied."""
    for step in path[:-1]:
        inner = record.get(step)
        if not isinstance(inner, dict):
            return
        record[step] = record = dict(inner)
    record.pop(path[-1], None)
