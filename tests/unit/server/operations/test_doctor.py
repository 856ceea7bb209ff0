"""What the doctor says of the provider that the settings name, or half name."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from server.operations.doctor import Doctor
from server.settings.reading import from_mapping

if TYPE_CHECKING:
    from server.sessions.directories import DataRoot
    from server.sessions.records import Records
    from wasm_runtime.pool import Executor


@pytest.mark.parametrize(
    ("environ", "verdict", "said"),
    [
        ({}, "ok", "conventions: no model, no network"),
        ({"LARS_DEFAULT_PROVIDER": "openai"}, "warning", "for want of OPENAI_API_KEY"),
        (
            {"OPENAI_BASE_URL": "http://localhost:1"},
            "warning",
            "OPENAI_BASE_URL is set, but neither OPENAI_API_KEY",
        ),
        (
            {"OPENAI_BASE_URL": "http://localhost:1", "LARS_DEFAULT_PROVIDER": "conventions"},
            "ok",
            "conventions",
        ),
        ({"OPENAI_API_KEY": "a"}, "ok", "openai at https://api.openai.com/v1"),
    ],
)
def test_the_provider(environ: dict[str, str], verdict: str, said: str) -> None:
    """A setting that has no effect is worth a warning, and so is a key that is missing."""
    doctor = Doctor(
        from_mapping({}, environ), cast("DataRoot", None), cast("Executor", None), cast("Records", None)
    )
    finding = doctor._provider(tried=False)

    assert finding.verdict == verdict
    assert said in finding.detail
