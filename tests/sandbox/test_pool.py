"""Real worker processes: killed, stuck, replaced, overloaded, stopped; and what each of that costs."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import programs
from tests.sandbox.programs import BYPASS
from wasm_runtime.limits import MIB, GuestReuse, Limits
from wasm_runtime.outcome import Completed, Outcome, OutOfTime, Overloaded, Raised, WorkerLost
from wasm_runtime.pool import PoolError, WorkerPool
from wasm_runtime.slot import Job
from wasm_runtime.worker_process import PoolConfig, WorkerProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.keeper import ThreadKeeper
    from wasm_runtime.artifact import Artifact

INSERT = 'REPLY = make_response(201, store.insert(ctx["body_json"]))'
COUNT = "REPLY = make_response(200, store.count())"
LONG = (
    'store.insert({"n": "long"})\nn = 0\nfor i in range(10 ** 9):\n    n += i\nREPLY = make_response(200, n)'
)
#: Some 250 ms and more: jobs that are sent meanwhile come meanwhile.
SOME_WORK = LONG.replace("10 ** 9", "5 * 10 ** 6")
SLEEP = BYPASS + "load('time').sleep(60)\nREPLY = make_response(200, 1)"

MakePool = "Callable[..., Awaitable[WorkerPool]]"


def job(code: str, session: str = "s1", *, read_only: bool = False, body: Any = None) -> Job:
    return Job(
        session, programs.plan_id(code), programs.document(code), programs.request(body=body), read_only
    )


@pytest.fixture
async def make_pool(
    guest_artifact: Artifact, keeper: ThreadKeeper
) -> AsyncIterator[Callable[..., Awaitable[WorkerPool]]]:
    pools: list[WorkerPool] = []

    async def make(limits: Limits | None = None, **options: Any) -> WorkerPool:
        config = PoolConfig(
            component=guest_artifact.path,
            data_root=keeper.caches,
            keeper=keeper,
            limits=limits or Limits(),
            reuse=GuestReuse(spare_guests=1),
            **{"workers": 1, **options},
        )
        pool = WorkerPool(config)
        pools.append(pool)
        await pool.start()
        return pool

    yield make
    for pool in pools:
        await pool.close()


def only_pid(pool: WorkerPool) -> int:
    (pid,) = pool.health()["pids"]
    assert isinstance(pid, int)
    return pid


async def until_running(pool: WorkerPool) -> None:
    """Wait until a worker is inside a run."""
    slot = pool._slots[0]
    while slot._worker is None or not slot._worker.cell.read().current:
        await asyncio.sleep(0.01)


def count(outcome: Outcome) -> int:
    assert isinstance(outcome, Completed), outcome
    assert outcome.body is not None
    return int(outcome.body)


async def test_a_killed_worker_costs_the_request_it_ran(make_pool: MakePool) -> None:
    """kill -9 in the middle: that request is lost; queued ones and the next one are served."""
    pool = await make_pool()
    assert isinstance(await pool.run(job(INSERT, body={"n": 1})), Completed)
    long = asyncio.ensure_future(pool.run(job(LONG)))
    await until_running(pool)
    queued = [asyncio.ensure_future(pool.run(job(INSERT, body={"n": n}))) for n in range(3)]
    elsewhere = asyncio.ensure_future(pool.run(job(INSERT, "s2", body={"n": 1})))
    await asyncio.sleep(0.05)
    os.kill(only_pid(pool), signal.SIGKILL)

    assert await long == WorkerLost(written=False)
    assert [type(outcome) for outcome in await asyncio.gather(*queued, elsewhere)] == [Completed] * 4
    assert count(await pool.run(job(COUNT, read_only=True))) == 4


async def test_where_the_time_went(make_pool: MakePool) -> None:
    """A job that comes while the worker serves another has waited for it; one that wrote, for the record."""
    pool = await make_pool()
    long = asyncio.ensure_future(pool.run(job(SOME_WORK)))
    await until_running(pool)
    write, read, raised = await asyncio.gather(
        pool.run(job(INSERT, "s2", body={})),
        pool.run(job(COUNT, "s3", read_only=True)),
        pool.run(job("raise ValueError", "s4")),
    )
    first = await long

    assert isinstance(first, Completed)
    assert isinstance(write, Completed)
    assert isinstance(read, Completed)
    assert isinstance(raised, Raised)
    waits = [each.queue_micros for each in (first, write, read, raised)]
    assert waits == sorted(set(waits))
    assert [each.settle_micros > 0 for each in (first, write, read, raised)] == [True, True, False, False]


async def test_a_write_is_told_before_the_next_long_run_begins(make_pool: MakePool) -> None:
    """The record has it by then; to wait for the end of that run, too, would be to wait for two."""
    pool = await make_pool()
    long = job(SOME_WORK.partition("\n")[2], "slow", read_only=True)
    await pool.run(long)
    await pool.run(job(INSERT, "quick", body={}))
    told: list[str] = []

    async def run(name: str, work: Job) -> None:
        await pool.run(work)
        told.append(name)

    first = asyncio.ensure_future(run("first", long))
    await until_running(pool)
    await asyncio.gather(first, run("second", long), run("write", job(INSERT, "quick", body={})))

    assert told == ["first", "write", "second"]


@pytest.mark.parametrize("pinned", [True, False])
async def test_a_worker_keeps_to_one_processor_if_it_is_to(make_pool: MakePool, *, pinned: bool) -> None:
    """All of its threads: those of the engine, which do the work on files, with the one that runs guests."""
    pool = await make_pool(pinned=pinned)
    assert isinstance(await pool.run(job(INSERT, body={"n": 1})), Completed)
    threads = [int(task) for task in os.listdir(f"/proc/{only_pid(pool)}/task")]
    left = [os.sched_getaffinity(thread) for thread in threads]

    assert len(threads) > 1
    assert all(each == left[0] for each in left)
    assert len(left[0]) == (1 if pinned else len(os.sched_getaffinity(0)))


async def test_a_run_that_waits_in_the_host_costs_its_worker(make_pool: MakePool) -> None:
    """Neither fuel nor epochs end a sleep; the pool does, and says so. Others are served afterwards."""
    pool = await make_pool(Limits(wall_ms=1_500))
    first = only_pid(pool)
    stuck = asyncio.ensure_future(pool.run(job(SLEEP)))
    await until_running(pool)
    other = asyncio.ensure_future(pool.run(job(INSERT, "s2", body={})))

    assert await stuck == OutOfTime(1_500, killed=True)
    assert isinstance(await other, Completed)
    assert only_pid(pool) != first


async def test_queues_are_bounded(make_pool: MakePool) -> None:
    """At the limit a request waits; beyond it, it is told so at once. In one session and in all."""
    pool = await make_pool(Limits(fuel=10**13, wall_ms=1_500), queue_per_session=3, queue_total=5)
    spin = "while True:\n    pass"
    first = asyncio.ensure_future(pool.run(job(spin)))
    await until_running(pool)
    within = [asyncio.ensure_future(pool.run(job(COUNT, read_only=True))) for _ in range(2)]
    await asyncio.sleep(0)
    over = await pool.run(job(COUNT, read_only=True))
    others = [asyncio.ensure_future(pool.run(job(COUNT, f"o{n}", read_only=True))) for n in range(2)]
    await asyncio.sleep(0)
    over_all = await pool.run(job(COUNT, "o9", read_only=True))

    assert isinstance(over, Overloaded)
    assert isinstance(over_all, Overloaded)
    assert isinstance(await first, OutOfTime)
    assert [count(await waiting) for waiting in (*within, *others)] == [0, 0, 0, 0]


async def test_what_nobody_waits_for_does_not_begin(make_pool: MakePool) -> None:
    """A job whose caller has left is dropped where it stands; the one that runs ends, others as well."""
    pool = await make_pool()
    await pool.run(job(INSERT, body={"n": 0}))
    running = asyncio.ensure_future(pool.run(job(SOME_WORK)))
    await until_running(pool)
    left = [asyncio.ensure_future(pool.run(job(INSERT, body={"n": n}))) for n in range(20)]
    kept = asyncio.ensure_future(pool.run(job(COUNT, read_only=True)))
    await asyncio.sleep(0.01)
    for each in left:
        each.cancel()
    await asyncio.gather(*left, return_exceptions=True)

    assert all(each.cancelled() for each in left)
    assert isinstance(await running, Completed)
    assert count(await kept) == 2
    assert pool.health()["jobs"] == 0


async def test_what_has_begun_ends_though_its_caller_leaves(make_pool: MakePool) -> None:
    """It cannot be half done; and until it is done, its session counts as busy."""
    pool = await make_pool()
    running = asyncio.ensure_future(pool.run(job(SOME_WORK)))
    await until_running(pool)
    running.cancel()
    await asyncio.sleep(0)

    assert running.cancelled()
    assert pool._waiting["s1"] == 1
    async with pool.hold("s1"):
        assert pool._waiting["s1"] == 0
    assert count(await pool.run(job(COUNT, read_only=True))) == 1


async def test_those_that_left_make_room(make_pool: MakePool) -> None:
    """When the worker has let go of them, which is not when it would have come to them."""
    pool = await make_pool(queue_per_session=4)
    running = asyncio.ensure_future(pool.run(job(SOME_WORK, "other")))
    await until_running(pool)
    left = [asyncio.ensure_future(pool.run(job(SLEEP))) for _ in range(4)]
    await asyncio.sleep(0.01)
    assert isinstance(await pool.run(job(COUNT, read_only=True)), Overloaded)
    for each in left:
        each.cancel()
    await running
    async with asyncio.timeout(10):
        while pool._in_all:
            await asyncio.sleep(0.01)

    assert count(await pool.run(job(COUNT, read_only=True))) == 0


async def test_a_job_waits_only_so_long_to_begin(make_pool: MakePool) -> None:
    """It is told while the worker is still in another's run, which goes on; what comes later is served."""
    pool = await make_pool(Limits(fuel=10**13, wall_ms=3_000), queue_seconds=1.0)
    first = asyncio.ensure_future(pool.run(job("while True:\n    pass")))
    await until_running(pool)
    waiting = [asyncio.ensure_future(pool.run(job(INSERT, name, body={}))) for name in ("s1", "s2", "s1")]
    early = await asyncio.gather(*waiting)
    still_running = not first.done()
    late = [asyncio.ensure_future(pool.run(job(COUNT, name, read_only=True))) for name in ("s1", "s2")]
    ended = await first

    assert early == [Overloaded("it has waited for 1 seconds")] * 3
    assert still_running
    assert isinstance(ended, OutOfTime)
    assert [type(each) for each in await asyncio.gather(*late)] in ([Completed] * 2, [Overloaded] * 2)
    assert [count(await pool.run(job(COUNT, name, read_only=True))) for name in ("s1", "s2")] == [0, 0]


