"""What all tests share: hypothesis profiles, and the real guest, built once and cached."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from server.settings import load
from wasm_runtime import artifact

if TYPE_CHECKING:
    from wasm_runtime.artifact import Artifact

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile(
    "ci", max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(scope="session")
def guest_artifact() -> Artifact:
    """The guest that the service itself would run. A guest that cannot be built fails the test."""

    def progress(what: str, seconds: float | None) -> None:
        sys.stderr.write(f"{what}\n" if seconds is None else f"  done in {seconds:.1f} s\n")

    return artifact.ensure(Path(load({}).store.cache_path), progress)
