"""One object at a path of its own (`/settings`), kept as the only record of a collection.

1. It is made by putting an object where there is no record. The catalogue notes that, also when the object
   is deleted: then there is nothing at the path, not an empty list.
2. Its record has an id like any. Where the client gave none, it is not shown: what is read is what was put.
3. A collection with records is none; a record that is inserted where the object was deleted makes it a
   collection again.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeAlias

#: Whether the object's id was made here, or given by the client and so shown. Empty: a collection of records.
Single: TypeAlias = Literal["", "made", "given"]
SINGLES: tuple[Single, ...] = ("", "made", "given")

Record: TypeAlias = dict[str, Any]


class Store(Protocol):
    """The collection, as far as an object in it needs it (`store/resource_store.py`)."""

    def insert(self, record: Record) -> Record: ...

    def replace(self, id: Any, record: Record) -> Record | None: ...  # noqa: A002  as plans know it

    def update(self, id: Any, changes: Record) -> Record | None: ...  # noqa: A002

    def delete(self, id: Any) -> bool: ...  # noqa: A002

    def search(self, *, limit: int) -> list[Record]: ...

    def _note_single(self, kind: Single) -> None: ...


class Singleton:
    """The object of a collection that holds one, or may hold one."""

    def __init__(self, store: Store, kind: Single) -> None:
        self._store = store
        self._kind = kind

    def get(self) -> Record | None:
        """The object, None where it was deleted or is still to be made."""
        return self._shown(self._record())

    def replace(self, record: Record) -> Record:
        """Put the object in the place of what there is."""
        before = self._record()
        if before is not None:
            return self._shown(self._store.replace(before["id"], record)) or {}
        made = self._store.insert(record)
        self._kind = "given" if record.get("id") == made["id"] else "made"
        self._store._note_single(self._kind)  # noqa: SLF001  no plan is to call it
        return self._shown(made) or {}

    def update(self, changes: Record) -> Record | None:
        """Set the top-level fields in `changes`; None where there is no object."""
        before = self._record()
        return None if before is None else self._shown(self._store.update(before["id"], changes))

    def delete(self) -> bool:
        """False where there is none."""
        before = self._record()
        return before is not None and self._store.delete(before["id"])

    def _record(self) -> Record | None:
        found = self._store.search(limit=1)
        return found[0] if found else None

    def _shown(self, record: Record | None) -> Record | None:
        if record is None or self._kind == "given":
            return record
        return {name: value for name, value in record.items() if name != "id"}
