"""A session's directory after a run: what belongs there stays, all else goes, and no link is followed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from wasm_runtime.session_files import directory_of, is_within, look, remove_foreign

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "s1"
    made.mkdir()
    (made / "store.db").write_bytes(b"x" * 100)
    (made / "store.db-journal").write_bytes(b"y" * 20)
    return made


def test_the_size_limit_holds_on_both_sides(directory: Path) -> None:
    """Database and journal count together."""
    assert is_within(directory, 120)
    assert not is_within(directory, 119)


def test_only_two_files_belong(directory: Path) -> None:
    """A third file, a link or a directory is over any quota; so is a second name for the database."""
    for make in (
        lambda: (directory / "more").write_bytes(b""),
        lambda: (directory / "more").mkdir(),
        lambda: (directory / "more").symlink_to("store.db"),
        lambda: os.link(directory / "store.db", directory / "more"),
    ):
        make()
        assert not is_within(directory, 10**9)
        remove_foreign(directory)
        assert is_within(directory, 120)


def test_names_of_ours_must_be_files(directory: Path) -> None:
    """A link in the place of the journal is no journal."""
    (directory / "store.db-journal").unlink()
    (directory / "store.db-journal").symlink_to("/etc/passwd")

    assert not is_within(directory, 10**9)
    remove_foreign(directory)
    assert sorted(os.listdir(directory)) == ["store.db"]


def test_nothing_outside_is_touched(directory: Path, tmp_path: Path) -> None:
    """Links are removed, and what they point at is not."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (directory / "link").symlink_to(outside)
    (directory / "a").mkdir()
    (directory / "a" / "up").symlink_to("../../outside")
    remove_foreign(directory)

    assert (outside / "kept").read_text() == "kept"
    assert sorted(os.listdir(directory)) == ["store.db", "store.db-journal"]


def test_depth_and_number_do_not_matter(directory: Path) -> None:
    """Directories deeper than any path may be long, with many files in them, and names in the way."""
    (directory / "removing-0").mkdir()
    here = os.open(directory, os.O_RDONLY)
    for level in range(1_500):
        for name in ("d" * 100, f"f{level}"):
            if name.startswith("f"):
                os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=here))
            else:
                os.mkdir(name, dir_fd=here)
        deeper = os.open("d" * 100, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    remove_foreign(directory)

    assert sorted(os.listdir(directory)) == ["store.db", "store.db-journal"]


@pytest.mark.parametrize("name", ["", "..", "a/b", ".", "a" * 65])
def test_only_derived_names_become_directories(tmp_path: Path, name: str) -> None:
    """The last door before the disk knows the grammar of its own names."""
    with pytest.raises(ValueError, match="derived"):
        directory_of(tmp_path, name)


def test_a_database_is_a_file(directory: Path) -> None:
    """What else has its name is none, and neither is nothing."""
    found = look(directory)
    assert found is not None
    assert found.st_size == 100
    (directory / "store.db").unlink()
    assert look(directory) is None
    (directory / "store.db").symlink_to("store.db-journal")
    assert look(directory) is None
    assert look(directory / "nowhere") is None
