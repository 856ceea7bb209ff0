from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools.fuzz.targets.guest import LIMITS
from tools.fuzz.traced_guest import TracedGuest
from wasm_runtime.engine import Runtime

if TYPE_CHECKING:
    from wasm_runtime.artifact import Artifact


@pytest.fixture(scope="session")
def traced_runtime(guest_artifact: Artifact) -> Runtime:
    runtime = Runtime.load(guest_artifact.path, LIMITS)
    runtime.start_clock()
    return runtime


@pytest.fixture
def traced(traced_runtime: Runtime, tmp_path_factory: pytest.TempPathFactory) -> TracedGuest:
    """The real guest with the oracle inside."""
    return TracedGuest(traced_runtime, tmp_path_factory.mktemp("traced"))
