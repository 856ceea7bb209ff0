"""The HTTP client under the SDKs: nothing out of the environment, nowhere but where the settings allow."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from server.planning.providers import ProviderDown, make_provider
from server.planning.providers.connection import NotAllowed, open_client
from server.planning.providers.model_provider import ModelProvider
from server.settings.planner import PlannerSettings
from server.settings.reading import Settings
from tests.unit.server.planning.providers.service import (
    PROMPT,
    SIMULATORS,
    ask,
    in_seconds,
    planner_settings,
    provider_for,
)
from tools.simulators import AnthropicSimulator, OpenAISimulator, Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.planning.providers import Provider

both = pytest.mark.parametrize("simulated", SIMULATORS)


@both
class TestEnvironment:
    async def test_proxies_are_ignored(
        self, simulated: type[Simulator], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A proxy that the environment names sees no prompt."""
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
            monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        async with simulated() as simulator, provider_for(simulator) as provider:
            await ask(provider, calls=1)

            assert len(simulator.requests) == 1

    async def test_only_headers_that_are_needed_are_sent(
        self, simulated: type[Simulator], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither this host's platform nor headers out of the environment leave it."""
        for provider_name in ("OPENAI", "ANTHROPIC"):
            monkeypatch.setenv(f"{provider_name}_CUSTOM_HEADERS", "X-Canary: canary")
        monkeypatch.setenv("OPENAI_ORG_ID", "canary")
        async with simulated() as simulator, provider_for(simulator) as provider:
            await ask(provider, calls=1)

            names = {name.lower() for name in simulator.requests[0].headers}
            needed = {"host", "connection", "user-agent", "accept", "accept-encoding", "content-type"}
            needed |= {"content-length", "authorization"}
            assert needed <= names
            assert names - needed <= {"anthropic-version"}
            assert simulator.requests[0].headers["Accept-Encoding"] == "identity"

    async def test_keys_out_of_the_environment_are_not_used(
        self, simulated: type[Simulator], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without a key in the settings none is sent to a server of one's own, though the SDKs would."""
        for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_ADMIN_KEY"):
            monkeypatch.setenv(name, "canary")
        async with simulated() as simulator:
            provider = make_provider(without_keys(planner_settings(simulator)))
            assert provider is not None
            await provider.complete(PROMPT, deadline=in_seconds(20.0), calls=1)
            await provider.close()

            assert "canary" not in str(dict(simulator.requests[0].headers))


class TestAllowedHosts:
    @both
    async def test_loopback_only_when_listed(self, simulated: type[Simulator]) -> None:
        """No provider is made for a host that the settings do not list."""
        async with simulated() as simulator:
            with pytest.raises(ValueError, match=r"not in planner\.allowed_hosts"):
                make_provider(planner_settings(simulator, allowed="api.openai.com"))

            assert not simulator.requests

    async def test_the_client_itself_refuses(self) -> None:
        """Whatever an SDK makes of its URL, it is asked about before anything is sent."""
        async with OpenAISimulator() as simulator, open_client(lambda _: "never") as client:
            with pytest.raises(NotAllowed):
                await client.post(simulator.base_url)

            assert not simulator.requests

    async def test_a_refusal_on_the_way_is_the_provider_s(self) -> None:
        """Settings that came to refuse the URL leave the provider down, after one try."""
        async with OpenAISimulator() as simulator, provider_for(simulator) as provider:
            provider_client = provider._wire._client._client  # type: ignore[attr-defined]
            guarded = provider_client._transport
            provider_client._transport = attrs.evolve(guarded, refusal=lambda _: "never")
            with pytest.raises(ProviderDown) as raised:
                await ask(provider, calls=3)

            assert raised.value.calls == 1
            assert not simulator.requests


HTTP = "http://{}:11434/v1"


class TestPlainHttp:
    @pytest.mark.parametrize(
        ("host", "allowed"),
        [
            ("192.168.1.20", True),
            ("10.0.0.9", True),
            ("172.17.0.1", True),
            ("100.64.0.7", True),
            ("169.254.169.254", False),
            ("[fd00::1]", True),
            ("host.docker.internal", True),
            ("8.8.8.8", False),
            ("172.32.0.1", False),
            ("192.0.2.1", False),
            ("[2001:4860::1]", False),
            ("[::ffff:8.8.8.8]", False),
        ],
    )
    def test_a_private_address_can_be_allowed(self, host: str, allowed: bool) -> None:
        """By a setting of its own, where it is listed; an address that is public never is."""
        listed = PlannerSettings(allowed_hosts=(host,))
        private = attrs.evolve(listed, private_http=True)

        assert "planner.private_http" in listed.refusal(HTTP.format(host))
        assert (private.refusal(HTTP.format(host)) == "") is allowed
        assert "not in planner.allowed_hosts" in attrs.evolve(private, allowed_hosts=()).refusal(
            HTTP.format(host)
        )

    async def test_a_name_that_leads_to_a_private_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The call goes there, with the host's name in it."""
        lead(monkeypatch, "127.0.0.1")
        async with OpenAISimulator() as simulator, named(simulator, "gpu.lan") as provider:
            await ask(provider)

            assert simulator.requests[0].headers["Host"].startswith("gpu.lan:")

    @pytest.mark.parametrize("addresses", [("8.8.8.8",), ("127.0.0.1", "8.8.8.8"), ()])
    async def test_a_name_that_leads_elsewhere(
        self, monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...]
    ) -> None:
        """No key goes out in the clear, also where only one of the addresses is public."""
        lead(monkeypatch, *addresses)
        async with OpenAISimulator() as simulator, named(simulator, "gpu.lan") as provider:
            with pytest.raises(ProviderDown) as raised:
                await ask(provider, calls=1)

            assert not simulator.requests
        assert raised.value.everyones


def lead(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Have the name ``gpu.lan`` lead to these addresses."""
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        if host != "gpu.lan":
            return real(host, port, *more, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@asynccontextmanager
async def named(simulator: Simulator, host: str) -> AsyncIterator[Provider]:
    """A provider that reaches the simulator by this name."""
    settings = planner_settings(simulator, allowed=host, private_http=True)
    url = simulator.base_url.replace("127.0.0.1", host)
    provider = make_provider(attrs.evolve(settings, openai=attrs.evolve(settings.openai, base_url=url)))
    assert isinstance(provider, ModelProvider)
    try:
        yield provider
    finally:
        await provider.close()


class TestMakeProvider:
    def test_conventions(self) -> None:
        """Without a key there is no provider."""
        assert make_provider(Settings().planner) is None

    @pytest.mark.parametrize(
        ("simulated", "name"), [(OpenAISimulator, "openai"), (AnthropicSimulator, "anthropic")]
    )
    async def test_chosen(self, simulated: type[Simulator], name: str) -> None:
        """The provider that the settings choose, with its model."""
        async with simulated() as simulator, provider_for(simulator) as provider:
            assert (provider.name, provider.model) == (name, "a-model")


def without_keys(settings: PlannerSettings) -> PlannerSettings:
    return attrs.evolve(
        settings,
        openai=attrs.evolve(settings.openai, api_key=""),
        anthropic=attrs.evolve(settings.anthropic, api_key=""),
    )
