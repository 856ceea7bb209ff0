"""What the worker makes of a disk that fails; the failing itself is `tests/torture/test_faults.py`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wasm_runtime import session_files
from wasm_runtime.outcome import StorageFailed, StorageFull

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.sandbox.conftest import Sandbox


def test_no_space_on_the_disk_is_told_from_other_failures(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guest says EIO of both; the disk knows."""
    failed = StorageFailed("the session's storage failed")
    assert sandbox.guests.explained(failed) == failed

    monkeypatch.setattr(session_files, "is_disk_full", lambda _path: True)
    assert isinstance(sandbox.guests.explained(failed), StorageFull)


def test_a_disk_is_full_when_no_transaction_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the blocks that are free to this user."""
    disk = os.statvfs(tmp_path)
    free = [*disk]
    for blocks, full in ((65_536 // disk.f_frsize, False), (65_536 // disk.f_frsize - 1, True)):
        free[4] = blocks
        monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(free))
        assert session_files.is_disk_full(tmp_path) is full
