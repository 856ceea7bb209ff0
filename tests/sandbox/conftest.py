"""The real guest inside the test process: milliseconds a program, all limits in force."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from store.keeper_wire import Committed, HeadIs, Open, Opened, Refused
from tests.keeper import ThreadKeeper
from tests.sandbox import programs
from wasm_runtime import status_cell
from wasm_runtime.engine import Runtime
from wasm_runtime.gate import Gate
from wasm_runtime.guests import Guests
from wasm_runtime.limits import GuestReuse, Limits
from wasm_runtime.live_guest import LiveGuest
from wasm_runtime.record_stream import RecordStream
from wasm_runtime.runner import Job, Runner, outcome_of
from wasm_runtime.worker import refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from store.keeper_wire import Message, Refusal
    from wasm_runtime.artifact import Artifact
    from wasm_runtime.gate import Report, Waiting
    from wasm_runtime.outcome import Outcome


class Sandbox:
    """A runner with a keeper of its own; `run` is one request, `group` several at once."""

    def __init__(
        self, runtime: Runtime, keeper: ThreadKeeper, reuse: GuestReuse, *, enforce_types: bool = False
    ) -> None:
        self.keeper = keeper
        self.root = keeper.caches
        self.outcomes: dict[int, Outcome] = {}
        self.order: list[int] = []
        self.cell = status_cell.StatusCell(status_cell.create())
        handover, taking = socket.socketpair()
        self._handover = handover
        self._poller = select.poll()
        self.stream = RecordStream(taking, self._poller)
        self.gate = Gate(self.stream.send, self._release, self._failed)
        self.guests = Guests(
            runtime, reuse, self.root, self.gate, self.stream.send, enforce_types=enforce_types
        )
        self.runner = Runner(self.guests, self.gate, self.cell, self._report)
        self.again: dict[str, list[Job]] = {}
        self._next = 0
        self._questions = 1
        self.reconnect()

    def reconnect(self) -> None:
        with self.keeper.connect(0, 1) as stream:
            socket.send_fds(self._handover, [b"k"], [stream.fileno()])
        assert self.stream.read()[0]

    def job(self, code: str, *, read_only: bool = False, dry_run: bool = False, **request: Any) -> Job:
        self._next += 1
        return Job(
            self._next,
            programs.plan_id(code),
            programs.document(code),
            read_only,
            programs.request(**request),
            dry_run=dry_run,
        )

    def run(self, code: str, *, session: str = "s1", **request: Any) -> Outcome:
        return self.run_job(session, self.job(code, **request))

    def run_job(self, session: str, job: Job) -> Outcome:
        return self.group([job], session)[0]

    def guest(self, session: str = "s1") -> LiveGuest:
        """The session's live guest."""
        if session not in self.guests:
            self.open(session)
        guest = self.guests.get(session)
        assert isinstance(guest, LiveGuest)
        return guest

    def group(self, jobs: list[Job], session: str = "s1") -> list[Outcome]:
        """Run them as a worker does: what is given back runs in the session's next turns."""
        left = list(jobs)
        while left:
            turn = left[:1] if left[0].alone or left[0].tried else left
            left = [*self.turn(session, turn), *left[len(turn) :]]
            self.settle()
            left = [*self.again.pop(session, []), *left]
        return [self.outcomes[job.id] for job in jobs]

    def turn(self, session: str, jobs: list[Job]) -> list[Job]:
        """One turn, with nothing of it sent to the record yet; those given back."""
        refusal = None if session in self.guests else self.open(session)
        if refusal is not None:
            self.runner.report_all(jobs, refusal)
            return []
        left = self.runner.run(session, jobs)
        self.guests.release(session)
        self.cell.idle()
        return left

    def open(self, session: str) -> Outcome | None:
        """Have its file be the record's; why it cannot be."""
        self.settle()
        self._questions += 2
        self.stream.send(Open(self._questions, session))
        answer = self.hear()
        assert isinstance(answer, Opened | Refused)
        if isinstance(answer, Refused):
            return refused(answer)
        self.guests.ready(session, answer)
        return None

    def settle(self) -> None:
        """Until the record has said its word on all that is staged."""
        self.gate.send()
        while self.gate:
            self.hear()
            self.gate.send()

    def hear(self) -> Message:
        """The next thing that the keeper says, which the gate hears, too."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            self._poller.poll(1000)
            _, messages = self.stream.read()
            for message in messages:
                if isinstance(message, Committed):
                    self.gate.committed(message)
                elif isinstance(message, HeadIs):
                    self.gate.head_is(message)
            if messages:
                return messages[-1]
        raise TimeoutError("the keeper says nothing")

    def close(self) -> None:
        self.guests.drop_all()
        self.stream.close()
        self._handover.close()
        self.cell.close()

    def live_rows(self, session: str = "s1") -> str:
        """What is in the session's file, once it is closed."""
        self.runner.let_go(session)
        out = self.keeper.root / "live.txt"
        out.unlink(missing_ok=True)
        command = [sys.executable, "-m", "store.dump", str(self.root / session), str(out)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return out.read_text("utf-8")

    def _release(self, report: Report, waited: bool) -> None:
        self._report(report.job.id, outcome_of(report, waited=waited))

    def _failed(self, session: str, lost: list[Waiting], refusal: Refusal) -> None:
        self.again[session] = self.runner.failed(session, lost, refusal)

    def _report(self, job: int, outcome: Outcome) -> None:
        assert job not in self.outcomes, "an outcome is reported once"
        self.outcomes[job] = outcome
        self.order.append(job)
        self.cell.answered([job])


@pytest.fixture(scope="session")
def runtimes(guest_artifact: Artifact) -> Callable[[Limits], Runtime]:
    """Engines by their limits; one set of limits is one engine, shared by all tests that use it."""
    made: dict[Limits, Runtime] = {}

    def get(limits: Limits) -> Runtime:
        if limits not in made:
            made[limits] = Runtime.load(guest_artifact.path, limits)
            made[limits].start_clock()
        return made[limits]

    return get


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[ThreadKeeper]:
    with ThreadKeeper(tmp_path, durability="relaxed", history_seconds=3600.0, history_bytes=2**30) as keeper:
        yield keeper


@pytest.fixture
def make_sandbox(
    runtimes: Callable[[Limits], Runtime], keeper: ThreadKeeper
) -> Iterator[Callable[..., Sandbox]]:
    made: list[Sandbox] = []

    def make(limits: Limits | None = None, reuse: GuestReuse | None = None) -> Sandbox:
        sandbox = Sandbox(runtimes(limits or Limits()), keeper, reuse or GuestReuse(spare_guests=0))
        made.append(sandbox)
        return sandbox

    yield make
    for sandbox in made:
        sandbox.close()


@pytest.fixture
def sandbox_over(runtimes: Callable[[Limits], Runtime]) -> Iterator[Callable[[Path], Sandbox]]:
    """A sandbox with a keeper of its own, over a data root that has something in it."""
    with ExitStack() as undo:

        def make(root: Path) -> Sandbox:
            keeper = undo.enter_context(ThreadKeeper(root, durability="relaxed"))
            sandbox = Sandbox(runtimes(Limits()), keeper, GuestReuse(spare_guests=0))
            undo.callback(sandbox.close)
            return sandbox

        yield make


@pytest.fixture
def sandbox(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return make_sandbox()
