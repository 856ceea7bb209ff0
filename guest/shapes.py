"""Records in another shape: what a tool wants around them, without taking each apart.

A shape is written once as JSON text. A record that nobody has looked into is text, too, and mostly begins
with its id; so its new shape is those texts one behind the other. Whatever is not so plain is decoded, and
its shape is made member by member: the two amount to the same.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from guest.reply import RequestFault
from store import json_text
from store.change_set import RECORD_DEPTH
from store.lazy import all_joined, stored, untouched_text, untouched_texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.lazy import LazyList

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
    `pieces` are all these parts, with empty texts at `ids` and at the members' `place`; a comma is behind
    them. `ended`: the members' text brings the brace that ends it.
    """

    given: dict[str, Any]
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    kept: bool = False
    needles: tuple[str, ...] = ()
    depth: int = 0
    pieces: list[str] = []  # noqa: RUF012  nobody adds to it
    ids: tuple[int, ...] = ()
    place: int = 0
    ended: bool = False


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
    return [_slow(record, form) for record in records] if quick is None else quick


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
    kept = "id" not in names
    ended = not kept and after[0].startswith("}")
    behind = (after[0][ended:], *after[1:])
    pieces = [each for part in (*before, *behind) for each in (part, "")]
    pieces[-2:] = [f"{pieces[-2]},"]
    place = 2 * len(before) - 1
    ids = tuple(each for each in range(1, len(pieces), 2) if each != place)
    return _Shape(given, before, after, kept, needles, depth, pieces, ids, place, ended)


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


def _quick(texts: list[str], shape: _Shape) -> LazyList | None:
    """The texts in their shape, as one text; None where one of them has to be looked into."""
    if not shape.before or not texts or (shape.needles and _has_any(shape.needles, "".join(texts))):
        return None
    made = _around(texts, shape)
    return None if made is None else all_joined(made, len(texts), RECORD_DEPTH + shape.depth - 1)


def _has_any(needles: tuple[str, ...], whole: str) -> bool:
    for needle in needles:  # noqa: SIM110  any() takes twice as long here
        if needle in whole:
            return True
    return False


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
    return _around([text], shape)


def _around(texts: list[str], shape: _Shape) -> str | None:
    """The records in what stands around their members, commas between them; None: look into them.

    In C for all records at once, as far as it goes: what stands around them is laid out for each, and then
    members and ids are put in their places.
    """
    pieces, each = shape.pieces * len(texts), len(shape.pieces)
    pieces[-1] = pieces[-1][:-1]
    members = [text[1:-1] for text in texts] if shape.kept else []
    if shape.ids or not shape.kept:
        parted = [*chain.from_iterable(map(str.partition, texts, repeat(",")))]
        ids, others = _ids(parted[::3]), parted[2::3]
        if ids is None:
            return None
        for place in shape.ids:
            pieces[place::each] = ids
        if not shape.kept:
            members = others if shape.ended else [own[:-1] for own in others]
    pieces[shape.place :: each] = members
    return "".join(pieces)


def _ids(begins: list[str]) -> list[str] | None:
    """Records' ids, as they are in a path, from how their texts begin up to the first comma.

    An object's text begins with a brace, and no plain id has one. So where the beginnings fall into as many
    plain ids, each begins with its own; and each has other members: without a comma its end would be here.
    """
    first, *ids = "".join(begins).split(_BEGIN)
    if first or len(ids) != len(begins):
        return None
    if "".join(ids).isdecimal():
        return ids
    if not all(map(_is_plain, ids)):
        return None
    return [rid.removeprefix('"').removesuffix('"') for rid in ids]


def _is_plain(rid: str) -> bool:
    """Whether an id as JSON is a number, or a text that is the same in a path."""
    if rid.isdecimal():
        return True
    quoted = rid[:1] == rid[-1:] == '"' and rid.isascii()
    return quoted and rid[1:-1].replace("-", "").replace("_", "").isalnum()


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
