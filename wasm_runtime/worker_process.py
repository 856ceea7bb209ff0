"""One worker as the API process holds it: its process, its socket, its status cell."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol, cast

from attrs import asdict, define, field, frozen

from wasm_runtime import affinity, frames, status_cell

if TYPE_CHECKING:
    from pathlib import Path

    from wasm_runtime.limits import GuestReuse, Limits
    from wasm_runtime.outcome import Completed
    from wasm_runtime.slot import Job

_READ_BYTES = 256 * 1024
#: What a worker runs.
MODULE = "wasm_runtime.worker"
#: A lane's worker has about a tenth of what the others of its processor have, where all want it (sched(7)).
_LANE_NICENESS = 10


class KeeperLink(Protocol):
    """Whoever has the keeper of the record."""

    def connect(self, slot: int, slots: int) -> socket.socket | None:
        """The worker's end of a stream to the keeper, for the worker in a slot; None where none has started.

        Raises OSError.
        """

    async def versions(self, sessions: list[str]) -> dict[str, int] | None:
        """Those that the record has, after all that dead workers had sent; None: it cannot say."""


class Hears(Protocol):
    """Who hears of what is written in sessions, before whoever has asked for it does."""

    def written(self, job: Job, outcome: Completed) -> None:
        """It is durable, whether its client has left or not."""

    def doubted(self, session: str) -> None:
        """Something may have been written in the session, and nobody will say what."""


class NobodyHears:
    """Where nothing depends on it."""

    def written(self, job: Job, outcome: Completed) -> None: ...

    def doubted(self, session: str) -> None: ...


@frozen
class PoolConfig:
    """`inherit` are descriptors that every worker keeps open (the data root's lock).

    `without` names parts of the confinement to leave out, as on a kernel that does not have them.
    `enforce_types`: fields keep the types they were first seen with. `pinned`: each worker keeps to one
    processor.
    """

    component: Path
    data_root: Path
    limits: Limits
    reuse: GuestReuse
    workers: int
    #: Where workers get their streams to the record; without it they answer nothing but 503s.
    keeper: KeeperLink | None = None
    hears: Hears = field(factory=NobodyHears)
    enforce_types: bool = False
    pinned: bool = True
    #: Whether sessions whose runs are long may have workers of their own (`lanes.py`).
    lanes: bool = True
    queue_per_session: int = 64
    queue_total: int = 1024
    #: What a job may wait before it begins.
    queue_seconds: float = 20.0
    wait_for_worker_seconds: float = 2.0
    inherit: tuple[int, ...] = ()
    without: tuple[str, ...] = ()


class FrameTaker(Protocol):
    """Who hears of what a worker sends, and of its end."""

    def on_frame(self, frame: frames.Frame) -> None: ...

    def on_gone(self, worker: WorkerProcess) -> None: ...


@define(eq=False)
class WorkerProcess:
    """One worker: its process, its socket, its status cell."""

    process: subprocess.Popen[bytes]
    connection: socket.socket
    cell: status_cell.StatusCell
    stderr: int
    #: The same socket as `connection`, which the transport closes when it likes.
    spare: socket.socket
    #: Over which it is handed its stream to the keeper.
    handover: socket.socket
    born: float = field(factory=time.monotonic)
    transport: asyncio.WriteTransport | None = None
    gone: asyncio.Event = field(factory=asyncio.Event)
    killed_for_time: bool = False

    @classmethod
    def spawn(cls, config: PoolConfig) -> WorkerProcess:
        """Raises OSError, with nothing left open."""
        with ExitStack() as undo, ExitStack() as handed_over:
            ours, theirs = socket.socketpair()
            undo.callback(ours.close)
            handed_over.callback(theirs.close)
            handover, handed = socket.socketpair()
            undo.callback(handover.close)
            handed_over.callback(handed.close)
            handover.setblocking(False)  # noqa: FBT003  its only parameter
            cell_fd = status_cell.create()
            handed_over.callback(os.close, cell_fd)
            stderr = os.memfd_create("metaservice-worker-stderr")
            undo.callback(os.close, stderr)
            cell = status_cell.StatusCell(cell_fd)
            undo.callback(cell.close)
            spare = ours.dup()
            undo.callback(spare.close)
            process = subprocess.Popen(  # noqa: S603  our own interpreter and module
                [
                    *(sys.executable, "-I", "-X", "utf8", "-m", MODULE),
                    *(str(theirs.fileno()), str(cell_fd), str(handed.fileno())),
                ],
                env={},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=(theirs.fileno(), cell_fd, handed.fileno(), *config.inherit),
                start_new_session=True,
            )
            undo.pop_all()
        return cls(process, ours, cell, stderr, spare, handover)

    def unread(self) -> bytes:
        """What a dead worker sent that the transport did not read.

        A write that fails closes the transport at once, with answers still waiting in the socket: without
        them, jobs that were committed would be run again.
        """
        data = bytearray()
        try:
            while piece := self.spare.recv(_READ_BYTES, socket.MSG_DONTWAIT):
                data += piece
        except OSError:
            return bytes(data)
        return bytes(data)

    async def connect(self, taker: FrameTaker) -> None:
        """Take frames from now on."""
        await asyncio.get_running_loop().create_unix_connection(
            lambda: _Connection(taker, self), sock=self.connection
        )

    def configure(self, config: PoolConfig, slot: int) -> None:
        """Hand the worker what it starts with, and which one it is; it answers with READY."""
        self.write(frames.encode(frames.JsonFrame(frames.CONFIG, _worker_config(config, slot))))

    def hand_over(self, stream: socket.socket) -> None:
        """Give the worker a stream to the keeper, in the place of any it has. Raises OSError."""
        socket.send_fds(self.handover, [b"k"], [stream.fileno()])

    def write(self, data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def last_words(self) -> str:
        """The end of what it wrote to standard error."""
        size = os.fstat(self.stderr).st_size
        return os.pread(self.stderr, 2000, max(size - 2000, 0)).decode("utf-8", "replace").strip()

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()
        self.spare.close()
        self.handover.close()
        self.cell.close()
        os.close(self.stderr)


class _Connection(asyncio.Protocol):
    """The socket to one worker."""

    def __init__(self, taker: FrameTaker, worker: WorkerProcess) -> None:
        self._taker = taker
        self._burial: asyncio.Task[None] | None = None
        self._worker = worker
        self._decoder = frames.Decoder()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast and no check: uvloop's transport is none of asyncio's classes.
        self._worker.transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            self._taker.on_frame(frame)

    def connection_lost(self, _error: Exception | None) -> None:
        self._burial = asyncio.get_running_loop().create_task(self._bury())

    async def _bury(self) -> None:
        self._worker.process.kill()
        await asyncio.get_running_loop().run_in_executor(None, self._worker.process.wait)
        self.data_received(self._worker.unread())
        self._worker.gone.set()
        self._taker.on_gone(self._worker)


def _worker_config(config: PoolConfig, slot: int) -> dict[str, Any]:
    return {
        "component": str(config.component),
        "data_root": str(config.data_root),
        "enforce_types": config.enforce_types,
        "processors": affinity.usable() if config.pinned else (),
        "limits": asdict(config.limits),
        "reuse": asdict(config.reuse),
        "parent": os.getpid(),
        "without": config.without,
        "slot": slot % config.workers,
        "niceness": _LANE_NICENESS if slot >= config.workers else 0,
    }
