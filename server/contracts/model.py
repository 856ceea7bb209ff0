"""What a document's operations are about: resources, how each is told apart, and each operation's role.

1. A resource is a collection of records, made for each *item path* (one that ends in a slot) and shared by
   item paths with the same last word and the same schema: made at one path, read at another.
2. Its *key* is the item path's last slot and the property that it stands for. The slots before it are its
   *scope*: properties of the record, or kept beside it. A record made at a path without a slot has no such
   value, and is found at paths that have it.
3. A record's address is its key where the service makes keys that are unique, or where nothing is before it
   in the path. A key that clients choose, or that counts within its parent, is unique within its scope alone.
4. A parent has to be there only if the document has a way of making one.

All of it is data: `describe` prints it, and plans are compiled from it (`server.contracts.compiling`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from attrs import define, field, frozen

from server.contracts.overrides import CollectionOverride
from server.contracts.paths import Path, text_of
from server.contracts.profiles.frame.registry import NOT_CHOSEN, Chosen
from server.contracts.profiles.frame.table import NO_LINKS, Linked
from server.contracts.shapes import NONE, Shape, plain
from server.contracts.views import ANY, View, Views

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.contracts.document import Document, Operation
    from server.contracts.profiles.frame.table import Profile
    from server.contracts.versions import Version

RoleName: TypeAlias = Literal[
    "get", "list", "create", "create-many", "replace", "merge", "json-patch", "patch", "delete",
    "linkage", "related", "relate",
    "get-one", "replace-one", "merge-one", "json-patch-one", "delete-one",
    "example",
]  # fmt: skip
Given: TypeAlias = Literal["client", "service", "either"]


@frozen(eq=False)
class Key:
    """`path` leads to it in a record; () where no property is it. `given`: who chooses it.

    `counted`: it is counted within the scope.
    """

    slot: str
    path: tuple[str, ...]
    kind: Literal["integer", "string"]
    given: Given = "service"
    counted: bool = False
    view: View = ANY


@frozen
class Scope:
    """A slot before the key. `path` leads to it in a record; () where it is kept beside it, by its name."""

    name: str
    slot: str
    path: tuple[str, ...]

    @property
    def field(self) -> tuple[str, ...]:
        return self.path or ("@", "at", self.name)


@define(eq=False)
class Resource:
    """`name` is the collection's. `scoped`: the scopes that a record's address has before its key.

    `fields`: the names of all properties that any schema of it has; `open`: others are kept, too.
    """

    name: str
    item: View
    paths: list[Path]
    key: Key
    scoped: tuple[str, ...] = ()
    creatable: bool = False
    fields: dict[str, Any] = field(factory=dict)
    open: bool = False
    #: Properties that only replies have, as the service fills them in.
    sent: dict[str, Any] = field(factory=dict)
    roles: list[Role] = field(factory=list)
    single: bool = False
    #: What a person says of it.
    told: CollectionOverride = field(factory=CollectionOverride)
    #: How its records' versions are told; None: they have none.
    version: Version | None = None

    @property
    def flat(self) -> bool:
        """Whether a record's key is its address, by its own name."""
        return self.key.path == ("id",) and not self.scoped


@frozen(eq=False)
class Role:
    """What an operation does. `plain`: by rule; else `why` says why it is not.

    `key_slot` is the slot with the key, "" for none. `parents`: the resources that have to be there, each
    with the slot of its key.
    """

    operation: Operation
    path: Path
    name: RoleName
    plain: bool
    why: str = ""
    resource: Resource | None = None
    reply: Shape = NONE
    body: Shape = NONE
    status: int = 200
    key_slot: str = ""
    #: The word of the query or body with the key, where the path has none (`server.contracts.calls`).
    key_word: str = ""
    #: The relationship that it is about, in the words of the document's profile.
    relation: str = ""
    scopes: tuple[Scope, ...] = ()
    parents: tuple[tuple[Resource, str], ...] = ()
    #: What it is in people's words, where its name is only how it is done.
    said: str = ""

    @property
    def title(self) -> str:
        return self.said or self.name


def takes_many(profile: Profile, operation: Operation) -> bool:
    last = operation.template.rstrip("/").rpartition("/")[2]
    return bool(profile.bulk) and operation.method == "POST" and plain(last) == profile.bulk


@frozen(eq=False)
class Model:
    document: Document
    views: Views
    resources: tuple[Resource, ...]
    roles: Mapping[str, Role]
    chosen: Chosen = NOT_CHOSEN
    linked: Linked = NO_LINKS

    @property
    def profile(self) -> Profile:
        return self.chosen.profile

    def is_bulk(self, operation: Operation) -> bool:
        """Whether it takes many requests in one, each of which is another operation's."""
        return takes_many(self.profile, operation)

    def describe(self, resource: Resource) -> list[str]:
        """How the resource is told apart, in lines."""
        key = resource.key
        place = ".".join(key.path) or f"{key.slot} (kept beside the record)"
        lines = [f"{resource.name}: key {place}, {key.kind}, chosen by {_GIVEN[key.given]}"]
        if resource.scoped:
            lines.append(f"  unique within {', '.join(resource.scoped)}")
        lines += [f"  {text_of(path)}" for path in resource.paths]
        return lines


_GIVEN: Final = {"client": "the client", "service": "the service", "either": "the client or the service"}
