"""Traffic: the last requests, how long each stage of one took, and why it ended as it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from server.console.operating import document
from server.operations.call import Call
from server.values.errors import NotFound, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.console.tail import Seen, Tail
    from server.console.visit import Visit
    from server.operations.api import Api
    from server.values.model import Reply

_ROWS = 100
#: Seconds that the chart covers.
_CHART = 120
_FILTERS = ("method", "status", "source", "session", "route")


@frozen
class TrafficViews:
    api: Api
    tail: Tail

    async def listed(self, visit: Visit) -> Reply:
        return visit.page("traffic.html", "traffic", **self._values(visit))

    async def live(self, visit: Visit) -> Reply:
        """The part of the page that is asked for again every second while somebody looks."""
        return visit.page("traffic_rows.html", "traffic", **self._values(visit))

    def _values(self, visit: Visit) -> dict[str, Any]:
        asked = {name: visit.asked(name) for name in _FILTERS}
        return {
            "asked": asked,
            "rows": self.tail.last(_ROWS, _wanted(asked)),
            "sources": self.tail.sources(),
            "bars": self.tail.a_second(_CHART),
        }

    async def show(self, visit: Visit) -> Reply:
        """All that is known of one request: its line, its stages, the change it made, the plan that ran."""
        name = visit.segments[2]
        seen = self.tail.of(name)
        if seen is None:
            raise NotFound(
                "This request is not among the last that are remembered. The log's line with its id tells it."
            )
        return visit.page("request.html", "traffic", seen=seen, change=await self._change(seen))

    async def _change(self, seen: Seen) -> dict[str, Any] | None:
        if not seen.line.session or seen.line.method == "GET":
            return None
        try:
            call = Call("GET", ("sessions", seen.line.session, "log"), {"limit": "200"})
            found = await document(self.api, call)
        except ServiceError:
            return None
        return next((each for each in found["versions"] if each["request"] == seen.line.request_id), None)


def _wanted(asked: dict[str, str]) -> Callable[[Seen], bool]:
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
