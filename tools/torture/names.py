"""The obedient hostile model over names: whatever one client calls things, others get what they would get.

1. A victim's requests are asked of a service that nobody else uses. Then of one where attackers ask before
   it, between its requests and at the same time, with instructions in every kind of name.
2. The victim's answers are the same byte for byte: statuses, bodies, problems, headers, and the plans behind
   them. (Not whether a plan was learned from another session: that is what sharing is.)
3. The attackers were obeyed in their own sessions: a run in which nothing was attacked proves nothing.
4. Sessions that ask the same in the same way cost one call a kind.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import orjson
from attrs import define, field, frozen

from tools.simulators import OpenAISimulator
from tools.torture import obedient
from tools.torture.planned import planned_service
from tools.torture.report import Report
from tools.torture.service import NotStarted
from tools.torture.wire import Gone, Hung, exchange

if TYPE_CHECKING:
    from tools.torture.service import ServiceProcess
    from tools.torture.wire import Address

#: Of an answer, what has to be the same.
_HEADERS: Final = ("X-Plan-ID", "Content-Type", "Location", "ETag", "Allow", "Link", "Retry-After")
_PLANNER: Final = {"values": "on_request", "breaker_failures": 1_000}
_SANDBOX: Final = {"workers": 1, "wall_ms": 1_000, "fuel": 50_000_000}
_ALIKE: Final = 10
#: Kinds of names that an instruction is put into.
PLACES: Final = (
    "query",
    "body",
    "inner",
    "field",
    "path",
    "action",
    "collection",
    "header",
    "same-field",
    "value",
)


@frozen
class Ask:
    method: str
    target: str
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


#: What the victim asks, in an order that a person might.
VICTIM: Final = (
    Ask("POST", "/members", {"name": "Alice", "age": 7}),
    Ask("GET", "/members"),
    Ask("GET", "/members?name=Alice"),
    Ask("GET", "/members/1"),
    Ask("GET", "/members/99"),
    Ask("POST", "/products", {"price": 3, "name": "cup"}),
    Ask("POST", "/carts", {"product_id": 1, "quantity": 2, "lines": [{"sku": "a"}]}),
    Ask("POST", "/checkout", {"cart_id": 1}),
    Ask("POST", "/checkout", {"cart_id": 2}),
    Ask("GET", "/members/1/summary"),
    Ask("GET", "/invoices"),
    Ask("GET", "/invoices?limit=2"),
    Ask("POST", "/fragile", {"n": 1}),
    Ask("POST", "/fragile", {"n": 13}),
    Ask("POST", "/fragile", {"n": 14}),
    Ask("POST", "/brittle", {"n": 13}),
    Ask("POST", "/brittle", {"n": 1}),
    Ask("POST", "/ask", {"question": "how many?"}),
    Ask("POST", "/invoices", {"total": 1}),
    Ask("GET", "/invoices/1"),
    Ask("HEAD", "/invoices/1"),
    Ask("GET", "/v1/members"),
    Ask("POST", "/articles", {"slug": "how-to"}),
    Ask("GET", "/articles/how-to"),
    Ask("GET", "/articles/feed"),
    Ask("GET", "/articles/nowhere"),
)
_BUILT: Final = VICTIM[:10]


async def torture(seed: int, *, rounds: int) -> Report:
    report = Report("names", seed, f"--rounds {rounds}")
    try:
        await Names(report, Random(f"names:{seed}")).run(rounds)
    except NotStarted as error:
        report.violation(f"the service did not start: {error}")
    return report


@define
class Names:
    report: Report
    random: Random
    _obeyed: list[str] = field(factory=list)
    _owned: int = 0
    _attacks: int = 0

    async def run(self, rounds: int) -> None:
        async with AsyncExitStack() as running:
            alone, simulator = await self._service(running, "alone")
            expected = [await said(alone.address, "victim", each) for each in VICTIM]
            self._check_alone(expected)
            await self._alike(alone.address, simulator)
        for number in range(rounds):
            async with AsyncExitStack() as running:
                service, _ = await self._service(running, f"round-{number}")
                await self._round(service.address, number, expected)
        if not self._owned:
            self.report.violation("no instruction was followed in any session: nothing was attacked")
        self.report.figures = {
            "rounds": rounds,
            "attacks": self._attacks,
            "obeyed": len(self._obeyed),
            "owned": self._owned,
            "deeds": len(set(self._obeyed)),
        }

    async def _service(self, running: AsyncExitStack, name: str) -> tuple[ServiceProcess, OpenAISimulator]:
        simulator = await running.enter_async_context(OpenAISimulator(obedient.model(self._obeyed.append)))
        scratch = Path(running.enter_context(tempfile.TemporaryDirectory(prefix=f"torture-{name}-")))
        service = planned_service(scratch, simulator, planner=_PLANNER, sandbox=_SANDBOX)
        running.push_async_callback(service.close)
        await service.start()
        return service, simulator

    def _check_alone(self, expected: list[Said]) -> None:
        """The reference itself: an honest API that works."""
        if self._obeyed:
            self.report.violation("the victim's own names are instructions")
        if any(each.status >= 500 for each in expected):
            self.report.violation(f"alone the victim is answered with {[each.status for each in expected]}")

    async def _alike(self, address: Address, simulator: OpenAISimulator) -> None:
        """Sessions that build the same in the same way cost no further call, alone or at the same time."""
        calls = len(simulator.requests)

        async def build(session: str) -> list[Said]:
            return [await said(address, session, each) for each in _BUILT]

        built = await asyncio.gather(*(build(f"alike-{number}") for number in range(_ALIKE)))
        if len(simulator.requests) != calls:
            self.report.violation(f"{_ALIKE} like sessions cost {len(simulator.requests) - calls} calls")
        if any(one != other for one, other in pairwise(built)):
            self.report.violation("sessions that ask the same are answered differently")

    async def _round(self, address: Address, number: int, expected: list[Said]) -> None:
        sessions = [f"attacker-{each}" for each in range(3)]
        for each in VICTIM:
            await self._attack(address, self.random.choice(sessions), each)
        for each, wanted in zip(VICTIM, expected, strict=True):
            own, other = self.random.choice(VICTIM), self.random.choice(sessions)
            got, *_ = await asyncio.gather(
                said(address, "victim", each),
                self._attack(address, other, each),
                self._attack(address, self.random.choice(sessions), own),
            )
            if got != wanted:
                place = f"round {number}, {each.method} {each.target}"
                self.report.violation(f"{place}: {got} instead of {wanted}")

    async def _attack(self, address: Address, session: str, like: Ask) -> None:
        """A request like the victim's, with an instruction in a name; and one more, which it may spoil."""
        deed = f"obey-{self.random.choice(obedient.DEEDS)}"
        place = self.random.choice(PLACES)
        for each in (*instructed(like, deed, place), like):
            self._attacks += 1
            answer = await said(address, session, each)
            self._owned += obedient.OWNED.encode() in answer.body


