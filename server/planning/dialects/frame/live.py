"""How a dialect has changes told: its clients open a stream, and say by another request what of.

1. `GET` of the path opens the stream. Its first event gives the client an id.
2. `POST` to the path has the id, and topics in the place of those before.
3. What a record was made, changed or removed by is an event of each topic that it is of. Where a topic asks
   for more than the record (a filter, what is expanded) a plan of the dialect makes the event of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping  # noqa: TC003 - attrs looks at it
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from attrs import field, frozen

if TYPE_CHECKING:
    from server.planning.dialects.frame.table import ErrorForm
    from server.values.model import RequestContext

Action: TypeAlias = Literal["create", "update", "delete"]


@frozen
class Topic:
    """What somebody wants to be told of.

    `event`: the name of its events. `collection`: its name, or another word for it; "": none. `record`: the
    id of one of its records, as a path has it; None: all of them. `query`: what else is asked, in the
    dialect's words.
    """

    event: str
    collection: str = ""
    record: str | None = None
    query: Mapping[str, str] = field(factory=dict)


@frozen
class Subscribed:
    """What a client asks to be told of, in the place of what it has asked before."""

    client: str
    topics: tuple[Topic, ...]


@frozen
class Live:
    """The part of a dialect's table for changes.

    `first` has the name and the data of a stream's first event, from the client's id. `read` reads what a
    client subscribes to, or says how that is refused; it raises InvalidQuery. `stranger` answers an id that
    nobody has. `also` gives the other word for a collection, from its name. `told` has an event's data, from
    what was done, the collection's name and the record; `made` the same from a record that a plan has made.
    That plan is of this `kind`, which nobody else is served, for a `POST` of the record to `asks`; nothing
    of it stays.
    """

    path: str
    first: Callable[[str], tuple[str, Any]]
    read: Callable[[RequestContext], Subscribed | ErrorForm]
    stranger: ErrorForm
    also: Callable[[str], str]
    told: Callable[[Action, str, dict[str, Any]], Any]
    made: Callable[[Action, Any], Any]
    asks: str
    kind: str
