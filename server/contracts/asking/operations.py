"""What a request asks of its operation's plan: which of it each role reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.contracts.asking.addressing import about, requested_address
from server.contracts.asking.bodies import record_of
from server.contracts.asking.pagination import page_of
from server.contracts.asking.reader import Reader
from server.contracts.asking.request import Asked, Request
from server.contracts.asking.writes import change, create, create_many, relate

if TYPE_CHECKING:
    from server.contracts.compiling import Compiled
    from server.contracts.views import Views


def read(views: Views, compiled: Compiled, request: Request) -> Asked:
    """Raises BadRequest and Unprocessable."""
    role = compiled.role
    if not role.plain or role.resource is None:
        return Asked({})
    reader = Reader(views, compiled, request, role.resource)
    match role.name:
        case "list":
            return Asked(page_of(reader))
        case "create":
            return Asked(create(reader, record_of(reader, request.body)) | reader.beside())
        case "create-many":
            return Asked(create_many(reader))
        case "linkage" | "related":
            return Asked(about(reader) | {"relation": role.relation}, requested_address(reader))
        case "relate":
            return Asked(relate(reader), requested_address(reader))
        case "get" | "delete" | "get-one" | "delete-one":
            return Asked(about(reader), requested_address(reader))
        case _:
            return Asked(change(reader), requested_address(reader))
