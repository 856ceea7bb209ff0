"""The real server with the real guest, started as its users start it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.e2e.files import expect_true_files
from tests.e2e.service import RunningService
from tests.sandbox.conftest import keeper, make_sandbox, runtimes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.client import Client
    from wasm_runtime.artifact import Artifact

__all__ = ["client", "keeper", "make_sandbox", "runtimes", "service", "start_service"]

StartService = Callable[..., RunningService]
_numbers = count(1)


@pytest.fixture(scope="module")
def service(guest_artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One service for a module's tests, each in a session of its own; in the end it is stopped properly.

    Then every session's file is what the record has, whatever the tests have written.
    """
    scratch = tmp_path_factory.mktemp("service")
    with RunningService(scratch / "data", scratch, {}) as running:
        yield running
        running.stop()
    asyncio.run(expect_true_files(scratch / "data"))


@pytest.fixture
def client(service: RunningService) -> Client:
    """A client in a session that nobody else has."""
    return service.client(f"session-{next(_numbers)}")


@pytest.fixture
def start_service(guest_artifact: Artifact, tmp_path: Path) -> Iterator[StartService]:
    """Start services that a test stops or kills: `start_service(LARS_...="...")`, all on one data root.

    One that still runs in the end is stopped properly. Then every file is what the record has, whatever the
    test has written.
    """
    started: list[RunningService] = []
    with ExitStack() as running:

        def start(**settings: str) -> RunningService:
            started.append(running.enter_context(RunningService(tmp_path / "data", tmp_path, settings)))
            return started[-1]

        yield start
        for each in started:
            if each.is_running:
                each.stop()
    asyncio.run(expect_true_files(tmp_path / "data"))
