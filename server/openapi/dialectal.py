"""Operations of a session that speaks a dialect: those of its table, for every collection that there is.

What a reply holds is the tool's to say, so no schema of it is claimed. Statuses are read from the programs,
and the words of the query from the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.openapi import replies
from server.openapi.conventional import is_below
from server.openapi.learned import statuses_in
from server.openapi.operation import Operation
from server.planning.dialects.frame.registry import known
from server.planning.kinds.route import Slot
from server.values.replies import phrase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.openapi.operation import Json
    from server.planning.dialects.frame.table import Dialect, Place
    from server.planning.kinds.schemas import Schemas

_BODILESS = frozenset({"204", "205", "304"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_SLOT: Json = {"type": "string", "minLength": 1}


def operations(dialect: str, schemas: Schemas) -> Iterator[Operation]:
    """`dialect` is one's name."""
    table = known()[dialect]
    for place in table.places:
        for resource, parent in _filled(place, schemas):
            for method, kind in place.kinds.items():
                if table.is_served(kind):
                    yield _operation(table, place, (method, kind), resource, parent)


def description(dialect: str) -> str:
    table = known()[dialect]
    return f"It speaks the dialect `{dialect}` ({table.tool}): docs/dialects.md has the rules."


def _filled(place: Place, schemas: Schemas) -> Iterator[tuple[str, str]]:
    """The collections that a place is for, each with one above it where the path has that."""
    if "{resource}" not in place.path:
        yield "", ""
        return
    for name, schema in schemas.collections:
        if "{parent}" not in place.path:
            yield name, ""
            continue
        yield from ((name, parent) for parent, _ in schemas.collections if is_below(schema, parent))


def _operation(table: Dialect, place: Place, asked: tuple[str, str], resource: str, parent: str) -> Operation:
    method, kind = asked
    parts = tuple(_part(part, resource, parent) for part in place.path.strip("/").split("/"))
    slots = sum(isinstance(part, Slot) for part in parts)
    words = tuple(filter(None, (*kind.split("-"), parent, resource)))
    return Operation(
        method=method.lower(),
        parts=parts,
        words=words,
        summary=" ".join(filter(None, (kind.replace("-", " "), resource, parent and f"of {parent}"))),
        tag=resource or table.name,
        slots=(_SLOT,) * slots,
        query={key: {"description": text} for key, text in table.query.get(kind, {}).items()},
        content={table.media_type: {"schema": {}}} if method in _WITH_BODY else {},
        has_body=False,
        responses=_responses(table, method, table.code[kind]),
        description=table.filters if kind.startswith("list") else "",
    )


def _part(part: str, resource: str, parent: str) -> str | Slot:
    name = part[1:-1] if part.startswith("{") else ""
    if name in ("resource", "parent"):
        return resource if name == "resource" else parent
    return Slot(name, "text") if name else part


def _responses(table: Dialect, method: str, code: str) -> dict[str, Json]:
    content: Json = {table.media_type: {}}
    found: dict[str, Json] = {}
    for status in statuses_in(code):
        bodiless = status in _BODILESS
        found[status] = {"description": phrase(int(status)), **({} if bodiless else {"content": content})}
    if method == "GET":
        found["304"] = replies.refer_to("NotModified")
    return {**found, "default": {"description": "Any other reply, and every error.", "content": content}}