async def test_a_withdrawn_job_is_not_sent_to_the_next_worker(make_pool: MakePool) -> None:
    """The worker dies with jobs in its queue: those that nobody waits for die with it."""
    pool = await make_pool()
    first = only_pid(pool)
    running = asyncio.ensure_future(pool.run(job(LONG)))
    await until_running(pool)
    left = asyncio.ensure_future(pool.run(job(INSERT, "s2", body={})))
    kept = asyncio.ensure_future(pool.run(job(INSERT, "s3", body={})))
    await asyncio.sleep(0.01)
    left.cancel()
    os.kill(first, signal.SIGKILL)

    assert await running == WorkerLost(written=False)
    assert isinstance(await kept, Completed)
    assert count(await pool.run(job(COUNT, "s2", read_only=True))) == 0


async def test_a_loop_that_was_held_up_blames_no_worker(make_pool: MakePool) -> None:
    """The job had not even been sent: it was not the worker that was silent."""
    pool = await make_pool(Limits(wall_ms=100, kill_grace_ms=20))
    first = only_pid(pool)
    asked = asyncio.ensure_future(pool.run(job(COUNT, read_only=True)))
    await asyncio.sleep(0)
    time.sleep(2.5)  # noqa: ASYNC251  what is tried

    assert count(await asked) == 0
    assert only_pid(pool) == first


