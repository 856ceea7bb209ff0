"""A sandbox worker: one process, one thread that runs guests, one that ticks the clock.

Started by the pool as `python -m wasm_runtime.worker SOCKET_FD CELL_FD`, with an empty environment. It reads
frames, queues jobs by session, runs the sessions in turn (wasm_runtime/queues.py), and writes the results. It
never decides whether it has taken too long: the pool watches the status cell and kills it.
"""

from __future__ import annotations

import faulthandler
import os
import select
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cattrs

from wasm_runtime import affinity, allocator, frames
from wasm_runtime.confinement import confine
from wasm_runtime.engine import Runtime
from wasm_runtime.guests import Guests
from wasm_runtime.limits import GuestReuse, Limits
from wasm_runtime.outcome import Overloaded
from wasm_runtime.placement import slot_of
from wasm_runtime.queues import Queues
from wasm_runtime.runner import WITHDRAWN, Job, Runner
from wasm_runtime.status_cell import MAX_GROUP, StatusCell
from wasm_runtime.sweeper import Retention, Sweeper

if TYPE_CHECKING:
    from wasm_runtime.outcome import Outcome

_READ_BYTES = 256 * 1024
#: Between housekeeping steps when there is nothing to do.
_IDLE_SECONDS = 1.0
#: A live guest holds its directory, its database and its journal open.
_FILES_PER_GUEST = 4
_FILES_BESIDE = 64


