"""The real guest inside the test process: milliseconds a program, all limits in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import programs
from wasm_runtime import status_cell
from wasm_runtime.engine import Runtime
from wasm_runtime.guests import Guests
from wasm_runtime.limits import GuestReuse, Limits
from wasm_runtime.runner import Job, Runner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wasm_runtime.artifact import Artifact
    from wasm_runtime.outcome import Outcome


class Sandbox:
    """A runner with one data root; `run` is one request, `group` several at once."""

    def __init__(self, runtime: Runtime, root: Path, reuse: GuestReuse) -> None:
        self.root = root
        self.guests = Guests(runtime, reuse, root, "full")
        self.outcomes: dict[int, Outcome] = {}
        self.order: list[int] = []
        self.cell = status_cell.StatusCell(status_cell.create())
        self.runner = Runner(self.guests, self.cell, self._report)
        self._next = 0

    def job(self, code: str, *, read_only: bool = False, **request: Any) -> Job:
        self._next += 1
        return Job(
            self._next,
            programs.plan_id(code),
            programs.document(code),
            read_only,
            programs.request(**request),
        )

    def run(self, code: str, *, session: str = "s1", read_only: bool = False, **request: Any) -> Outcome:
        job = self.job(code, read_only=read_only, **request)
        assert self.runner.run(session, [job]) == []
        return self.outcomes[job.id]

    def group(self, jobs: list[Job], session: str = "s1") -> list[Outcome]:
        """Run them as a worker does: what is given back runs in the session's next turns."""
        left = list(jobs)
        while left:
            alone = left[:1] if left[0].alone else left
            left = [*self.runner.run(session, alone), *left[len(alone) :]]
        return [self.outcomes[job.id] for job in jobs]

    def _report(self, job: int, outcome: Outcome) -> None:
        assert job not in self.outcomes, "an outcome is reported once"
        self.outcomes[job] = outcome
        self.order.append(job)


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
def make_sandbox(runtimes: Callable[[Limits], Runtime], tmp_path: Path) -> Callable[..., Sandbox]:
    def make(limits: Limits | None = None, reuse: GuestReuse | None = None) -> Sandbox:
        return Sandbox(runtimes(limits or Limits()), tmp_path, reuse or GuestReuse(spare_guests=0))

    return make


@pytest.fixture
def sandbox(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return make_sandbox()