async def test_jobs_wait_only_so_long_for_a_worker(make_pool: MakePool) -> None:
    """When no worker comes back, what waits is told so; nothing waits for ever."""
    pool = await make_pool(wait_for_worker_seconds=0.2)
    slot = pool._slots[0]
    slot.ready.clear()  # as if the worker were being replaced

    assert await pool.run(job(COUNT)) == Overloaded("no worker came back in time")
    slot.ready.set()
    assert isinstance(await pool.run(job(COUNT)), Completed)


async def test_requests_of_one_session_run_in_order_and_in_groups(make_pool: MakePool) -> None:
    """Concurrent inserts get each its own id, in the order they were sent."""
    pool = await make_pool()
    await pool.run(job(INSERT, body={"n": -1}))
    outcomes = await asyncio.gather(*(pool.run(job(INSERT, body={"n": n})) for n in range(50)))

    bodies = [outcome.body for outcome in outcomes if isinstance(outcome, Completed)]
    assert bodies == [b'{"id":%d,"n":%d}' % (n + 2, n) for n in range(50)]


async def test_a_session_stays_on_its_worker(make_pool: MakePool) -> None:
    """Many sessions over two workers: each finds its own data again, and both workers have some."""
    pool = await make_pool(workers=2)
    sessions = [f"s{n}" for n in range(20)]
    for _ in range(2):
        await asyncio.gather(*(pool.run(job(INSERT, name, body={})) for name in sessions))

    counts = await asyncio.gather(*(pool.run(job(COUNT, name, read_only=True)) for name in sessions))
    assert [count(outcome) for outcome in counts] == [2] * 20
    assert len({pool._slots.index(pool._slot(name)) for name in sessions}) == 2


