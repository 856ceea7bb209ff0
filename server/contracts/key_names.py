"""Names that keys go by, in records, bodies and queries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from server.contracts.shapes import plain

if TYPE_CHECKING:
    from server.contracts.document import Operation
    from server.contracts.model import Key
    from server.contracts.views import View


ID_LIKE: Final = ("id", "sid", "uuid", "uid", "guid", "_id", "key", "identifier", "resourceid", "objectid")
NAME_LIKE: Final = ("name", "slug", "key", "login", "username", "path", "code")
#: Counted within a parent.
COUNTED: Final = frozenset({"number", "index", "iid", "seq", "sequence", "position", "no", "line", "rank"})
_COUNTED_END: Final = re.compile(r"(?:line|item|row|seq|sequence|issue|entry|step)(?:no|nr|num|number|index)")
#: Names of a person or thing that stand for each other.
CALLED: Final = ("username", "login", "name", "slug", "handle", "code", "key")
ID_END: Final = re.compile(r"(?:id|key|number|no|index|uuid|guid)$")


def is_counted(name: str) -> bool:
    own = plain(name)
    return own in COUNTED or _COUNTED_END.fullmatch(own) is not None


def key_query(operation: Operation, key: Key) -> str:
    """The word of a query with a new record's key: `POST /instances?instanceId=a`; "" for none."""
    wanted = {plain(key.slot)} - {"id", "key", "name", ""}
    return next(
        (each.name for each in operation.parameters if each.place == "query" and plain(each.name) in wanted),
        "",
    )


def said_as(key: Key, item: View, body: View) -> str | None:
    """A body's name for the key, its own or one that stands for it; None where it does not say it."""
    if len(key.path) != 1:
        return None
    names = {plain(name): name for name in body.properties}
    own = plain(key.path[0])
    if own in names:
        return names[own]
    known = {plain(name) for name in item.properties}
    if own in CALLED:
        return next(
            (names[each] for each in (plain(key.slot), *CALLED) if each in names and each not in known), None
        )
    return None
