"""A sandbox worker: one process, one thread that runs guests, one that ticks the clock.

Started by the pool as `python -m wasm_runtime.worker SOCKET_FD CELL_FD HANDOVER_FD`, with an empty
environment. It reads frames, queues jobs by session, runs the sessions in turn (wasm_runtime/queues.py), has
what they have written kept by the record (wasm_runtime/gate.py), and writes the results. It never decides
whether it has taken too long: the pool watches the status cell and kills it.
"""

from __future__ import annotations

import faulthandler
import os
import select
import socket
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cattrs
import jsonschema_rs  # noqa: F401  the first contract asks for it: a confined worker reads no module any more

from store.keeper_wire import Committed, HeadIs, Opened, Refusal, Refused, Room, Spare, Spared, WireError
from wasm_runtime import affinity, allocator, frames
from wasm_runtime.confinement import confine
from wasm_runtime.engine import Runtime
from wasm_runtime.gate import Gate
from wasm_runtime.guests import Guests
from wasm_runtime.limits import GuestReuse, Limits
from wasm_runtime.openings import Openings
from wasm_runtime.outcome import Overloaded, SessionDamaged, StorageFailed
from wasm_runtime.queues import Queues
from wasm_runtime.record_stream import RecordStream
from wasm_runtime.runner import WITHDRAWN, Job, Runner, full, outcome_of
from wasm_runtime.schema_shelf import SchemaShelf
from wasm_runtime.status_cell import MAX_GROUP, MAX_STAGED, StatusCell

if TYPE_CHECKING:
    from store.keeper_wire import Message
    from wasm_runtime.gate import Report, Waiting
    from wasm_runtime.outcome import Outcome, StorageFull

_READ_BYTES = 256 * 1024
#: Between housekeeping steps when there is nothing to do.
_IDLE_SECONDS = 1.0
#: Between looks at what waits for the record.
_GIVING_UP_SECONDS = 0.25
#: What a worker holds of change sets on their way to the record, before it takes up more work.
_MOST_STAGED_BYTES = 64 * 1024 * 1024
#: What a run that takes long waits for the record's word on those before it: some commits.
_BEFORE_SLOW_SECONDS = 0.02
#: What an orderly end takes for closing files; those that are left are made anew.
_CLOSING_SECONDS = 2.0
#: A live guest holds its directory and its database open.
_FILES_PER_GUEST = 4
_FILES_BESIDE = 64


