"""Our service as a contestant, and the simulated model that its learned routes come from."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from server.settings.reading import load
from tools.bench import described, learned_plans
from tools.bench.contestant import BenchError, Contestant, Launch, stop
from tools.processes import guest_environment, toml
from wasm_runtime import artifact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Makes the plan of `/compute` compute for 10 to 20 ms.
_WORK_ROUNDS = 40_000


def guest() -> Path:
    """The guest's artifact, where the service itself looks for it; built if there is none."""
    settings = load(guest_environment())
    return artifact.ensure(settings.store.cache_path, lambda _what, _seconds: None).path


@contextmanager
def model(scratch: Path) -> Iterator[str]:
    """A simulated model on loopback, in a process of its own: its base URL."""
    plans = scratch / "plans.json"
    plans.write_text(json.dumps(learned_plans.answers(_WORK_ROUNDS)))
    command = (sys.executable, "-m", "tools.simulators", "openai", "--plans", str(plans))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        banner = process.stdout.readline().split()
        if not banner:
            raise BenchError("the simulated model does not start")
        yield banner[-1]
    finally:
        stop(process)
        process.stdout.close()


def learned(
    model_url: str,
    *,
    name: str = "learned",
    workers: int = 1,
    reuse: Literal["session", "never"] = "session",
    log_level: str = "WARNING",
    remember: bool = False,
    remembered_bytes: int | None = None,
    database: str = "",
) -> Contestant:
    """Ours, with routes that the simulated model has planned once; nothing else may answer.

    With `database` its record is there, and it is a node of whoever else uses that.

    Every request runs, unless it is to `remember` replies, in so many bytes where they are not the default.
    """
    provider: dict[str, object] = {"provider": "openai", "fallback": "none", "allowed_hosts": ["127.0.0.1"]}
    keys = {"OPENAI_BASE_URL": model_url, "OPENAI_API_KEY": "sk-simulated", "LARS_LOG_LEVEL": log_level}

    def launch(scratch: Path, port: int) -> Launch:
        sandbox = _sandbox(workers, reuse, remember=remember)
        room: dict[str, object] = {} if remembered_bytes is None else {"remembered_bytes": remembered_bytes}
        tables = {"server": room, "planner": provider, "sandbox": sandbox}
        if not database:
            return _launch(scratch, port, tables, keys)
        record: dict[str, object] = {"engine": "postgres", "drain_seconds": 0}
        return _launch(scratch, port, {**tables, "record": record}, {**keys, "LARS_RECORD_URL": database})

    return Contestant(name, launch, "learned")


def conventions(*, name: str = "conventions", cache: Path | None = None) -> Contestant:
    """Ours, with no model. With `cache`, the guest's artifact is kept there, and built if it is missing."""
    environment = {"LARS_LOG_LEVEL": "WARNING"} | ({"LARS_CACHE_DIR": str(cache)} if cache else {})

    def launch(scratch: Path, port: int) -> Launch:
        tables: dict[str, dict[str, object]] = {
            "planner": {"provider": "conventions"},
            "sandbox": _sandbox(1, "session"),
        }
        return _launch(scratch, port, tables, environment)

    return Contestant(name, launch, "conventions")


def contract() -> Contestant:
    """Ours, with a description of the members that the workloads have: each request and reply is checked."""

    def launch(scratch: Path, port: int) -> Launch:
        file = scratch / "members.json"
        file.write_text(json.dumps(described.DOCUMENT))
        tables: dict[str, dict[str, object]] = {
            "planner": {"provider": "conventions"},
            "contract": {"file": str(file)},
            "sandbox": _sandbox(1, "session"),
        }
        return _launch(scratch, port, tables, {"LARS_LOG_LEVEL": "WARNING"})

    return Contestant("contract", launch, "contract", takes_many=False)


def _sandbox(workers: int, reuse: str, *, remember: bool = False) -> dict[str, object]:
    return {"workers": workers, "reuse": reuse, "remember": remember}


def _launch(
    scratch: Path, port: int, tables: dict[str, dict[str, object]], environment: dict[str, str]
) -> Launch:
    config = scratch / "metaservice.toml"
    config.write_text(toml(tables))
    own = {
        "LARS_CONFIG": str(config),
        "LARS_PORT": str(port),
        "LARS_HOST": "127.0.0.1",
        "SANDBOX_DATA_ROOT": str(scratch / "data"),
    }
    return Launch((sys.executable, "-m", "server", "serve"), own | environment)
