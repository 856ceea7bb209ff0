"""What waits: whose client leaves, for how long it may, and how many bytes of it the service holds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from server.values.model import Reply
from tests.fakes import FakeExecutor, FakePlanner
from tests.http.client import Wire, ask
from tools.http_corpus import request_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from server.http.held import HeldBytes
    from server.service import Service
    from tests.http.conftest import Start

    Connect = Callable[[Service, int], Awaitable[list[Wire]]]


KIB = 1024
MIB = 1024 * KIB
JSON = {"Content-Type": "application/json"}
KEYED = [("X-Session-ID", "s1"), ("Idempotency-Key", "k"), ("Content-Type", "application/json")]
LIMITS = {"sandbox": {"queue_bytes_per_session": 256 * KIB, "queue_bytes_total": 512 * KIB}}


class Leaving(FakeExecutor):
    """Counts the jobs whose callers have left."""

    def __init__(self) -> None:
        super().__init__()
        self.gate.clear()
        self.left = 0

    async def run(self, job: Any) -> Any:
        try:
            return await super().run(job)
        except asyncio.CancelledError:
            self.left += 1
            raise


def held(service: Service) -> HeldBytes:
    return service._handler._held  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """So many connections to a service, ended with the test."""
    wires: list[Wire] = []

    async def several(service: Service, number: int) -> list[Wire]:
        made = [await Wire.to(service.address) for _ in range(number)]
        wires.extend(made)
        return made

    yield several
    for wire in wires:
        wire.writer.transport.abort()
    await asyncio.sleep(0)


async def until(true: Any) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)


def text_of(size: int, character: str = "x") -> bytes:
    """A body of a record with one long text."""
    return b'{"n":"%b"}' % (character.encode() * size)


def post(body: bytes, session: str = "s1") -> bytes:
    headers = [("X-Session-ID", session), ("Content-Type", "application/json")]
    return request_bytes("POST", "/members", headers, body)


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_who_leaves_waits_no_longer(how: str, start: Start) -> None:
    """The job is given up when the connection ends, however it does."""
    executor = Leaving()
    service = await start(executor=executor)
    async with await Wire.to(service.address) as wire:
        await wire.send(post(text_of(100 * KIB)))
        await executor.entered.wait()
        if how == "reset":
            wire.reset()
        else:
            wire.writer.close()
        await until(lambda: executor.left)

    assert len(executor.jobs) == 1
    await until(lambda: held(service).total == 0)


async def test_who_leaves_ends_its_planning(start: Start) -> None:
    """What a planner does for it ends; nothing is run."""
    begun, ended = asyncio.Event(), list[str]()

    class Thinking(FakePlanner):
        async def plan(self, ctx: Any) -> Any:
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                ended.append(ctx.session.id)

    executor = FakeExecutor()
    service = await start(planner=Thinking(), executor=executor)
    async with await Wire.to(service.address) as wire:
        await wire.send(post(b"{}"))
        await begun.wait()
        wire.reset()
        await until(lambda: ended)

    assert ended == ["s1"]
    assert not executor.jobs


async def test_who_leaves_gives_up_the_turn_of_its_key(start: Start, connect: Connect) -> None:
    """Of five retries four have left: the fifth comes next, and the four are never run."""
    executor = Leaving()
    service = await start(executor=executor)
    wires = await connect(service, 6)
    for wire in wires:
        await wire.send(request_bytes("POST", "/members", KEYED, b"{}"))
        await executor.entered.wait()
    await asyncio.sleep(0.05)
    for wire in wires[1:5]:
        wire.reset()
    await asyncio.sleep(0.05)
    executor.gate.set()
    answers = [await wire.answer() for wire in (wires[0], wires[5])]

    assert [answer.status for answer in answers] == [200, 200]
    assert len(executor.jobs) == 2


async def test_a_turn_is_waited_for_only_so_long(start: Start, connect: Connect) -> None:
    """Then the retry is told that the first one is still under way, and when to try again."""
    executor = Leaving()
    service = await start({"sandbox": {"queue_seconds": 1}}, executor=executor)
    first, second = await connect(service, 2)
    await first.send(request_bytes("POST", "/members", KEYED, b"{}"))
    await executor.entered.wait()
    await second.send(request_bytes("POST", "/members", KEYED, b"{}"))
    refused = await second.answer()
    executor.gate.set()

    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert "Idempotency-Key" in refused.json["detail"]
    assert (await first.answer()).status == 200
    assert len(executor.jobs) == 1


async def test_bodies_are_counted_in_a_session_and_in_all(start: Start, connect: Connect) -> None:
    """At the limit one is taken, beyond it is refused with 503; small ones and those without go on."""
    executor = Leaving()
    service = await start(LIMITS, executor=executor)
    wires = await connect(service, 5)
    for wire, session in zip(wires, ("s1", "s1", "s2", "s2", "s3"), strict=True):
        await wire.send(post(text_of(100 * KIB), session))
    await until(lambda: len(executor.jobs) == 5)
    in_session = await ask(service.address, "POST", "/members", JSON, text_of(100 * KIB))
    in_all = await ask(service.address, "POST", "/members", JSON, text_of(100 * KIB), session="s9")
    small = await connect(service, 2)
    await small[0].send(post(text_of(15 * KIB), "s1"))
    await small[1].send(request_bytes("GET", "/members", [("X-Session-ID", "s1")]))
    await until(lambda: len(executor.jobs) == 7)
    executor.gate.set()

    assert (in_session.status, in_session.headers["retry-after"]) == (503, "1")
    assert in_session.json["type"] == "/_meta/problems/overloaded"
    assert "262144 bytes in one session" in in_session.json["detail"]
    assert in_session.json["limit"] == 256 * KIB
    assert in_all.status == 503
    assert "524288 bytes)" in in_all.json["detail"]
    assert [(await wire.answer()).status for wire in (*wires, *small)] == [200] * 7
    assert held(service).total == 0
    assert (await ask(service.address, "POST", "/members", JSON, text_of(100 * KIB))).status == 200


async def test_a_body_counts_for_what_it_takes_in_memory(start: Start, connect: Connect) -> None:
    """One character of four bytes makes all characters of a text take four."""
    executor = Leaving()
    service = await start(LIMITS, executor=executor)
    first, second = await connect(service, 2)
    await first.send(post('{"n":"\U0001f980'.encode() + b"x" * 40 * KIB + b'"}'))
    await until(lambda: len(executor.jobs) == 1)
    counted = held(service).total
    await second.send(post('{"n":"\U0001f980'.encode() + b"x" * 40 * KIB + b'"}'))
    refused = await second.answer()
    executor.gate.set()

    assert 160 * KIB < counted < 161 * KIB
    assert refused.status == 503
    assert (await first.answer()).status == 200


async def test_one_body_is_taken_whatever_its_size(start: Start) -> None:
    """Its own limit is that of a request: where nothing else is held, it is served."""
    service = await start(LIMITS)

    assert (await ask(service.address, "POST", "/members", JSON, text_of(900 * KIB))).status == 200
    assert held(service).total == 0


async def test_bodies_count_while_they_arrive(start: Start, connect: Connect) -> None:
    """What slow clients have sent so far is held too; it is given back when they leave."""
    service = await start(LIMITS)
    slow = await connect(service, 2)
    for wire in slow:
        await wire.send(post(text_of(200 * KIB))[: -80 * KIB])
    await until(lambda: held(service).total > 230 * KIB)
    refused = await ask(service.address, "POST", "/members", JSON, text_of(100 * KIB))
    for wire in slow:
        wire.reset()
    await until(lambda: held(service).total == 0)

    assert refused.status == 503
    assert (await ask(service.address, "POST", "/members", JSON, text_of(100 * KIB))).status == 200


async def test_a_waiting_request_holds_no_parsed_body(start: Start) -> None:
    """Its value is tens of times as large as its text, which the job has."""
    executor = Leaving()
    service = await start(executor=executor)
    seen: list[Any] = []
    serve = service._handler._use_case.serve  # type: ignore[attr-defined]

    async def watched(ctx: Any, line: Any) -> Any:
        seen.append(ctx)
        return await serve(ctx, line)

    service._handler._use_case.serve = watched  # type: ignore[attr-defined]
    async with await Wire.to(service.address) as wire:
        await wire.send(post(b'{"n":[%b{}]}' % (b"[]," * 100_000)))
        await executor.entered.wait()
        (ctx,) = seen
        waiting = ctx._body_json
        executor.gate.set()
        assert (await wire.answer()).status == 200

    assert not isinstance(waiting, dict)
    assert ctx.body_json == {"n": [*([[]] * 100_000), {}]}


async def test_operators_work_goes_on(start: Start) -> None:
    """An import is not left half done because whoever asked for it has gone."""
    gate, begun, done = asyncio.Event(), asyncio.Event(), list[str]()

    class Door:
        def owns(self, raw_path: str) -> bool:
            return raw_path == "/slow"

        async def answer(self, _request: Any) -> Reply:
            begun.set()
            await gate.wait()
            done.append("done")
            return Reply(204)

    service = await start()
    service._handler._door = Door()
    async with await Wire.to(service.address) as wire:
        await wire.send(request_bytes("GET", "/slow"))
        await begun.wait()
        wire.reset()
    await ask(service.address, "GET", "/healthz")
    gate.set()
    await until(lambda: done)

    assert done == ["done"]
