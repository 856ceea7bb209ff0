"""The whole service in this process, with real workers, against simulated providers on loopback."""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import aiohttp
import orjson
import pytest
from attrs import define, field, frozen

from server.app import make_app
from server.settings.reading import from_mapping
from tests import answer
from tools.processes import guest_environment, workers_of
from tools.simulators import AnthropicSimulator, OpenAISimulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from server.service import Service
    from server.telemetry.tracing import Tracing
    from tools.simulators import Script, Simulator

    StartApi = Callable[..., Awaitable["Api"]]


@frozen
class Answer(answer.Answer):
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

    async def raw(
        self, method: str, target: str, data: bytes | BinaryIO | None, headers: dict[str, str]
    ) -> Answer:
        """Bytes as they are; no redirect is followed, and no cookie kept."""
        async with self._client.request(
            method, self.service.url + target, data=data, headers=headers, allow_redirects=False
        ) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    def kill_workers(self) -> None:
        """SIGKILL for every worker of this process."""
        for worker in workers_of(os.getpid()):
            os.kill(worker, signal.SIGKILL)

    async def get(self, target: str, session: str = "s1") -> Answer:
        return await self.ask("GET", target, session=session)

    async def post(self, target: str, body: Any = None, session: str = "s1") -> Answer:
        return await self.ask("POST", target, body, session=session)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[StartApi]:
    """`start(script, values="on_request", ...)`: keywords are settings of the section `planner`."""
    async with AsyncExitStack() as running:
        yield partial(_start, running, tmp_path / "data")


async def _start(
    running: AsyncExitStack,
    data_root: Path,
    script: Script = (),
    *,
    wire: type[Simulator] = OpenAISimulator,
    sandbox: dict[str, Any] | None = None,
    auth: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
    console: dict[str, Any] | None = None,
    root: Path | None = None,
    tracing: Tracing | None = None,
    contract: dict[str, Any] | None = None,
    **planner: Any,
) -> Api:
    name = "openai" if wire is OpenAISimulator else "anthropic"
    model = await running.enter_async_context(wire(script))
    toml = {
        "server": {"port": 0, "shutdown_seconds": 2},
        "store": {"data_root": str(root or data_root)},
        "sandbox": {"workers": 1, **(sandbox or {})},
        "auth": auth or {},
        "metrics": metrics or {},
        "contract": contract or {},
        "console": console or {},
        "planner": {"provider": name, "allowed_hosts": ["127.0.0.1"], **planner},
    }
    keys = {f"{name.upper()}_BASE_URL": model.base_url, f"{name.upper()}_API_KEY": "sk-canary-key"}
    service = make_app(from_mapping(toml, guest_environment() | keys), tracing=tracing)
    running.push_async_callback(service.close)
    await service.start()
    client = await running.enter_async_context(aiohttp.ClientSession())
    return Api(service, model, client)


@pytest.fixture(params=[OpenAISimulator, AnthropicSimulator], ids=["openai", "anthropic"])
def wire(request: pytest.FixtureRequest) -> type[Simulator]:
    kind: type[Simulator] = request.param
    return kind