class Worker:
    """The loop: read what has come, run one session's turn, send what is ready."""

    def __init__(self, connection: socket.socket, cell: StatusCell, handover: socket.socket) -> None:
        self._connection = connection
        self._cell = cell
        self._poller = select.poll()
        self._poller.register(connection, select.POLLIN)
        self._record = RecordStream(handover, self._poller)
        self._gate = Gate(self._record.send, self._release, self._failed)
        self._openings = Openings(self._gate, self._record.send)
        self._decoder = frames.Decoder()
        self._queues = Queues()
        self._plans: dict[str, str] = {}
        self._schemas = SchemaShelf()
        self._results: list[bytes] = []
        #: Jobs whose results these are.
        self._answered: list[int] = []
        self._stopping = False
        #: When the last turn ended: until then, nothing that had come could be read.
        self._free_ns = 0
        #: How many withdrawals have been looked after.
        self._withdrawals = 0
        self._overdue_at = 0.0
        self._full: StorageFull | None = None
        #: The keeper's requests for room.
        self._to_spare: list[int] = []
        self._runner: Runner | None = None
        self._guests: Guests | None = None

    def serve(self) -> None:
        """Until STOP, or until the pool's end of the connection is gone."""
        while self._queues or self._openings or self._gate or not self._stopping:
            if not self._read():
                return
            self._turn()
            if self._gate.is_due() or not self._may_turn():
                self._gate.send()
            self._give_up()
            self._spare()
            self._answer()
        if self._guests is not None:
            self._guests.drop_all(time.monotonic() + _CLOSING_SECONDS)
        self._record.flush(_CLOSING_SECONDS)

    def _read(self) -> bool:
        """Take in what has arrived; wait for it only when there is nothing else to do."""
        ready = self._poller.poll(0)
        if not ready and not self._may_turn() and not self._housekeeping():
            ready = self._poller.poll(self._idle_seconds() * 1000)
        for descriptor, _ in ready:
            if descriptor == self._connection.fileno() and not self._read_frames():
                return False
            if self._record.owns(descriptor):
                self._read_record()
        return True

    def _may_turn(self) -> bool:
        """Whether there is a job, and room for what it may write until the record has that."""
        staged, size = self._cell.staged, self._gate.size
        return bool(self._queues) and staged <= MAX_STAGED - MAX_GROUP and size < _MOST_STAGED_BYTES

    def _idle_seconds(self) -> float:
        return _GIVING_UP_SECONDS if self._gate or self._openings else _IDLE_SECONDS

    def _read_frames(self) -> bool:
        data = self._connection.recv(_READ_BYTES)
        taken_ns = time.monotonic_ns()
        for frame in self._decoder.feed(data):
            self._take(frame, taken_ns)
        return bool(data)

    def _housekeeping(self) -> bool:
        """One step of what can wait until there is nothing else to do; whether there was one."""
        if self._runner is None or self._guests is None or self._gate or self._openings:
            return False
        busy = self._runner.maintain() or self._guests.tidy()
        if busy:
            self._gate.send()
            self._count_guests()
        return busy

    def _take(self, frame: frames.Frame, taken_ns: int) -> None:
        match frame:
            case frames.JobFrame():
                self._queues.add(frame.session, self._job(frame, taken_ns))
            case frames.PlanFrame():
                self._plans[frame.plan_id] = frame.document
            case frames.SchemasFrame():
                self._schemas.put(frame.id, frame.text)
            case frames.ForgetFrame():
                self._plans.pop(frame.plan_id, None)
            case frames.StopFrame():
                self._stopping = True
            case frames.JsonFrame() if frame.kind == frames.CONFIG:
                self._start(frame.value)
            case frames.JsonFrame() if frame.kind == frames.DROP and self._runner is not None:
                self._let_go(self._runner, frame.value)
            case _:
                raise frames.FrameError(f"{type(frame).__name__} is not for a worker")

    def _let_go(self, runner: Runner, session: str) -> None:
        runner.let_go(session)
        self._gate.when_settled(session, lambda: self._dropped(session))

    def _dropped(self, session: str) -> None:
        self._record.flush(_CLOSING_SECONDS)  # whoever is told may ask the record next
        self._results.append(frames.encode(frames.JsonFrame(frames.DROPPED, session)))

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
            request_id=frame.request_id,
            route=frame.route,
            fixed=frame.fixed,
            rules=self._schemas.rules(frame.judged) if frame.judged else None,
            unheard=frame.unheard,
        )

    def _turn(self) -> None:
        if self._runner is None or self._guests is None:
            return
        if self._cell.withdrawals() != self._withdrawals:
            self._drop_withdrawn()
        turn = self._queues.take(self._runner) if self._may_turn() else None
        if turn is None:
            return
        session, jobs = turn
        if self._runner.is_slow(session, jobs[0]):
            self._tell_before()
        if session not in self._guests:
            self._openings.park(session, jobs)
            return
        started_ns, deaths = time.monotonic_ns(), self._guests.deaths
        self._queues.give_back(session, self._runner.run(session, jobs))
        self._answer()
        self._guests.release(session)
        self._free_ns = time.monotonic_ns()
        died = self._guests.deaths > deaths
        self._queues.charge(session, self._free_ns - started_ns, self._free_ns, died=died)
        self._cell.idle()
        self._count_guests()

    def _tell_before(self) -> None:
        """A run that takes long is about to begin: what waits for the record would wait for its end."""
        self._gate.send()
        until = time.monotonic() + _BEFORE_SLOW_SECONDS
        while self._gate and self._record.wait(until - time.monotonic()):
            self._read_record()
        self._answer()

    def _drop_withdrawn(self) -> None:
        """Let go of what nobody waits for, wherever in its queue it stands: it may be large."""
        self._withdrawals = self._cell.withdrawals()
        for job in self._queues.drop(self._cell.is_withdrawn, time.monotonic_ns()):
            self._report(job, Overloaded(WITHDRAWN))

    def _count_guests(self) -> None:
        """For whoever watches the service; when the answers are on their way."""
        if self._guests is not None:
            self._cell.count_guests(len(self._guests), self._guests.spare)

    # The record

    def _read_record(self) -> None:
        replaced, messages = self._record.read()
        if replaced:
            self._gate.reconnected()
            self._openings.reconnected()
            if self._guests is not None:
                self._guests.note_all()
        for message in messages:
            self._hear(message)

    def _hear(self, message: Message) -> None:
        match message:
            case Committed():
                self._gate.committed(message)
            case Opened():
                self._resume(message.session, self._openings.take(message.session, message.n), message)
            case HeadIs():
                self._gate.head_is(message)
            case Refused():
                jobs = self._openings.take(message.session, message.n)
                self._gate.untold(message.session, Refusal(*message[2:]))
                self._resume(message.session, jobs, refused(message))
            case Room():
                self._full = full(message.full, message.limit_bytes) if message.full else None
                if self._runner is not None:
                    self._runner.full = self._full
            case Spare():
                self._to_spare.append(message.n)
            case _:
                raise WireError(f"{type(message).__name__} is not for a worker")

    def _spare(self) -> None:
        """Close files, so that there is room for others: one for each time that was asked for.

        Those that are about to be opened are used first.
        """
        while self._to_spare and self._guests is not None:
            session = self._guests.drop_oldest()
            if session is None and self._guests.is_any_ready:
                return
            said = Spared(self._to_spare.pop(0), closed=session is not None)
            self._gate.when_settled(session or "", partial(self._record.send, said))
            self._count_guests()

    def _resume(self, session: str, jobs: list[Job] | None, opened: Opened | Outcome) -> None:
        """What a session's jobs have waited for is there, or will not be."""
        if self._guests is None or self._runner is None:
            return
        if jobs is None:
            if isinstance(opened, Opened) and session not in self._openings and session not in self._guests:
                self._guests.ready(session, opened)
                self._guests.drop(session)  # they have waited for too long, and were told so
        elif isinstance(opened, Opened):
            self._guests.ready(session, opened)
            self._queues.give_back(session, jobs)
        else:
            self._runner.report_all(jobs, opened)

    def _failed(self, session: str, lost: list[Waiting], refusal: Refusal) -> None:
        if self._runner is not None:
            self._queues.give_back(session, self._runner.failed(session, lost, refusal))

    def _give_up(self) -> None:
        """Tell those that have waited for the record for too long, now and then."""
        now = time.monotonic()
        if now < self._overdue_at:
            return
        self._overdue_at = now + _GIVING_UP_SECONDS
        self._gate.give_up()
        for _, jobs in self._openings.overdue():
            for job in jobs:
                self._report(job.id, StorageFailed("the record does not answer"))

    def _start(self, config: dict[str, Any]) -> None:
        limits = cattrs.structure(config["limits"], Limits)
        reuse = cattrs.structure(config["reuse"], GuestReuse)
        component, data_root = Path(config["component"]), Path(config["data_root"])
        affinity.give_way(config["niceness"])
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
        affinity.keep_to_one(config["slot"], tuple(config["processors"]))
        runtime = Runtime.load(component, limits)
        runtime.start_clock()
        self._guests = Guests(
            runtime, reuse, data_root, self._gate, self._record.send, enforce_types=config["enforce_types"]
        )
        self._runner = Runner(self._guests, self._gate, self._cell, self._report)
        self._runner.full = self._full
        ready = frames.JsonFrame(frames.READY, {"pid": os.getpid(), "enforced": enforced})
        self._connection.sendall(frames.encode(ready))

    # Results

    def _release(self, report: Report, waited: bool) -> None:  # noqa: FBT001  the gate's
        self._report(report.job.id, outcome_of(report, waited=waited))

    def _report(self, job: int, outcome: Outcome) -> None:
        self._results.append(frames.encode(frames.ResultFrame(job, outcome)))
        self._answered.append(job)

    def _answer(self) -> None:
        """Send what has come together: those that were waited for together are told together."""
        if not self._results:
            return
        self._connection.sendall(b"".join(self._results))
        self._results.clear()
        self._cell.answered(self._answered)
        self._answered.clear()


def refused(message: Refused) -> Outcome:
    """Why a session cannot be opened."""
    match message.trouble:
        case "fenced":
            return Overloaded(message.reason)
        case "full":
            return full(message.reason, message.limit_bytes)
        case "damaged" | "too-new":
            return SessionDamaged(message.reason, too_new=message.trouble == "too-new")
        case _:
            return StorageFailed(message.reason)


def main() -> None:
    # Before the first Engine: enabled later, it would turn a guest's fault into a crash of this process.
    faulthandler.enable()
    connection, cell, handover = (int(argument) for argument in sys.argv[1:4])
    Worker(socket.socket(fileno=connection), StatusCell(cell), socket.socket(fileno=handover)).serve()


if __name__ == "__main__":
    main()
