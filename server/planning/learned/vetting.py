"""From rows of the library, which anybody may have edited, to plans that may run.

Each plan's code passes the policy again before it is served; equal plans are checked once and are the
identical object, however many sessions have learned them. What does not pass is left out, with a line in
the log that quotes nothing of it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import structlog
from attrs import frozen

from server.planning.kinds.route import RouteError, RouteTemplate
from server.planning.kinds.route_table import LearnedRoute
from server.planning.learned.library_rows import PlanRecord, UnreadablePlan
from server.planning.policy import CodeRefused, check
from server.values.model import RunnablePlan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.planning.kinds.fingerprint import Versions
    from server.planning.learned.library_rows import LearnedRecord

#: Checked plans: those of some hundred APIs; a plan has about 1 KB of code, and at most 16.
MAX_CHECKED: Final = 8_192

_MISFITS: Final = (CodeRefused, UnreadablePlan, RouteError)

_log = structlog.get_logger()


@frozen
class Candidate:
    """A plan that may be learned once it has worked: what runs, and its row in the library."""

    runnable: RunnablePlan
    record: PlanRecord


class Vetting:
    """From rows of the library to plans that may run. Used on the library's thread alone."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self._checked: OrderedDict[str, RunnablePlan] = OrderedDict()

    def first(self, records: Iterable[PlanRecord]) -> Candidate | None:
        """The first plan that passes."""
        return next(filter(None, map(self._candidate, records)), None)

    def _candidate(self, record: PlanRecord) -> Candidate | None:
        try:
            return Candidate(self._runnable(record), record)
        except _MISFITS as error:
            _refuse(record, error)
            return None

    def route(self, learned: LearnedRecord) -> LearnedRoute | None:
        """The route to serve, unless its plan does not pass any more."""
        try:
            return self._route(learned)
        except _MISFITS as error:
            _refuse(learned.plan, error)
            return None

    def _route(self, learned: LearnedRecord) -> LearnedRoute:
        record = learned.plan
        runnable = self._runnable(record)
        return LearnedRoute(
            runnable=runnable,
            template=RouteTemplate.parse(runnable.plan.route),
            method=record.method,
            content=record.content,
            query=record.query_keys(),
            values_key=record.values_key,
            body_shape=learned.body_shape,
            number=learned.number,
            stale=record.is_stale(self._versions),
            pinned=record.pinned,
            by_person=record.by_person,
            quarantined=learned.held,
            failed_shapes=learned.failed_shapes(),
            slug_asked=learned.slug_asked,
        )

    def _runnable(self, record: PlanRecord) -> RunnablePlan:
        """The plan with its code checked; the identical object for equal texts."""
        found = self._checked.get(record.text)
        if found is None:
            found = vetted(record)
        self._checked[record.text] = found
        self._checked.move_to_end(record.text)
        if len(self._checked) > MAX_CHECKED:
            self._checked.popitem(last=False)
        return found


def vetted(record: PlanRecord) -> RunnablePlan:
    """The record's plan, its code checked. Raises UnreadablePlan, RouteError, CodeRefused."""
    plan = record.plan()
    RouteTemplate.parse(plan.route)
    code = check(plan.code)
    try:
        return RunnablePlan(plan, code, "learned")
    except (TypeError, ValueError):  # more deeply nested than the guest could be told
        raise UnreadablePlan("the plan is not writable as JSON") from None


def may_run(record: PlanRecord) -> bool:
    """Whether the record's plan passes, read anew."""
    try:
        vetted(record)
    except _MISFITS:
        return False
    return True


def _refuse(record: PlanRecord, error: Exception) -> None:
    rules = (
        sorted({violation.rule for violation in error.violations}) if isinstance(error, CodeRefused) else []
    )
    _log.warning("learned plan not loaded", plan_id=record.plan_id, problem=type(error).__name__, rules=rules)
