"""The kill loop's writers: each does one thing after the other in one session, and tells the ledger.

Half of what they insert and patch has an Idempotency-Key. Of that they ask again until they are told, across
kills of the server, too; the ledger would see what is done twice.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from attrs import define, field

from tools.torture.ledger import BATCH, TRANSFER, SessionLedger
from tools.torture.wire import Answer, Gone, Hung, ask

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence
    from random import Random

    from tools.torture.ledger import Entry, Kind
    from tools.torture.wire import Address

#: Problems that leave open whether it was written; every other answer means that it was not.
PERHAPS = frozenset({"worker-lost", "not-confirmed"})
#: What a service that loses its workers may say. Anything else is a fault of its own.
REFUSALS = frozenset({(503, "overloaded"), (504, "out-of-time")})


class Addressed(Protocol):
    """Whom a writer asks: one service, or any node of several."""

    @property
    def address(self) -> Address: ...


@define
class Gate:
    """Open while the service is up. `parked` counts the writers that wait for that."""

    _open: asyncio.Event = field(factory=asyncio.Event)
    _parked: int = 0
    _changed: asyncio.Condition = field(factory=asyncio.Condition)

    def open(self) -> None:
        # Nobody is parked from now on, even if the gate is shut again before anybody has woken up.
        self._parked = 0
        self._open.set()

    def shut(self) -> None:
        self._open.clear()

    async def passing(self) -> None:
        while not self._open.is_set():
            async with self._changed:
                self._parked += 1
                self._changed.notify_all()
            await self._open.wait()

    async def all_parked(self, writers: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._parked == writers)


@define
class Writer:
    """`told` counts the answers by what they mean; `refusals` are those that are no fault."""

    name: str
    session: str
    ledger: SessionLedger
    service: Addressed
    gate: Gate
    random: Random
    told: Counter[str]
    refusals: frozenset[tuple[int, str]] = REFUSALS
    #: Whether some requests have a key, and are asked again until there is an answer.
    insists: bool = True
    #: Between two requests, so that others have the processors, too.
    pace_seconds: float = 0.0
    _number: int = 0
    own: list[Entry] = field(factory=list)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.gate.passing()
            if self.pace_seconds:
                await asyncio.sleep(self.pace_seconds)
            if not await self._step():
                await asyncio.sleep(0.02)  # the service is away, or is about to be

    def move(self, session: str, ledger: SessionLedger) -> None:
        """To another session, while parked."""
        self.session, self.ledger, self.own = session, ledger, []

    async def _step(self) -> bool:
        choice = self.random.random()
        certain = [entry for entry in self.own[-20:] if entry.present == {True} and entry.ids]
        if choice < 0.4 or not certain:
            return await self.insert(TRANSFER)
        if choice < 0.6:
            return await self.insert(BATCH)
        entry = self.random.choice([entry for entry in certain if entry.kind is TRANSFER] or [None])
        if entry is None:
            return await self.insert(TRANSFER)
        return await (self.patch(entry) if choice < 0.85 else self.cancel(entry))

    async def insert(self, kind: Kind) -> bool:
        self._number += 1
        key = f"{self.name}-{self._number}"
        entry = self.ledger.begin(key, kind)
        body: Any = {"key": key}
        if kind is BATCH:
            body = [{"key": key, "half": half, "value": 0} for half in (0, 1)]
        ledger, target = self.ledger, "/notes" if kind is BATCH else "/transfers"
        # While it is under way a reader may see it or not.
        answer = await self._insist("POST", target, body, lambda: ledger.perhaps_inserted(entry))
        if answer is None:
            return False
        if answer.status == 201:
            self.ledger.inserted(entry, [record["id"] for record in answer.json])
            self.own.append(entry)
        else:
            self.ledger.deleted(entry)
        return True

    async def patch(self, entry: Entry) -> bool:
        self._number += 1
        before, value, ledger = entry.values, self._number, self.ledger
        target = f"/debits/{(entry.ids or (0,))[0]}"
        answer = await self._insist(
            "PATCH", target, {"value": value}, lambda: ledger.perhaps_patched(entry, value)
        )
        if answer is None:
            return False
        if answer.status == 200:
            self.ledger.patched(entry, value)
        else:
            entry.values = before
            self._missing(entry, answer)
        return True

    async def cancel(self, entry: Entry) -> bool:
        before = entry.present
        self.ledger.perhaps_deleted(entry)
        answer = await self._ask("DELETE", f"/transfers/{(entry.ids or (0,))[0]}")
        if answer is None:
            return False
        if answer.status == 204:
            self.ledger.deleted(entry)
        else:
            entry.present = before
            self._missing(entry, answer)
        return True

    def _missing(self, entry: Entry, answer: Answer) -> None:
        if answer.status == 404:
            request = answer.header("X-Request-ID")
            what = f"404 to request {request}, though it was acknowledged with the ids {entry.ids}"
            self.ledger.violations.append(f"transfer {entry.key}: {what}")

    async def _insist(
        self, method: str, target: str, body: Any, perhaps: Callable[[], None]
    ) -> Answer | None:
        """The answer; with a key, asked for until it comes. `perhaps` says that from now on it may be done.

        None where nobody knows what became of it: there was no key, or the session is over meanwhile.
        """
        key, ledger = self.random.choice(["", f"{self.name}-{self._number}"]), self.ledger
        if not self.insists:
            key = ""
        perhaps()
        answer = await self._ask(method, target, body, key)
        while answer is None and key:
            await asyncio.sleep(0.02)
            await self.gate.passing()
            if self.ledger is not ledger:
                return None
            self.told["asked again"] += 1
            perhaps()
            answer = await self._ask(method, target, body, key)
            if answer is not None and answer.status >= 500:
                answer = None  # this time it was not begun, but an earlier time it may have been done
        return answer

    async def _ask(self, method: str, target: str, body: Any = None, key: str = "") -> Answer | None:
        """The answer; None where nobody knows what became of it."""
        try:
            answer = await ask(self.service.address, method, target, self.session, body, key=key)
        except Gone:
            self.told["gone"] += 1
            return None
        except Hung:
            self.ledger.violations.append(f"{method} {target}: no answer")
            return None
        if answer.problem in PERHAPS:
            self.told["in_doubt"] += 1
            return None
        self._count(method, target, answer)
        return answer

    def _count(self, method: str, target: str, answer: Answer) -> None:
        if answer.status < 300:
            self.told["acknowledged"] += 1
            self.told["replayed"] += answer.replayed
            return
        self.told["refused"] += 1
        if answer.status != 404 and (answer.status, answer.problem) not in self.refusals:
            self.ledger.violations.append(f"{method} {target}: {answer.said}")


def next_sessions(writers: Sequence[Writer], names: Sequence[str]) -> dict[str, SessionLedger]:
    """Have parked writers go on in these sessions, which are empty; their ledgers."""
    ledgers = {name: SessionLedger() for name in names}
    for number, writer in enumerate(writers):
        name = names[number % len(names)]
        writer.move(name, ledgers[name])
    return ledgers
