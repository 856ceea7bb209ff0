"""The document of a session that has a contract: the contract itself, at this service's address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from attrs import frozen

if TYPE_CHECKING:
    from server.contracts.served import ServedContracts
    from server.openapi.describer import Describes
    from server.openapi.schemas import Types
    from server.values.model import Session


@frozen
class ContractDescriber:
    """Describes a session by its contract, or as `inner` does where it has none."""

    inner: Describes
    contracts: ServedContracts

    async def document(self, session: Session, types: Types = "enforced", dialect: str = "") -> bytes:
        contract = await self.contracts.of(session)
        if contract is None:
            return await self.inner.document(session, types, dialect)
        raw = {**contract.document.raw, "servers": [{"url": contract.document.base_path or "/"}]}
        return orjson.dumps(raw)
