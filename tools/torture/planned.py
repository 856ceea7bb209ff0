"""A service process whose plans come from a simulated provider, with budgets that no torture reaches."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tools.processes import toml
from tools.simulators import OpenAISimulator
from tools.torture.bank import model
from tools.torture.service import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AsyncExitStack

    from tools.simulators import Simulator
    from tools.torture.file_faults import Injector

_BUDGETS = {
    f"{what}_per_{of}": most
    for what, most in (("calls", 1_000_000), ("tokens", 1_000_000_000))
    for of in ("session_hour", "session_day", "hour", "day")
}


async def bank_service(
    running: AsyncExitStack,
    *,
    planner: Mapping[str, object] | None = None,
    sandbox: Mapping[str, object],
    injector: Injector | None = None,
) -> tuple[ServiceProcess, OpenAISimulator]:
    """A service, not started yet, and the model that plans the bank for it; both end with `running`."""
    simulator = await running.enter_async_context(OpenAISimulator(model))
    scratch = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="torture-")))
    service = planned_service(scratch, simulator, planner=planner, sandbox=sandbox, injector=injector)
    running.push_async_callback(service.close)
    return service, simulator


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
    sections = sections_for(planner) | {"sandbox": sandbox or {}}
    (scratch / "torture.toml").write_text(toml(sections))
    variables = variables_for(simulator) | {"LARS_CONFIG": str(scratch / "torture.toml")}
    return ServiceProcess(scratch, variables, injector)


def sections_for(planner: Mapping[str, object] | None = None) -> dict[str, Mapping[str, object]]:
    return {"planner": {"fallback": "none", **_BUDGETS, **(planner or {})}}


def variables_for(simulator: Simulator) -> dict[str, str]:
    name = "openai" if isinstance(simulator, OpenAISimulator) else "anthropic"
    return {
        "LARS_DEFAULT_PROVIDER": name,
        "LARS_SANDBOX_LLM_ALLOWED_HOSTS": "127.0.0.1",
        "LARS_LOG_LEVEL": "WARNING",
        f"{name.upper()}_BASE_URL": simulator.base_url,
        f"{name.upper()}_API_KEY": "sk-torture",
    }
