"""Example requests to all routes, and what the service itself answers to them: the ejected project's tests.

They are played in order, in a session with nothing in it, twice. What is the same both times the project has
to answer, too; where a time, a token or the like makes a difference, only the reply's form is kept. No
record of the session itself is in them.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

import orjson
from attrs import evolve
from multidict import CIMultiDict

from server.concurrency.aside import OPERATORS
from server.contracts.asking.json_paths import at
from server.contracts.contract import Call
from server.eject.contracted import call_for, examples_of, runnable_for
from server.eject.spoken import samples
from server.operations.replay import described
from server.pipeline import job_for
from server.planning.dialects.frame.answering import in_dialect
from server.planning.dialects.frame.choice import read_in
from server.planning.dialects.frame.compiling import compile_request
from server.planning.own_programs import OwnPrograms
from server.requests.described import Described
from server.requests.headers import named_headers
from server.values.errors import BadReply, PlanFailed, ServiceError
from server.values.model import SAFE_METHODS, RunnablePlan, Session
from server.values.replies import error_reply, phrase, reply_to

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from server.contracts.contract import Contract
    from server.eject.api import Route
    from server.eject.contracted import Example
    from server.operations.sessions import SessionOperations
    from server.planning.dialects.frame.table import Dialect
    from server.values.model import Reply, RequestContext
    from wasm_runtime.pool import Executor

T = TypeVar("T")

#: The name of a key that an earlier reply has told.
_SAVED: Final = re.compile(r"<(k[0-9]+)>")
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
    asked = await asyncio.to_thread(_requests, routes)
    plays = await _twice(asked, partial(_run, executor), session_id, sessions)
    return await asyncio.to_thread(_exchanges, asked, plays)


def _requests(routes: Iterable[Route]) -> list[tuple[Route, dict[str, Any]]]:
    ordered = sorted(routes, key=_order)
    return [(route, request(route, query)) for route in ordered for query in route.examples]


def _exchanges(
    asked: list[tuple[Route, dict[str, Any]]], plays: list[list[dict[str, Any]]]
) -> list[dict[str, Any]]:
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
    asked = await asyncio.to_thread(lambda: list(samples(dialect, collections)))
    spoken = partial(_spoken, dialect, executor, OwnPrograms())
    plays = await _twice(asked, spoken, session_id, sessions)
    return await asyncio.to_thread(
        lambda: [_exchange(asking, one, two) for asking, one, two in zip(asked, *plays, strict=True)]
    )


async def _twice(
    asked: Sequence[T],
    answered: Callable[[T, Session], Awaitable[dict[str, Any]]],
    session_id: str,
    sessions: SessionOperations,
) -> list[list[dict[str, Any]]]:
    """All replies, in order, each time in a copy of the session of its own."""
    plays = []
    for _ in range(2):
        async with sessions.forked(Session(session_id, secrets.token_hex(16))) as directory:
            session = Session(session_id, directory)
            plays.append([await answered(each, session) for each in asked])
    return plays


async def _spoken(
    dialect: Dialect, executor: Executor, programs: OwnPrograms, asking: dict[str, Any], session: Session
) -> dict[str, Any]:
    reply = await _said(dialect, asking, session, executor, programs)
    return {"status": reply.status, "body": None if reply.body is None else orjson.loads(reply.body)}


async def _said(
    dialect: Dialect, asking: dict[str, Any], session: Session, executor: Executor, programs: OwnPrograms
) -> Reply:
    headers = CIMultiDict(asking.get("headers", {}))
    ctx = Described.of(asking).context(session, "")
    ctx = read_in(evolve(ctx, dialect_headers=named_headers(headers, dialect.headers)), dialect.name)
    try:
        found = compile_request(dialect, ctx)
        code = await programs.checked(found.plan.code, OPERATORS)
        runnable = RunnablePlan(found.plan, code, "conventions")
        outcome = await executor.run(job_for(ctx, runnable, found.params, asked=found.asked))
        reply = reply_to(outcome, "")
    except ServiceError as error:
        reply = error_reply(error, "")
    return in_dialect(reply, dialect.name)


async def _run(executor: Executor, asked: tuple[Route, dict[str, Any]], session: Session) -> dict[str, Any]:
    route, asking = asked
    job = job_for(Described.of(asking).context(session, ""), route.runnable)
    return described(await executor.run(job), "")


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


# By a contract


async def recorded_by_contract(
    contract: Contract, session_id: str, sessions: SessionOperations, executor: Executor
) -> list[dict[str, Any]]:
    """Requests to each operation and the replies, for `tests/exchanges.json`. Raises ServiceError."""
    examples = examples_of(contract)
    plays = [await _played_by(contract, examples, session_id, sessions, executor) for _ in range(2)]
    found = []
    for example, one, two in zip(examples, *plays, strict=True):
        if one is None or two is None:
            continue  # a body of a kind that no example is made for
        exchange = {**example.as_dict(), "path": one[0].path, "status": one[1].status}
        exchange.pop("save", None)
        if one[0].save and two[0].save:
            exchange["save"] = one[0].save
        found.append(exchange | _same(one[1], two[1]))
    return found


def _same(one: Reply, two: Reply) -> dict[str, Any]:
    body, other = _value(one), _value(two)
    today = datetime.now(UTC).date().isoformat()
    is_problem = isinstance(body, dict) and "request_id" in body
    if body == other and today not in str(body) and not is_problem:
        return {"reply": body}
    return {"members": sorted(body) if isinstance(body, dict) else None}


def _value(reply: Reply) -> Any:
    if reply.body is None:
        return None
    is_json = "json" in (reply.media_type or "json")
    return orjson.loads(reply.body) if is_json else reply.body.decode("utf-8", "replace")


async def _played_by(
    contract: Contract,
    examples: list[Example],
    session_id: str,
    sessions: SessionOperations,
    executor: Executor,
) -> list[tuple[Example, Reply] | None]:
    saved: dict[str, str] = {}
    replies: list[tuple[Example, Reply] | None] = []
    async with sessions.forked(Session(session_id, secrets.token_hex(16))) as directory:
        session = Session(session_id, directory)
        for example in examples:
            path = _SAVED.sub(lambda found: found[0] if found[1] in saved else "1", example.path)
            asking = evolve(example, path=path, save={})
            sent = {**asking.as_dict(), "path": _SAVED.sub(lambda found: saved[found[1]], path)}
            try:
                ctx = Described.of(sent).context(session, "")
            except ServiceError:
                replies.append(None)
                continue
            reply = await _replied(contract, evolve(ctx, headers={**ctx.headers, **_lower(sent)}), executor)
            for name, steps in example.save.items():
                value = at(_value(reply), tuple(steps))
                if isinstance(value, (str, int)) and reply.status < 300:
                    saved[name] = quote(str(value), safe="")
                    asking.save[name] = steps
            replies.append((asking, reply))
    return replies


def _lower(sent: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): value for name, value in sent["headers"].items()}


async def _replied(contract: Contract, ctx: RequestContext, executor: Executor) -> Reply:
    """As the service would reply, with what was learned left aside."""
    call = Call(contract, None, ctx.path)
    try:
        call = Call(contract, contract.match(ctx.method, ctx.segments), ctx.path)
        ctx = call_for(contract, ctx)
        call = ctx.contract
        compiled = contract.compiled(call.match.operation)
        params: dict[str, int | str] = {}
        if compiled.role.plain:
            asked = contract.asked(compiled, call.match, ctx)
            params, values = {"id": asked.address} if asked.address else {}, asked.values
        else:
            values = contract.echoed(compiled, call.match, ctx)
        outcome = await executor.run(job_for(ctx, runnable_for(compiled), params, asked=values))
        reply = reply_to(outcome, "", writes=ctx.method not in SAFE_METHODS)
        reply = call.represented(reply, ctx.headers.get("accept", ""))
    except ServiceError as error:
        reply = error_reply(error, "")
    return call.in_form(reply)
