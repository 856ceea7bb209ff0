"""Records with the records that belong to them: children that point at them, parents that they point at.

A field points at the records of the collection whose singular it begins with: `member_id` at members. One
query fetches all that a step of a relation needs, however many records there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from store.errors import InvalidQuery
from store.ids import Address, address_of
from store.names import foreign_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.resource_store import ResourceStore
    from store.workspace import Workspace

#: Relations of one request, each step counted once.
MAX_RELATIONS = 8
#: Steps of a relation: the orders of a member, and the items of these.
MAX_STEPS = 2
#: Records that one step of a relation may bring.
MAX_RELATED = 1_000

Record: TypeAlias = dict[str, Any]
Open: TypeAlias = "Callable[[str], ResourceStore]"
#: What to add to records, by name, and to what was added.
_Tree: TypeAlias = "dict[str, _Tree]"


class Relations:
    """Adds related records to those of a session's collections."""

    def __init__(self, workspace: Workspace, open_: Open) -> None:
        self._workspace = workspace
        self._open = open_

    def embed(self, collection: str, records: list[Record], names: object) -> list[Record]:
        """Copies of the records, each with the lists of its children. Raises InvalidQuery."""
        return self._embed(collection, records, _tree("embed", names))

    def expand(self, records: list[Record], names: object) -> list[Record]:
        """Copies of the records, each with its parents, None for a missing one. Raises InvalidQuery."""
        return self._expand(records, _tree("expand", names))

    def _embed(self, collection: str, records: list[Record], tree: _Tree) -> list[Record]:
        field = foreign_key(collection)
        copies = [dict(record) for record in records]
        for name, deeper in tree.items():
            self._require("embed", name)
            addresses = {_address(record.get("id")) for record in copies}
            found = self._find(f"embed={name}", name, field, addresses)
            children: dict[Address | None, list[Record]] = {}
            for child in self._embed(name, found, deeper) if deeper else found:
                children.setdefault(_address(child.get(field)), []).append(child)
            for record in copies:
                record[name] = children.get(_address(record.get("id")), [])
        return copies

    def _expand(self, records: list[Record], tree: _Tree) -> list[Record]:
        copies = [dict(record) for record in records]
        for name, deeper in tree.items():
            field = f"{name}_id"
            addresses = {_address(record.get(field)) for record in copies}
            found = self._find(f"expand={name}", self._parent(name), "id", addresses)
            parents = {
                _address(each["id"]): each for each in (self._expand(found, deeper) if deeper else found)
            }
            for record in copies:
                record[name] = parents.get(_address(record.get(field)))
        return copies

    def _find(self, what: str, collection: str, field: str, addresses: set[Address | None]) -> list[Record]:
        # Texts find numbers, too, and are of one kind, which lets ids be looked up by row.
        values = sorted(str(address) for address in addresses if address is not None)
        found = self._open(collection).search({field: values}, limit=MAX_RELATED + 1) if values else []
        if len(found) > MAX_RELATED:
            raise InvalidQuery(f"{what}: more than {MAX_RELATED} records; ask for fewer at once (limit=)")
        return found

    def _require(self, key: str, collection: str) -> None:
        if collection not in self._workspace.catalogue:
            raise InvalidQuery(f"{key}: there is no collection '{collection[:64]}'")

    def _parent(self, name: str) -> str:
        """The collection that `<name>_id` points at."""
        field = f"{name}_id"
        fitting = (each for each in self._workspace.catalogue.names() if foreign_key(each) == field)
        found = next(fitting, None)
        if found is None:
            raise InvalidQuery(f"expand: there is no collection that '{field[:64]}' points at")
        return found


def _address(value: object) -> Address | None:
    return address_of(int(value) if isinstance(value, float) and value.is_integer() else value)


def _tree(key: str, names: object) -> _Tree:
    """`"orders.items,notes"` is `{"orders": {"items": {}}, "notes": {}}`. Raises InvalidQuery."""
    parts: list[Any] = names if isinstance(names, list) else [] if names in (None, "") else [names]
    if not all(isinstance(part, str) for part in parts):
        raise InvalidQuery(f"{key}: takes names of relations, such as 'orders' or 'orders.items'")
    tree: _Tree = {}
    count = 0
    for path in (path.strip() for part in parts for path in part.split(",")):
        steps, place = path.split("."), tree
        if not all(steps):
            raise InvalidQuery(f"{key}: a name is missing")
        if len(steps) > MAX_STEPS:
            raise InvalidQuery(f"{key}={path[:64]}: more than {MAX_STEPS} steps")
        for step in steps:
            count += step not in place
            place = place.setdefault(step, {})
    if count > MAX_RELATIONS:
        raise InvalidQuery(f"{key}: more than {MAX_RELATIONS} relations")
    return tree
