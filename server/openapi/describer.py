"""Finds out what a session's document is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import orjson
from attrs import frozen

from server.openapi.document import describe
from server.planning.schemas import Schemas, read_all_schemas

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.model import Session
    from server.openapi.document import Terms
    from server.planning.planned import Planner
    from wasm_runtime.pool import Executor


class Describes(Protocol):
    async def document(self, session: Session) -> bytes:
        """The session's OpenAPI document, as JSON. Raises ServiceError."""
        ...


@frozen
class Describer:
    planner: Planner
    executor: Executor
    terms: Terms
    #: Whether there is anything in a session; where there is nothing, nobody is asked.
    exists: Callable[[Session], Awaitable[bool]]

    async def document(self, session: Session) -> bytes:
        """Raises the ServiceError that ends a request, too, where the session cannot be read."""
        routes = await self.planner.routes_in_force(session)
        there = await self.exists(session)
        schemas = await read_all_schemas(self.executor, session) if there else Schemas()
        return orjson.dumps(describe(session, routes, schemas, self.terms))