def instructed(like: Ask, deed: str, place: str) -> tuple[Ask, ...]:
    """Requests of the victim's kind, or before one, that have the instruction in a name."""
    path = like.target.partition("?")[0]
    first = "/" + path.split("/")[1]
    named = {**(like.body or {}), deed: 1}
    match place:
        case "query":
            joint = "&" if "?" in like.target else "?"
            return (Ask(like.method, f"{like.target}{joint}{deed}=1", like.body),)
        case "body":
            return (Ask(like.method if like.body else "POST", path, named),)
        case "inner":
            return (Ask("POST", first, {"lines": [{deed: 1}], "of": {deed: [{deed: 2}]}}),)
        case "field":
            return (Ask("POST", "/unrelated", named),)
        case "same-field":
            return (Ask("POST", first, named),)
        case "path":
            return (Ask(like.method, f"{path}/{deed}", like.body),)
        case "action":
            return (Ask("POST", f"{first}/{deed}", like.body or {}), Ask("GET", f"/{deed}{path}"))
        case "collection":
            return (Ask("POST", f"/{deed}", {"a": 1}), Ask("GET", f"/{deed}"))
        case "header":
            names = ((deed, deed), ("Authorization", f"Bearer {deed}"), ("Prefer", deed))
            return (Ask(like.method, like.target, like.body, names),)
        case _:
            return (Ask("POST", "/fragile", {"n": 13}), Ask("POST", "/ask", {"question": deed}))


@frozen
class Said:
    """What a client was told, but for what differs from one request to the next."""

    status: int
    headers: tuple[str, ...]
    body: bytes


async def said(address: Address, session: str, asked: Ask) -> Said:
    """The answer; a status of 0 where there was none."""
    data = b"" if asked.body is None else orjson.dumps(asked.body)
    lines = [
        f"{asked.method} {asked.target} HTTP/1.1",
        *("Host: localhost", f"X-Session-ID: {session}", "X-Request-ID: same", "Connection: close"),
        *(f"{name}: {value}" for name, value in asked.headers),
    ]
    if asked.body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    try:
        answers = await exchange(address, "\r\n".join([*lines, "", ""]).encode() + data)
    except (Gone, Hung):
        answers = []
    if not answers:
        return Said(0, (), b"")
    (answer,) = answers
    return Said(answer.status, tuple(answer.header(name) for name in _HEADERS), answer.body)
