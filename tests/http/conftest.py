from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from server.app import make_app
from server.service import Service
from server.settings.reading import from_mapping
from tests.fakes import FakeExecutor, FakePlanner

if TYPE_CHECKING:
    from pathlib import Path

Start = Callable[..., Awaitable[Service]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start a real server on loopback: `start(settings, planner=..., executor=..., body_seconds=...)`."""
    running: list[Service] = []

    async def start_one(
        toml: dict[str, Any] | None = None,
        *,
        planner: FakePlanner | None = None,
        executor: FakeExecutor | None = None,
        **options: Any,
    ) -> Service:
        executor = executor or FakeExecutor()
        settings = from_mapping({**(toml or {}), "store": {"data_root": str(tmp_path / "data")}}, {})
        server = evolve(settings.server, port=0, shutdown_seconds=1, **options)
        service = make_app(
            evolve(settings, server=server),
            planner=planner or FakePlanner(),
            executor=executor,
            changes=executor.changes,
        )
        await service.start()
        running.append(service)
        return service

    yield start_one
    for service in running:
        await service.close()
