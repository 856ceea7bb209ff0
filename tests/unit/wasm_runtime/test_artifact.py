"""What a build leaves in the cache, beside itself."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from wasm_runtime.artifact import _forget_others

if TYPE_CHECKING:
    from pathlib import Path

MONTH = 30 * 24 * 3600


def test_what_nobody_needs_goes(tmp_path: Path) -> None:
    """Builds of long ago, and scratch of one that was killed; not what others use, nor what is another's."""
    now = time.time()
    for name, age in {"old": MONTH + 60, "recent": MONTH - 60, "mine": MONTH + 60}.items():
        for suffix in ("cwasm", "json"):
            file = tmp_path / f"guest-{name}.{suffix}"
            file.touch()
            os.utime(file, (now - age, now - age))
    (tmp_path / "building-killed" / "stage").mkdir(parents=True)
    (tmp_path / "building-killed" / "guest.wasm").touch()
    (tmp_path / "build.lock").touch()

    _forget_others(tmp_path, "mine")

    kept = [
        "build.lock",
        *(f"guest-{name}.{suffix}" for name in ("mine", "recent") for suffix in ("cwasm", "json")),
    ]
    assert sorted(each.name for each in tmp_path.iterdir()) == kept
