"""A record as it comes out of the database: JSON text until somebody looks into it, then a dict.

Most records that a plan reads go into its reply as they are. Such a one is never decoded and never
encoded again: the reply takes its text. To a plan it is a dict in every respect; the first use of any
method decodes it, once.

Every method of dict is overridden, because code in C that is handed a subclass of dict calls the overridden
ones (PyDict_Merge and PyMapping_Items look for `__iter__`, `keys` and `items` of a subclass).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from store.errors import StoreDamaged
from store.json_text import decode

if TYPE_CHECKING:
    from collections.abc import Callable


class StoredRecord(dict[str, Any]):
    """Made by `stored`, which alone gives it its text."""

    __slots__ = ("_text",)

    _text: str | None


def stored(text: str) -> StoredRecord:
    """The record with this JSON text."""
    record = StoredRecord()
    record._text = text  # noqa: SLF001  the one place that sets it
    return record


def untouched_text(record: StoredRecord) -> str | None:
    """The record's JSON text if nobody has looked into it; None when it may have been changed."""
    return record._text  # noqa: SLF001  plans cannot name it


def _load(record: StoredRecord, text: str) -> None:
    try:
        value = decode(text)
    except (ValueError, RecursionError):
        raise StoreDamaged("a record is not JSON text") from None
    if type(value) is not dict:
        raise StoreDamaged("a record is not a JSON object")
    record._text = None  # noqa: SLF001
    dict.update(record, value)


def _looked_into(record: object) -> None:
    if type(record) is StoredRecord and record._text is not None:  # noqa: SLF001
        _load(record, record._text)  # noqa: SLF001


def _decoding(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def decoding(self: StoredRecord, *args: Any, **named: Any) -> Any:
        text = self._text
        if text is not None:
            _load(self, text)
        return method(self, *args, **named)

    decoding.__name__ = name
    return decoding


def _comparing(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def comparing(self: StoredRecord, other: object) -> Any:
        # dict compares with the other's table, whatever its class overrides.
        _looked_into(self)
        _looked_into(other)
        return method(self, other)

    comparing.__name__ = name
    return comparing


for _name in (
    "__contains__", "__delitem__", "__getitem__", "__ior__", "__iter__", "__len__", "__or__", "__repr__",
    "__reversed__", "__ror__", "__setitem__", "__sizeof__",
    "clear", "copy", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values",
):  # fmt: skip
    setattr(StoredRecord, _name, _decoding(_name))
for _name in ("__eq__", "__ne__"):
    setattr(StoredRecord, _name, _comparing(_name))
StoredRecord.__hash__ = None  # type: ignore[assignment]  as with every dict
StoredRecord.fromkeys = dict.fromkeys  # type: ignore[method-assign]  makes a dict, of which it is no part