class Worker:
    """The loop: read what has come, run one session's turn, send its results."""

    def __init__(self, connection: socket.socket, cell: StatusCell) -> None:
        self._connection = connection
        self._cell = cell
        self._decoder = frames.Decoder()
        self._queues = Queues()
        self._plans: dict[str, str] = {}
        self._results: list[bytes] = []
        self._stopping = False
        #: When the last turn ended: until then, nothing that had come could be read.
        self._free_ns = 0
        #: How many withdrawals have been looked after.
        self._withdrawals = 0
        self._runner: Runner | None = None
        self._guests: Guests | None = None
        self._sweeper: Sweeper | None = None

    def serve(self) -> None:
        """Until STOP, or until the pool's end of the connection is gone."""
        while self._queues or not self._stopping:
            if not self._read():
                return
            self._turn()
            if self._sweeper is not None and self._sweeper.wait() == 0:
                self._sweep()

    def _read(self) -> bool:
        """Take in what has arrived; wait for it only when there is nothing else to do."""
        try:
            data = self._connection.recv(_READ_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            if not self._queues and not self._housekeeping():
                select.select([self._connection], [], [], self._idle_seconds())
            return True
        taken_ns = time.monotonic_ns()
        for frame in self._decoder.feed(data):
            self._take(frame, taken_ns)
        return bool(data)

    def _idle_seconds(self) -> float:
        return _IDLE_SECONDS if self._sweeper is None else min(_IDLE_SECONDS, self._sweeper.wait())

    def _sweep(self) -> None:
        if self._sweeper is not None and self._runner is not None:
            self._sweeper.step()
            self._runner.full = self._sweeper.full

    def _housekeeping(self) -> bool:
        """One step of what can wait until there is nothing else to do; whether there was one."""
        if self._runner is None or self._guests is None:
            return False
        busy = self._runner.maintain() or self._guests.tidy()
        if busy:
            self._count_guests()
        return busy

    def _take(self, frame: frames.Frame, taken_ns: int) -> None:
        match frame:
            case frames.JobFrame():
                self._queues.add(frame.session, self._job(frame, taken_ns))
            case frames.PlanFrame():
                self._plans[frame.plan_id] = frame.document
            case frames.ForgetFrame():
                self._plans.pop(frame.plan_id, None)
            case frames.StopFrame():
                self._stopping = True
            case frames.JsonFrame() if frame.kind == frames.CONFIG:
                self._start(frame.value)
            case frames.JsonFrame() if frame.kind == frames.DROP and self._runner is not None:
                self._runner.let_go(frame.value)
                self._connection.sendall(frames.encode(frames.JsonFrame(frames.DROPPED, frame.value)))
            case _:
                raise frames.FrameError(f"{type(frame).__name__} is not for a worker")

    def _job(self, frame: frames.JobFrame, taken_ns: int) -> Job:
        # It has waited since it was read, and before that for as long as the worker was in another's turn.
        waits_since_ns = taken_ns - max(self._free_ns - frame.sent_ns, 0)
        return Job(
            frame.job,
            frame.plan_id,
            self._plans[frame.plan_id],
            frame.read_only,
            frame.request,
            frame.alone,
            frame.dry_run,
            waits_since_ns=waits_since_ns,
        )

    def _turn(self) -> None:
        if self._runner is None:
            return
        if self._cell.withdrawals() != self._withdrawals:
            self._drop_withdrawn()
        turn = self._queues.take(self._runner)
        if turn is None:
            return
        session, jobs = turn
        started_ns = time.monotonic_ns()
        self._queues.give_back(session, self._runner.run(session, jobs))
        self._free_ns = time.monotonic_ns()
        self._queues.charge(session, self._free_ns - started_ns, self._free_ns)
        self._cell.idle()
        self._count_guests()

    def _drop_withdrawn(self) -> None:
        """Let go of what nobody waits for, wherever in its queue it stands: it may be large."""
        self._withdrawals = self._cell.withdrawals()
        dropped = self._queues.drop(self._cell.is_withdrawn, time.monotonic_ns())
        for job in dropped:
            self._report(job, Overloaded(WITHDRAWN))
        if dropped:
            self._answer()

    def _count_guests(self) -> None:
        """For whoever watches the service; when the answers are on their way."""
        if self._guests is not None:
            self._cell.count_guests(len(self._guests), self._guests.spare)

    def _start(self, config: dict[str, Any]) -> None:
        limits = cattrs.structure(config["limits"], Limits)
        reuse = cattrs.structure(config["reuse"], GuestReuse)
        component, data_root = Path(config["component"]), Path(config["data_root"])
        # Before the engine, which starts threads: what a thread gives up, its elder ones keep.
        enforced = confine(
            data_root=data_root,
            component=component,
            file_bytes=limits.session_disk_bytes * 2,
            open_files=(reuse.live_guests + reuse.spare_guests) * _FILES_PER_GUEST + _FILES_BESIDE,
            parent=config["parent"],
            without=config["without"],
        )
        if reuse.mode == "never":
            self._queues.reads_at_once = MAX_GROUP  # each turn costs a guest
        allocator.share_one_heap()
        if config["pinned"]:
            affinity.keep_to_one(config["slot"])
        runtime = Runtime.load(component, limits)
        runtime.start_clock()
        self._guests = Guests(
            runtime, reuse, data_root, config["durability"], enforce_types=config["enforce_types"]
        )
        retention = cattrs.structure(config["retention"], Retention)
        self._runner = Runner(
            self._guests, self._cell, self._report, self._answer, total_bytes=retention.total_bytes
        )
        slot, slots = config["slot"], config["slots"]
        self._sweeper = Sweeper(
            data_root, retention, owns=lambda session: slot_of(session, slots) == slot, in_use=self._in_use
        )
        ready = frames.JsonFrame(frames.READY, {"pid": os.getpid(), "enforced": enforced})
        self._connection.sendall(frames.encode(ready))

    def _in_use(self, session: str) -> bool:
        return session in self._queues or (self._guests is not None and session in self._guests)

    def _report(self, job: int, outcome: Outcome) -> None:
        self._results.append(frames.encode(frames.ResultFrame(job, outcome)))

    def _answer(self) -> None:
        self._connection.sendall(b"".join(self._results))
        self._results.clear()


def main() -> None:
    # Before the first Engine: enabled later, it would turn a guest's fault into a crash of this process.
    faulthandler.enable()
    connection = socket.socket(fileno=int(sys.argv[1]))
    Worker(connection, StatusCell(int(sys.argv[2]))).serve()


if __name__ == "__main__":
    main()
