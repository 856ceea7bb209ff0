"""The service as its users run it: a process that is started, asked, and told to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Self

from tests.e2e.client import Client
from tools.processes import environment, is_worker, keepers_of, workers_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_STOP_SECONDS = 40


class RunningService:
    """`python -m server serve` on a free port; `url` is from its first line on standard output."""

    def __init__(self, data_root: Path, scratch: Path, settings: Mapping[str, str], *options: str) -> None:
        self.data_path = data_root
        self._log = (scratch / "stderr").open("a+b")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "server", "serve", *options],
            cwd=scratch,
            env=environment({"SANDBOX_DATA_ROOT": str(data_root), "LARS_PORT": "0", **settings}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self._process.stdout is not None
        self.banner = self._process.stdout.readline()
        assert self.banner.startswith("metaservice: http://"), self.log
        self.url = self.banner.split()[1]

    @property
    def log(self) -> str:
        """What it wrote to standard error so far."""
        return os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0).decode()

    def client(self, session: str | None = None, **headers: str) -> Client:
        return Client(self.url, session, headers)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def workers(self) -> list[int]:
        return workers_of(self._process.pid)

    @property
    def keepers(self) -> list[int]:
        return keepers_of(self._process.pid)

    def stop(self) -> None:
        """SIGTERM, and what is promised of it: exit status 0, a last line, and no worker left."""
        workers = self.workers
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(_STOP_SECONDS) == 0, self.log
        assert self._process.stdout is not None
        assert self._process.stdout.read() == "metaservice: stopped, goodbye\n"
        assert not any(map(is_worker, workers))

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def hang_up(self) -> None:
        self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """SIGKILL for the server alone; its workers have to end by themselves."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        if self._process.poll() is None:
            self.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
