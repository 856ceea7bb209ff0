"""A place for a worker: whoever is in it now, and the jobs that belong there."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from attrs import define, field, frozen

from wasm_runtime import frames, status_cell
from wasm_runtime.outcome import Completed, NotConfirmed, Outcome, OutOfTime, Overloaded, WorkerLost
from wasm_runtime.schema_shelf import keep_last
from wasm_runtime.worker_process import KeeperLink, PoolConfig, WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = structlog.get_logger()

START_SECONDS = 30.0
_STOP_SECONDS = 5.0
#: Housekeeping, the reading of a large request: what a worker may do between runs.
_SILENCE_NS = 2_000_000_000
_KNOWN_PLANS = 4096
_MAX_ATTEMPTS = 3
#: A worker that lives shorter than this is respawned with a growing pause.
_STABLE_SECONDS = 5.0
_LONGEST_PAUSE = 1.0
#: For so long a session that has sent something counts as one that uses the slot.
_USES_NS = 1_000_000_000


@frozen
class Job:
    """A request for a session's guest.

    `plan` is the plan's document (opaque here), `request` JSON text with ctx and params, and `body` the end
    of that text: it may be large, and whoever else holds it needs no copy. Nothing that a `dry_run` writes is
    kept.
    """

    session: str
    plan_id: str
    plan: str
    _head: str = field(alias="request")
    read_only: bool
    dry_run: bool = False
    body: str = ""
    #: For the session's log.
    request_id: str = ""
    route: str = ""
    #: See `frames.JobFrame`.
    fixed: str = ""
    judged: Judged | None = None
    #: Nobody wants to know what its reply was made of.
    unheard: bool = False

    @property
    def size(self) -> int:
        """Of the request, in characters."""
        return len(self._head) + len(self.body)

    @property
    def request(self) -> str:
        """The whole text, made anew each time."""
        return self._head + self.body


@frozen
class Judged:
    """What a job's contract says of its reply: `schemas` is their id and text, the rest as `Rules` has it."""

    schemas_id: str
    schemas: str = field(repr=False)
    keys: Mapping[str, str]
    enforce: bool = False
    bare: bool = False
    #: As a job has it; see `frames.JobFrame`.
    text: str = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        rules = {"schemas": self.schemas_id, "keys": self.keys, "enforce": self.enforce, "bare": self.bare}
        object.__setattr__(self, "text", orjson.dumps(rules).decode())


@define(eq=False)
class Pending:
    """A job under way: `attempts` counts the workers it was sent to.

    `future` is for who waits for it, who may be told early or have left; `ended` is called when no worker has
    to do with the job any more.
    """

    id: int
    job: Job
    future: asyncio.Future[Outcome]
    ended: Callable[[str, Outcome], None]
    since_ns: int
    attempts: int = 0

    def answer(self, outcome: Outcome) -> None:
        if not self.future.done():
            self.future.set_result(outcome)

    def resolve(self, outcome: Outcome) -> None:
        self.answer(outcome)
        self.ended(self.job.session, outcome)


