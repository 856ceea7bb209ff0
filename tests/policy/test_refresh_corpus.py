from __future__ import annotations

from typing import TYPE_CHECKING

from tools import refresh_corpus
from tools.refresh_corpus import NAMES, main, refresh

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def _write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_refresh_says_what_changed(tmp_path: Path) -> None:
    """
    The copy equals its source, and the cases that came, went or changed are named.
    """
    source = _write(tmp_path / "new.jsonl", '{"id": "a"}', '{"id": "b", "x": 2}', '{"id": "c"}')
    target = _write(tmp_path / "old.jsonl", '{"id": "a"}', '{"id": "b", "x": 1}', '{"id": "d"}')

    said = refresh(source, target)

    assert said == "old.jsonl: 3 cases; added c; removed d; changed b"
    assert target.read_bytes() == source.read_bytes()


def test_first_copy_makes_the_directory(tmp_path: Path) -> None:
    """
    A copy that is not there yet is made, and refreshing it again changes nothing.
    """
    source = _write(tmp_path / "a.jsonl", '{"id": "a"}')
    target = tmp_path / "data" / "a.jsonl"

    assert refresh(source, target) == "a.jsonl: 1 cases; added a"
    assert refresh(source, target) == "a.jsonl: 1 cases; no change"


def test_a_directory_without_the_corpora_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Nothing is copied from a directory that lacks one of the three files.
    """
    _write(tmp_path / "benign.jsonl", '{"id": "a"}')

    assert main([str(tmp_path)]) == 1
    assert "lacks hostile.jsonl, http_hostile.jsonl" in capsys.readouterr().err


def test_all_three_corpora_are_refreshed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    One run copies every corpus and reports each on a line of its own.
    """
    target = tmp_path / "data"
    monkeypatch.setattr(refresh_corpus, "DEFAULT_TARGET", target)
    for name in NAMES:
        _write(tmp_path / name, '{"id": "a"}')

    assert main([str(tmp_path)]) == 0
    assert sorted(path.name for path in target.iterdir()) == sorted(NAMES)
    assert len(capsys.readouterr().out.splitlines()) == len(NAMES)
