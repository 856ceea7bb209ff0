from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from server.__main__ import _banner, _warn_of_planner, main
from server.sessions.directories import DataRoot
from server.settings.development import LOCAL_ORIGINS, opened
from server.settings.reading import from_mapping

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


@pytest.mark.parametrize(("learn", "said"), [(True, "planner=conventions data="), (False, "learn=off data=")])
def test_the_start_line_says_that_learning_is_off(learn: bool, said: str) -> None:
    """Whoever looks why nothing is planned finds it there."""

    class Started:
        url, data_path = "http://localhost:1", "/data"

    settings = from_mapping({"planner": {"learn": learn}}, {})
    line = _banner(Started(), settings)  # type: ignore[arg-type]

    assert said in line
    assert ("learn=off" in line) is not learn


def test_origins_by_flag(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`--cors` may be given again; it is checked as the setting is, and named when it is wrong."""
    seen: list[str] = []
    monkeypatch.setattr(
        "server.__main__._serve", lambda settings, *_, **_more: seen.extend(settings.cors.origins) or 0
    )

    assert main(["serve", "--cors", "http://localhost:5173", "--cors", "https://app.example.com"]) == 0
    assert seen == ["http://localhost:5173", "https://app.example.com"]
    assert main(["serve", "--cors", "http://localhost:5173/"]) == 2
    assert "cors.origins" in capsys.readouterr().err


def test_an_address_without_a_provider_is_warned_of() -> None:
    """With what is missing for it to be used."""
    planner = from_mapping({}, {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}).planner
    with capture_logs() as logs:
        _warn_of_planner(planner)
    with capture_logs() as quiet:
        _warn_of_planner(from_mapping({}, {}).planner)

    (line,) = logs
    assert (line["log_level"], line["variable"], line["instead"]) == (
        *("warning", "OPENAI_BASE_URL", "conventions"),
    )
    assert line["missing"].startswith("OPENAI_API_KEY, or LARS_DEFAULT_PROVIDER=openai")
    assert quiet == []


def test_a_data_root_in_use_stops_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 1 and what to do, after waiting for the other one."""
    monkeypatch.setattr("server.sessions.directories.LOCK_WAIT_SECONDS", 0.1)
    root = DataRoot.open(tmp_path / "data")

    assert main(["serve"]) == 1
    assert "in use by another running service" in capsys.readouterr().err
    root.close()


@pytest.mark.parametrize(
    "case",
    [
        ("", "shared", "requests without X-Session-ID share its session; LARS_ANONYMOUS=reject shuts it"),
        ("shared", "shared", "requests without X-Session-ID share its session"),
        ("reject", "reject", "no request reaches its session, as LARS_ANONYMOUS=reject shuts it"),
    ],
)
def test_a_seed_says_who_comes_to_it(
    case: tuple[str, str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It wins over the file, not over the variable; and the start tells which it is."""
    said, anonymous, line = case
    (tmp_path / "metaservice.toml").write_text('[sessions]\nanonymous = "reject"\n')
    (tmp_path / "db.json").write_text('{"$schema": "x", "posts": [{"id": 1}], "profile": {"a": 1}}')
    if said:
        monkeypatch.setenv("LARS_ANONYMOUS", said)
    seen: list[str] = []
    monkeypatch.setattr(
        "server.__main__._serve", lambda settings, *_, **__: seen.append(settings.sessions.anonymous) or 0
    )
    assert main(["serve", "--seed", "db.json"]) == 0
    assert seen == [anonymous]
    told = capsys.readouterr().err
    assert line in told
    assert "posts, profile" in told


def test_dev_opens_the_service_to_its_own_machine_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Elsewhere it does not start; what the settings have of tokens and origins stays."""
    assert main(["serve", "--dev", "--host", "0.0.0.0"]) == 2
    assert "--dev is for this machine alone" in capsys.readouterr().err

    given = from_mapping(
        {"cors": {"origins": ["https://app.example.com"]}, "auth": {"admin_token": "x" * 20}}, {}
    )
    found = opened(given)
    assert found.auth.admin_token == "x" * 20
    assert found.cors.origins == ("https://app.example.com", *LOCAL_ORIGINS)
    assert (found.sessions.anonymous, found.conventions.delete_collections) == ("shared", True)
    made = opened(from_mapping({}, {})).auth.admin_token
    assert len(made) == 64
    assert opened(from_mapping({}, {}), made).auth.admin_token == made
