"""What the worker makes of a disk that fails; the failing itself is `tests/torture/test_faults.py`."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from wasm_runtime import session_files
from wasm_runtime.outcome import Completed, NotConfirmed, SessionDamaged, StorageFailed, StorageFull

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox.conftest import Sandbox

INSERT = 'REPLY = make_response(201, store.insert({"a": 1})["id"])'
COUNT = "REPLY = make_response(200, store.count())"


def failing(_path: Path) -> None:
    raise OSError(errno.EIO, "Input/output error")


def test_no_space_on_the_disk_is_told_from_other_failures(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guest says EIO of both; the disk knows."""
    failed = StorageFailed("the session's storage failed")
    assert sandbox.guests.explained("s1", failed) == failed

    monkeypatch.setattr(session_files, "is_disk_full", lambda _path: True)
    assert isinstance(sandbox.guests.explained("s1", failed), StorageFull)


def test_a_disk_is_full_when_no_transaction_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the blocks that are free to this user."""
    disk = os.statvfs(tmp_path)
    free = [*disk]
    for blocks, full in ((65_536 // disk.f_frsize, False), (65_536 // disk.f_frsize - 1, True)):
        free[4] = blocks
        monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(free))
        assert session_files.is_disk_full(tmp_path) is full


def test_names_that_cannot_be_synced_leave_a_write_in_doubt(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone or in a group: all of it, and none of it is run again."""
    sandbox.run(INSERT, session="s2")
    sandbox.run(INSERT)
    sandbox.guests.drop("s1")
    with monkeypatch.context() as patched:
        patched.setattr(session_files, "sync", failing)
        outcomes = sandbox.group([sandbox.job(INSERT) for _ in range(3)])
        assert isinstance(sandbox.run(INSERT, session="s2"), Completed), "its names are on disk already"

    assert outcomes == [NotConfirmed("its directory: EIO")] * 3
    counted = sandbox.run(COUNT, read_only=True)
    assert isinstance(counted, Completed)
    assert counted.body == b"4", "they were written, once"


def test_a_directory_that_is_not_on_disk_holds_nothing(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed sync of the data root is tried again: that the directory is there says nothing."""
    synced: list[Path] = []
    with monkeypatch.context() as patched:
        patched.setattr(session_files, "sync", failing)
        assert sandbox.run(INSERT) == StorageFailed("its directory: EIO")
        patched.setattr(session_files, "sync", synced.append)
        assert isinstance(sandbox.run(INSERT), Completed)

    assert synced == [sandbox.root, sandbox.root / "s1"]


def test_a_damaged_session_costs_no_other_guest_its_life(sandbox: Sandbox) -> None:
    """Guests are given up when descriptors have run out, and not because one file is broken."""
    sandbox.run(INSERT, session="healthy")
    damaged = sandbox.root / "damaged"
    damaged.mkdir()
    (damaged / "store.db").write_bytes(b"not a database " * 300)

    assert isinstance(sandbox.run(COUNT, session="damaged", read_only=True), SessionDamaged)
    assert len(sandbox.guests) == 1


@pytest.mark.parametrize(
    ("begins", "hot"), [(b"", False), (b"\0" * 28 + b"pages", False), (b"\xd9\xd5", True)]
)
def test_a_hot_journal_begins_with_a_header(tmp_path: Path, begins: bytes, hot: bool) -> None:
    """As SQLite has it: the first byte tells."""
    assert not session_files.has_hot_journal(tmp_path)
    (tmp_path / "store.db-journal").write_bytes(begins)
    assert session_files.has_hot_journal(tmp_path) is hot
