"""The long tour as its reader takes it: a service, then a simulated provider too, on the same data."""

from __future__ import annotations

import shlex
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from tests.docs.console import Step, console
from tests.docs.markdown import ROOT, blocks, section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.docs.console import Shell
    from tests.e2e.service import RunningService

    #: Starts the service with the settings in the keywords, on the data of the last one.
    StartService = Callable[..., RunningService]

WITHOUT: Final = "## Without a model"
WITH: Final = "## The tour with a model"
SEE: Final = "## See and steer what was learned"
SERVE: Final = ["uv", "run", "just", "serve"]
SIMULATE: Final = ["uv", "run", "python", "-m"]
_READY: Final = "ready at "


def take(page: str, shell: Shell, start_service: StartService) -> list[tuple[Step, str]]:
    """Each command of the tour with what it printed, in the page's order."""
    first, second, steered = section(page, WITHOUT), section(page, WITH), section(page, SEE)
    done = _answered(console(blocks(first)), shell, start_service())
    write_plans, *ask = console(blocks(second))
    done += zip([write_plans], shell.run([write_plans.command], ""), strict=True)
    simulate, serve = (shlex.split(block.text) for block in blocks(second) if block.language == "sh")
    with ExitStack() as running:
        address = running.enter_context(_simulator(simulate, shell))
        settings = _settings(serve, _port_of(simulate), address)
        # A reader's commands find the service by the data root, which is not where ours is.
        root = Step("export SANDBOX_DATA_ROOT=../data", "")
        see = [
            Step(step.command.replace("uv run metaservice", "metaservice"), step.shown)
            for step in console(blocks(steered))
        ]
        done += _answered([*ask, root, *see], shell, start_service(**settings))
    return done


def _answered(steps: list[Step], shell: Shell, service: RunningService) -> list[tuple[Step, str]]:
    """Run the commands against a service, and stop it: only one may use the data at a time."""
    address = service.url.removeprefix("http://")
    outputs = shell.run([step.command for step in steps], address)
    service.stop()
    return list(zip(steps, outputs, strict=True))


@contextmanager
def _simulator(command: list[str], shell: Shell) -> Iterator[str]:
    """The page's command on a port of our own; the port it got."""
    assert command[: len(SIMULATE)] == SIMULATE, command
    module, *options = command[len(SIMULATE) :]
    options[options.index("--port") + 1] = "0"
    options[options.index("--plans") + 1] = str(shell.directory / options[options.index("--plans") + 1])
    process = subprocess.Popen(
        [sys.executable, "-m", module, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline().strip()
        assert ready.startswith(f"{_READY}http://127.0.0.1:"), ready
        yield ready.rpartition(":")[2].partition("/")[0]
    finally:
        process.kill()
        process.communicate()


def _port_of(command: list[str]) -> str:
    return command[command.index("--port") + 1]


def _settings(command: list[str], written_port: str, port: str) -> dict[str, str]:
    """The variables that the command sets, with the simulator's real port in the place of the written one."""
    assert command[-len(SERVE) :] == SERVE, command
    settings = dict(assignment.split("=", 1) for assignment in command[: -len(SERVE)])
    url = settings["OPENAI_BASE_URL"]
    assert f":{written_port}/" in url, url
    return settings | {"OPENAI_BASE_URL": url.replace(f":{written_port}/", f":{port}/")}
