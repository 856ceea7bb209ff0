"""A service process whose plans come from a simulated provider, with budgets that no torture reaches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tools.simulators import OpenAISimulator
from tools.torture.service import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tools.simulators import Simulator
    from tools.torture.file_faults import Injector

_BUDGETS = {
    f"{what}_per_{of}": most
    for what, most in (("calls", 1_000_000), ("tokens", 1_000_000_000))
    for of in ("session_hour", "session_day", "hour", "day")
}


def planned_service(
    scratch: Path,
    simulator: Simulator,
    *,
    planner: Mapping[str, object] | None = None,
    sandbox: Mapping[str, object] | None = None,
    injector: Injector | None = None,
) -> ServiceProcess:
    """The service, not started yet; `planner` and `sandbox` are settings of those sections."""
    scratch.mkdir(exist_ok=True)
    sections = {"planner": {"fallback": "none", **_BUDGETS, **(planner or {})}, "sandbox": sandbox or {}}
    (scratch / "torture.toml").write_text("".join(map(_section, sections, sections.values())))
    name = "openai" if isinstance(simulator, OpenAISimulator) else "anthropic"
    variables = {
        "LARS_CONFIG": str(scratch / "torture.toml"),
        "LARS_DEFAULT_PROVIDER": name,
        "LARS_SANDBOX_LLM_ALLOWED_HOSTS": "127.0.0.1",
        "LARS_LOG_LEVEL": "WARNING",
        f"{name.upper()}_BASE_URL": simulator.base_url,
        f"{name.upper()}_API_KEY": "sk-torture",
    }
    return ServiceProcess(scratch, variables, injector)


def _section(name: str, settings: Mapping[str, object]) -> str:
    """TOML: its texts and numbers are those of JSON."""
    lines = (f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    return f"[{name}]\n{''.join(lines)}"
