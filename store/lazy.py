"""Records that are JSON text until somebody looks into them: `LazyDict`, and `LazyList` of such.

Most records that a plan reads go into its reply as they are. Such a one is never decoded and never encoded
again: the reply takes its text. To a plan it is a dict in every respect; the first use of any method makes
it one, once. One that holds scalars alone keeps its text as well until a method changes it. (A list of 20
records: 1,570 k units of fuel decoded and encoded, 150 k this way.)

Every method of dict and list is overridden, because code in C that is handed a subclass of them calls the
overridden ones (PyDict_Merge and PyMapping_Items look for `__iter__`, `keys` and `items` of a subclass;
PySequence_Fast and list.extend take nothing but an exact list by its memory).
"""

from __future__ import annotations

from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from store.errors import StoreDamaged
from store.json_text import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_T = TypeVar("_T")

_SCALARS = frozenset({str, int, float, bool, type(None)})


class LazyDict(dict[str, Any]):
    """Made by the functions below, which alone give it what it is made from."""

    __slots__ = ("_id", "_source", "_text")

    #: Not set where nobody has said it: the record's id, which plans ask for to say where the record is.
    _id: str | int
    #: JSON text; None once the dict is there.
    _source: str | None
    #: From then on: the text that its members still amount to, or None.
    _text: str | None


class InParts(LazyDict):
    """A dict of which some members can be had without the rest. Made by `Parts`."""

    __slots__ = ("_given", "_made", "_parts")

    _parts: Parts
    _given: Any
    #: The members that somebody has asked for.
    _made: dict[str, Any] | None


class Parts:
    """How dicts of one kind are made: `members` each by itself, and `rest` the others, from what is given."""

    def __init__(self, rest: Callable[[Any], dict[str, Any]], **members: Callable[[Any], Any]) -> None:
        self._rest = rest
        self.members = members

    def of(self, given: Any) -> InParts:
        """The dict, of which nothing is made before it is needed."""
        lazy = InParts()
        lazy._source = ""  # noqa: SLF001  there is something to be made, and no text of it
        lazy._parts, lazy._given, lazy._made = self, given, None  # noqa: SLF001
        return lazy

    def member(self, lazy: InParts, name: str) -> Any:
        made = lazy._made  # noqa: SLF001
        if made is None:
            made = lazy._made = {}  # noqa: SLF001
        if name not in made:
            made[name] = self.members[name](lazy._given)  # noqa: SLF001
        return made[name]

    def whole(self, lazy: InParts) -> dict[str, Any]:
        rest = self._rest(lazy._given)  # noqa: SLF001
        return {**rest, **{name: self.member(lazy, name) for name in self.members}}


class LazyList(list[dict[str, Any]]):
    """Records as the store gives them, or as one text that was made of theirs."""

    __slots__ = ("_count", "_depth", "_joined", "_texts")

    #: The records' JSON texts; None once they are there, and where there is one of all.
    _texts: list[str] | None
    #: Their texts with commas between them; None where nobody has made that, and once they are there.
    _joined: str | None
    #: Of `_joined`: how many records it has, and how deep each may nest.
    _count: int
    _depth: int


_source_of = attrgetter("_source")


def stored(text: str) -> LazyDict:
    """The record with this JSON text."""
    record = LazyDict()
    record._source = text  # noqa: SLF001  here it is given
    return record


def written(record: dict[str, Any], text: str) -> LazyDict:
    """A copy of a record, which has an id, whose JSON text this is."""
    if not _SCALARS.issuperset(map(type, record.values())):
        lazy = stored(text)
        lazy._id = record["id"]  # noqa: SLF001  here it is given
        return lazy
    copy = LazyDict(record)
    copy._source = None  # noqa: SLF001  here it is given
    copy._text = text  # noqa: SLF001
    return copy


def all_stored(texts: list[str]) -> LazyList:
    """The records with these JSON texts; the list is given away."""
    records = LazyList()
    records._texts, records._joined = texts, None  # noqa: SLF001  here it is given
    return records


def all_joined(text: str, count: int, depth: int) -> LazyList:
    """So many records with these JSON texts, commas between them; none nests deeper than `depth`."""
    records = LazyList()
    records._texts, records._joined = None, text  # noqa: SLF001  here it is given
    records._count, records._depth = count, depth  # noqa: SLF001
    return records


def untouched_text(value: object) -> str | None:
    """The JSON text of a record that nobody has changed; None where that is not known, and for all else."""
    if type(value) is not LazyDict:
        return None
    source = value._source  # noqa: SLF001  plans cannot name it
    return value._text if source is None else source  # noqa: SLF001


def untouched_texts(values: Sequence[object]) -> list[str] | None:
    """The texts of records of which nobody has looked into any; None if it is not so with all of them."""
    if type(values) is LazyList and values._texts is not None:  # noqa: SLF001
        return values._texts  # noqa: SLF001
    if set(map(type, values)) != {LazyDict}:
        return None
    sources: list[Any] = list(map(_source_of, values))
    return sources if _are_texts(sources) else None


def joined_text(values: Sequence[object], room: int) -> str | None:
    """The text that all have, where it was made as one; None where they may nest deeper than `room`."""
    if type(values) is LazyList and values._joined is not None and values._depth <= room:  # noqa: SLF001
        return values._joined  # noqa: SLF001
    return None


def _are_texts(sources: Iterable[object]) -> bool:
    return set(map(type, sources)) == {str}


