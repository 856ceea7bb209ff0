"""Where the API process learns that something is durable, or may be: what workers answer becomes a `Touched`.

1. It is asked of every result as it arrives, before whoever waits for it can go on, and although nobody may
   wait any more.
2. A run of which nobody knows whether it was written counts as one that was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.live.changes import Touched
from wasm_runtime.outcome import Completed, NotConfirmed, OutOfTime, WorkerLost

if TYPE_CHECKING:
    from server.live.changes import Cause, Changes
    from wasm_runtime.outcome import Outcome
    from wasm_runtime.slot import Job

_IN_DOUBT: Final = (NotConfirmed, OutOfTime, WorkerLost)


def publish_result(changes: Changes, job: Job, outcome: Outcome) -> None:
    """For the pool, which calls it with each result."""
    touched = None if job.read_only or job.dry_run else touched_by(job, outcome)
    if touched is not None:
        changes.publish(touched)


def touched_by(job: Job, outcome: Outcome) -> Touched | None:
    """What a write has touched; None: nothing."""
    if isinstance(outcome, Completed):
        return _touched(job, "write") if outcome.committed and outcome.changed else None
    return _touched(job, "doubtful") if isinstance(outcome, _IN_DOUBT) else None


def _touched(job: Job, cause: Cause) -> Touched:
    return Touched(
        job.session,
        whole=True,
        cause=cause,
        route=job.route,
        plan=job.plan_id,
        request_id=job.request_id,
    )
