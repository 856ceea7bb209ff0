"""The measurement of the console runs, be it upon little: its figures are for docs/performance.md."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.long


def test_the_console_is_measured(guest_artifact: object) -> None:
    """Every page answers, and both services do."""
    assert guest_artifact
    done = subprocess.run(
        [sys.executable, "-m", "tools.console", "--quick"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "/sessions/big/data/things?q=sort%3D-age" in done.stdout
    assert "with a console" in done.stdout
