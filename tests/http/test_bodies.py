"""Bodies that are none, JSON by other names, and what a refusal says: over real sockets."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from server.requests.content import PEEKED_BYTES
from tests.fakes import FakeExecutor
from tests.http.client import Wire, ask, request_bytes

if TYPE_CHECKING:
    from tests.http.conftest import Start

TYPES = [
    *("application/json", "application/json; charset=utf-8", "application/x-www-form-urlencoded"),
    *("application/vnd.api+json", "application/merge-patch+json", "application/json-patch+json"),
    *("text/plain", "application/octet-stream", "multipart/form-data; boundary=x", "no media type"),
]


METHODS = ("POST", "PUT", "PATCH", "DELETE", "GET")
#: How a client says that there is no body: the header, and what follows the headers.
FRAMINGS: tuple[tuple[list[tuple[str, str]], bytes], ...] = (
    ([], b""),
    ([("Content-Length", "0")], b""),
    ([("Transfer-Encoding", "chunked")], b"0\r\n\r\n"),
)


@pytest.mark.parametrize("sent", TYPES)
async def test_no_bytes_are_no_body(sent: str, start: Start) -> None:
    """Whatever a client calls them, for every method, and however it says that there are none."""
    executor = FakeExecutor()
    service = await start(executor=executor)
    for method, (how, rest) in product(METHODS, FRAMINGS):
        headers = [("X-Session-ID", "s1"), ("Content-Type", sent), *how]
        async with await Wire.to(service.address) as wire:
            await wire.send(request_bytes(method, "/members/1", headers) + rest)
            answer = await wire.answer()
        assert answer.status == 200, (method, how, answer)

    assert [each["ctx"]["body_json"] for each in executor.requests] == [None] * 15


@pytest.mark.parametrize("sent", ["application/ld+json", "text/json", "Application/CSP-Report"])
async def test_json_by_other_names(sent: str, start: Start) -> None:
    executor = FakeExecutor()
    service = await start(executor=executor)
    answer = await ask(service.address, "POST", "/members", {"Content-Type": sent}, b'{"a": 1}')

    assert answer.status == 200
    assert executor.requests[0]["ctx"]["body_json"] == {"a": 1}


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b'{"a": 1}', True),
        (b'{"a": 1', False),
        (b"hello", False),
        (b'{"a": "' + b"x" * PEEKED_BYTES + b'"}', False),
    ],
)
async def test_json_that_is_called_text(body: bytes, hint: bool, start: Start) -> None:
    """A 415 that says what was sent, what is taken, and that it would have been JSON; a large one unread."""
    executor = FakeExecutor()
    service = await start(executor=executor)
    sent = {"Content-Type": "text/plain;charset=UTF-8"}
    answer = await ask(service.address, "POST", "/members", sent, body)

    assert (answer.status, executor.jobs) == (415, [])
    assert answer.json["detail"].startswith("The body was sent as text/plain; it is taken as one of: ")
    assert answer.json["detail"].endswith("For JSON say Content-Type: application/json.") is hint
    assert answer.headers["accept"].startswith("application/json, ")


async def test_another_type_is_refused_unread(start: Start) -> None:
    """No 100 comes for a body that nobody will read."""
    service = await start()
    headers = [("X-Session-ID", "s1"), ("Content-Type", "image/png"), ("Expect", "100-continue")]
    async with await Wire.to(service.address) as wire:
        await wire.send(request_bytes("POST", "/members", [*headers, ("Content-Length", "9")]))

        assert (await wire.answer()).status == 415
