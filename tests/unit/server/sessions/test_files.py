"""Sessions' directories: listed, copied, replaced and removed, without following what a guest has left."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from server.sessions.files import SessionFiles
from store import salvage, sqlite
from wasm_runtime import session_files

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO = "1" * 32, "2" * 32


@pytest.fixture
def files(tmp_path: Path) -> SessionFiles:
    """A data root with a session, and what else is in one."""
    (tmp_path / "plans.db").touch()
    (tmp_path / "lost+found").mkdir()
    return session(SessionFiles(tmp_path), ONE, b"one")


def session(files: SessionFiles, directory: str, data: bytes) -> SessionFiles:
    files.path(directory).mkdir()
    (files.path(directory) / "store.db").write_bytes(data)
    (files.path(directory) / "store.db-journal").write_bytes(b"j")
    return files


def contents(path: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in path.iterdir()}


def test_only_sessions_are_listed(files: SessionFiles) -> None:
    """By their directories' names, with their size; the data root's other files are none."""
    assert [(entry.directory, entry.size_bytes) for entry in files.entries()] == [(ONE, 4)]
    assert files.exists(ONE)
    assert not files.exists(TWO)
    assert files.has_data(ONE)
    assert not files.has_data(TWO)


def test_names_on_both_sides_of_the_border() -> None:
    """The tool that salvages imports nothing of the service's, and means the same files."""
    assert (session_files.DAMAGED, session_files.SALVAGED) == (salvage.DAMAGED, salvage.SALVAGED)
    assert session_files.DATABASE == sqlite.DATABASE_NAME


def test_a_session_without_data(files: SessionFiles) -> None:
    """An empty database is none; a directory alone has a time, too."""
    files.path(TWO).mkdir()

    assert not files.has_data(TWO)
    assert files.entry(TWO).size_bytes == 0
    assert files.entry(TWO).changed_at > 0
    (files.path(TWO) / "store.db").touch()
    assert not files.has_data(TWO)


def test_a_copy_is_both_files_for_the_owner_alone(files: SessionFiles) -> None:
    """The copy has the journal, too: what it undoes belongs to the database."""
    target = files.new_scratch()

    assert files.copy(ONE, target)
    assert contents(target) == {"store.db": b"one", "store.db-journal": b"j"}
    assert target.stat().st_mode & 0o777 == 0o700


def test_a_copy_of_nothing(files: SessionFiles) -> None:
    """A session that nobody has written to has a copy that nobody has written to."""
    files.path(TWO).mkdir()

    assert not files.copy(TWO, files.new_scratch())


@pytest.mark.parametrize("name", ["store.db", "store.db-journal"])
def test_links_and_pipes_are_not_copied(files: SessionFiles, name: str) -> None:
    """A guest can plant them in its directory; neither is followed or waited for."""
    planted = files.path(ONE) / name
    planted.unlink()
    planted.symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        files.copy(ONE, files.new_scratch())
    planted.unlink()
    os.mkfifo(planted)
    with pytest.raises(OSError, match="not an ordinary file"):
        files.copy(ONE, files.new_scratch())


def test_a_session_is_replaced_as_a_whole(files: SessionFiles) -> None:
    """Nothing of the one before is left, and nothing beside it."""
    prepared = files.new_scratch()
    prepared.mkdir()
    (prepared / "store.db").write_bytes(b"two")
    files.put(prepared, ONE)
    before = sorted(os.listdir(files.root))
    prepared.mkdir()
    files.put(prepared, TWO)

    assert contents(files.path(ONE)) == {"store.db": b"two"}
    assert before == sorted([ONE, "lost+found", "plans.db"])
    assert contents(files.path(TWO)) == {}


def test_removing_follows_nothing(files: SessionFiles, tmp_path: Path) -> None:
    """Directories, links and files that do not belong go with the session; what they point at stays."""
    outside = tmp_path / "lost+found" / "kept"
    outside.touch()
    (files.path(ONE) / "deep" / "er").mkdir(parents=True)
    (files.path(ONE) / "deep" / "link").symlink_to(outside.parent)
    files.remove(ONE)

    assert outside.exists()
    assert sorted(os.listdir(files.root)) == ["lost+found", "plans.db"]


def test_what_a_crash_left_is_removed(files: SessionFiles) -> None:
    """Scratch directories of a service that is no more go at the next start; sessions stay."""
    files.copy(ONE, files.new_scratch())
    files.remove_leftovers()

    assert sorted(os.listdir(files.root)) == sorted([ONE, "lost+found", "plans.db"])
