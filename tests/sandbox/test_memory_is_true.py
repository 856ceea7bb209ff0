"""Whatever is read and written, what is remembered is what a run would say, byte for byte.

Plans are the conventions' and the corpus of honest programs (tests/data); requests are drawn at random. Each
read is answered twice over the same records: with the memory, and by a run.
"""

from __future__ import annotations

from functools import cache
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve, frozen

from server.http.answering import answered_always
from server.http.semantics import HttpSemantics
from server.live.changes import Changes
from server.live.memory import Memory
from server.live.writes import Writes
from server.pipeline import Pipeline
from server.planning.conventions.checked import CheckedConventions
from server.planning.policy import check
from server.telemetry.request_line import RequestLine
from server.values.model import SAFE_METHODS, Plan, RunnablePlan, Session, SourceCode, ValidatedCode
from tests.policy.honest import programs, seed
from tests.sandbox.served import Executor
from tests.unit.server.planning.requests import NO_BODY, a_request
from wasm_runtime.limits import Limits
from wasm_runtime.outcome import Completed

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.live.changes import Touched
    from server.planning.planned import Planned
    from server.values.model import Reply, RequestContext
    from tests.sandbox.conftest import Sandbox
    from wasm_runtime.outcome import Outcome
    from wasm_runtime.slot import Job

PROGRAMS = {f"p{number}": program for number, program in enumerate(programs())}
READS = [name for name, program in PROGRAMS.items() if program.method in SAFE_METHODS]
WRITES = [name for name in PROGRAMS if name not in READS]
_STEPS = 50
_sessions = count(1)


@cache
def checked(name: str) -> ValidatedCode:
    return check(SourceCode(PROGRAMS[name].code))


class Telling(Executor):
    """A runner in this process that tells of writes as the pool does."""

    def __init__(self, sandbox: Sandbox, hears: Writes) -> None:
        super().__init__(sandbox)
        self._next = 100_000 * next(_sessions)  # jobs of one sandbox have numbers of their own
        self._hears = hears

    def run_now(self, job: Job) -> Outcome:
        outcome = super().run_now(job)
        if type(outcome) is Completed and outcome.touched:
            self._hears.written(job, outcome)
        return outcome


@frozen
class Given:
    """A program of the corpus, for one request."""

    runnable: RunnablePlan
    params: Any
    asked: None = None
    lasting: bool = True
    on_trial: bool = False

    async def instead(self, outcome: Outcome) -> None: ...

    async def settled(self, outcome: Outcome) -> None: ...


class Plans(CheckedConventions):
    """`/program/NAME` is a program of the corpus; every other path is the conventions'."""

    async def plan(self, ctx: RequestContext) -> Planned:  # type: ignore[override]
        if ctx.segments[0] != "program":
            return await super().plan(ctx)
        name = ctx.segments[1]
        program, code = PROGRAMS[name], checked(name)
        plan = Plan("any", program.resource, f"/program/{name}", SourceCode(code.text))
        return Given(RunnablePlan(plan, code, "learned"), program.params)


PLANS = Plans()


def asked_of(name: str) -> RequestContext:
    """The request of a program, as it would have come."""
    program = PROGRAMS[name]
    return a_request(
        program.ctx["method"],
        f"/program/{name}",
        query=program.query,
        body=NO_BODY if program.body is None else program.body,
        headers=program.ctx["headers"],
    )


class Both:
    """A session that is read with the memory, and without it; `hears` is between the memory and changes."""

    def __init__(
        self, sandbox: Sandbox, hears: Callable[[Touched], Touched | None] = lambda touched: touched
    ) -> None:
        changes, self.memory = Changes(), Memory(400_000)
        changes.subscribe(lambda touched: self._hear(hears(touched)))
        self.session = Session("s1", f"memory{next(_sessions)}")
        executor = Telling(sandbox, Writes(changes))
        self.with_memory = HttpSemantics(Pipeline(PLANS, executor, memory=self.memory))
        self.without = HttpSemantics(Pipeline(PLANS, executor))
        self.wrong: list[str] = []
        self.hits = 0

    def _hear(self, touched: Touched | None) -> None:
        if touched is not None:
            self.memory.heard(touched)

    async def do(self, ctx: RequestContext) -> None:
        """Answer it; a read both ways."""
        ctx = evolve(ctx, session=self.session)
        before = self.memory.counts.hits["key"]
        reply = await answered_always(self.with_memory, ctx, RequestLine("r"))
        assert b"/problems/internal" not in (reply.body or b""), reply
        self.hits += self.memory.counts.hits["key"] - before
        if ctx.method in SAFE_METHODS and not _is_new_each_time(ctx):
            run = await answered_always(self.without, ctx, RequestLine("r"))
            if _said(reply) != _said(run):
                self.wrong.append(
                    f"{ctx.method} {ctx.path} {ctx.query}: {reply.body!r}, and a run {run.body!r}"
                )


