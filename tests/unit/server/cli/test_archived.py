"""What `sessions import` and `serve --seed` take for a session's data."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from server.cli.channel import Refusal
from server.cli.sessions import archived


def test_a_device_is_no_archive(tmp_path: Path) -> None:
    """It need not end. Neither has a pipe a size that could be told before."""
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    for source in (Path("/dev/zero"), pipe):
        with pytest.raises(Refusal) as refusal:
            archived(source, tmp_path)
        assert str(source) in refusal.value.problem["detail"]


def test_a_file_and_a_directory_are_taken(tmp_path: Path) -> None:
    files = tmp_path / "given"
    files.mkdir()
    (files / "books.json").write_text("[]", "utf-8")

    archive, _ = archived(files, tmp_path)
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["books.json"]
    assert archived(archive, tmp_path) == (archive, [])
