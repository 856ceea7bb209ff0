"""A session as the service serves it: whole collections, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.torture.ledger import COLLECTIONS
from tools.torture.wire import Answer, ask

if TYPE_CHECKING:
    from tools.torture.ledger import Contents, Records
    from tools.torture.wire import Address

_PAGE = 2_000


class Refused(Exception):
    """A read that was not answered with 200; `answer` is what it was answered with."""

    def __init__(self, target: str, answer: Answer) -> None:
        super().__init__(f"{target}: {answer.said}")
        self.answer = answer


async def contents(address: Address, session: str) -> Contents:
    """All records by collection. Raises Gone, Hung or Refused."""
    return {name: await _records(address, session, name) for name in COLLECTIONS}


async def _records(address: Address, session: str, collection: str) -> Records:
    records: Records = []
    while True:
        target = f"/{collection}?limit={_PAGE}&offset={len(records)}"
        answer = await ask(address, "GET", target, session)
        if answer.status != 200:
            raise Refused(target, answer)
        page: dict[str, Any] = answer.json
        records += page["items"]
        if len(records) >= page["total"] or not page["items"]:
            return records
