"""What of sessions is files in the data root: scratch, and what earlier releases have left."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from server.sessions import files as files_module
from server.sessions.files import SessionFiles
from store import salvage, sqlite
from wasm_runtime import session_files

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO = "1" * 32, "2" * 32


@pytest.fixture
def files(tmp_path: Path) -> SessionFiles:
    """A data root with an old session, and what else is in one."""
    (tmp_path / "plans.db").touch()
    (tmp_path / "lost+found").mkdir()
    directory(tmp_path, ONE)
    return SessionFiles(tmp_path)


def directory(root: Path, name: str) -> Path:
    made = root / name
    made.mkdir()
    (made / "store.db").write_bytes(b"one")
    (made / "store.db-journal").write_bytes(b"j")
    return made


def test_names_on_both_sides_of_the_border() -> None:
    """The tool that salvages imports nothing of the service's, and means the same files."""
    assert (files_module.DAMAGED, files_module.SALVAGED) == (salvage.DAMAGED, salvage.SALVAGED)
    assert session_files.DATABASE == sqlite.DATABASE_NAME


def test_only_sessions_that_were_set_aside_are_listed(files: SessionFiles) -> None:
    directory(files.root, f"{TWO}.damaged")
    directory(files.root, "notes.damaged")

    assert [(each.directory, each.size_bytes) for each in files.all_set_aside()] == [(TWO, 4)]
    assert files.is_set_aside(TWO)
    assert not files.is_set_aside(ONE)


def test_an_old_session_is_set_aside_and_salvaged_whole(files: SessionFiles) -> None:
    files.set_aside(ONE)
    assert files.is_set_aside(ONE)
    kept = files.salvaged(ONE)

    assert kept.startswith(f"{ONE}.salvaged-2")
    assert sorted(os.listdir(files.root)) == sorted([kept, "lost+found", "plans.db"])


def test_removing_a_session_removes_all_there_is_of_it_and_follows_nothing(files: SessionFiles) -> None:
    """Directories, links and files that do not belong go with it; what they point at stays."""
    outside = files.root / "lost+found" / "kept"
    outside.touch()
    directory(files.root, f"{ONE}.adopted")
    damaged = directory(files.root, f"{ONE}.damaged")
    directory(files.root, f"{ONE}.salvaged-20260101T000000Z")
    (damaged / "deep" / "er").mkdir(parents=True)
    (damaged / "deep" / "link").symlink_to(outside.parent)
    directory(files.root, f"{TWO}.damaged")
    files.remove_all(ONE)

    assert outside.exists()
    assert sorted(os.listdir(files.root)) == sorted([ONE, f"{TWO}.damaged", "lost+found", "plans.db"])


def test_what_a_crash_left_is_removed(files: SessionFiles) -> None:
    """Scratch of a service that is no more goes at the next start, files and directories; sessions stay."""
    directory(files.root, files.new_scratch().name)
    files.new_scratch().write_bytes(b"rows")
    directory(files.root, f"{TWO}.removed")
    files.new_scratch().symlink_to(files.root / "lost+found")
    files.remove_leftovers()

    assert sorted(os.listdir(files.root)) == sorted([ONE, "lost+found", "plans.db"])
