"""Which contract each session has: its own, else that of the settings.

A session's own is kept in the record: its settings name a digest, and the document stands beside all
sessions' data. The last few that were asked for are in memory.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson
import structlog

from server.contracts.document import ContractError
from server.values.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from server.contracts.contract import Contract
    from server.contracts.files import DocumentLimits
    from server.contracts.schemas import SchemaLimits
    from server.values.model import Session

#: The member of a session's settings, and what it says of a session that shall have none.
MEMBER: Final = "contract"
NONE: Final = "none"
_MOST: Final = 16
_OVERRIDES: Final = "contract.toml"
_log = structlog.get_logger()


class SessionSettings(Protocol):
    """What is set for single sessions."""

    def known(self, session: str) -> Mapping[str, Any] | None: ...

    async def of(self, session: str) -> Mapping[str, Any]: ...

    async def change(self, session: str, changes: dict[str, Any]) -> Mapping[str, Any]: ...


class Documents(Protocol):
    """Where documents are kept, by their digests."""

    async def keep(self, digest: str, text: str) -> None: ...

    async def read(self, digest: str) -> str | None: ...


class ServedContracts:
    """The contracts of a service. Without `settings` all sessions have the `default`."""

    def __init__(
        self,
        default: Contract | None = None,
        settings: SessionSettings | None = None,
        documents: Documents | None = None,
        limits: DocumentLimits | None = None,
        schemas: SchemaLimits | None = None,
    ) -> None:
        self._schemas = schemas
        self.default = default
        self._settings = settings
        self._documents = documents
        self._limits = limits
        self._known: OrderedDict[str, Contract | None] = OrderedDict()
        self._reading = asyncio.Lock()

    async def of(self, session: Session) -> Contract | None:
        """Raises Unavailable where nobody knows."""
        if self._settings is None:
            return self.default
        known = self._settings.known(session.directory)
        settings = await self._settings.of(session.directory) if known is None else known
        named = settings.get(MEMBER)
        if not isinstance(named, dict):
            return self.default
        digest = str(named.get("digest", NONE))
        if digest == NONE:
            return None
        if digest in self._known:
            self._known.move_to_end(digest)
            return self._known[digest]
        async with self._reading:
            return await self._load(digest, str(named.get("name", "")))

    async def _load(self, digest: str, name: str) -> Contract | None:
        if digest in self._known:
            return self._known[digest]
        text = await self._documents.read(digest) if self._documents is not None else None
        contract = None
        if text is None:
            _log.error("contract not found", digest=digest)
        else:
            contract = await asyncio.to_thread(self._made, text.encode(), name)
        self._keep(digest, contract)
        return contract

    def _made(self, text: bytes, name: str) -> Contract:
        # A fifth of what the service would import: most have no contract.
        from server.contracts.contract import Contract  # noqa: PLC0415
        from server.contracts.reading import read  # noqa: PLC0415

        return Contract.of(read(text, name, limits=self._limits), name=name, limits=self._schemas)

    def _keep(self, digest: str, contract: Contract | None) -> None:
        self._known[digest] = contract
        if len(self._known) > _MOST:
            self._known.popitem(last=False)

    async def read(self, name: str, document: object) -> Contract:
        """The contract that a document is, or a text of JSON or YAML. Raises BadRequest."""
        text = document.encode("utf-8", "replace") if isinstance(document, str) else orjson.dumps(document)
        try:
            return await asyncio.to_thread(self._made, text, name)
        except ContractError as error:
            raise BadRequest(str(error)) from None

    async def set(self, session: Session, name: str, document: object) -> Contract | None:
        """Give the session a contract of its own, or with None for the document none at all.

        Raises BadRequest for a document that cannot be used.
        """
        if self._settings is None or self._documents is None:
            raise BadRequest("This service keeps no contracts of sessions.")
        if document is None:
            await self._settings.change(session.directory, {MEMBER: {"digest": NONE, "name": ""}})
            return None
        contract = await self.read(name, document)
        digest = contract.document.digest
        await self._documents.keep(digest, orjson.dumps(contract.document.raw).decode())
        await self._settings.change(session.directory, {MEMBER: {"digest": digest, "name": name}})
        self._keep(digest, contract)
        return contract

    async def unset(self, session: Session) -> None:
        """From now on the session has the service's contract again, if there is one."""
        if self._settings is not None:
            await self._settings.change(session.directory, {MEMBER: None})


def read_contract(
    path: Path, limits: DocumentLimits | None = None, schemas: SchemaLimits | None = None
) -> Contract:
    """The contract of a file, with what `contract.toml` beside it says. Raises ContractError."""
    # As above.
    from server.contracts.contract import Contract  # noqa: PLC0415
    from server.contracts.overrides import with_file  # noqa: PLC0415
    from server.contracts.reading import read_file  # noqa: PLC0415

    document = with_file(read_file(path, limits), path.parent / _OVERRIDES)
    return Contract.of(document, limits=schemas)
