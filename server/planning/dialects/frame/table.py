"""The shape that every dialect has.

1. A path that a dialect knows is a `Place`: words and slots, and for each method the kind of plan.
2. The dialect reads a request's query and headers into `Asked`: values for the plan, which finds them as
   `ctx["asked"]`. Reading is linear in the request's length and bounded in depth.
3. A kind's program is constant: no value of a request is in it. It is checked by the policy, and runs in the
   guest like any other.
4. An error, also one of the service itself, is put into the dialect's words by `error`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import field, frozen

if TYPE_CHECKING:
    from server.planning.dialects.frame.live import Live
    from server.planning.kinds.route import Params
    from server.values.model import RequestContext

JSON = "application/json"


@frozen
class Place:
    """A path such as `/{resource}/{id}`, and the kinds of plan there, by method.

    `{resource}` is the collection that the plan's `store` is, `{parent}` another one that `plan` names in its
    `response_hints`. Any other name in braces is a slot, whose value the plan has in `params`. A word stands
    for itself. Places are tried in their order.
    """

    path: str
    kinds: Mapping[str, str]


@frozen
class Found:
    """What a request's path and method lead to."""

    kind: str
    resource: str
    parent: str | None
    route: str


@frozen
class Asked:
    """What a request asks for, in words that the plan's program reads; `kind`, where that is finer now.

    `params` stand beside the route's slots: a program that looks at these alone has no `ctx` made for it.
    """

    values: dict[str, Any]
    kind: str = ""
    params: Params | None = None


@frozen
class Marks:
    """By what `auto` recognises a request of the dialect. Any one of them is enough."""

    #: Where two dialects are marked, the lower one is taken.
    rank: int = 0
    #: Beginnings of paths.
    paths: tuple[str, ...] = ()
    #: Keys of the query.
    words: frozenset[str] = frozenset()
    #: Endings of such keys.
    endings: tuple[str, ...] = ()
    #: What the value of a key begins with: `{"range": "["}`.
    values: Mapping[str, str] = field(factory=dict)
    #: Beginnings of such keys.
    beginnings: tuple[str, ...] = ()
    #: Media types that `Accept` or `Content-Type` names.
    types: tuple[str, ...] = ()
    #: What is too little for `auto`, and enough to name the dialect where a native query is refused:
    #: patterns of keys, each with one that the value begins with.
    hints: Mapping[str, str] = field(factory=dict)

    def on(self, ctx: RequestContext) -> bool:
        return (
            any(ctx.path.startswith(each) for each in self.paths)
            or not self.words.isdisjoint(ctx.query)
            or (bool(self.endings) and any(key.endswith(self.endings) for key in ctx.query))
            or (bool(self.beginnings) and any(key.startswith(self.beginnings) for key in ctx.query))
            or any(_begins(ctx.query.get(key), text) for key, text in self.values.items())
            or any(each in ctx.headers.get(name, "") for each in self.types for name in _TYPED)
        )

    def hinted(self, ctx: RequestContext) -> bool:
        return any(
            re.fullmatch(name, key) and re.match(text, value)
            for name, text in self.hints.items()
            for key, values in ctx.query.items()
            for value in (values if isinstance(values, list) else [values])
        )


_TYPED = ("accept", "content-type")


def _begins(value: str | list[str] | None, text: str) -> bool:
    return isinstance(value, str) and value.startswith(text)


@frozen
class Problem:
    """An error that is still to be put into a dialect's words: `document` is the service's own (RFC 9457)."""

    status: int
    document: Mapping[str, Any]

    @property
    def detail(self) -> str:
        return str(self.document.get("detail", ""))


@frozen
class ErrorForm:
    """How a dialect answers an error."""

    status: int
    body: Any
    media_type: str = JSON


#: In a sample's body: a record's members.
RECORD = "{record}"


@frozen
class Sample:
    """A request of the dialect's, for tests of what was made of it: `{resource}` is a collection's name."""

    method: str
    path: str
    body: Any = None


