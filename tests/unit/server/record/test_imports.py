"""What a service never pays for that has no use of it: a cluster, contracts, operators, models, building."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tools.processes import environment, keepers_of

if TYPE_CHECKING:
    from wasm_runtime.artifact import Artifact

_OF_A_CLUSTER = ("asyncpg", "server.cluster", "server.record.postgres", "server.http.forwarding")
#: By whom they are needed: operators; contracts and descriptions; models; whoever builds the guest; commands.
_HEAVY = (
    *("server.console", "server.operations.api", "jinja2"),
    *("server.contracts.contract", "server.contracts.modelling", "jsonschema_rs", "yaml"),
    *("openai", "anthropic", "pydantic"),
    *("wasmtime", "componentize_py"),
    *("rich", "pygments"),
)
_SERVE = """\
import asyncio, os, sys
from server.app import make_app
from server.settings.reading import load

async def main():
    service = make_app(load(os.environ))
    await service.start()
    unwanted = tuple(sys.argv[1:])
    print("found:", *sorted(name for name in sys.modules if name.startswith(unwanted)), flush=True)
    sys.stdin.readline()
    await service.close()

asyncio.run(main())
"""


@pytest.mark.parametrize("admin", ["", "token"])
def test_a_service_by_itself_imports_nothing_that_it_has_no_use_of(
    guest_artifact: Artifact, tmp_path: Path, admin: str
) -> None:
    """Neither the process that answers, with operators' pages or without, nor its keeper."""
    unwanted = _OF_A_CLUSTER if admin else (*_OF_A_CLUSTER, *_HEAVY)
    settings = {"SANDBOX_DATA_ROOT": str(tmp_path / "data"), "LARS_PORT": "0", "LARS_ADMIN_TOKEN": admin}
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE, *unwanted],
        env=environment(settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    ) as service:
        assert service.stdout is not None
        assert service.stdin is not None
        said = next(line for line in service.stdout if line.startswith("found:"))
        [keeper] = keepers_of(service.pid)
        # The client of PostgreSQL is compiled: a process that has imported it has mapped it.
        mapped = Path(f"/proc/{keeper}/maps").read_text()
        command = Path(f"/proc/{keeper}/cmdline").read_bytes()
        service.stdin.write(os.linesep)
        service.stdin.close()
        assert service.wait(60) == 0
    assert said == "found:\n"
    assert "asyncpg" not in mapped
    assert b"postgres" not in command
