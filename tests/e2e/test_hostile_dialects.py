"""No dialect makes the service weaker: hostile requests and mutants of good ones, in the real guest."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson
import pytest

from server.planning.dialects.frame.registry import AUTO, known
from tests.e2e.hostile import GOOD, mutant
from tests.http.client import Wire
from tools.http_corpus import corpus, request_bytes

if TYPE_CHECKING:
    from tests.answer import Answer
    from tests.e2e.hostile import Request
    from tests.e2e.service import RunningService

CASES = [case for case in corpus(Path(__file__).parents[1] / "data" / "http_hostile.jsonl") if not case.plan]
MUTANTS = 120


async def send(service: RunningService, data: bytes, *, head: bool = False) -> Answer:
    address = urlsplit(service.url)
    async with await Wire.to((address.hostname or "", address.port or 0)) as wire:
        await wire.send(data)
        return await wire.answer(head=head)


async def ask(service: RunningService, request: Request, session: str, dialect: str) -> Answer:
    target, headers, body = request.sent()
    sent = [("X-Session-ID", session), ("X-Dialect", dialect), *headers]
    return await send(
        service, request_bytes(request.method, target, sent, body), head=request.method == "HEAD"
    )


def assert_answered(answer: Answer, what: object) -> None:
    """501 is what nobody can read; every other error is the client's, and in JSON."""
    assert answer.status < 500 or answer.status == 501, (what, answer)
    if answer.status >= 400 and answer.body:
        assert isinstance(orjson.loads(answer.body), dict), what


@pytest.mark.parametrize("dialect", GOOD)
async def test_good_requests_are_served_and_settle_a_session(service: RunningService, dialect: str) -> None:
    """With the dialect's name; and with `auto` from the first mark on."""
    for request in GOOD[dialect]:
        answer = await ask(service, request, f"good-{dialect}", dialect)
        assert answer.status < 400, (request, answer)
        assert answer.headers["x-dialect"] == dialect
    marked = [await ask(service, request, f"auto-{dialect}", AUTO) for request in GOOD[dialect]]
    first = next(place for place, each in enumerate(marked) if "x-dialect" in each.headers)
    assert {each.headers["x-dialect"] for each in marked[first:]} == {dialect}


@pytest.mark.parametrize("dialect", [*known(), AUTO])
async def test_the_hostile_corpus(service: RunningService, dialect: str) -> None:
    for case in CASES:
        start, mark, rest = case.data.partition(b"\r\n")
        said = f"X-Dialect: {dialect}\r\n".encode() if mark else b""
        answer = await send(service, start + mark + said + rest, head=case.head)
        assert answer.status < 500 or answer.status == 501, (case.id, answer)


@pytest.mark.parametrize("dialect", [*known(), AUTO])
async def test_mutants_of_good_requests(service: RunningService, dialect: str) -> None:
    """Their session may hold anything afterwards; another one is what it was."""
    random = Random(f"mutants of {dialect}")
    good = GOOD.get(dialect) or [request for each in GOOD.values() for request in each]
    bystander, session = f"bystander-{dialect}", f"mutants-{dialect}"
    kept = next(iter(GOOD["json-server"]))
    assert (await ask(service, kept, bystander, "native")).status == 201
    for request in good:
        await ask(service, request, session, dialect)
    for _ in range(MUTANTS):
        request = mutant(random.choice(good), random)
        assert_answered(await ask(service, request, session, dialect), request)
    listed = await send(service, request_bytes("GET", "/posts", [("X-Session-ID", bystander)], None))
    assert [each["title"] for each in listed.json["items"]] == ["a"]
    for request in GOOD.get(dialect, ()):
        if request.method == "GET":
            assert_answered(await ask(service, request, session, dialect), request)


async def test_two_first_marks_settle_one_dialect(service: RunningService) -> None:
    """Both requests are read in the same one, and so is what follows."""
    one, two = GOOD["ra-data-simple-rest"][5], GOOD["json-server"][8]
    for number in range(10):
        session = f"race-{number}"
        answers = await asyncio.gather(*(ask(service, each, session, AUTO) for each in (one, two)))
        [settled] = {each.headers["x-dialect"] for each in answers}
        assert settled in ("ra-data-simple-rest", "json-server")
