"""Records with the records that belong to them: children that point at them, parents that they point at.

A field points at the records of the collection whose singular it begins with: `member_id` at members, or
`memberId`, or `memberID`, as the collection has it. One query fetches all that a step of a relation needs,
however many records there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

from store.errors import InvalidQuery
from store.ids import Address, address_of
from store.names import foreign_key, links_among, plain, pointers, singular, styled_foreign_key
from store.spelling import has_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.catalogue import Catalogue
    from store.reads import Reads

#: Relations of one request, each step counted once.
MAX_RELATIONS = 8
#: Steps of a relation: the orders of a member, and the items of these.
MAX_STEPS = 2
#: Records that one step of a relation may bring.
MAX_RELATED = 1_000

Record: TypeAlias = dict[str, Any]
Open: TypeAlias = "Callable[[str], Searched]"
#: What to add to records, by name, and to what was added.
_Tree: TypeAlias = "dict[str, _Tree]"


class Relation(NamedTuple):
    """How records are related to those of the collection `other`, and the field that says so.

    `one`: it has the id of one of these. `list`: it has a list of their ids. `children`: it is theirs.
    """

    how: Literal["one", "list", "children"]
    field: str
    other: str


def relations_of(catalogue: Catalogue, name: str) -> dict[str, Relation]:
    """What the fields of a session's collections say of one of them, by what a relation is called.

    That is the field without its ending, or the other collection's name where there can be several.
    """
    known: dict[str, Relation] | None = catalogue.derived.get(name)
    if known is None:
        known = catalogue.derive(name, _relations_of(catalogue, name))
    return known


def fields_of(catalogue: Catalogue, name: str, types: tuple[str, ...]) -> list[str]:
    """The collection's fields; with JSON types those that have had one of them."""
    known: list[str] | None = catalogue.derived.get((name, types))
    if known is None:
        entry, wanted = catalogue.get(name), {*types}
        fields = entry.fields if entry else {}
        found = [each for each in fields if not types or not wanted.isdisjoint(fields[each])]
        known = catalogue.derive((name, types), found)
    return known


def _relations_of(catalogue: Catalogue, name: str) -> dict[str, Relation]:
    entry, found = catalogue.get(name), {}
    fields = entry.fields if entry else {}
    for other in catalogue.names():
        theirs = catalogue.get(other)
        links = links_among(name, theirs.fields) if theirs and not theirs.single else []
        if links:
            found[other] = Relation("children", links[0], other)
    if not any(field != "id" and field.lower().removesuffix("s").endswith("id") for field in fields):
        return found
    for other in catalogue.names():
        for link in links_among(other, fields) or [styled_foreign_key(other, fields)]:
            if link in fields:
                found[link[:-2].rstrip("_-")] = Relation("one", link, other)
            if f"{link}s" in fields:
                found[other] = Relation("list", f"{link}s", other)
    return found


class Searched(Protocol):
    """A collection, as far as relations need it (`store/resource_store.py`)."""

    def search(self, criteria: Record, *, limit: int) -> list[Record]: ...


