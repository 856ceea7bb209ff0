"""A PostgreSQL whose disk has no more room: what would make a file longer fails with ENOSPC.

The kernel holds each such system call of the server up until it is decided (`seccomp`). What is there already
can be read and written over, as on a real disk.
"""

from __future__ import annotations

import contextlib
import socket
import stat
import subprocess
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tools.postgresql import NOBODY, Postgres
from tools.torture import seccomp
from tools.torture.seccomp import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.torture.seccomp import Call


class FillablePostgres(Postgres):
    """`full` may be set at any time. `refused`: how many calls have failed for want of room."""

    def __init__(self, *, durable: bool = False) -> None:
        self.full = False
        self.refused = 0
        self._listener: seccomp.Listener | None = None
        super().__init__(durable=durable)

    def _spawn(self, command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        self._stop_listening()
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                # The filter's program may be where nobody else is let in.
                as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
                process = subprocess.Popen(
                    seccomp.filtered([*(as_nobody if self._user else []), *command], theirs, "space"),
                    stdout=log,
                    stderr=log,
                    cwd=self.directory,
                    pass_fds=[theirs.fileno()],
                )
            descriptor = seccomp.receive_listener(ours)
        self._listener = seccomp.Listener(descriptor, self._decide)
        return process

    def _decide(self, call: Call) -> Verdict | None:
        if not self.full:
            return None
        try:
            found = Path(f"/proc/{call.task}/fd/{call.arguments[0] & 0xFFFFFFFF}").stat()
        except OSError:
            return None  # the process is gone
        if not stat.S_ISREG(found.st_mode) or _end(call) <= found.st_size:
            return None
        self.refused += 1
        return Verdict(error=ENOSPC)

    def stop(self) -> None:
        super().stop()
        self._stop_listening()

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None


def _end(call: Call) -> int:
    """Where a call ends in its file, at least: of several pieces the first byte is known."""
    if call.name == "fallocate":
        return call.arguments[2] + call.arguments[3]
    return call.arguments[3] + (call.arguments[2] if call.name == "pwrite64" else 1)


@contextmanager
def running(*, durable: bool = False) -> Iterator[FillablePostgres]:
    """One server, removed in the end."""
    server = FillablePostgres(durable=durable)
    with contextlib.ExitStack() as stack:
        stack.callback(server.remove)
        server.start()
        yield server
