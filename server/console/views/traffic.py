"""Traffic: the last requests, how long each stage of one took, and why it ended as it did."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from attrs import frozen

from server.console.live import MOST_ROWS
from server.console.operating import document
from server.console.points import CHARTS, rows_of, told
from server.console.reasons import reasons
from server.console.rendering import part
from server.console.tail import MOST_REQUESTS
from server.operations.call import Call
from server.values.errors import NotFound, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from server.console.live import Live
    from server.console.tail import Seen
    from server.console.visit import Visit
    from server.operations.api import Api
    from server.values.model import Reply

_FILTERS = ("method", "status", "source", "session", "route")
#: Of a request's line, for programs.
_TOLD = (
    "request_id",
    "session",
    "method",
    "route",
    "status",
    "plan_id",
    "plan_source",
    "problem",
    "outcome",
    "reason",
    "fuel",
    "remembered",
    "dialect",
)


@frozen
class TrafficViews:
    api: Api
    live: Live

    async def listed(self, visit: Visit) -> Reply:
        asked, board = asked_of(visit.query), self.live.board
        points = tuple(board.points)
        return visit.page(
            "traffic.html",
            "traffic",
            asked=asked,
            rows=self.live.tail.last(MOST_ROWS, wanted_of(asked)),
            charts=[(chart, rows_of(chart, points)) for chart in CHARTS],
            points=told(points),
            counted_since=board.counted_since,
            most=MOST_REQUESTS,
            gauges=self.live.gauges(),
        )

    async def show(self, visit: Visit) -> Reply:
        """All that is known of one request: its line, its stages, the change it made, the plan that ran."""
        name = visit.segments[2]
        seen = self.live.tail.of(name)
        if seen is None:
            raise NotFound(
                "This request is not among the last that are remembered. The log's line with its id tells it."
            )
        plan = await self._plan(seen.line.plan_id) if seen.line.plan_source != "conventions" else None
        return visit.page(
            "request.html",
            "traffic",
            seen=seen,
            change=await self._change(seen),
            reasons=reasons(
                seen, list(self.live.tail.of_plan(seen.line.plan_id)), plan, await self._answers()
            ),
        )

    async def _answers(self) -> list[dict[str, Any]]:
        """The model's last answers that were no plan."""
        found = await document(self.api, Call("GET", ("model",)))
        return found["answers"]["refusals"] if found["answers"] else []

    async def _plan(self, name: str) -> dict[str, Any] | None:
        try:
            return await document(self.api, Call("GET", ("plans", name))) if name else None
        except ServiceError:
            return None

    async def _change(self, seen: Seen) -> dict[str, Any] | None:
        if not seen.line.session or seen.line.method == "GET":
            return None
        try:
            call = Call("GET", ("sessions", seen.line.session, "log"), {"limit": "200"})
            found = await document(self.api, call)
        except ServiceError:
            return None
        return next((each for each in found["versions"] if each["request"] == seen.line.request_id), None)


def asked_of(query: Mapping[str, Any]) -> dict[str, str]:
    """The filters of a query; of one that is there twice the first."""
    found = {name: query.get(name, "") for name in _FILTERS}
    return {name: value if isinstance(value, str) else value[0] for name, value in found.items()}


def wanted_of(asked: dict[str, str]) -> Callable[[Seen], bool]:
    """Which requests the filters let through."""

    def wanted(seen: Seen) -> bool:
        line = seen.line
        return (
            line.method == (asked["method"].upper() or line.method)
            and str(line.status).startswith(asked["status"])
            and line.plan_source == (asked["source"] or line.plan_source)
            and asked["session"] in line.session
            and asked["route"] in line.route
        )

    return wanted


def rows(found: Sequence[Seen]) -> dict[str, Any]:
    """Rows of the page's table."""
    return {"rows": part("traffic_rows.html", rows=found)}


def documents(found: Sequence[Seen]) -> dict[str, Any]:
    """What programs are told: the lines of the log."""
    return {"requests": [_document(each) for each in found]}


def _document(seen: Seen) -> dict[str, Any]:
    line = seen.line
    told = {name: getattr(line, name) for name in _TOLD}
    at = datetime.fromtimestamp(seen.at, UTC).isoformat(timespec="milliseconds")
    return {"at": at, **told, "ms": {name: round(value, 3) for name, value in line.ms.items()}}
