"""The shape that every profile has.

1. `marks` are what a document in this style has: media types, members of its lists or of its records.
2. `words` are names in a query that ask for more than a property: a filter in a language of its own, records
   to come with others. `read` makes of them what the programs find in ``asked["beside"]``; it is linear in
   the request's length and bounded in depth.
3. `pieces` are put into the programs (`server.contracts.programs`) where they have a place of that name. They
   are constant: no value of a request or of a document is in them.
4. `said` has the members of an error; where the document gives errors no schema, `error` is all of it.

What the document says itself comes first, always.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from attrs import field, frozen

if TYPE_CHECKING:
    from server.contracts.model import Resource
    from server.contracts.views import View, Views


@frozen
class Marks:
    """Any one of them is enough, if half of what could have it has it. Names are `plain`."""

    #: Beginnings of media types of replies and bodies.
    types: tuple[str, ...] = ()
    #: Members that a list has beside its items, all of one set.
    lists: tuple[frozenset[str], ...] = ()
    #: Members that a record has, all of one set.
    items: tuple[frozenset[str], ...] = ()
    #: Words that the query of a list takes, as they are spelt, all of one set.
    words: tuple[frozenset[str], ...] = ()


@frozen
class Failure:
    """An error that is to be put into words: `problem` is the service's own document of it (RFC 9457)."""

    status: int
    problem: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The last step of its type, such as ``unprocessable``; "" for those without one."""
        return str(self.problem.get("type", "")).rpartition("/")[2]

    @property
    def detail(self) -> str:
        return str(self.problem.get("detail", ""))

    @property
    def faults(self) -> list[Mapping[str, Any]]:
        """What is wrong with the request, place by place (`server.contracts.edge.Fault`)."""
        return [each for each in self.problem.get("errors", []) if isinstance(each, dict)]


class Reading(Protocol):
    """A request, as far as a profile reads it."""

    @property
    def views(self) -> Views: ...

    @property
    def resource(self) -> Resource: ...

    @property
    def linked(self) -> Linked: ...

    def text(self, ask: str) -> str:
        """The value of the word that asks for this; "" where there is none."""
        ...

    def takes(self, ask: str) -> bool:
        """Whether the operation has a word that asks for this."""
        ...

    def requires(self, name: str) -> bool:
        """Whether the document requires a member of this name around what is answered."""
        ...

    def texts(self, ask: str) -> list[str]:
        """All of its values."""
        ...

    def named(self, ask: str) -> dict[str, str]:
        """Of `name[x]=value`, the values by x."""
        ...

    def found(self, name: str) -> tuple[tuple[str, ...], View] | None:
        """The property that a name in a query is, as it is stored, with its schema; None: no property."""
        ...


@frozen
class Link:
    """A property that leads to records of a collection; `back` is the one by which those lead here.

    `nullable`: it may say that it leads to nothing.
    """

    collection: str
    many: bool = False
    back: str = ""
    nullable: bool = True


@frozen
class Linked:
    """What leads where: by collection, and there by property. `types`: what records are called."""

    links: Mapping[str, Mapping[str, Link]] = field(factory=dict)
    types: Mapping[str, str] = field(factory=dict)

    def of(self, collection: str) -> Mapping[str, Link]:
        return self.links.get(collection, {})


NO_LINKS: Final = Linked()

Criteria: TypeAlias = dict[str, Any]
#: What a request asks of a program's pieces.
Read: TypeAlias = Callable[[Reading], dict[str, Any]]
Filter: TypeAlias = Callable[[str, Reading], Criteria]
#: From a body of PATCH to what the piece `patched` does.
Patch: TypeAlias = Callable[[Any, Reading], list[Any]]
Said: TypeAlias = Callable[[Failure], Mapping[str, Any]]
Links: TypeAlias = Callable[["Views", "tuple[Resource, ...]"], Linked]


def _nothing(_reading: Reading) -> dict[str, Any]:
    return {}


def _no_links(_views: Views, _resources: tuple[Resource, ...]) -> Linked:
    return NO_LINKS


def _unsaid(_failure: Failure) -> Mapping[str, Any]:
    return {}


@frozen
class Profile:
    """`name` is what `contract.toml` calls it, `tool` what speaks it, with the version it was tried with."""

    name: str
    tool: str
    marks: Marks
    words: Mapping[str, str] = field(factory=dict)
    read: Read = _nothing
    #: Of the word that asks for "filter".
    filter: Filter | None = None
    patch: Patch | None = None
    links: Links = _no_links
    #: The word below a record that its relationships have their paths at; "": there are no such paths.
    relationships: str = ""
    #: The last word of a path that takes many requests in one; "": none does.
    bulk: str = ""
    pieces: Mapping[str, str] = field(factory=dict)
    #: Members of an error by their plain names, before the service's own guesses.
    said: Said = _unsaid
    #: A whole error, and its media type.
    error: Callable[[Failure], tuple[Any, str]] | None = None
    #: What a new record has, by the plain names that lead there: a kind of `programs`, and its argument.
    fresh: Mapping[tuple[str, ...], tuple[str, Any]] = field(factory=dict)
    #: Properties that no two records of a collection share, by their plain names.
    unique: frozenset[str] = frozenset()
    #: The status of a success that the document does not declare, by role.
    statuses: Mapping[str, int] = field(factory=dict)
    #: The status of an error in place of the service's own, where the document declares neither.
    failures: Mapping[int, int] = field(factory=dict)
    #: Media types that are taken for a declared one, as the style has it.
    alike: Mapping[str, str] = field(factory=dict)
    #: Where a record has its version, which is its weak entity tag.
    version: tuple[str, ...] = ()
    #: What members around a list are, where it differs (`server.contracts.envelopes`), by their plain names.
    facts: Mapping[str, str] = field(factory=dict)
    #: What a reply that is no record says of a success, by the plain names of its members.
    receipt: Mapping[str, Any] = field(factory=dict)
    #: Whether a list's own address is its path alone.
    bare_addresses: bool = False
    #: Whether an empty text in a form takes a property away.
    blanks: bool = False
    #: Whether null in a patch takes a property away, whatever the media type.
    null_removes: bool = False
    #: Whether a deleted record is still told of, where the document has a form for that.
    tombs: bool = False


#: Of documents that are in no style of ours.
NONE = Profile(name="none", tool="", marks=Marks())
