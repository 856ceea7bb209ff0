"""What a person says where rules guess otherwise: `contract.toml` beside a document, `x-metaservice` in it.

profile = "scim"                            # the style that the document is in; "none": none of ours

[operations."POST /orders/{id}/cancel"]     # or its operationId
role = "planned"                            # not by rule; or one of ROLES
collection = "orders"                       # whose records it is about

[collections.orders]
key = "metadata.name"                       # the property with the key
pattern = "^or_[0-9a-f]{8}$"                # how the service makes keys
initial = {status = "placed"}               # what a new record has, unless the client says otherwise
parents = ["customer_id"]                   # the slots whose record has to be there; [] for none
scopes = {customer_id = "customer.id"}      # where the value of a slot is kept; "" is beside the record
unique = ["number", ["shop", "name"]]       # what no two records have, alone or together; [] for nothing
derived.total = {way = "total", of = ["lines", "price", "count"]}   # what follows from other properties

A file's tables become the document's, so they go wherever that goes.
"""

from __future__ import annotations

import hashlib
import tomllib
from typing import TYPE_CHECKING, Any, Final

import orjson
from attrs import evolve, field, frozen

from server.contracts.document import ContractError
from server.contracts.profiles.frame.registry import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from server.contracts.document import Document, Operation

MEMBER: Final = "x-metaservice"
ROLES: Final = ("planned", "get", "list", "create", "replace", "merge", "json-patch", "delete")
_OPERATION: Final = frozenset({"role", "collection"})
_COLLECTION: Final = frozenset({"key", "pattern", "initial", "parents", "scopes", "unique", "derived"})
_DERIVED: Final = frozenset({"way", "of", "between"})


@frozen
class Override:
    role: str = ""
    collection: str = ""


@frozen
class CollectionOverride:
    """None, () and "" say nothing; `key` and each of `scopes` are paths into a record."""

    key: tuple[str, ...] = ()
    pattern: str = ""
    initial: Mapping[str, Any] = field(factory=dict)
    parents: frozenset[str] | None = None
    scopes: Mapping[str, tuple[str, ...]] = field(factory=dict)
    unique: tuple[tuple[str, ...], ...] | None = None
    #: By property: the way, what it is of, and what stands between (`server.contracts.record_rules`).
    derived: Mapping[str, tuple[str, tuple[str, ...], str]] = field(factory=dict)


@frozen
class Overrides:
    operations: Mapping[str, Override] = field(factory=dict)
    collections: Mapping[str, CollectionOverride] = field(factory=dict)
    #: The style that the document is in; "": as it looks.
    profile: str = ""
    #: What errors name.
    source: str = MEMBER

    def of(self, operation: Operation) -> Override | None:
        return self.operations.get(f"{operation.method} {operation.template}") or self.operations.get(
            operation.id
        )

    def require_operations(self, operations: Iterable[Operation]) -> None:
        """Raises ContractError for one that the document does not have."""
        known = {name for each in operations for name in (f"{each.method} {each.template}", each.id)}
        for name in self.operations.keys() - known:
            raise ContractError(f"{self.source}: operations.{name!r}: the document has no such operation")

    def require_collections(self, names: Iterable[str]) -> None:
        """Raises ContractError for one that the rules have not found."""
        known = sorted(names)
        for name in self.collections:
            if name not in known:
                shown = ", ".join(known[:20])
                raise ContractError(f"{self.source}: there is no collection {name!r}; there are {shown}")