def _look_into(lazy: object) -> None:
    if not isinstance(lazy, LazyDict) or lazy._source is None:  # noqa: SLF001
        return
    text = None if isinstance(lazy, InParts) else lazy._source  # noqa: SLF001
    value = lazy._parts.whole(lazy) if isinstance(lazy, InParts) else _decoded(lazy._source, dict)  # noqa: SLF001
    lazy._source = None  # noqa: SLF001
    lazy._text = text if _SCALARS.issuperset(map(type, value.values())) else None  # noqa: SLF001
    dict.update(lazy, value)


def _decoded(text: str, wanted: type[_T]) -> _T:
    try:
        value = decode(text)
    except (ValueError, RecursionError):
        raise StoreDamaged("a record is not JSON text") from None
    if type(value) is not wanted:
        raise StoreDamaged("a record is not a JSON object")
    return value


def _list_records(lazy: LazyList) -> None:
    joined, texts = lazy._joined, lazy._texts  # noqa: SLF001
    if joined is not None:
        lazy._joined = None  # noqa: SLF001
        list.extend(lazy, _decoded(f"[{joined}]", list))
    if texts is None:
        return
    lazy._texts = None  # noqa: SLF001
    # In C as far as it goes: that is what a list costs in the guest.
    records = list(map(LazyDict, repeat((), len(texts))))
    for _ in map(setattr, records, repeat("_source"), texts):
        pass
    list.extend(lazy, records)


def _looking(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def looking(self: LazyDict, *args: Any, **named: Any) -> Any:
        if self._source is not None:
            _look_into(self)
        return method(self, *args, **named)

    looking.__name__ = name
    return looking


def _looking_at_id(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def looking_at_id(self: LazyDict, key: Any, *default: Any) -> Any:
        if self._source is not None:
            if type(key) is str and key == "id" and (known := getattr(self, "_id", None)) is not None:
                return known
            _look_into(self)
        return method(self, key, *default)

    looking_at_id.__name__ = name
    return looking_at_id


def _looking_at_part(name: str) -> Callable[..., Any]:
    whole = getattr(LazyDict, name)

    def looking_at_part(self: InParts, key: Any, *default: Any) -> Any:
        if self._source is not None and type(key) is str and key in self._parts.members:
            return self._parts.member(self, key)
        return whole(self, key, *default)

    looking_at_part.__name__ = name
    return looking_at_part


def _changing(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def changing(self: LazyDict, *args: Any, **named: Any) -> Any:
        _look_into(self)
        self._text = None
        return method(self, *args, **named)

    changing.__name__ = name
    return changing


def _comparing(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def comparing(self: LazyDict, other: object) -> Any:
        # dict compares with the other's table, whatever its class overrides.
        _look_into(self)
        _look_into(other)
        return method(self, other)

    comparing.__name__ = name
    return comparing


def _listing(name: str) -> Callable[..., Any]:
    method = getattr(list, name)

    def listing(self: LazyList, *args: Any, **named: Any) -> Any:
        _list_records(self)
        # list's own operators take another list by its memory.
        return method(self, *(_listed(each) for each in args), **named)

    listing.__name__ = name
    return listing


def _listed(value: Any) -> Any:
    if type(value) is LazyList:
        _list_records(value)
    return value


def _length(self: LazyList) -> int:
    if self._joined is not None:
        return self._count
    return list.__len__(self) if self._texts is None else len(self._texts)


def _added_to(self: LazyList, other: object) -> Any:
    """`[1] + records`: without it, list's `+` would find the records empty."""
    _list_records(self)
    return list.__add__(other, self) if isinstance(other, list) else NotImplemented


for _name in (
    "__contains__", "__iter__", "__len__", "__or__", "__repr__", "__reversed__", "__ror__", "__sizeof__",
    "copy", "items", "keys", "values",
):  # fmt: skip
    setattr(LazyDict, _name, _looking(_name))
for _name in ("__getitem__", "get"):
    setattr(LazyDict, _name, _looking_at_id(_name))
for _name in (
    "__delitem__", "__ior__", "__setitem__", "clear", "pop", "popitem", "setdefault", "update",
):  # fmt: skip
    setattr(LazyDict, _name, _changing(_name))
for _name in ("__getitem__", "get"):
    setattr(InParts, _name, _looking_at_part(_name))
for _name in ("__eq__", "__ne__"):
    setattr(LazyDict, _name, _comparing(_name))
for _name in (
    "__add__", "__contains__", "__delitem__", "__eq__", "__ge__", "__getitem__", "__gt__", "__iadd__",
    "__imul__", "__iter__", "__le__", "__lt__", "__mul__", "__ne__", "__repr__", "__reversed__", "__rmul__",
    "__setitem__", "__sizeof__", "append", "clear", "copy", "count", "extend", "index", "insert", "pop",
    "remove", "reverse", "sort",
):  # fmt: skip
    setattr(LazyList, _name, _listing(_name))
setattr(LazyList, "__len__", _length)  # noqa: B010  mypy knows no other way
setattr(LazyList, "__radd__", _added_to)  # noqa: B010
# As with every dict and list, there is no hash; and `fromkeys` makes a dict, of which this one is no part.
setattr(LazyDict, "__hash__", None)  # noqa: B010
setattr(InParts, "__hash__", None)  # noqa: B010
setattr(LazyList, "__hash__", None)  # noqa: B010
setattr(LazyDict, "fromkeys", dict.fromkeys)  # noqa: B010
