"""A session as the service serves it, whole collections page by page; and whether that is as it must be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.torture.at_rest import read_at_rest
from tools.torture.ledger import COLLECTIONS
from tools.torture.wire import Answer, Gone, Hung, ask

if TYPE_CHECKING:
    from tools.torture.ledger import Contents, Records, SessionLedger
    from tools.torture.service import ServiceProcess
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


async def wrong_with(service: ServiceProcess, session: str, ledger: SessionLedger) -> list[str]:
    """What is wrong with a session that nobody writes: as it is served, on the disk, and by its ledger."""
    wrong: list[str] = []
    held: list[Contents] = []
    try:
        held.append(await contents(service.address, session))
    except (Gone, Hung, Refused) as error:
        wrong.append(f"cannot be read: {type(error).__name__} {error}")
    at_rest = read_at_rest(service.data_root, session, COLLECTIONS)
    if isinstance(at_rest, str):
        wrong.append(f"its file: {at_rest}")
    else:
        held.append(at_rest)
    if held[1:] and held[0] != held[1]:
        wrong.append("what is served is not what is on the disk")
    return [*(ledger.check(held[0]) if held else ()), *wrong]


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
