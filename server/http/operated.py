"""Operators' pages in a cluster: any node is asked, and the answer is that of all.

1. A page about one session is answered by the node that has it, so that nobody is served what was before.
   It is handed on when the operator is known to be one, and the session is known: some name it in the body.
2. Whether new routes are planned is turned at all nodes; what models were asked is summed over them.
3. All others any node answers as well as any other: they are about what the database has. `/_meta/record`,
   `/_meta/doctor` and `/_meta/metrics` are of the node that is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from server.http.elsewhere import AskElsewhere
from server.values.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from server.http.clustered import Clustered
    from server.operations.api import Api
    from server.operations.call import Call

_LEARNING, _USAGE = ("learning",), ("usage",)


@frozen
class Operated:
    clustered: Clustered
    api: Api

    async def require_here(self, request: web.BaseRequest, call: Call, body: bytes = b"") -> None:
        """Raises AskElsewhere where another node has the session that the call is about; Misplaced."""
        name = session_of(call)
        if name is None:
            return
        try:
            session = await self.api.named(name)
        except ServiceError:
            return  # which the page itself says
        elsewhere = await self.clustered.place(request, session.directory)
        if elsewhere is not None:
            raise AskElsewhere(elsewhere, body)

    async def with_others(self, request: web.BaseRequest, call: Call, body: bytes, answer: Any) -> Any:
        """The answer of this node, with those of the others where they are asked, too."""
        if not isinstance(answer, dict) or self.clustered.may_come(request):
            return answer
        if call.segments == _LEARNING and call.method == "PUT":
            _, silent = await self.clustered.ask_others(request, body)
            return {**answer, "unreached": silent} if silent else answer
        if call.segments == _USAGE:
            others, silent = await self.clustered.ask_others(request, body)
            summed = summed_usage([answer, *others])
            return {**summed, "unreached": silent} if silent else summed
        return answer


def session_of(call: Call) -> str | None:
    """The name of the session that a call is about, if there is one; for a fork, of the one that is made."""
    segments, found = call.segments, None
    body = call.body if isinstance(call.body, dict) else {}
    match segments:
        case ("sessions", _, "fork"):
            found = body.get("to")
        case ("sessions", name, *_):
            found = name
        case ("changes",):
            found = call.query.get("session")
        case ("explain",) | ("plans", _, "replay"):
            found = body.get("session")
        case _:
            pass
    return found if isinstance(found, str) and found else None


def summed_usage(answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Those of all nodes as one: rows of the same day, model and session are added up."""
    by: list[str] = answers[0]["by"]
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    totals: list[dict[str, Any]] = []
    for answer in answers:
        totals += [answer["total"]] if answer["total"] else []
        for row in answer["usage"]:
            key = tuple(row[name] for name in by)
            rows[key] = _added([rows[key], row], by) if key in rows else row
    ordered = [rows[key] for key in sorted(rows)]
    return {"by": by, "usage": ordered, "total": _added(totals, ()) if totals else None}


def _added(rows: Sequence[dict[str, Any]], by: Sequence[str]) -> dict[str, Any]:
    """A number that no row knows stays null."""

    def total(name: str) -> Any:
        known = [row[name] for row in rows if row[name] is not None]
        return sum(known) if known else None

    return {name: rows[0][name] if name in by else total(name) for name in rows[0]}
