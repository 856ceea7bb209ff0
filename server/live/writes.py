"""What requests have written, as the workers tell of it, becomes changes that everybody hears of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from server.live.changes import Touched
from wasm_runtime.read_set import places

if TYPE_CHECKING:
    from server.live.changes import Changes
    from wasm_runtime.outcome import Completed
    from wasm_runtime.slot import Job


@frozen
class Writes:
    """What the pool tells (`wasm_runtime.worker_process.Hears`)."""

    _changes: Changes

    def written(self, job: Job, outcome: Completed) -> None:
        found = places(outcome.touched)
        touched = Touched(
            job.session,
            outcome.version,
            found.records,
            found.collections,
            found.whole,
            "write",
            job.route,
            job.plan_id,
            job.request_id,
        )
        self._changes.publish(touched)

    def doubted(self, session: str) -> None:
        self._changes.publish(Touched(session, whole=True, cause="doubtful"))
