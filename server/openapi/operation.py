"""One operation of the document before it is written: plain values that can be put together and merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import evolve, field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.planning.kinds.route import Slot

Json: TypeAlias = "dict[str, Any]"


def schema_ref(name: str) -> Json:
    """A Reference Object to one of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


@frozen
class Operation:
    """A method at a path. `words` make its name: ``("list", "members")`` is `listMembers`.

    `slots` are the schemas of the path's slots from the left, `query` are Parameter Objects by query key,
    `content` is what a body may be, by media type, and `responses` are Response Objects by status. In place
    of Parameter and Response Objects there may be references.
    """

    method: str
    parts: tuple[str | Slot, ...]
    words: tuple[str, ...]
    summary: str
    tag: str
    slots: tuple[Json, ...] = ()
    query: Mapping[str, Json] = field(factory=dict)
    content: Mapping[str, Json] = field(factory=dict)
    #: Names of request headers that count, components of these names.
    headers: tuple[str, ...] = ()
    #: Whether there is a body in all of its requests.
    has_body: bool = True
    responses: Mapping[str, Json] = field(factory=dict)
    #: What can be done with what was made: another operation's words, and its slots' values as OpenAPI's
    #: runtime expressions. They belong to the response 201.
    links: Mapping[str, tuple[tuple[str, ...], Mapping[str, str]]] = field(factory=dict)
    description: str = ""
    #: Who would answer it, where that is not sure, as the header X-Plan-Source names them.
    source: str = ""

    @property
    def key(self) -> tuple[tuple[str, ...], str]:
        """What there is one operation of: OpenAPI tells no paths apart that differ in their slots' names."""
        return tuple(part if isinstance(part, str) else "{}" for part in self.parts), self.method

    def merged(self, other: Operation) -> Operation:
        """An operation that is as true of requests that `other` describes; words and texts stay."""
        return evolve(
            self,
            slots=tuple(_either(*pair) for pair in zip(self.slots, other.slots, strict=True)),
            query=_union(self.query, other.query),
            headers=tuple(dict.fromkeys((*self.headers, *other.headers))),
            content=_union(self.content, other.content),
            has_body=self.has_body and other.has_body,
            responses=_all_responses(self.responses, other.responses),
            description="\n\n".join(dict.fromkeys(filter(None, (self.description, other.description)))),
        )


def _union(one: Mapping[str, Json], other: Mapping[str, Json]) -> dict[str, Json]:
    return {name: one[name] if name in one else other[name] for name in {**one, **other}}


def _either(one: Json, other: Json) -> Json:
    return one if one == other else {"anyOf": [one, other]}


def _all_responses(one: Mapping[str, Json], other: Mapping[str, Json]) -> dict[str, Json]:
    """Where two say something else of one status, only that it is JSON is sure."""
    both = _union(one, other)
    for status in one.keys() & other.keys():
        if one[status] != other[status]:
            both[status] = {"description": "One of several plans' replies.", "content": _ANY}
    return both


_ANY: Json = {"application/json": {}, "application/problem+json": {}}
