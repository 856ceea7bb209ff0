"""The whole service in this process, with real workers, against simulated providers on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest
from attrs import define, field, frozen

from server.app import Service, make_app
from server.settings import from_mapping
from tools.simulators import AnthropicSimulator, OpenAISimulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from tools.simulators import Script, Simulator

    StartApi = Callable[..., Awaitable["Api"]]


@frozen
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def source(self) -> str:
        return self.headers.get("X-Plan-Source", "")


@define
class Api:
    """A running service and the provider it asks."""

    service: Service
    model: Simulator
    _client: aiohttp.ClientSession = field(alias="client")

    @property
    def calls(self) -> int:
        """How often the provider was called."""
        return len(self.model.requests)

    async def ask(
        self, method: str, target: str, body: Any = None, *, session: str = "s1", **headers: str
    ) -> Answer:
        sent = {"X-Session-ID": session, **{name.replace("_", "-"): text for name, text in headers.items()}}
        data = None if body is None else orjson.dumps(body)
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        url = self.service.url + target
        async with self._client.request(method, url, data=data, headers=sent) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    async def get(self, target: str, session: str = "s1") -> Answer:
        return await self.ask("GET", target, session=session)

    async def post(self, target: str, body: Any = None, session: str = "s1") -> Answer:
        return await self.ask("POST", target, body, session=session)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[StartApi]:
    """`start(script, values="on_request", ...)`: keywords are settings of the section `planner`."""
    running: list[tuple[Service, Simulator, aiohttp.ClientSession]] = []

    async def start_one(
        script: Script = (),
        *,
        wire: type[Simulator] = OpenAISimulator,
        sandbox: dict[str, Any] | None = None,
        **planner: Any,
    ) -> Api:
        name = "openai" if wire is OpenAISimulator else "anthropic"
        model = await wire(script).__aenter__()
        toml = {
            "server": {"port": 0, "shutdown_seconds": 2},
            "store": {"data_root": str(tmp_path / "data")},
            "sandbox": {"workers": 1, **(sandbox or {})},
            "planner": {"provider": name, "allowed_hosts": ["127.0.0.1"], **planner},
        }
        environ = {f"{name.upper()}_BASE_URL": model.base_url, f"{name.upper()}_API_KEY": "sk-canary-key"}
        service = make_app(from_mapping(toml, environ))
        await service.start()
        client = aiohttp.ClientSession()
        running.append((service, model, client))
        return Api(service, model, client)

    yield start_one
    for service, model, client in running:
        await client.close()
        await service.close()
        await model.__aexit__(None, None, None)


@pytest.fixture(params=[OpenAISimulator, AnthropicSimulator], ids=["openai", "anthropic"])
def wire(request: pytest.FixtureRequest) -> type[Simulator]:
    kind: type[Simulator] = request.param
    return kind