def _is_new_each_time(ctx: RequestContext) -> bool:
    """Whether two runs may differ."""
    return ctx.segments[0] == "program" and checked(ctx.segments[1]).purity is None


def _said(reply: Reply) -> tuple[Any, ...]:
    return reply.status, sorted(reply.headers), reply.body, reply.media_type


# -- Requests

COLLECTIONS = ("members", "orders", "products", "notes", "settings")
QUERIES: list[dict[str, Any]] = [
    {},
    {},
    {"limit": "2"},
    {"limit": "2", "offset": "1", "sort": "-id"},
    {"page": "1", "per_page": "3"},
    {"status": "open"},
    {"n__gte": "2", "sort": "n"},
    {"q": "a"},
    {"fields": "id,n"},
    {"embed": "orders"},
    {"expand": "member"},
]
ACCEPTS = [{}, {}, {"accept": "text/csv"}, {"accept": "application/json"}]


def a_read(random: Random) -> RequestContext:
    if random.random() < 0.2:
        return asked_of(random.choice(READS))
    name = random.choice(COLLECTIONS)
    tail = random.choice(["", "", f"/{random.randint(1, 6)}", "/a1", "/count", "/stats", "/search"])
    if random.random() < 0.15:
        name, tail = f"members/{random.randint(1, 4)}/orders", random.choice(["", "/1", "/count"])
    query = random.choice(QUERIES)
    return a_request("GET", f"/{name}{tail}", query=query, headers=random.choice(ACCEPTS))


def a_write(random: Random) -> RequestContext:
    draw = random.random()
    if draw < 0.2:
        return asked_of(random.choice(WRITES))
    name = random.choice(COLLECTIONS[:-1])
    body: Any = {
        "n": random.randint(0, 4),
        "status": random.choice(["open", "done"]),
        "name": random.choice("abc"),
    }
    if random.random() < 0.5:
        body["member_id"] = random.randint(1, 4)
    if draw < 0.3:
        return a_request("PUT", "/settings", body=body)
    if draw < 0.6:
        body |= random.choice(
            [{}, {}, {"id": "a1"}, {"id": random.randint(1, 6)}, {random.choice("xyz"): [1]}]
        )
        many = random.random() < 0.2
        return a_request("POST", f"/{name}", body=[body] * random.choice([2, 70]) if many else body)
    path = f"/{name}/{random.choice(['a1', *'123456'])}"
    if draw < 0.75:
        return a_request("DELETE", path)
    return a_request(random.choice(["PUT", "PATCH"]), path, body=body)  # type: ignore[arg-type]


async def history(both: Both, random: Random) -> None:
    for name, records in seed().items():
        await both.do(a_request("POST", f"/{name}", body=records))
    reads = [a_read(random) for _ in range(12)]
    for _ in range(_STEPS):
        if random.random() < 0.25:
            await both.do(a_write(random))
        else:
            await both.do(random.choice(reads) if random.random() < 0.8 else a_read(random))


@pytest.fixture
def sandbox(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return make_sandbox(Limits())


async def test_a_hit_is_what_a_run_would_say(sandbox: Sandbox) -> None:
    """After any writes, by whichever plans, in any order."""
    hits = 0
    for number in [Random().getrandbits(32) for _ in range(8)]:
        both = Both(sandbox)
        await history(both, Random(number))
        assert both.wrong == [], f"seed {number}"
        hits += both.hits

    assert hits > 0


CUT: dict[str, Callable[[Touched], Touched | None]] = {
    "all of it": lambda _touched: None,
    "lists": lambda touched: evolve(touched, collections=frozenset()),
    "records": lambda touched: None if touched.records else touched,
    "what is one of several": lambda touched: None if len(touched.records) > 1 else touched,
}


@pytest.mark.parametrize("cut", CUT)
async def test_a_build_whose_invalidation_is_cut_out_is_found_out(sandbox: Sandbox, cut: str) -> None:
    """The same, where nothing, or less, is heard of what has changed."""
    both = Both(sandbox, CUT[cut])

    for number in range(10):
        await history(both, Random(number))
        if both.wrong:
            break

    assert both.wrong
