"""The one line that a request leaves in the log, and the stages whose time it tells."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable  # noqa: TC003 - attrs looks at it
from typing import TYPE_CHECKING, Any, Final

import attrs
import structlog
from attrs import define, field

from server.telemetry.logs import threshold
from wasm_runtime.outcome import Completed, Overloaded, Raised

if TYPE_CHECKING:
    from server.values.model import RunnablePlan
    from wasm_runtime.outcome import Outcome
    from wasm_runtime.read_set import ReadSet

#: In the order in which a request goes through them; `plan` twice, before a run and after it.
STAGES: Final = ("parse", "plan", "remembered", "queue", "guest", "settle", "frame", "respond")


@define
class RequestLine:
    """The one line a request leaves in the log: identifiers, never bodies, values or tokens.

    Filled in by whoever learns a field, and emitted once, by the edge. `route` is the template, not the
    path; `problem` the slug of a problem reply; `outcome` how a run ended that did not complete.
    `token_name` is the name of the token that was sent, never the token; `client` an address, where the
    settings want it; `node` of a cluster's nodes the one that writes this, and `forwarded_to` the one that
    answers; `origin_refused` whose page's script cannot read the answer. `ms` has the wall clock
    of each of the `STAGES` it went through in milliseconds, and `total` when emitted. Of a run the worker
    measures `queue`, `guest` and `settle` (`Completed` says what they are); `frame` is the rest: the way to
    the worker and back. `remembered` is in place of these, where no worker was asked. A run that ended so
    that it could not be measured is all `guest`, one that nobody took up all `queue`.
    """

    request_id: str = ""
    session: str = ""
    method: str = ""
    route: str = ""
    plan_id: str = ""
    plan_source: str = ""
    dialect: str = ""
    status: int = 0
    problem: str = ""
    outcome: str = ""
    reason: str = ""
    fuel: int = 0
    #: The reply was one that is remembered.
    remembered: bool = False
    token_name: str = ""
    client: str = ""
    node: str = ""
    forwarded_to: str = ""
    origin_refused: str = ""
    #: Where the request is a contract's, whose form its reply takes; not logged.
    contract: Any = None
    #: Where the reply breaks it.
    violations: tuple[tuple[str, str, str], ...] = ()
    ms: dict[str, float] = field(factory=dict)
    #: For who asks again when something of it changes: what the reply was made of, as far as that is known;
    #: and whether there is somebody who does.
    reads: ReadSet | None = None
    asked_again: bool = False
    #: For the edge: what the reply is remembered as, if the same bytes get it again.
    entry: object = None
    #: What the answer says of how many more may be sent; not of the log.
    rates: tuple[tuple[str, str], ...] = ()
    _clock: Callable[[], float] = field(default=time.perf_counter, repr=False, kw_only=True)
    _started: float = field(init=False, repr=False)
    _emitted: bool = field(default=False, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._started = self._clock()

    def took(self, stage: str, seconds: float, *, ago: float = 0.0) -> None:  # noqa: ARG002 - for tracing
        """Add to the stage's time; a stage that ran twice has the sum. It ended `ago` seconds before."""
        self.ms[stage] = self.ms.get(stage, 0.0) + seconds * 1_000

    def planned(self, runnable: RunnablePlan) -> None:
        self.route, self.plan_id, self.plan_source = runnable.plan.route, runnable.id, runnable.source

    def ran(self, outcome: Outcome, seconds: float = 0.0) -> None:
        """Note how a run of so many seconds ended: if not well, why, in words the client may not see."""
        self.fuel += getattr(outcome, "fuel", 0)
        ago = seconds
        for stage, part in _stages_of(outcome, seconds):
            ago -= part
            self.took(stage, part, ago=ago)
        if isinstance(outcome, Completed):
            self.outcome = self.reason = ""
            return
        self.outcome = type(outcome).__name__
        raised = f"{outcome.error_type} in line {outcome.line}" if isinstance(outcome, Raised) else ""
        self.reason = raised or getattr(outcome, "reason", "")

    @property
    def emitted(self) -> bool:
        return self._emitted

    @property
    def ended(self) -> float:
        """When it was emitted, in seconds of its clock."""
        return self._started + self.ms.get("total", 0.0) / 1_000

    def emit(self) -> None:
        """Write the line; further calls do nothing. Fields that were never learned are left out."""
        if self._emitted:
            return
        self._emitted = True
        self.ms["total"] = (self._clock() - self._started) * 1_000
        if threshold.level > logging.INFO:
            return  # nothing is put together that nobody writes
        learned = {name: value for name in _LINE_FIELDS if (value := getattr(self, name))}
        _log.info("request", **learned, ms={name: round(value, 3) for name, value in self.ms.items()})


def _stages_of(outcome: Outcome, whole: float) -> list[tuple[str, float]]:
    """The stages of a run of so many seconds, one after the other; together they are not longer."""
    if isinstance(outcome, Overloaded):
        return [("queue", whole)]
    if not isinstance(outcome, Completed | Raised):
        return [("guest", whole)]
    queue = min(outcome.queue_micros / 1_000_000, whole)
    guest = min(outcome.micros / 1_000_000, whole - queue)
    stages, rest = [("queue", queue), ("guest", guest)], whole - queue - guest
    if outcome.settle_micros:
        settle = min(outcome.settle_micros / 1_000_000, rest)
        stages.append(("settle", settle))
        rest -= settle
    return [*stages, ("frame", rest)]


_NOT_LOGGED: Final = frozenset({"ms", "reads", "asked_again", "entry", "contract", "violations", "rates"})
_LINE_FIELDS: Final = tuple(
    name for name in attrs.fields_dict(RequestLine) if name not in _NOT_LOGGED and not name.startswith("_")
)
_log = structlog.get_logger("request")