#: Of a dialect whose records are JSON objects at `/{resource}/{id}`.
PLAIN_SAMPLES = (
    Sample("POST", "/{resource}", RECORD),
    Sample("GET", "/{resource}"),
    Sample("GET", "/{resource}/1"),
    Sample("PUT", "/{resource}/1", RECORD),
    Sample("PATCH", "/{resource}/1", RECORD),
    Sample("DELETE", "/{resource}/1"),
    Sample("GET", "/{resource}/1"),
    Sample("PATCH", "/{resource}"),
)


def _is_slot(part: str) -> bool:
    return part.startswith("{") and part not in ("{resource}", "{parent}")


Read: TypeAlias = Callable[["RequestContext", Found], Asked]
ErrorIn: TypeAlias = Callable[[Problem], ErrorForm]
#: From a table's columns and its rows, with a value for each of these, to text in UTF-8.
Csv: TypeAlias = Callable[[Sequence[str], Iterable[Sequence[Any]]], bytes]


@frozen
class Dialect:
    """A dialect's table.

    `tool` names what speaks it, with its version. `code` has the program of each kind. `read` says what a
    request asks for; it raises InvalidQuery and its kin. `data` is the same for all of its plans, which find
    it in `response_hints`. `headers` are request headers that `read` finds in `ctx.dialect_headers`, in lower
    case. `clearing`: kinds that are about all records of a collection at once, which conventions'
    `delete_collections` has to permit, and what is said where it does not. `prefixed`: whether
    `/api` and `/v1` may stand before its paths. `media_type`: of its replies; `reply_headers`: what all of
    them have. `query` has the words of the query by kind, each with what it says, and `filters` says how
    filters are spelt: for descriptions. `absent` is a kind that only says that something is not done.
    `samples` are in an order in which each finds what the one before it has left. `live`: how its clients
    have changes told. `csv` writes a list where a client accepts `text/csv` before JSON; None: nobody may ask
    for it. `texts` are media types of bodies that a POST may have beside the service's own: `read` finds such
    a body as one text in `ctx.body_json`, and its type in `ctx.dialect_headers`, if `headers` has that.
    `params` has what is the same for all requests of a place: texts that stand in the program's `params`,
    beside the slots.
    """

    name: str
    tool: str
    places: tuple[Place, ...]
    code: Mapping[str, str]
    read: Read
    error: ErrorIn
    marks: Marks = Marks()
    data: Mapping[str, Any] = field(factory=dict)
    headers: frozenset[str] = frozenset()
    clearing: Mapping[str, str] = field(factory=dict)
    prefixed: bool = True
    media_type: str = JSON
    reply_headers: tuple[tuple[str, str], ...] = ()
    query: Mapping[str, Mapping[str, str]] = field(factory=dict)
    filters: str = ""
    absent: str = ""
    samples: tuple[Sample, ...] = PLAIN_SAMPLES
    live: Live | None = None
    csv: Csv | None = None
    texts: frozenset[str] = frozenset()
    params: Callable[[Found], Mapping[str, str]] | None = None
    #: The places by the number of their parts, each with these.
    by_length: Mapping[int, tuple[tuple[Place, tuple[str, ...]], ...]] = field(init=False)

    @by_length.default
    def _by_length(self) -> Mapping[int, tuple[tuple[Place, tuple[str, ...]], ...]]:
        found: dict[int, tuple[tuple[Place, tuple[str, ...]], ...]] = {}
        for place in self.places:
            parts = tuple(place.path.strip("/").split("/"))
            found[len(parts)] = (*found.get(len(parts), ()), (place, parts))
        return found

    #: By that number: which of the parts are slots in every place, so that only the kinds of these count.
    slots: Mapping[int, tuple[int, ...]] = field(init=False)

    @slots.default
    def _slots(self) -> Mapping[int, tuple[int, ...]]:
        return {
            length: tuple(
                number for number in range(length) if all(_is_slot(parts[number]) for _, parts in places)
            )
            for length, places in self.by_length.items()
        }

    def is_served(self, kind: str) -> bool:
        return kind != self.absent and (self.live is None or kind != self.live.kind)
