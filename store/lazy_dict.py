"""A dict that is JSON text until somebody looks into it.

Most records that a plan reads go into its reply as they are. Such a one is never decoded and never encoded
again: the reply takes its text. To a plan it is a dict in every respect; the first use of any method makes
it one, once. (A list of 20 records: 1,570 k units of fuel decoded and encoded, 150 k this way.)

Every method of dict is overridden, because code in C that is handed a subclass of dict calls the overridden
ones (PyDict_Merge and PyMapping_Items look for `__iter__`, `keys` and `items` of a subclass). What makes many
at once is in C itself (`map`), because that is what a list costs in the guest.
"""

from __future__ import annotations

from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from store.errors import StoreDamaged
from store.json_text import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class LazyDict(dict[str, Any]):
    """Made by the functions below, which alone give it what it is made from."""

    __slots__ = ("_source",)

    #: JSON text, or what gives the dict; None once it is there.
    _source: str | Callable[[], dict[str, Any]] | None


_source_of = attrgetter("_source")


def stored(text: str) -> LazyDict:
    """The record with this JSON text."""
    record = LazyDict()
    record._source = text  # noqa: SLF001  here it is given
    return record


def all_stored(texts: list[str]) -> list[dict[str, Any]]:
    """The records with these JSON texts."""
    records: list[dict[str, Any]] = list(map(LazyDict, repeat((), len(texts))))
    for _ in map(setattr, records, repeat("_source"), texts):
        pass
    return records


def made_by(make: Callable[[], dict[str, Any]]) -> LazyDict:
    """The dict that `make` gives, once anybody looks."""
    lazy = LazyDict()
    lazy._source = make  # noqa: SLF001  here it is given
    return lazy


def untouched_text(value: object) -> str | None:
    """The JSON text of a record that nobody has looked into; None for whatever else."""
    if type(value) is not LazyDict:
        return None
    source = value._source  # noqa: SLF001  plans cannot name it
    return source if type(source) is str else None


def untouched_texts(values: Sequence[object]) -> list[str] | None:
    """The texts of records of which nobody has looked into any; None if it is not so with all of them."""
    if set(map(type, values)) != {LazyDict}:
        return None
    sources: list[Any] = list(map(_source_of, values))
    return sources if _are_texts(sources) else None


def _are_texts(sources: Iterable[object]) -> bool:
    return set(map(type, sources)) == {str}


def _look_into(lazy: object) -> None:
    if type(lazy) is not LazyDict or lazy._source is None:  # noqa: SLF001
        return
    source = lazy._source  # noqa: SLF001
    value = _decoded(source) if type(source) is str else source()  # type: ignore[operator]
    lazy._source = None  # noqa: SLF001
    dict.update(lazy, value)


def _decoded(text: str) -> dict[str, Any]:
    try:
        value = decode(text)
    except (ValueError, RecursionError):
        raise StoreDamaged("a record is not JSON text") from None
    if type(value) is not dict:
        raise StoreDamaged("a record is not a JSON object")
    return value


def _looking(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def looking(self: LazyDict, *args: Any, **named: Any) -> Any:
        if self._source is not None:
            _look_into(self)
        return method(self, *args, **named)

    looking.__name__ = name
    return looking


def _comparing(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def comparing(self: LazyDict, other: object) -> Any:
        # dict compares with the other's table, whatever its class overrides.
        _look_into(self)
        _look_into(other)
        return method(self, other)

    comparing.__name__ = name
    return comparing


for _name in (
    "__contains__", "__delitem__", "__getitem__", "__ior__", "__iter__", "__len__", "__or__", "__repr__",
    "__reversed__", "__ror__", "__setitem__", "__sizeof__",
    "clear", "copy", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values",
):  # fmt: skip
    setattr(LazyDict, _name, _looking(_name))
for _name in ("__eq__", "__ne__"):
    setattr(LazyDict, _name, _comparing(_name))
# As with every dict, there is no hash; and `fromkeys` makes a dict, of which this one is no part.
setattr(LazyDict, "__hash__", None)  # noqa: B010  mypy knows no other way
setattr(LazyDict, "fromkeys", dict.fromkeys)  # noqa: B010