class Relations:
    """Adds related records to those of a session's collections."""

    def __init__(self, catalogue: Catalogue, open_: Open, reads: Reads) -> None:
        self._catalogue = catalogue
        self._open = open_
        self._reads = reads

    def embed(self, collection: str, records: list[Record], names: object) -> list[Record]:
        """Copies of the records, each with the lists of its children. Raises InvalidQuery."""
        return self._embed(collection, records, _tree("embed", names))

    def expand(self, collection: str, records: list[Record], names: object) -> list[Record]:
        """Copies of the records, each with its parents, None for a missing one. Raises InvalidQuery."""
        return self._expand(collection, records, _tree("expand", names))

    def _embed(self, collection: str, records: list[Record], tree: _Tree) -> list[Record]:
        copies = [dict(record) for record in records]
        for name, deeper in tree.items():
            fields = self._links(name, collection)
            addresses = {_address(record.get("id")) for record in copies}
            found = self._find(f"embed={name}", name, fields, addresses)
            children: dict[Address | None, list[Record]] = {}
            for child in self._embed(name, found, deeper) if deeper else found:
                for parent in dict.fromkeys(_address(child.get(field)) for field in fields):
                    children.setdefault(parent, []).append(child)
            for record in copies:
                record[name] = children.get(_address(record.get("id")), [])
        return copies

    def _expand(self, collection: str, records: list[Record], tree: _Tree) -> list[Record]:
        copies = [dict(record) for record in records]
        for name, deeper in tree.items():
            parent = self._parent(name)
            fields = self._pointing(collection, parent, records, name)
            addresses = {_pointed_at(record, fields) for record in copies}
            found = self._find(f"expand={name}", parent, ["id"], addresses)
            parents = {
                _address(each["id"]): each
                for each in (self._expand(parent, found, deeper) if deeper else found)
            }
            for record in copies:
                record[name] = parents.get(_pointed_at(record, fields))
        return copies

    def _find(
        self, what: str, collection: str, fields: list[str], addresses: set[Address | None]
    ) -> list[Record]:
        """The records that have one of the addresses in one of the fields."""
        # Texts find numbers, too, and are of one kind, which lets ids be looked up by row.
        values = sorted(str(address) for address in addresses if address is not None)
        ways = [{field: values} for field in fields]
        criteria = ways[0] if len(ways) == 1 else {"$or": ways}
        found = self._open(collection).search(criteria, limit=MAX_RELATED + 1) if values else []
        if len(found) > MAX_RELATED:
            raise InvalidQuery(f"{what}: more than {MAX_RELATED} records; ask for fewer at once (limit=)")
        return found

    def _links(self, children: str, parent: str) -> list[str]:
        """The fields by which `children` point at `parent`. Raises InvalidQuery where there are none."""
        self._reads.collection(children)
        entry = self._catalogue.get(children)
        if entry is None:
            raise InvalidQuery(f"embed: there is no collection '{children[:64]}'{self._alike(children)}")
        found = links_among(parent, entry.fields)
        if not found and has_all(entry.fields) and entry.fields.keys() != {"id"}:
            raise InvalidQuery(f"embed={children}: {children} has no field {_spellings(parent)}")
        return found or [foreign_key(parent)]

    def _parent(self, name: str) -> str:
        """The collection that `<name>_id` points at."""
        self._reads.names()
        names = self._catalogue.names()
        fitting = next((each for each in names if f"{plain(name)}id" in pointers(each)), None)
        if fitting is not None:
            return fitting
        for each in names:
            if plain(name) in (plain(each), *pointers(each)):
                raise InvalidQuery(
                    f"expand={name[:64]}: write expand={foreign_key(each).removesuffix('_id')}"
                )
        raise InvalidQuery(f"expand: there is no collection that '{name[:64]}_id' points at")

    def _pointing(self, collection: str, parent: str, records: list[Record], name: str) -> list[str]:
        """The fields by which records point at a parent. Raises InvalidQuery where no record can."""
        self._reads.collection(collection)
        entry = self._catalogue.get(collection)
        known = entry.fields if entry else {}
        found = links_among(parent, dict.fromkeys([*known, *(field for each in records for field in each)]))
        if not found and records and has_all(known):
            raise InvalidQuery(f"expand={name[:64]}: {collection} has no field {_spellings(parent)}")
        return found

    def _alike(self, name: str) -> str:
        """What a name may have been meant for, to end an error with."""
        names = self._catalogue.names()
        word = plain(singular(name.lower()))
        found = next((each for each in names if plain(singular(each.lower())) == word), None)
        return "" if found is None else f"; write {found}"


def _spellings(parent: str) -> str:
    """The ways in which a field that points at a collection's records may be spelt."""
    snake, camel = foreign_key(parent), styled_foreign_key(parent, ["aB"])
    return f"{snake}, {camel} or {camel[:-1]}D"


def _pointed_at(record: Record, fields: list[str]) -> Address | None:
    return next((_address(record[field]) for field in fields if record.get(field) is not None), None)


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