def with_file(document: Document, path: Path) -> Document:
    """The document with the tables of `contract.toml` as its own. Raises ContractError."""
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return document
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ContractError(f"{path.name}: {error}") from None
    _read(tables, path.name)
    own = document.raw.get(MEMBER)
    raw = {**document.raw, MEMBER: {**(own if isinstance(own, dict) else {}), **_plain(tables, path.name)}}
    digest = hashlib.blake2b(orjson.dumps(raw, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
    return evolve(document, raw=raw, digest=digest)


def overrides_in(document: Document) -> Overrides:
    """Raises ContractError."""
    given = document.raw.get(MEMBER)
    if given is None:
        return Overrides()
    found = _read(given, MEMBER)
    found.require_operations(document.operations)
    return found


def _plain(tables: dict[str, Any], source: str) -> dict[str, Any]:
    """As JSON has them. Raises ContractError for what it has not."""
    try:
        plain: dict[str, Any] = orjson.loads(orjson.dumps(tables))
    except (orjson.JSONEncodeError, orjson.JSONDecodeError):
        raise ContractError(f"{source}: has a value that JSON does not have") from None
    return plain


def _read(raw: Any, source: str) -> Overrides:
    if not isinstance(raw, dict) or not raw.keys() <= {"operations", "collections", "profile"}:
        raise ContractError(f"{source}: takes the tables operations and collections, and profile")
    profile = raw.get("profile", "")
    if profile != "" and profile not in names():
        raise ContractError(f"{source}: profile: takes one of {', '.join(names())}")
    operations = {
        name: _operation(each, f"{source}: operations.{name!r}")
        for name, each in _table(raw, "operations", source).items()
    }
    collections = {
        name: _collection(each, f"{source}: collections.{name!r}")
        for name, each in _table(raw, "collections", source).items()
    }
    return Overrides(operations, collections, profile, source)


def _table(raw: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    value = raw.get(name, {})
    if not isinstance(value, dict):
        raise ContractError(f"{where}: {name} is a table")
    return value


def _known(raw: Any, words: frozenset[str], where: str) -> dict[str, Any]:
    unknown = sorted(set(raw) - words) if isinstance(raw, dict) else [""]
    if unknown:
        raise ContractError(f"{where}: takes {', '.join(sorted(words))}")
    found: dict[str, Any] = raw
    return found


def _text(raw: dict[str, Any], name: str, where: str) -> str:
    value = raw.get(name, "")
    if not isinstance(value, str):
        raise ContractError(f"{where}: {name} is a text")
    return value


def _operation(raw: Any, where: str) -> Override:
    told = _known(raw, _OPERATION, where)
    role = _text(told, "role", where)
    if role and role not in ROLES:
        raise ContractError(f"{where}: role takes {', '.join(ROLES)}")
    return Override(role, _text(told, "collection", where))


def _collection(raw: Any, where: str) -> CollectionOverride:
    told = _known(raw, _COLLECTION, where)
    parents = told.get("parents")
    if parents is not None and not (
        isinstance(parents, list) and all(isinstance(each, str) for each in parents)
    ):
        raise ContractError(f"{where}: parents is an array of slots' names")
    scopes = _table(told, "scopes", where)
    if not all(isinstance(each, str) for each in scopes.values()):
        raise ContractError(f"{where}: scopes has a property's path for each slot")
    return CollectionOverride(
        key=_steps(_text(told, "key", where)),
        pattern=_text(told, "pattern", where),
        initial=_table(told, "initial", where),
        parents=None if parents is None else frozenset(parents),
        scopes={name: _steps(each) for name, each in scopes.items()},
        unique=_unique(told, where),
        derived={
            name: _derived(each, f"{where}: derived.{name}")
            for name, each in _table(told, "derived", where).items()
        },
    )


def _unique(told: dict[str, Any], where: str) -> tuple[tuple[str, ...], ...] | None:
    rows = told.get("unique")
    if rows is None:
        return None
    rows = [[each] if isinstance(each, str) else each for each in rows] if isinstance(rows, list) else [None]
    if not all(isinstance(row, list) and all(isinstance(each, str) for each in row) for row in rows):
        raise ContractError(f"{where}: unique is an array of properties, or of arrays of them")
    return tuple(tuple(row) for row in rows)


def _derived(raw: Any, where: str) -> tuple[str, tuple[str, ...], str]:
    told = _known(raw, _DERIVED, where)
    of = told.get("of", [])
    if not isinstance(of, list) or not all(isinstance(each, str) for each in of):
        raise ContractError(f"{where}: of is an array of properties")
    return _text(told, "way", where), tuple(of), _text(told, "between", where)


def _steps(path: str) -> tuple[str, ...]:
    return tuple(each for each in path.split(".") if each)
