"""Every hostile request of the corpus gets an answer of its class, from the real server on loopback."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes import FakeExecutor, completed
from tests.http.client import Answer, Wire, ask
from tools.http_corpus import corpus

if TYPE_CHECKING:
    from tests.http.conftest import Start
    from tools.http_corpus import Case

CASES = corpus(Path(__file__).parents[1] / "data" / "http_hostile.jsonl")
PLANS = {
    "short body; wait",
    "short body; half close",
    "RST after the headers and half of the body",
    "RST after the full request",
    "full request; never read",
    "headers with Expect; wait",
}
ORDINARY = [case for case in CASES if case.plan is None]
SLOW = [case for case in CASES if case.plan is not None]
TOKEN = {"auth": {"token": "the-token"}}


def _statuses(status: int) -> list[int]:
    """What came back; 0 stands for a connection that was closed instead."""
    return [status] if status else []


@pytest.mark.parametrize("auth", [False, True])
async def test_is_answered_in_its_class(auth: bool, start: Start) -> None:
    """The status is of the class the corpus asks for, errors are problem documents, the server lives."""
    service = await start(TOKEN if auth else None)
    cases = [case for case in ORDINARY if bool(case.auth) is auth]

    assert cases
    for case in cases:
        async with await Wire.to(service.address) as wire:
            await wire.send(case.data)
            answer = await wire.answer(head=case.head)

        assert case.allows(_statuses(answer.status)), (case.id, answer, case.why)
        assert answer.status < 500, case.id
        _assert_own_words(answer)
        assert (await ask(service.address, "GET", "/healthz")).status == 200, case.id


def _assert_own_words(answer: Answer) -> None:
    if answer.status >= 400 and answer.body:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["request_id"] == answer.headers["x-request-id"]
        assert answer.json["error"] == answer.json["detail"]


def test_every_slow_case_has_its_steps() -> None:
    """A slow case that is added to the corpus is not passed over."""
    assert {case.plan for case in SLOW} <= PLANS


@pytest.mark.parametrize("case", SLOW, ids=lambda case: case.id)
async def test_slow_client_is_let_go(case: Case, start: Start) -> None:
    """A client that stalls or leaves is answered or closed by a deadline, and the server lives."""
    large = completed({"text": "x" * 30_000_000})
    service = await start(executor=FakeExecutor(lambda job: large), body_seconds=0.3, header_seconds=1)

    async with await Wire.to(service.address) as wire:
        status = await _play(case.plan or "", wire)

    assert case.allows(_statuses(status)), (status, case.why)
    assert (await ask(service.address, "GET", "/healthz")).status == 200


_POST = (
    b"POST /members/ HTTP/1.1\r\nHost: localhost\r\nX-Session-ID: s1\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n"
)


async def _play(plan: str, wire: Wire) -> int:
    """Do what the plan says; the status that came back, 0 where the connection was closed instead."""
    short = _POST % 100 + b"\r\n" + b'{"a":1,   '
    match plan:
        case "short body; wait":
            await wire.send(short)
        case "short body; half close":
            await wire.send(short)
            wire.writer.write_eof()
        case "headers with Expect; wait":
            await wire.send(_POST % 7 + b"Expect: 100-continue\r\n\r\n")
            assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        case "RST after the headers and half of the body":
            return await _leave(wire, short)
        case "RST after the full request":
            return await _leave(wire, _POST % 7 + b'\r\n{"a":1}')
        case "full request; never read":
            await wire.send(_POST % 7 + b'\r\n{"a":1}')
            wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(0.6)
            wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert (await wire.answer()).status == 0, "30 MB cannot all have been buffered"
            return 0
        case _:
            raise AssertionError(plan)
    return (await wire.answer()).status


async def _leave(wire: Wire, data: bytes) -> int:
    await wire.send(data)
    await asyncio.sleep(0.05)
    wire.reset()
    await asyncio.sleep(0.05)
    return 0
