"""Example requests to all routes, and what the service itself answers to them: the ejected project's tests.

They are played in order, in a session with nothing in it, twice. What is the same both times the project has
to answer, too; where a time, a token or the like makes a difference, only the reply's form is kept. No
record of the session itself is in them.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson
from attrs import evolve
from multidict import CIMultiDict

from server.eject.spoken import samples
from server.operations.replay import described
from server.pipeline import job_for
from server.planning.dialects.frame.answering import in_dialect
from server.planning.dialects.frame.choice import read_in
from server.planning.dialects.frame.compiling import compile_request
from server.planning.policy import check
from server.requests.described import Described
from server.requests.headers import named_headers
from server.values.errors import BadReply, PlanFailed, ServiceError
from server.values.model import RunnablePlan, Session
from server.values.replies import error_reply, phrase, reply_to

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.eject.api import Route
    from server.operations.sessions import SessionOperations
    from server.planning.dialects.frame.table import Dialect
    from server.values.model import Reply
    from wasm_runtime.pool import Executor

#: From this status on a reply is a failure of the service's side.
FAILED: Final = 500
#: Failures that are the plan's own, with and without a sandbox around it: the types of their problems.
_OWN_FAILURES: Final = frozenset(
    {"about:blank", *(each("").problem("")["type"] for each in (PlanFailed, BadReply))}
)
#: Deletions last, lists and records when there is something to be found.
_ORDER: Final = {"POST": 1, "GET": 2, "PUT": 3, "PATCH": 4, "DELETE": 6}


async def recorded(
    routes: Iterable[Route], session_id: str, sessions: SessionOperations, executor: Executor
) -> list[dict[str, Any]]:
    """Requests and replies, for `tests/exchanges.json`. Raises ServiceError."""
    ordered = sorted(routes, key=_order)
    asked = [(route, request(route, query)) for route in ordered for query in route.examples]
    plays = [await _played(asked, session_id, sessions, executor) for _ in range(2)]
    return [
        _failure(route, asking, one) if one["status"] >= FAILED else _exchange(asking, one, two)
        for (route, asking), one, two in zip(asked, *plays, strict=True)
    ]


def _order(route: Route) -> tuple[int, int, str]:
    creates = route.method == "POST" and not route.template.endswith("}") and route.body is not None
    return (0 if creates else _ORDER[route.method], route.template.count("/"), route.template)


async def recorded_in(
    dialect: Dialect,
    collections: dict[str, dict[str, Any]],
    session_id: str,
    sessions: SessionOperations,
    executor: Executor,
) -> list[dict[str, Any]]:
    """The same of a dialect's samples; `collections` have a record each."""
    asked = samples(dialect, collections)
    plays = [await _spoken(dialect, asked, session_id, sessions, executor) for _ in range(2)]
    return [_exchange(asking, one, two) for asking, one, two in zip(asked, *plays, strict=True)]


async def _spoken(
    dialect: Dialect,
    asked: list[dict[str, Any]],
    session_id: str,
    sessions: SessionOperations,
    executor: Executor,
) -> list[dict[str, Any]]:
    replies = []
    async with sessions.forked(Session(session_id, secrets.token_hex(16))) as directory:
        for asking in asked:
            reply = await _said(dialect, asking, Session(session_id, directory), executor)
            body = None if reply.body is None else orjson.loads(reply.body)
            replies.append({"status": reply.status, "body": body})
    return replies


async def _said(dialect: Dialect, asking: dict[str, Any], session: Session, executor: Executor) -> Reply:
    headers = CIMultiDict(asking.get("headers", {}))
    ctx = Described.of(asking).context(session, "")
    ctx = read_in(evolve(ctx, dialect_headers=named_headers(headers, dialect.headers)), dialect.name)
    try:
        found = compile_request(dialect, ctx)
        runnable = RunnablePlan(found.plan, check(found.plan.code), "conventions")
        outcome = await executor.run(job_for(ctx, runnable, found.params, asked=found.asked))
        reply = reply_to(outcome, "")
    except ServiceError as error:
        reply = error_reply(error, "")
    return in_dialect(reply, dialect.name)


async def _played(
    asked: list[tuple[Route, dict[str, Any]]],
    session_id: str,
    sessions: SessionOperations,
    executor: Executor,
) -> list[dict[str, Any]]:
    replies = []
    async with sessions.forked(Session(session_id, secrets.token_hex(16))) as directory:
        session = Session(session_id, directory)
        for route, asking in asked:
            ctx = Described.of(asking).context(session, "")
            job = job_for(ctx, route.runnable)
            replies.append(described(await executor.run(job), ""))
    return replies


def request(route: Route, query: str) -> dict[str, Any]:
    """A request that the route is for."""
    found: dict[str, Any] = {"method": route.method, "path": route.path + (query and f"?{query}")}
    if route.media_type is not None:
        found |= {"headers": {"Content-Type": route.media_type}, "body": route.body}
    return found


def _failure(route: Route, asking: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
    """`failed` says why, and `limit` that it can only fail so in the sandbox."""
    body = reply["body"] if isinstance(reply["body"], dict) else {}
    found = {**asking, "route": route.template, "status": reply["status"]}
    found["failed"] = str(body.get("detail") or phrase(reply["status"]))
    kind = str(body.get("type", "about:blank"))
    return found if kind in _OWN_FAILURES else found | {"limit": kind.rpartition("/")[2]}


def _exchange(asking: dict[str, Any], one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    """`reply` where it is always the same, else the names of its `members`."""
    body = _body(one)
    found = {**asking, "status": one["status"]}
    # What has the date in it is another one tomorrow.
    today = datetime.now(UTC).date().isoformat()
    if body == _body(two) and today not in str(body):
        return found | {"reply": body}
    return found | {"members": sorted(body) if isinstance(body, dict) else None}


def _body(reply: dict[str, Any]) -> Any:
    body = reply["body"]
    return {**body, "request_id": ""} if isinstance(body, dict) and "request_id" in body else body
