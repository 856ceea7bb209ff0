"""Under which names the service is reached: a page whose name leads to it by DNS rebinding gets nothing."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes import FakeExecutor
from tests.http.client import Answer, Wire, request_bytes

if TYPE_CHECKING:
    from server.service import Service
    from tests.http.conftest import Start

LOCAL = [
    *("localhost", "LOCALHOST:8000", "localhost.", "app.localhost", "a.b.localhost:1"),
    *("127.0.0.1", "127.0.0.1:8000", "127.8.9.1", "127.0.0.1.", "[::1]", "[::1]:8000", "[0:0:0:0:0:0:0:1]"),
]
STRANGE = [
    *("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "xlocalhost"),
    *("x", "0.0.0.0", "10.0.0.1:8000", "[::2]", "[::]", "127.1", "2130706433", "localhost.."),
]
SESSION = [("X-Session-ID", "s1")]


async def asked(service: Service, host: str, target: str = "/members", method: str = "GET") -> Answer:
    async with await Wire.to(service.address) as wire:
        raw = request_bytes(method, target, SESSION)
        await wire.send(raw.replace(b"Host: localhost", b"Host: " + host.encode(), 1))
        return await wire.answer(head=method == "HEAD")


async def test_names_of_this_machine(start: Start) -> None:
    """They are served, whatever the port: who asks has not looked them up anywhere else."""
    service = await start()

    assert {host: (await asked(service, host)).status for host in LOCAL} == dict.fromkeys(LOCAL, 200)


async def test_other_names_on_loopback(start: Start) -> None:
    """A problem of its own, before anything else is looked at; the name that was meant is in it."""
    executor = FakeExecutor()
    service = await start(executor=executor)
    for host in STRANGE:
        answer = await asked(service, host)

        assert (answer.status, answer.json["type"]) == (421, "/_meta/problems/misdirected-request"), host
        assert answer.json["host"] in host
        assert "server.hosts" in answer.json["detail"]
    assert STRANGE
    assert not executor.jobs


async def test_no_page_is_open_under_another_name(start: Start) -> None:
    """The service's own and the operators' neither; nor is a preflight answered."""
    pages = ("/", "/docs", "/openapi.json", "/_meta/problems/not-found", "/_meta/sessions", "/_meta/metrics")
    toml: dict[str, Any] = {
        "auth": {"admin_token": "the-token-of-operators"},
        "cors": {"origins": ["*"]},
    }
    service = await start(toml)

    for target, method in product(pages, ("GET", "OPTIONS")):
        assert (await asked(service, "evil.example", target, method)).status == 421, (method, target)


async def test_health_is_told_under_any_name(start: Start) -> None:
    """Load balancers ask by an address, and there is nothing in it."""
    service = await start()

    assert (await asked(service, "10.0.0.1:8000", "/healthz")).status == 200
    assert (await asked(service, "evil.example", "/healthz?x=1")).status == 200


async def test_what_is_no_host(start: Start) -> None:
    service = await start()

    for host in ("a b", "a/b", "", "a:b", "[::1", "a@b", "evil.example\\"):
        assert (await asked(service, host)).status == 400, host


@pytest.mark.parametrize("public_url", ["", "https://elsewhere.example"])
async def test_names_that_are_set(public_url: str, start: Start) -> None:
    """They are served beside this machine's own, and no others are, behind a proxy neither."""
    hosts = ("Api.example.com", "*.example.org", "my_service", "10.0.0.1", "fd00::1")
    service = await start(hosts=hosts, public_url=public_url)
    served = {
        *("api.example.com", "API.example.com.:443", "a.example.org", "a.b.example.org", "my_service"),
        *("10.0.0.1:80", "[fd00::1]:80", "localhost"),
    }
    refused = {"example.org", "badexample.org", "example.com", "x.api.example.com", "10.0.0.2"}

    for host in served | refused:
        assert (await asked(service, host)).status == (200 if host in served else 421), host


@pytest.mark.parametrize(
    "options",
    [{"hosts": ("*",)}, {"public_url": "https://api.example"}, {"host": "0.0.0.0"}],
)
async def test_where_any_name_is_served(options: dict[str, Any], start: Start) -> None:
    """By `*`; behind a proxy with a name of its own; and where others than this machine may connect."""
    service = await start(**options)

    assert (await asked(service, "evil.example")).status == 200


async def test_http_1_0_has_no_host(start: Start) -> None:
    """No browser speaks it."""
    service = await start()
    async with await Wire.to(service.address) as wire:
        await wire.send(b"GET /members HTTP/1.0\r\nX-Session-ID: s1\r\n\r\n")

        assert (await wire.answer()).status == 200


@pytest.mark.parametrize("options", [{}, {"hosts": ("*",)}])
async def test_a_target_that_names_a_host(options: dict[str, Any], start: Start) -> None:
    """It is the Host header's, or nobody knows which is meant; who stands before an @ is no host."""
    service = await start(**options)
    for target in ("http://localhost/members", "HTTP://LOCALHOST:80/members", "https://localhost./members"):
        assert (await asked(service, "localhost:8000", target)).status == 200, target

    others = (
        "evil.example",
        "localhost@evil.example",
        "evil.example@localhost",
        "",
        "localhost.evil.example",
    )
    for authority in others:
        answer = await asked(service, "localhost", f"http://{authority}/members")
        assert answer.status == 400, authority
    for other in ("evil.example", "localhost.evil.example"):
        assert (await asked(service, "localhost", f"http://{other}/members")).json["header"] == "host", other


async def test_a_target_that_names_a_host_without_host(start: Start) -> None:
    service = await start()
    async with await Wire.to(service.address) as wire:
        await wire.send(b"GET http://evil.example/members HTTP/1.0\r\nX-Session-ID: s1\r\n\r\n")

        assert (await wire.answer()).status == 400
