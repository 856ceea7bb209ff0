"""Our own part in `rivals`: a plan in a guest that has run nothing before and runs nothing after."""

from __future__ import annotations

import atexit
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from server.pipeline import job_for
from server.planning.policy.checker import check
from server.sessions.identity import session_for
from server.values.model import Plan, RequestContext, RunnablePlan, SourceCode
from tools.alone import Alone
from tools.bench.ours import guest
from wasm_runtime.engine import Runtime
from wasm_runtime.limits import GuestReuse
from wasm_runtime.live_guest import READ, Call, LiveGuest
from wasm_runtime.verdict import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasm_runtime.slot import Job

_CONTEXT = RequestContext(
    method="GET",
    path="/sum",
    segments=("sum",),
    query={},
    headers={},
    content="none",
    body_json=None,
    body_text=None,
    client_ip="127.0.0.1",
    session=session_for("bench", None, "reject"),
    base_url="http://127.0.0.1",
    request_id="bench",
)


def runner(code: str, spares: int) -> Callable[[], int]:
    """Runs the code in a fresh guest; `spares` guests are instantiated now, and used first."""
    job, runtime = _job(code), _runtime()
    directory = tempfile.TemporaryDirectory(prefix="bench-")
    atexit.register(directory.cleanup)
    alone = Alone(runtime, GuestReuse(mode="never", spare_guests=spares), Path(directory.name))
    while alone.guests.tidy():
        pass  # as a worker does while it has nothing else to do
    return lambda: _run(alone, job)


def _run(alone: Alone, job: Job) -> int:
    alone.ready(job.session)
    guest = alone.guests.get(job.session)
    if not isinstance(guest, LiveGuest):
        raise SystemExit(f"ours: {guest}")
    answer = guest.run(Call(job.plan_id, job.plan, READ, job.request))
    if not isinstance(answer, Answer) or answer.body is None:
        raise SystemExit(f"ours: {answer}")
    alone.guests.release(job.session)
    return int(answer.body)


def _job(code: str) -> Job:
    source = SourceCode(code)
    plan = Plan(action="sum", resource="sums", route="/sum", code=source)
    return job_for(_CONTEXT, RunnablePlan(plan, check(source), "learned"))


def _runtime() -> Runtime:
    runtime = Runtime.load(guest())
    runtime.start_clock()
    return runtime