async def test_a_worker_is_confined(make_pool: MakePool) -> None:
    """No environment, a telling command line, no new privileges, limits; SIGTERM is not its business."""
    pool = await make_pool()
    pid = only_pid(pool)
    proc = Path(f"/proc/{pid}")

    assert b"wasm_runtime.worker" in proc.joinpath("cmdline").read_bytes()
    assert proc.joinpath("environ").read_bytes() == b""
    status = proc.joinpath("status").read_text()
    assert "NoNewPrivs:\t1" in status
    limits = proc.joinpath("limits").read_text()
    assert "Max core file size        0" in limits
    assert all(pool.health()["enforced"].values())
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGINT)
    assert isinstance(await pool.run(job(COUNT)), Completed)
    assert only_pid(pool) == pid


async def test_workers_end_with_the_pool(make_pool: MakePool) -> None:
    """Closing lets what is queued finish, and leaves no process behind."""
    pool = await make_pool(workers=2)
    pids = pool.health()["pids"]
    queued = [asyncio.ensure_future(pool.run(job(INSERT, body={}))) for _ in range(5)]
    await asyncio.sleep(0)
    await pool.close()

    assert all(isinstance(outcome, Completed) for outcome in await asyncio.gather(*queued))
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert isinstance(await pool.run(job(COUNT)), Overloaded)


