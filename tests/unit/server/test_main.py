from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.__main__ import main
from server.sessions.directories import DataRoot

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but those of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SANDBOX_DATA_ROOT", str(tmp_path / "data"))


def test_wrong_settings_stop_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, each problem on a line, no traceback; options are checked as variables are."""
    config = tmp_path / "my.toml"
    config.write_text("[server]\nprot = 1\n")

    assert main(["serve", "--config", str(config), "--port", "99999"]) == 2
    said = capsys.readouterr().err
    assert "server.prot" in said
    assert "99999" in said
    assert all(line.startswith("metaservice: ") for line in said.splitlines())


def test_a_data_root_in_use_stops_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 1 and what to do, after waiting for the other one."""
    monkeypatch.setattr("server.sessions.directories.LOCK_WAIT_SECONDS", 0.1)
    root = DataRoot.open(tmp_path / "data")

    assert main(["serve"]) == 1
    assert "in use by another running service" in capsys.readouterr().err
    root.close()
