"""Eject: a session's API as an ordinary project, in an archive."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, frozen
from multidict import CIMultiDict

from server.contracts.record_rules.writing import with_answers
from server.contracts.served import ServedContracts
from server.eject.api import record_of, routes_of
from server.eject.contracted import routes_of_contract
from server.eject.handlers import NotWritable
from server.eject.project import Ejected, packed, write
from server.operations.exchanges import recorded, recorded_by_contract, recorded_in
from server.planning.dialects.frame.choice import DialectChoice
from server.planning.dialects.frame.registry import known
from server.planning.learned.vetting import Vetting
from server.planning.record_rules import recall_all
from server.sessions.tar_files import unpack
from server.values.errors import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.contracts.contract import Contract
    from server.operations.sessions import SessionOperations
    from server.planning.kinds.fingerprint import Versions
    from server.planning.kinds.route_table import LearnedRoute
    from server.planning.learned.library import PlanLibrary
    from server.planning.learned.routes import LearnedRoutes
    from server.values.model import Session
    from wasm_runtime.pool import Executor

_SEED = "seed"


@frozen
class Ejector:
    """`learned` is None in a service of conventions alone."""

    sessions: SessionOperations
    learned: LearnedRoutes | None
    executor: Executor
    #: Which dialect a session speaks.
    dialects: DialectChoice = field(factory=DialectChoice)
    contracts: ServedContracts = field(factory=ServedContracts)

    async def eject(self, name: str, archive: Path, *, with_data: bool, conventions: bool) -> None:
        """Write the project of a session's API to a tar file; `with_data` with its records in it.

        `conventions` are for the collections' paths that nothing was learned for.

        Raises NotFound; Conflict where there is no route, or a plan that cannot be written as a function.
        """
        session = await self.sessions.named(name)
        contract = await self.contracts.of(session)
        if contract is not None and self.learned is not None:
            await recall_all(self.learned, contract)
            contract = await asyncio.to_thread(with_answers, contract)
        shown = await self._shown(name, contract)
        collections = {each["name"]: each["fields"] for each in shown["collections"]}
        singles = frozenset(each["name"] for each in shown["collections"] if "single" in each)
        learned = await self._learned(session)
        dialect = self.dialects.named(CIMultiDict(), None, shown["settings"])
        routes, left_out = await asyncio.to_thread(
            routes_of, session, learned, collections, conventions=conventions, singles=singles
        )
        if contract is not None:
            routes = await asyncio.to_thread(
                routes_of_contract, contract, [each for each in routes if each.learned]
            )
        if not routes:
            raise Conflict(f"Session {session.id} has neither learned routes nor collections to eject.")
        has_words = conventions and contract is None and dialect in known()
        spoken = known()[dialect] if has_words else None
        if contract is not None:
            exchanges = await recorded_by_contract(contract, session.id, self.sessions, self.executor)
        elif spoken is not None:
            routes = [route for route in routes if route.learned]
            records = {name: record_of(fields) for name, fields in collections.items() if name not in singles}
            exchanges = await recorded_in(spoken, records, session.id, self.sessions, self.executor)
        else:
            exchanges = await recorded(routes, session.id, self.sessions, self.executor)
        ejected = Ejected(
            session.id,
            routes,
            collections,
            exchanges,
            left_out,
            with_data and bool(collections),
            spoken,
            None if contract is None else contract.document.raw,
        )
        async with _scratch() as scratch:
            project = scratch / "project"
            await asyncio.to_thread(project.mkdir)
            if ejected.with_data:
                await self._seed(name, project / _SEED)
            try:
                await asyncio.to_thread(_write, ejected, project, archive)
            except NotWritable as error:
                raise Conflict(f"Nothing was ejected: {error}.") from None

    async def _shown(self, name: str, contract: Contract | None) -> dict[str, Any]:
        """What there is of the session; with a contract there need be nothing yet. Raises NotFound."""
        try:
            return await self.sessions.show(name)
        except NotFound:
            if contract is None:
                raise
            return {"collections": [], "settings": {}}

    async def _learned(self, session: Session) -> list[LearnedRoute]:
        """The newest for each key, in the order in which they came; none that the policy refuses."""
        learned = self.learned
        if learned is None:
            return []
        versions, directory = learned.versions, session.directory
        return await learned.read(lambda library: _passing(library, directory, versions))

    async def _seed(self, name: str, directory: Path) -> None:
        async with _scratch() as scratch:
            data = scratch / "session.tar"
            await self.sessions.export(name, data)
            await asyncio.to_thread(unpack, data, directory)


@asynccontextmanager
async def _scratch() -> AsyncIterator[Path]:
    """A directory for a while: a wide session's project has thousands of files, so a thread removes them."""
    made = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="metaservice-")
    try:
        yield Path(made.name)
    finally:
        await asyncio.shield(asyncio.to_thread(made.cleanup))


def _passing(library: PlanLibrary, directory: str, versions: Versions) -> list[LearnedRoute]:
    vetting = Vetting(versions)
    routes = filter(None, map(vetting.route, library.routes_of(directory)))
    return list({route.key: route for route in routes}.values())


def _write(ejected: Ejected, project: Path, archive: Path) -> None:
    write(ejected, project)
    packed(project, archive)
