"""Contracts of sessions: what one has, and giving it another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.contracts.listing import listed
from server.values.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from server.contracts.contract import Contract
    from server.contracts.served import ServedContracts
    from server.values.model import Session

_MAX_NAME = 200


class ContractOperations:
    def __init__(
        self,
        contracts: ServedContracts,
        named: Callable[[str], Awaitable[Session]],
        note: Callable[[Session], None],
    ) -> None:
        self.contracts = contracts
        self._named = named
        self._note = note

    async def show(self, name: str) -> dict[str, Any]:
        """The session's contract with each operation's role; `contract` is null where it has none."""
        session = await self._named(name)
        contract = await self.contracts.of(session)
        return {"session": session.id, "contract": None if contract is None else listed(contract)}

    async def check(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """What each operation of a description is by rule, as `contract check` prints it. Raises BadRequest.

        Nothing is served, and nothing is changed.
        """
        title, document = _described(body)
        if document is None:
            raise BadRequest("`document` must be an API description.")
        return {"contract": listed(await self.contracts.read(title, document))}

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
