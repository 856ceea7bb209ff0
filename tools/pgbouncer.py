"""A PostgreSQL behind a real PgBouncer in transaction mode (`apt-get install pgbouncer`).

What is kept of a connection from one transaction to the next is another client's there: so is `search_path`,
and each test has a database instead of a schema.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from typing import IO, TYPE_CHECKING

from tools.postgresql import NOBODY, Postgres, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONFIG = """\
[databases]
* = host=127.0.0.1 port={server} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = any
pool_mode = transaction
unix_socket_dir =
max_client_conn = 500
default_pool_size = 20
ignore_startup_parameters = extra_float_digits
logfile = {directory}/pgbouncer.log
"""
_SECONDS = 20.0


class PooledPostgres(Postgres):
    """Its `new_database` is reached by the pooler alone."""

    def __init__(self, *, durable: bool = False) -> None:
        self._pooler: subprocess.Popen[bytes] | None = None
        self._pooler_port = free_port()
        super().__init__(durable=durable)

    @property
    def entry_port(self) -> int:
        return self._pooler_port

    def _spawn(self, command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        if self._pooler is None:
            self._pooler = self._spawn_pooler(log)
        return super()._spawn(command, log)

    def _spawn_pooler(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        program = shutil.which("pgbouncer")
        assert program is not None, "install pgbouncer: apt-get install pgbouncer"
        config = self.directory / "pgbouncer.ini"
        text = _CONFIG.format(server=self.port, port=self._pooler_port, directory=self.directory)
        config.write_text(text, "utf-8")
        if os.geteuid() == 0:
            os.chown(config, NOBODY, NOBODY)
        return subprocess.Popen(
            [program, "-q", str(config)], stdout=log, stderr=log, cwd=self.directory, **self._user
        )

    def new_database(self) -> str:
        self._databases += 1
        name = f"t{self._databases}"
        self.sql(f"CREATE DATABASE {name} STRATEGY FILE_COPY")
        url = f"postgresql://postgres@127.0.0.1:{self._pooler_port}/{name}"
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                self.sql("SELECT 1", url)
            except subprocess.CalledProcessError:
                assert time.monotonic() < deadline, self.log
                time.sleep(0.05)
            else:
                return url

    def stop(self) -> None:
        if self._pooler is not None:
            self._pooler.send_signal(signal.SIGKILL)
            self._pooler.wait()
            self._pooler = None
        super().stop()


@contextlib.contextmanager
def running(*, durable: bool = False) -> Iterator[PooledPostgres]:
    server = PooledPostgres(durable=durable)
    try:
        server.start()
        yield server
    finally:
        server.remove()
