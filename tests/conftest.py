"""What all tests share: hypothesis profiles, and the real guest, built once and cached."""

from __future__ import annotations

import gc
import logging
import os
import sys
from itertools import islice
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import HealthCheck, settings

import server.telemetry.logs
from server.settings.reading import load
from tools import pgbouncer, postgresql
from tools.processes import guest_environment
from wasm_runtime import artifact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.postgresql import Postgres
    from wasm_runtime.artifact import Artifact

# Readline, which pytest loads, sets them behind Python's back: workers of pytest-xdist inherit what a single
# process does not see. What is printed may not hang on that.
for _size in ("COLUMNS", "LINES"):
    os.environ.pop(_size, None)

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile(
    "ci", max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


# Thousands of tests are made before the first one runs, and all are there to the last. To look through them
# for cycles again and again takes each process seconds.
gc.disable()


def pytest_collection_finish() -> None:
    """From here on cycles are looked for in what the tests make themselves."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)  # what is left out is no longer among them
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first in each process of pytest-xdist, so that they end at the same time.

    Each begins with its share of the tests, which follow each other, and takes over from others later. The
    files of long tests are dealt out; a file is not parted, as its tests may share what is slow to start.
    """
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if not item.get_closest_marker("long")]
    files = list(dict.fromkeys(item.path for item in long))
    items.clear()
    total, left = len(long) + len(others), iter(others)
    for process in range(processes):
        own = files[process::processes]
        items += [item for item in long if item.path in own]
        items += islice(left, max(0, total * (process + 1) // processes - len(items)))
    items += left


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """A test that sets up logging does it for itself."""
    root = logging.getLogger()
    handlers, level, threshold = root.handlers[:], root.level, server.telemetry.logs.threshold.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    server.telemetry.logs.threshold.level = threshold
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def guest_artifact() -> Artifact:
    """The guest that the service itself would run. A guest that cannot be built fails the test."""

    def progress(what: str, seconds: float | None) -> None:
        sys.stderr.write(f"{what}\n" if seconds is None else f"  done in {seconds:.1f} s\n")

    return artifact.ensure(load(guest_environment()).store.cache_path, progress)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One for all tests, which syncs nothing: each test has a database of its own.

    With METASERVICE_TEST_POOLER it is behind PgBouncer (`tests/proxies/test_pgbouncer.py`).
    """
    pooled = bool(os.environ.get("METASERVICE_TEST_POOLER"))
    with pgbouncer.running() if pooled else postgresql.running() as server:
        yield server


@pytest.fixture
def database(postgres_server: Postgres) -> str:
    """The address of an empty database."""
    return postgres_server.new_database()
