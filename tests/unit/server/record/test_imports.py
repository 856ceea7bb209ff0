"""What a service by itself never pays for: the modules of a cluster."""

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
_SERVE = f"""\
import asyncio, os, sys
from server.app import make_app
from server.settings.reading import load

async def main():
    service = make_app(load(os.environ))
    await service.start()
    print("found:", *sorted(name for name in sys.modules if name.startswith({_OF_A_CLUSTER!r})), flush=True)
    sys.stdin.readline()
    await service.close()

asyncio.run(main())
"""


@pytest.mark.parametrize("admin", ["", "token"])
def test_a_service_by_itself_imports_nothing_of_a_cluster(
    guest_artifact: Artifact, tmp_path: Path, admin: str
) -> None:
    """Neither the process that answers, with operators' pages or without, nor its keeper."""
    settings = {"SANDBOX_DATA_ROOT": str(tmp_path / "data"), "LARS_PORT": "0", "LARS_ADMIN_TOKEN": admin}
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE],
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
