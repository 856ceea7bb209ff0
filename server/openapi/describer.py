"""Finds out what a session's document is made from."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Protocol

import orjson
from attrs import field, frozen

from server.openapi.document import describe
from server.openapi.kept import KeptDocuments
from server.planning.kinds.schemas import MAX_DESCRIBED, Schemas, decode_schemas, read_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.openapi.document import Terms
    from server.openapi.schemas import Types
    from server.planning.planned import Planner, RoutesInForce
    from server.values.model import Session
    from wasm_runtime.pool import Executor


class Describes(Protocol):
    async def document(self, session: Session, types: Types = "enforced", dialect: str = "") -> bytes:
        """The session's OpenAPI document, as JSON; `dialect`: which one it speaks. Raises ServiceError."""
        ...


@frozen
class Describer:
    planner: Planner
    executor: Executor
    terms: Terms
    #: Whether there is anything in a session; where there is nothing, nobody is asked.
    exists: Callable[[Session], Awaitable[bool]]
    documents: KeptDocuments = field(factory=KeptDocuments)

    async def document(self, session: Session, types: Types = "enforced", dialect: str = "") -> bytes:
        """Raises the ServiceError that ends a request, too, where the session cannot be read."""
        routes = await self.planner.routes_in_force(session)
        known = b""
        if await self.exists(session):
            known = await read_all(self.executor, session, everywhere=types == "learned")
        source = (routes, hashlib.sha256(known).digest())
        make = partial(self._made, session, routes, known, types, dialect)
        return await self.documents.of(f"{session.directory} {types} {dialect}", source, make)

    def _made(
        self, session: Session, routes: RoutesInForce, known: bytes, types: Types, dialect: str
    ) -> bytes:
        schemas = decode_schemas(known, most=MAX_DESCRIBED) if known else Schemas()
        return orjson.dumps(describe(session, routes, schemas, self.terms, types, dialect=dialect))
