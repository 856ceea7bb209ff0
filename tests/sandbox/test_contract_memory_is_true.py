"""What is remembered of a contract's operations is what a run would say, byte for byte.

Two contracts take turns in one session, and two people ask; each read is answered with the memory, and by a
run.
"""

from __future__ import annotations

from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from attrs import evolve

from server.contracts.contract import Call, Contract
from server.contracts.reading import read, read_file
from server.http.answering import answered_always
from server.http.contracted import Contracted
from server.live.changes import Changes
from server.live.memory import Memory
from server.live.writes import Writes
from server.pipeline import Pipeline
from server.planning.contracted import ContractPlanner
from server.planning.conventions.checked import CheckedConventions
from server.planning.planned import Fixed
from server.planning.policy import check
from server.settings.schema import ContractSettings
from server.telemetry.request_line import RequestLine
from server.values.errors import ServiceError
from server.values.model import SAFE_METHODS, Plan, RunnablePlan, Session, SourceCode
from tests.e2e.contracts import DOCUMENTS
from tests.sandbox.test_memory_is_true import CUT, Telling
from tests.unit.server.planning.requests import NO_BODY, a_request
from wasm_runtime.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.live.changes import Touched
    from server.planning.planned import Planned
    from server.values.model import RequestContext
    from tests.sandbox.conftest import Sandbox

_STEPS = 40
_sessions = count(1)
WHO = ("Basic YTpi", "Basic Yzpk")
#: Whose reply is another one for each of them.
WHOSE = check(SourceCode('REPLY = make_response(200, {"who": ctx["identity"]["id"]})'))


def other() -> Contract:
    """The same API, whose prices say less."""
    raw: dict[str, Any] = orjson.loads(orjson.dumps(dict(read_file(DOCUMENTS / "orders.json").raw)))
    del raw["components"]["schemas"]["Price"]["properties"]["Currency"]
    return Contract.of(read(orjson.dumps(raw), "other.json"))


CONTRACTS = (Contract.of(read_file(DOCUMENTS / "orders.json")), other())


class Nobody:
    """No token was ever issued."""

    async def named(self, _session: str, identity: Any) -> Any:
        return identity

    async def note(self, *_told: Any) -> None: ...


class Plans(ContractPlanner):
    def __init__(self) -> None:
        super().__init__(CheckedConventions(), ContractSettings())

    async def plan(self, ctx: RequestContext) -> Planned:
        if ctx.segments[-1] == "Export":
            plan = Plan("any", "people", "/erp/v2/Export", SourceCode(WHOSE.text))
            return Fixed(RunnablePlan(plan, WHOSE, "learned"), {})
        return await super().plan(ctx)


PLANS = Plans()


class Both:
    def __init__(self, sandbox: Sandbox, hears: Callable[[Touched], Touched | None]) -> None:
        changes, self.memory = Changes(), Memory(400_000)
        changes.subscribe(lambda touched: self._hear(hears(touched)))
        self.session = Session("s1", f"contracts{next(_sessions)}")
        executor = Telling(sandbox, Writes(changes))
        tokens: Any = Nobody()
        self.with_memory = Contracted(Pipeline(PLANS, executor, memory=self.memory), tokens)
        self.without = Contracted(Pipeline(PLANS, executor), tokens)
        self.wrong: list[str] = []
        self.hits = 0

    def _hear(self, touched: Touched | None) -> None:
        if touched is not None:
            self.memory.heard(touched)

    async def do(self, contract: Contract, ctx: RequestContext) -> None:
        ctx = evolve(ctx, session=self.session)
        try:
            call = Call(contract, contract.match(ctx.method, ctx.segments), ctx.path)
            call = call.admitted(ctx.headers, ctx.query)
            ctx = call.with_body("application/json", evolve(ctx, contract=call))
        except ServiceError:
            return
        before = self.memory.counts.hits["key"]
        reply = await answered_always(self.with_memory, ctx, RequestLine("r"))
        assert b"/problems/internal" not in (reply.body or b""), reply
        self.hits += self.memory.counts.hits["key"] - before
        if ctx.method in SAFE_METHODS:
            run = await answered_always(self.without, ctx, RequestLine("r"))
            if (reply.status, reply.headers, reply.body) != (run.status, run.headers, run.body):
                self.wrong.append(f"{ctx.method} {ctx.path}: {reply.body!r}, and a run {run.body!r}")


def a_read(random: Random) -> tuple[str, dict[str, Any]]:
    number = random.randint(1, 3)
    return random.choice([
        ("/Customers", {}), ("/Customers", {"PageSize": "2", "PageNumber": "2"}),
        (f"/Customers/{number}", {}),
        ("/Customers", {"IsDeleted": "false"}), (f"/Orders/{number}/Lines", {}),
        (f"/Orders/{number}/Lines/1", {}), ("/Prices/A/EUR", {}), ("/Export", {}),
    ])  # fmt: skip


def a_write(random: Random) -> tuple[str, str, Any]:
    number, name = random.randint(1, 3), random.choice("abc")
    return random.choice([
        ("POST", "/Customers", {"Name": name}), ("PUT", f"/Customers/{number}", {"Name": name}),
        ("DELETE", f"/Customers/{number}", None), ("PUT", "/Prices/A/EUR", {"Amount": number}),
        ("POST", f"/Orders/{number}/Lines", {"Sku": name, "Qty": number}),
        ("POST", "/Customers/bulk", [{"Name": name}, {"Name": "z"}]), ("DELETE", "/Prices/A/EUR", None),
    ])  # fmt: skip


async def history(both: Both, random: Random) -> None:
    for _ in range(_STEPS):
        contract, headers = random.choice(CONTRACTS), {"authorization": random.choice(WHO)}
        if random.random() < 0.25:
            method, path, body = a_write(random)
            ctx = a_request(method, f"/erp/v2{path}", body=NO_BODY if body is None else body, headers=headers)  # type: ignore[arg-type]
        else:
            path, query = a_read(random)
            ctx = a_request("GET", f"/erp/v2{path}", query=query, headers=headers)
        await both.do(contract, ctx)


@pytest.fixture
def sandbox(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return make_sandbox(Limits())


async def test_a_hit_is_what_a_run_would_say(sandbox: Sandbox) -> None:
    hits = 0
    for number in [Random().getrandbits(32) for _ in range(8)]:
        both = Both(sandbox, lambda touched: touched)
        await history(both, Random(number))
        assert both.wrong == [], f"seed {number}"
        hits += both.hits

    assert hits > 0


@pytest.mark.parametrize("cut", ["all of it", "lists", "records"])
async def test_a_build_whose_invalidation_is_cut_out_is_found_out(sandbox: Sandbox, cut: str) -> None:
    both = Both(sandbox, CUT[cut])

    for number in range(10):
        await history(both, Random(number))
        if both.wrong:
            break

    assert both.wrong


async def test_a_key_without_who_asks_is_found_out(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, where a key does not hold whose reply it is."""
    monkeypatch.setattr(Call, "key", property(lambda _self: ()))
    monkeypatch.setattr("server.live.keys._value", lambda _ctx, _member: None)
    both = Both(sandbox, lambda touched: touched)

    for number in range(10):
        await history(both, Random(number))

    assert [each for each in both.wrong if "Export" in each]