@define(eq=False)
class Slot:
    """A place for a worker: whoever is in it, and the jobs that belong there.

    `index`: those of lanes come after all others (`lanes.py`).
    """

    index: int
    config: PoolConfig
    #: Sent to the worker, or waiting for one; by job id, which is the order they came in.
    pending: dict[int, Pending] = field(factory=dict)
    ready: asyncio.Event = field(factory=asyncio.Event)
    enforced: dict[str, bool] = field(factory=dict)
    last_words: str = ""
    #: Workers that ended without being told to.
    lost: int = 0
    _worker: WorkerProcess | None = None
    _known: OrderedDict[str, None] = field(factory=OrderedDict)
    _known_schemas: OrderedDict[str, None] = field(factory=OrderedDict)
    _outbox: list[bytes] = field(factory=list)
    _heard_ns: int = 0
    #: Whose job came last, and when it was last another session's than the one before.
    _latest: str = ""
    _changed_ns: int = -_USES_NS
    _closing: bool = False
    _pause: float = 0.0
    _tasks: set[asyncio.Task[None]] = field(factory=set)
    #: Sessions whose files the worker was asked to let go of.
    _dropping: dict[str, asyncio.Future[None]] = field(factory=dict)
    #: Sessions of which the record is asked what a dead worker has written: until then nothing runs in them.
    _doubtful: set[str] = field(factory=set)

    @property
    def pid(self) -> int:
        return self._worker.process.pid if self._worker else 0

    @property
    def guests(self) -> tuple[int, int]:
        """Its worker's live and spare guests."""
        return self._worker.cell.guests() if self._worker and self.ready.is_set() else (0, 0)

    def start(self) -> None:
        self._background(self._spawn())

    def submit(self, pending: Pending) -> None:
        if self._closing:
            pending.resolve(Overloaded("the service is stopping"))
            return
        if not self.pending:
            self._heard_ns = time.monotonic_ns()  # silence counts from when there is something to do
        self.pending[pending.id] = pending
        if pending.job.session != self._latest:
            if self._latest:
                self._changed_ns = pending.since_ns
            self._latest = pending.job.session
        self._send_or_wait(pending)

    def is_shared(self, session: str) -> bool:
        """Whether others than that session have used the slot lately."""
        alone = self._latest in ("", session) and time.monotonic_ns() - self._changed_ns > _USES_NS
        return not alone

    def withdraw(self, pending: Pending, reason: str) -> None:
        """Nobody waits for the job any more: it is not to begin. One that has begun goes on to its end."""
        if pending.id not in self.pending or self._is_doubted(pending):
            return
        outcome = Overloaded(reason)
        worker = self._worker
        if not pending.attempts or worker is None or not self.ready.is_set():
            self._finish(pending.id, outcome)  # no worker has it
            return
        other = worker.cell.place_of(pending.id)
        if other != pending.id and other in self.pending:
            return  # the worker is still to hear of that one
        if worker.cell.withdraw(pending.id):
            pending.answer(outcome)  # the worker will let go of it when it hears of it

    def withdraw_overdue(self, before_ns: int, reason: str) -> None:
        """Tell those that have waited since before then, unless they have begun."""
        overdue = []
        for pending in self.pending.values():
            if pending.since_ns > before_ns:
                break
            if not pending.future.done():
                overdue.append(pending)
        for pending in overdue:
            self.withdraw(pending, reason)

    def listen_anew(self) -> None:
        """Nothing was sent or read here for a while: what was not heard is not the worker's silence."""
        self._heard_ns = time.monotonic_ns()

    def kill_if_stuck(self, longest_ns: int) -> None:
        """End a worker whose run, start, or silence with jobs to do has lasted longer than any may."""
        worker = self._worker
        if worker is None or worker.killed_for_time or worker.gone.is_set():
            return
        now = time.monotonic_ns()
        started = worker.cell.started_ns()
        if self.ready.is_set() and started:
            stuck = now - started > longest_ns
        elif self.ready.is_set():
            stuck = bool(self.pending) and now - self._heard_ns > longest_ns + _SILENCE_NS
        else:
            stuck = time.monotonic() - worker.born > START_SECONDS
        if stuck:
            worker.killed_for_time = True
            worker.process.kill()

    async def drop(self, session: str) -> None:
        """Until the worker has no file of the session open; at once where no worker is, and so no guest."""
        if not self.ready.is_set():
            return
        dropped = self._dropping[session] = asyncio.get_running_loop().create_future()
        self._send(frames.encode(frames.JsonFrame(frames.DROP, session)))
        try:
            await dropped
        finally:
            self._dropping.pop(session, None)

    def _dropped(self, session: str) -> None:
        future = self._dropping.pop(session, None)
        if future is not None and not future.done():
            future.set_result(None)

    async def close(self) -> None:
        self._closing = True
        worker = self._worker
        if worker is not None and self.ready.is_set():
            self._send(frames.encode(frames.StopFrame()))
            self._flush()
            try:
                async with asyncio.timeout(_STOP_SECONDS):
                    await worker.gone.wait()
            except TimeoutError:
                log.warning("worker killed at stop", worker=self.index)
        if worker is not None:
            worker.process.kill()
            await worker.gone.wait()
        for task in tuple(self._tasks):
            task.cancel()
        for pending in tuple(self.pending.values()):
            stopped = WorkerLost() if self._is_doubted(pending) else Overloaded("the service is stopping")
            self._finish(pending.id, stopped)

    def _background(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- the worker in the slot ---------------------------------------------------------------

    async def _spawn(self) -> None:
        if self._pause:
            await asyncio.sleep(self._pause)
        if self._closing:
            return
        try:
            worker = self._worker = WorkerProcess.spawn(self.config)
        except OSError as error:
            log.warning(
                "worker not started", worker=self.index, error=type(error).__name__, errno=error.errno
            )
            self._respawn(lived=0.0)
            return
        self.reconnect()
        await worker.connect(self)
        worker.configure(self.config, self.index)

    def reconnect(self) -> None:
        """Hand the worker a stream to the keeper there is now. Where there is none it waits for the next."""
        keeper, worker = self.config.keeper, self._worker
        if keeper is None or worker is None:
            return
        try:
            stream = keeper.connect(self.index, self.config.workers)
            if stream is not None:
                with stream:
                    worker.hand_over(stream)
        except OSError as error:
            log.warning("worker without a keeper", worker=self.index, errno=error.errno)

    def on_frame(self, frame: frames.Frame) -> None:
        self._heard_ns = time.monotonic_ns()
        if isinstance(frame, frames.ResultFrame):
            self._tell(frame.job, frame.outcome)
            self._finish(frame.job, frame.outcome)
        elif isinstance(frame, frames.JsonFrame) and frame.kind == frames.READY:
            self._on_ready(frame.value)
        elif isinstance(frame, frames.JsonFrame) and frame.kind == frames.DROPPED:
            self._dropped(frame.value)

    def _tell(self, job: int, outcome: Outcome) -> None:
        """Whoever depends on what was written hears of it before anybody is answered."""
        if type(outcome) is Completed:
            if outcome.touched and (pending := self.pending.get(job)) is not None:
                self.config.hears.written(pending.job, outcome)
        elif type(outcome) is NotConfirmed and (pending := self.pending.get(job)) is not None:
            self.config.hears.doubted(pending.job.session)

    def _on_ready(self, said: dict[str, Any]) -> None:
        self.enforced = said["enforced"]
        self.ready.set()
        for pending in tuple(self.pending.values()):
            if pending.job.session not in self._doubtful:
                self._send_job(pending)

    def on_gone(self, worker: WorkerProcess) -> None:
        """The worker is dead and every frame it sent has been taken."""
        self.ready.clear()
        self._known.clear()
        self._known_schemas.clear()
        self._outbox.clear()
        self.last_words = worker.last_words()
        for session in tuple(self._dropping):
            self._dropped(session)  # its guest died with it
        snapshot = worker.cell.read()
        if not self._closing:
            self.lost += 1
            log.warning(
                "worker lost",
                worker=self.index,
                for_time=worker.killed_for_time,
                exit=worker.process.returncode,
                last_words=self.last_words[-500:],
            )
        self._settle_accounts(snapshot, killed_for_time=worker.killed_for_time)
        self._ask_of_staged(snapshot.staged)
        worker.close()
        self._respawn(lived=time.monotonic() - worker.born)

    def _respawn(self, *, lived: float) -> None:
        """Put another worker into the slot, after a pause that grows while they do not live long."""
        if self._closing:
            return
        self._pause = 0.0 if lived > _STABLE_SECONDS else min(max(self._pause * 2, 0.02), _LONGEST_PAUSE)
        self._background(self._spawn())

    def _settle_accounts(self, snapshot: status_cell.Snapshot, *, killed_for_time: bool) -> None:
        """Of what a dead worker had to do: what may have been written, and who is to be told what."""
        begun = (each.job for each in self.pending.values() if each.attempts)
        for session in {job.session for job in begun if not job.read_only}:
            self.config.hears.doubted(session)
        for pending in tuple(self.pending.values()):
            if pending.attempts == 0:
                continue
            if pending.future.done():
                self._finish(pending.id, WorkerLost())  # nobody waits for it
                continue
            if pending.id in snapshot.staged:
                self._doubtful.add(pending.job.session)
            elif snapshot.started_ns and pending.id == snapshot.current:
                limit_ms = self.config.limits.wall_ms
                lost = OutOfTime(limit_ms, killed=True) if killed_for_time else WorkerLost(written=False)
                self._finish(pending.id, lost)
            elif pending.attempts >= _MAX_ATTEMPTS:
                self._finish(pending.id, WorkerLost(written=False))
            else:
                self._expire_later(pending)

    def _ask_of_staged(self, staged: dict[int, int]) -> None:
        doubted = {self.pending[job]: version for job, version in staged.items() if job in self.pending}
        if doubted and self.config.keeper is not None and not self._closing:
            self._background(self._resolve(doubted, self.config.keeper))
        else:
            self._decide(doubted, None)

    async def _resolve(self, doubted: dict[Pending, int], keeper: KeeperLink) -> None:
        self._decide(doubted, await keeper.versions(sorted(self._doubtful)))

    def _decide(self, doubted: dict[Pending, int], versions: dict[str, int] | None) -> None:
        """What the record has not got has left no trace, and may run again."""
        self._doubtful.difference_update(pending.job.session for pending in doubted)
        for pending, version in doubted.items():
            written = None if versions is None else versions[pending.job.session] >= version
            if written is not False or pending.attempts >= _MAX_ATTEMPTS or pending.future.done():
                self._finish(pending.id, WorkerLost(written))
        for pending in doubted:
            if pending.id in self.pending:
                self._send_or_wait(pending)

    # --- jobs ---------------------------------------------------------------------------------

    def _is_doubted(self, pending: Pending) -> bool:
        """A worker had it that is dead, and nobody knows yet what it has written."""
        return pending.attempts > 0 and pending.job.session in self._doubtful

    def _send_or_wait(self, pending: Pending) -> None:
        if self.ready.is_set() and pending.job.session not in self._doubtful:
            self._send_job(pending)
        else:
            self._expire_later(pending)

    def _send_job(self, pending: Pending) -> None:
        pending.attempts += 1
        job = pending.job
        if job.plan_id in self._known:
            self._known.move_to_end(job.plan_id)
        else:
            self._teach(job)
        judged = "" if job.judged is None else self._rules(job.judged)
        # One that a worker has died over may be the reason: it shares its second worker's time with nobody.
        alone = pending.attempts > 1
        frame = frames.JobFrame(
            pending.id,
            job.session,
            job.plan_id,
            job.read_only,
            job.request,
            alone,
            job.dry_run,
            time.monotonic_ns(),
            job.request_id,
            job.route,
            job.fixed,
            judged,
            job.unheard,
        )
        self._send(frames.encode(frame))

    def _rules(self, judged: Judged) -> str:
        """The worker keeps the last few documents' schemas in the same order."""
        if judged.schemas_id not in self._known_schemas:
            self._send(frames.encode(frames.SchemasFrame(judged.schemas_id, judged.schemas)))
        keep_last(self._known_schemas, judged.schemas_id, None)
        return judged.text

    def _teach(self, job: Job) -> None:
        self._known[job.plan_id] = None
        self._send(frames.encode(frames.PlanFrame(job.plan_id, job.plan)))
        if len(self._known) > _KNOWN_PLANS:
            forgotten, _ = self._known.popitem(last=False)
            self._send(frames.encode(frames.ForgetFrame(forgotten)))

    def _send(self, data: bytes) -> None:
        """Collect what this turn of the event loop sends, so that it is one system call.

        Not for a worker that has nothing to do: it is to begin while other requests are still read.
        """
        if not self._outbox:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outbox.append(data)
        if self._worker is not None and not self._worker.cell.started_ns():
            self._flush()

    def _flush(self) -> None:
        if self._outbox and self._worker is not None:
            self._worker.write(b"".join(self._outbox))
        self._outbox.clear()

    def _finish(self, job: int, outcome: Outcome) -> None:
        pending = self.pending.pop(job, None)
        if pending is not None:
            pending.resolve(outcome)

    def _expire_later(self, pending: Pending) -> None:
        """Give up on a job that no worker takes up in time."""
        attempts = pending.attempts

        def expire() -> None:
            if pending.id in self.pending and pending.attempts == attempts:
                self._finish(pending.id, Overloaded("no worker came back in time"))

        asyncio.get_running_loop().call_later(self.config.wait_for_worker_seconds, expire)
