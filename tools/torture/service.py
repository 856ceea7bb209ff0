"""The service as its users run it: a process of its own, killed and started again on the same data."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tools.processes import environment, is_running, keepers_of, workers_of
from tools.torture import seccomp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tools.torture.file_faults import Injector
    from tools.torture.wire import Address

_START_SECONDS = 60.0
_STOP_SECONDS = 40.0


class NotStarted(Exception):
    """The service ended, or said nothing, instead of listening; the message is the end of its log."""


class ServiceProcess:
    """`python -m server serve`, again and again; one log for all its lives.

    With an `injector`, that one decides about every file operation of the service and its workers.
    """

    def __init__(
        self,
        scratch: Path,
        variables: Mapping[str, str],
        injector: Injector | None = None,
        module: str = "server",
    ) -> None:
        """`module`: the service, or a build of it with a piece taken out."""
        self._module = module
        self.data_root = scratch / "data"
        self.log = scratch / "service.log"
        self.address: Address = ("127.0.0.1", 0)
        self._scratch = scratch
        self._variables = {"SANDBOX_DATA_ROOT": str(self.data_root), "LARS_PORT": "0", **variables}
        self._process: asyncio.subprocess.Process | None = None
        self._injector = injector
        self._listener: seccomp.Listener | None = None

    async def start(self) -> None:
        """Raises NotStarted."""
        process = await self.spawn()
        try:
            async with asyncio.timeout(_START_SECONDS):
                banner = await process.stdout.readline() if process.stdout else b""
        except TimeoutError:
            banner = b""
        if not banner.startswith(b"metaservice: http://"):
            await self.kill()
            raise NotStarted(self.log.read_text("utf-8", "replace")[-2_000:])
        url = urlsplit(banner.split()[1].decode())
        self.address = (url.hostname or "", url.port or 0)

    async def spawn(self) -> asyncio.subprocess.Process:
        """Start it, and do not wait until it listens."""
        command = [sys.executable, "-m", self._module, "serve"]
        if self._injector is None:
            self._process = await self._execute(command)
            return self._process
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                self._process = await self._execute(seccomp.filtered(command, theirs), theirs.fileno())
            descriptor = await asyncio.to_thread(seccomp.receive_listener, ours)
        self._listener = seccomp.Listener(descriptor, self._injector.decide)
        return self._process

    async def _execute(self, command: list[str], *inherited: int) -> asyncio.subprocess.Process:
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *command,
                cwd=self._scratch,
                env=environment(self._variables),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                pass_fds=inherited,
            )

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    def workers(self) -> list[int]:
        return workers_of(self.pid)

    def keepers(self) -> list[int]:
        return keepers_of(self.pid)

    async def kill(self, *, workers: bool = False) -> None:
        """SIGKILL for the server, and for those it has started at once, or they end by themselves."""
        keepers = self.keepers()
        pids = [*self.workers(), *keepers] if workers else []
        for pid in [self.pid, *pids]:
            kill(pid)
        for pid in pids or keepers:
            await _ended(pid)
        if self._process is not None:
            # communicate, not wait: it also closes the pipe.
            await self._process.communicate()
            self._process = None
        self._stop_listening()

    async def stop(self) -> int:
        """SIGTERM; the exit status. Raises TimeoutError."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_STOP_SECONDS):
            await process.communicate()
        self._stop_listening()
        return process.returncode or 0

    async def close(self) -> None:
        if self._process is not None:
            await self.kill(workers=True)

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None


async def _ended(pid: int) -> None:
    """Until nobody writes to the record any more."""
    while is_running(pid):  # noqa: ASYNC110 - it is nobody's child any more
        await asyncio.sleep(0.005)


def kill(pid: int) -> None:
    """SIGKILL, unless it has ended already."""
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
