"""Which files need no looking over: those that nobody has touched since a guest let go of them."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from wasm_runtime import sound_files
from wasm_runtime.session_files import look
from wasm_runtime.sound_files import SoundFiles

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LONG_AGO = 1_700_000_000


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A session's directory whose files the clock has left behind."""
    made = tmp_path / "s1"
    made.mkdir()
    (made / "store.db").write_bytes(b"x" * 100)
    (made / "store.db-journal").write_bytes(b"")
    later = time.time_ns() + 10**9
    monkeypatch.setattr(sound_files.time, "time_ns", lambda: later)
    return made


def noted(directory: Path) -> SoundFiles:
    sound = SoundFiles()
    sound.note("s1", directory)
    return sound


def test_what_a_guest_has_let_go_of_is_known(directory: Path) -> None:
    """Its own session's, until somebody says otherwise."""
    sound = noted(directory)

    assert sound.has("s1", look(directory))
    assert not sound.has("s2", look(directory))
    sound.forget("s1")
    assert not sound.has("s1", look(directory))


def flip(directory: Path) -> None:
    """As many bytes as before, and the time of the change set back to what it was."""
    before = (directory / "store.db").stat()
    with (directory / "store.db").open("r+b") as file:
        file.write(b"y")
    os.utime(directory / "store.db", ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(directory: Path) -> None:
    shutil.copy2(directory / "store.db", directory / "other")
    (directory / "other").replace(directory / "store.db")


@pytest.mark.parametrize(
    "touch",
    [
        flip,
        replace,
        lambda directory: (directory / "store.db-journal").write_bytes(b"\xd9"),
        lambda directory: os.utime(directory / "store.db", (LONG_AGO, LONG_AGO)),
    ],
)
def test_what_somebody_has_touched_is_not(directory: Path, touch: Callable[[Path], None]) -> None:
    """Content, identity, or a journal that would be rolled back."""
    sound = noted(directory)

    touch(directory)

    assert not sound.has("s1", look(directory))


@pytest.mark.parametrize(
    "make",
    [
        lambda directory: (directory / "store.db-journal").write_bytes(b"x"),
        lambda directory: (directory / "store.db").unlink(),
        lambda directory: (
            (directory / "store.db").unlink(),
            (directory / "store.db").symlink_to("/etc/passwd"),
        ),
        shutil.rmtree,
    ],
)
def test_what_cannot_be_told_is_not_noted(directory: Path, make: Callable[[Path], None]) -> None:
    """A journal that is not over, no database, or something in its place."""
    make(directory)

    assert len(noted(directory)) == 0


def test_what_was_just_written_is_not_noted(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next change might bear the same time: 20 ms on both sides."""
    changed = look(directory).changed_ns
    monkeypatch.setattr(sound_files.time, "time_ns", lambda: changed + 19_999_999)
    assert len(noted(directory)) == 0
    monkeypatch.setattr(sound_files.time, "time_ns", lambda: changed + 20_000_000)
    assert len(noted(directory)) == 1


@pytest.mark.parametrize("database", [True, False])
def test_where_nothing_is_nothing_is_looked_over(tmp_path: Path, database: bool) -> None:
    """No file or an empty one, and nothing in a journal."""
    if database:
        (tmp_path / "store.db").write_bytes(b"")

    assert SoundFiles().has("s1", look(tmp_path))
    (tmp_path / "store.db-journal").write_bytes(b"x")
    assert not SoundFiles().has("s1", look(tmp_path))


def test_only_so_many_are_remembered(directory: Path) -> None:
    """Those that were noted last."""
    sound = SoundFiles(most=2)
    for session in ("a", "b", "c"):
        sound.note(session, directory)

    assert [sound.has(session, look(directory)) for session in ("a", "b", "c")] == [False, True, True]