async def test_the_end_has_a_deadline(make_pool: MakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that goes on for longer than the end may take is cut off, undone; nothing else is started."""
    monkeypatch.setattr("wasm_runtime.slot._STOP_SECONDS", 0.2)
    pool = await make_pool(Limits(fuel=10**13))
    (pid,) = pool.health()["pids"]
    running = asyncio.ensure_future(pool.run(job(LONG)))
    await until_running(pool)
    queued = asyncio.ensure_future(pool.run(job(INSERT, "s2", body={})))
    closing = asyncio.ensure_future(pool.close())
    await asyncio.sleep(0)

    assert await pool.run(job(COUNT)) == Overloaded("the service is stopping")
    await closing
    assert await running == WorkerLost(written=False)
    assert isinstance(await queued, Overloaded)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_workers_that_cannot_start_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken artifact stops the start with the worker's own last words."""
    monkeypatch.setattr("wasm_runtime.pool.START_SECONDS", 1.5)
    broken = tmp_path / "guest.cwasm"
    broken.write_bytes(b"no component")
    pool = WorkerPool(
        PoolConfig(component=broken, data_root=tmp_path, limits=Limits(), reuse=GuestReuse(), workers=1)
    )

    with pytest.raises(PoolError, match="did not start"):
        await pool.start()


async def test_plans_beyond_the_memory_of_a_worker_are_sent_again(
    make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker is taught each plan once, forgets the oldest, and is taught it again when it is needed."""
    monkeypatch.setattr("wasm_runtime.slot._KNOWN_PLANS", 3)
    pool = await make_pool()
    for _ in range(2):
        for number in range(6):
            assert count(await pool.run(job(f"REPLY = make_response(200, {number})"))) == number


async def test_a_worker_that_cannot_be_started_is_tried_again(
    make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many processes or descriptors, for a moment: the slot has a worker again when that is over."""
    pool = await make_pool()
    real, failures = WorkerProcess.spawn, [OSError(11, "busy"), OSError(24, "files")]

    def spawn(config: PoolConfig) -> WorkerProcess:
        if failures:
            raise failures.pop()
        return real(config)

    monkeypatch.setattr(WorkerProcess, "spawn", spawn)
    os.kill(only_pid(pool), signal.SIGKILL)
    await asyncio.sleep(0.05)

    assert isinstance(await pool.run(job(INSERT, body={})), Completed)
    assert failures == []


async def test_a_worker_that_is_stopped_is_replaced(make_pool: MakePool) -> None:
    """One that does not say anything while there are jobs for it is as good as dead."""
    pool = await make_pool(Limits(wall_ms=1_500))
    first = only_pid(pool)
    os.kill(first, signal.SIGSTOP)

    assert isinstance(await pool.run(job(INSERT, body={})), Completed)
    assert only_pid(pool) != first


async def test_answers_that_were_not_read_are_not_lost(make_pool: MakePool) -> None:
    """A worker that dies with its answer in the socket has answered: the job does not run twice."""
    pool = await make_pool()
    await pool.run(job(INSERT, body={"n": 0}))
    slot = pool._slots[0]
    worker = slot._worker
    assert worker is not None
    assert isinstance(worker.transport, asyncio.Transport)
    worker.transport.pause_reading()
    inserted = asyncio.ensure_future(pool.run(job(INSERT, body={"n": 1})))
    while not select.select([worker.spare], [], [], 0)[0]:
        await asyncio.sleep(0.01)  # until the answer is in the socket
    os.kill(only_pid(pool), signal.SIGKILL)
    worker.transport.abort()

    assert isinstance(await inserted, Completed)
    assert count(await pool.run(job(COUNT, read_only=True))) == 2


async def test_a_workers_threads_share_one_heap(make_pool: MakePool) -> None:
    """glibc's further heaps are 64 MiB of addresses each, at multiples of that; a worker has none."""
    pool = await make_pool()
    for session in ("a", "b", "c"):
        await pool.run(job(INSERT, session, body={"n": 1}))

    heap = 64 * MIB
    starts, ends = zip(*_mappings(only_pid(pool)), strict=True)
    assert len(os.listdir(f"/proc/{only_pid(pool)}/task")) > 3
    assert not [start for start in starts if start % heap == 0 and start + heap in ends]


def _mappings(pid: int) -> list[tuple[int, int]]:
    """From where to where, of private memory that is no file's."""
    lines = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    ranges = [line[0].split("-") for line in lines if len(line) == 5]
    return [(int(start, 16), int(end, 16)) for start, end in ranges]


class Heard:
    """What a pool's workers have told of writes, and which answers had been given by then."""

    def __init__(self) -> None:
        self.written_: list[tuple[str, str, int]] = []
        self.doubted_: list[str] = []
        self.answered: list[bool] = []
        self.runs: list[asyncio.Future[Outcome]] = []

    def written(self, job: Job, outcome: Completed) -> None:
        self.written_.append((job.session, outcome.touched, outcome.version))
        self.answered.append(any(run.done() for run in self.runs))

    def doubted(self, session: str) -> None:
        self.doubted_.append(session)


async def test_writes_are_told_before_they_are_answered(
    make_pool: Callable[..., Awaitable[WorkerPool]],
) -> None:
    """What was durable is told with what it has touched, and only that; reads and undone writes are not."""
    heard = Heard()
    pool = await make_pool(hears=heard)
    heard.runs.append(asyncio.ensure_future(pool.run(job(INSERT, body={"n": 1}))))
    await heard.runs[0]
    await pool.run(job(COUNT, read_only=True))
    await pool.run(job("store.insert({'n': 2})\nREPLY = make_response(404)"))

    assert heard.written_ == [("s1", '{"members":[1],"*":null}', 1)]
    assert heard.answered == [False]
    assert heard.doubted_ == []


async def test_a_write_counts_although_its_client_has_left(
    make_pool: Callable[..., Awaitable[WorkerPool]],
) -> None:
    """Nobody waits for its answer, and what it has touched is told all the same."""
    heard = Heard()
    pool = await make_pool(hears=heard)
    await pool.run(job(INSERT, body={"n": 0}))
    leaving = asyncio.ensure_future(pool.run(job(SOME_WORK)))
    await until_running(pool)
    leaving.cancel()
    await pool.run(job(COUNT, read_only=True))

    # It has a field that no member had.
    assert heard.written_[-1] == ("s1", '{"members":[2],"*":null}', 2)


async def test_a_worker_s_end_puts_the_sessions_in_doubt_that_it_was_writing(
    make_pool: Callable[..., Awaitable[WorkerPool]],
) -> None:
    """Before anybody is told that the worker is lost; sessions that were only read are as they were."""
    heard = Heard()
    pool = await make_pool(hears=heard)
    writing = asyncio.ensure_future(pool.run(job(SLEEP, "writing")))
    await until_running(pool)
    reading = asyncio.ensure_future(pool.run(job(COUNT, "reading", read_only=True)))
    await asyncio.sleep(0)
    os.kill(pool.health()["pids"][0], signal.SIGKILL)

    assert isinstance(await writing, WorkerLost)
    assert heard.doubted_ == ["writing"]
    assert isinstance(await reading, Completed)
