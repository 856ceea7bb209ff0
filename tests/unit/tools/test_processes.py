"""What a service process is started with."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from tools.processes import environment, toml

if TYPE_CHECKING:
    import pytest


def test_nothing_from_outside_sets_up_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for where the guest is built, which is the same for all; what is given has the last word."""
    for name in (
        "LARS_PORT",
        "METASERVICE_URL",
        "OTEL_TRACES_EXPORTER",
        "OPENAI_API_KEY",
        "SANDBOX_DATA_ROOT",
    ):
        monkeypatch.setenv(name, "outside")
    monkeypatch.setenv("LARS_CACHE_DIR", "/guests")
    monkeypatch.setenv("PLAIN", "kept")
    made = environment({"LARS_PORT": "0"})

    assert "outside" not in made.values()
    assert (made["LARS_PORT"], made["LARS_CACHE_DIR"], made["PLAIN"]) == ("0", "/guests", "kept")
    assert environment({"LARS_CACHE_DIR": "/mine"})["LARS_CACHE_DIR"] == "/mine"


def test_settings_are_read_as_they_were_written() -> None:
    """By TOML's own reader."""
    tables = {
        "planner": {"model": 'a "b"', "hosts": ["x", "y"], "learn": False},
        "sandbox": {"workers": 2},
        "store": {},
    }

    assert tomllib.loads(toml(tables)) == tables
