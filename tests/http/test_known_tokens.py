"""A token of the service reaches no plan, whichever header it comes in and whatever form it has."""

from __future__ import annotations

import base64
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from server.requests.headers import MAX_CHARACTERS
from server.requests.known_tokens import KnownTokens
from tests.fakes import FakeExecutor
from tests.http.client import Wire, ask, request_bytes

if TYPE_CHECKING:
    from tests.http.conftest import Start

TOKENS: dict[str, Any] = {
    "auth": {
        "token": "the-token-of-all-clients",
        "admin_token": "the-token-of-operators",
        "metrics_token": "the-token-of-metrics",
        "tokens": {"ci": "the-token-of-ci"},
    }
}
OPERATORS: dict[str, Any] = {"auth": {"admin_token": "the-token-of-operators"}}
KNOWN = ["the-token-of-all-clients", "the-token-of-operators", "the-token-of-metrics", "the-token-of-ci"]
LET_IN = {"X-Service-Token": KNOWN[0]}


def encoded(text: str, *, safe: bool = False) -> str:
    data = text.encode()
    return (base64.urlsafe_b64encode(data) if safe else base64.b64encode(data)).decode()


#: How clients write a token into a header.
FORMS = {
    "alone": lambda token: token,
    "bearer": lambda token: f"Bearer {token}",
    "bearer, small": lambda token: f"bearer   {token}  ",
    "scheme unknown": lambda token: f"Token {token}",
    "parameter": lambda token: f'Token token="{token}", nonce="1"',
    "no blank": lambda token: f"Bearer:{token}",
    "in a list": lambda token: f"Bearer of-the-api, Bearer {token}",
    "quoted": lambda token: f'"{token}"',
    "tab": lambda token: f"Bearer\t{token}",
    "password": lambda token: f"Basic {encoded('me:' + token)}",
    "name": lambda token: f"Basic {encoded(token + ':')}",
    "in Base64": lambda token: f"Basic {encoded(token)}",
    "without padding": lambda token: f"Basic {encoded('me:' + token, safe=True).rstrip('=')}",
    "percent": lambda token: f"Bearer {quote(token, safe='').replace('-', '%2D')}",
}


async def test_authorization_beside_the_service_s_own_header(start: Start) -> None:
    """The API's own Authorization is a plan's to see, but not with a token of the service in it."""
    executor = FakeExecutor()
    service = await start(TOKENS, executor=executor)
    for token, form in product(KNOWN, FORMS):
        sent = LET_IN | {"Authorization": FORMS[form](token)}
        answer = await ask(service.address, "GET", "/members", sent)

        assert answer.status == 200, (token, form)
        assert "authorization" not in executor.jobs[-1].request, (token, form)
    assert len(executor.jobs) == len(KNOWN) * len(FORMS)


async def test_an_open_service_with_operators(start: Start) -> None:
    """Their token opens their pages; sent to the API by mistake, it stays at the edge."""
    executor = FakeExecutor()
    service = await start(OPERATORS, executor=executor)
    for form, sent in FORMS.items():
        await ask(service.address, "GET", "/members", {"Authorization": sent(KNOWN[1])})

        assert "authorization" not in executor.jobs[-1].request, form
    assert len(executor.jobs) == len(FORMS)


async def test_the_api_s_own_authorization_stays(start: Start) -> None:
    """The other side: what only resembles a token of ours is somebody else's."""
    executor = FakeExecutor()
    service = await start(TOKENS, executor=executor)
    own = f"Bearer {KNOWN[0]}x, {encoded('me:' + KNOWN[0][:-1])}"
    await ask(service.address, "GET", "/members", LET_IN | {"Authorization": own})

    assert own in executor.jobs[0].request


@pytest.mark.parametrize("name", ["Accept", "Accept-Language", "Content-Type"])
async def test_headers_that_are_spared(name: str, start: Start) -> None:
    """A request means the same without them."""
    executor = FakeExecutor()
    service = await start(TOKENS, executor=executor)
    answer = await ask(service.address, "GET", "/members", LET_IN | {name: f"*/*, a/b;x={KNOWN[3]}"})

    assert answer.status == 200
    assert KNOWN[3] not in executor.jobs[0].request


@pytest.mark.parametrize(
    "name",
    [
        *("Idempotency-Key", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"),
        *("Prefer", "X-Session-ID"),
    ],
)
async def test_headers_that_cannot_be_left_out(name: str, start: Start) -> None:
    """Without them something else would be done than was asked for, so the request is refused."""
    executor = FakeExecutor()
    service = await start(TOKENS, executor=executor)
    answer = await ask(service.address, "DELETE", "/members/1", LET_IN | {name: KNOWN[1]})

    assert (answer.status, answer.json["header"]) == (400, name.lower())
    assert answer.json["detail"] == (
        f"The {answer.json['detail'].split()[1]} header holds a token of the service; send that in "
        "Authorization or X-Service-Token alone."
    )
    assert not executor.jobs


async def test_a_token_as_the_host(start: Start) -> None:
    """It would be in every link that a plan makes."""
    executor = FakeExecutor()
    service = await start(TOKENS, executor=executor, hosts=("*",))
    async with await Wire.to(service.address) as wire:
        raw = request_bytes("GET", "/members", LET_IN.items()).replace(b"localhost", KNOWN[1].encode())
        await wire.send(raw)
        answer = await wire.answer()

    assert (answer.status, answer.json["header"]) == (400, "host")
    assert not executor.jobs


async def test_a_token_as_the_request_s_id(start: Start) -> None:
    """It would be in the log, and in the answer."""
    service = await start(TOKENS)
    with capture_logs() as logs:
        answer = await ask(service.address, "GET", "/members", LET_IN | {"X-Request-ID": KNOWN[0]})

    assert answer.headers["x-request-id"] != KNOWN[0]
    assert KNOWN[0] not in repr(logs)


@pytest.mark.parametrize("more", [0, 1])
async def test_a_header_of_many_lines_is_as_long_as_one(more: int, start: Start) -> None:
    """Both sides of the limit: so is what reading it costs."""
    service = await start()
    length = MAX_CHARACTERS - len("*/*, ") + more
    sent = {"Accept": "*/*", "accept": "a" * length}
    answer = await ask(service.address, "GET", "/members", sent)

    assert answer.status == (400 if more else 200)


def test_short_tokens_are_known_as_well() -> None:
    """Where one is shorter than usual, short words are looked at, too."""
    known = KnownTokens(["abc", "a,b;c", ""])

    assert all(map(known.are_in, ("abc", "Bearer abc", "x=abc", "a,b;c", "Bearer a,b;c", 'token="a,b;c"')))
    assert not any(map(known.are_in, ("", "ab", "abcd", "Bearer abd")))
    assert not KnownTokens([]).are_in("abc")
