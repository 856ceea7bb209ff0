"""Contracts of sessions: what one has, and giving it another."""

from __future__ import annotations

import asyncio
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from server.contracts.differing import MOST_RECORDS, compared, is_stale, misfits
from server.contracts.listing import listed
from server.contracts.record_rules.question import is_asked_about
from server.contracts.recorded import exchanges_in, seed_of
from server.contracts.seeding import SeedError, examples, planted
from server.planning.record_rules import recall_all
from server.sessions.tar_files import unpack
from server.values.errors import BadRequest, NotFound, Unprocessable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from server.contracts.contract import Contract
    from server.contracts.served import ServedContracts
    from server.operations.sessions import SessionOperations
    from server.planning.learned.routes import LearnedRoutes
    from server.values.model import Session

_MAX_NAME = 200


class ContractOperations:
    def __init__(
        self,
        contracts: ServedContracts,
        sessions: SessionOperations,
        learned: LearnedRoutes | None,
        note: Callable[[Session], None],
    ) -> None:
        self.contracts = contracts
        self._sessions = sessions
        self._named = sessions.named
        self._learned = learned
        self._note = note

    async def show(self, name: str) -> dict[str, Any]:
        """The session's contract with each operation's role; `contract` is null where it has none."""
        session = await self._named(name)
        contract = await self.contracts.of(session)
        told = None if contract is None else await self._listed(contract)
        return {"session": session.id, "contract": told}

    async def _listed(self, contract: Contract) -> dict[str, Any]:
        """With what a model has said of its records."""
        if self._learned is not None:
            await recall_all(self._learned, contract)
        return await asyncio.to_thread(listed, contract)

    async def check(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """What each operation of a description is by rule, as `contract check` prints it. Raises BadRequest.

        Nothing is served, and nothing is changed.
        """
        title, document = _described(body)
        if document is None:
            raise BadRequest("`document` must be an API description.")
        return {"contract": await self._listed(await self.contracts.read(title, document))}

    async def set(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Serve this document in the session; null: none, whatever the settings say. Raises BadRequest.

        A text is read as JSON or YAML.
        """
        session = await self._named(name)
        contract = await self.contracts.set(session, *_described(body))
        self._note(session)
        return _short(session, contract)

    async def unset(self, name: str) -> dict[str, Any]:
        """The session has the service's contract again, if there is one."""
        session = await self._named(name)
        await self.contracts.unset(session)
        return _short(session, self.contracts.default)

    async def diff(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """What changes in the session if it gets this document: see `server.contracts.differing`.

        With no session's name, in all sessions that are served by the settings' contract. Raises BadRequest.
        """
        new = await self.contracts.read(*_described(body))
        if name:
            session = await self._named(name)
            old, sessions = await self.contracts.of(session), [session]
        else:
            old, sessions = self.contracts.default, await self._of_default()
        found = await asyncio.to_thread(compared, old, new)
        plans, records, total = [], [], 0
        for session in sessions:
            plans += [{"session": session.id, **each} for each in await self._stale(session, old, new)]
            rows = await self._records(session)
            misfit = await asyncio.to_thread(misfits, new, rows)
            records += [{"session": session.id, **each} for each in misfit["records"]]
            total += misfit["records_total"]
        breaks = found["breaks"] or bool(total)
        return {
            **found, "rules": await self._asked_anew(old, new), "breaks": breaks, "plans": plans,
            "records": records[:MOST_RECORDS], "records_total": total,
            "from": None if old is None else old.name, "to": new.name,
        }  # fmt: skip

    async def _of_default(self) -> list[Session]:
        listed = await self._sessions.listed()
        found = []
        for each in listed["sessions"]:
            session = await self._named(f"@{each['directory']}")
            if await self.contracts.of(session) is self.contracts.default:
                found.append(session)
        return found

    async def _stale(self, session: Session, old: Contract | None, new: Contract) -> list[dict[str, Any]]:
        if self._learned is None:
            return []
        directory = session.directory
        records = await self._learned.read(lambda library: library.routes_of(directory))
        found = []
        for each in records:
            digest = str(each.plan.plan().response_hints.get("contract", ""))
            if is_stale(digest, old, new):
                found.append({"plan": each.plan.plan_id, "route": f"{each.plan.method} {each.plan.route}"})
        return found

    async def _asked_anew(self, old: Contract | None, new: Contract) -> list[str]:
        """The collections whose schemas a model has answered for, and would be asked about again."""
        if self._learned is None or old is None:
            return []
        await recall_all(self._learned, old)
        await recall_all(self._learned, new)
        answered = {each.name for each in old.model.resources if old.compiler.is_answered(each)}
        return [
            each.name
            for each in new.model.resources
            if each.name in answered and is_asked_about(each) and not new.compiler.is_answered(each)
        ]

    async def _records(self, session: Session) -> dict[str, list[dict[str, Any]]]:
        """Of the collections that contracts have; those of programs' own are left out."""
        with tempfile.TemporaryDirectory(prefix="metaservice-") as scratch:
            try:
                await self._sessions.export(session.id, Path(scratch) / "session.tar")
            except NotFound:
                return {}
            return await asyncio.to_thread(_unpacked, Path(scratch))

    async def seed(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make the session's data out of a seed, as its contract stores it.

        `seed`: an object of collections, a HAR or a Postman collection; `examples`: the document's.

        Raises BadRequest where there is no contract; Unprocessable for what does not fit; Conflict for a
        session that has data, without `replace`.
        """
        session = await self._named(name)
        contract = await self.contracts.of(session)
        if contract is None:
            raise BadRequest(
                f"Session {session.id} has no contract; `sessions import` takes data without one."
            )
        records, notes = await asyncio.to_thread(_planted, contract, body)
        if not records:
            raise Unprocessable("There is no record in it." + "".join(f" {each}." for each in notes[:5]))
        with tempfile.TemporaryDirectory(prefix="metaservice-") as scratch:
            archive = Path(scratch) / "session.tar"
            await asyncio.to_thread(_archived, records, Path(scratch), archive)
            replace = body.get("replace") is True
            await self._sessions.import_(name, archive, replace=replace)
        counts = {collection: len(rows) for collection, rows in records.items()}
        return {"session": session.id, "collections": counts, "notes": notes}


def _planted(
    contract: Contract, body: Mapping[str, Any]
) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """Raises BadRequest, Unprocessable."""
    if body.get("examples") is True:
        return examples(contract), []
    seed, notes = body.get("seed"), list[str]()
    exchanges = exchanges_in(seed)
    if exchanges is not None:
        seed, notes = seed_of(contract, exchanges)
    if not isinstance(seed, dict):
        raise BadRequest("`seed` must be an object of collections, a HAR or a Postman collection.")
    try:
        return planted(contract, seed), notes
    except SeedError as error:
        raise Unprocessable(f"Nothing was stored. {error}.", faults=error.faults) from None


def _archived(records: Mapping[str, list[dict[str, Any]]], scratch: Path, archive: Path) -> None:
    with tarfile.open(archive, "w") as tar:
        for name, rows in records.items():
            file = scratch / f"{name}.json"
            file.write_bytes(orjson.dumps(rows))
            tar.add(file, file.name, recursive=False)


def _unpacked(scratch: Path) -> dict[str, list[dict[str, Any]]]:
    unpack(scratch / "session.tar", scratch / "files")
    found = {}
    for file in sorted((scratch / "files").glob("*.json")):
        rows = orjson.loads(file.read_bytes())
        if not file.stem.startswith("contract-") and rows:
            found[file.stem] = rows
    return found


def _described(body: Mapping[str, Any]) -> tuple[str, Any]:
    """A description's name, and itself. Raises BadRequest."""
    title = body.get("name", "")
    if not isinstance(title, str) or len(title) > _MAX_NAME or not title.isprintable():
        raise BadRequest(f"`name` must be a text of at most {_MAX_NAME} characters.")
    if "document" not in body:
        raise BadRequest("`document` must be an API description, or null.")
    return title, body["document"]


def _short(session: Session, contract: Contract | None) -> dict[str, Any]:
    found: dict[str, Any] = {"session": session.id, "contract": None}
    if contract is not None:
        roles = contract.model.roles.values()
        found |= {
            "contract": contract.name,
            "digest": contract.document.digest,
            "operations": len(contract.document.operations),
            "plain": sum(role.plain for role in roles),
            "problems": len(contract.document.problems),
        }
    return found
