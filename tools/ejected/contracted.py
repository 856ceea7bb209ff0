"""Requests by a contract: routed by its templates, checked by its schemas, answered in its form.

1. The contract's own templates say which operation a request is for; 404 and 405 are in its form.
2. Security, parameters and the body are checked before the handler runs.
3. The handler is the operation's. One that the contract leaves open has the handler that was learned for it,
   else one that answers the contract's example.
4. What it answers is checked by the schema of its status before anything is kept. What breaks that is in the
   log and in `X-Contract-Violations`; with ``CONTRACT_REPLIES=enforce`` it is a 500, and nothing is kept.
"""

from __future__ import annotations

import json
import logging
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import evolve

from server.contracts.contract import Call, Contract
from server.contracts.reading import read
from server.http import request_id
from server.requests import content, multipart
from server.requests.headers import for_plan, named_headers
from server.requests.target import parse_query, parse_target
from server.values.errors import ContractBroken, MethodNotAllowed, NotFound, ServiceError
from server.values.model import METHODS, Reply, RequestContext, Session
from server.values.replies import problem_document
from tools.ejected.routing import Table
from tools.ejected.serving import (
    BODY_SECONDS,
    MAX_BODY_BYTES,
    MAX_FILE_BYTES,
    MAX_PATH_BYTES,
    MAX_QUERY_BYTES,
    Edge,
    respond,
)
from wasm_runtime.schemas import Rules

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aiohttp import web

    from server.requests.hosts import Hosts
    from tools.ejected.execution import Answer, Database, Judge
    from tools.ejected.routing import Route
    from wasm_runtime.schemas import Violation

_PROBLEM = "application/problem+json"
#: How a reply's violations are told, and the variable that says whether such a reply is sent at all.
_VIOLATIONS = "X-Contract-Violations"
_REPLIES = "CONTRACT_REPLIES"
_MOST_SHOWN = 5
_log = logging.getLogger(__name__)


def contract_of(path: Path) -> Contract:
    """Raises ContractError, OSError."""
    return Contract.of(read(path.read_bytes(), path.name), name=path.name)


class ContractEdge(Edge):
    def __init__(
        self,
        contract: Contract,
        routes: Iterable[Route],
        database: Database,
        session: str,
        hosts: Hosts,
        *,
        enforce: bool = False,
    ) -> None:
        """`enforce`: a reply that breaks the contract is none."""
        self._enforce = enforce
        own = {f"{each.method} {each.template}" for each in contract.document.operations}
        known = list(routes)
        self._contract = contract
        self._by_operation = {
            f"{each.method} {each.template}": each
            for each in known
            if f"{each.method} {each.template}" in own
        }
        learned = [each for each in known if f"{each.method} {each.template}" not in own]
        super().__init__(Table(learned), database, session, hosts)

    async def _answer(self, request: web.Request) -> web.Response:
        number = request_id.of(request.headers)
        call = Call(self._contract, None, request.raw_path.partition("?")[0])
        try:
            call = self._matched(request)
            reply = await self._reply(request, call, number)
        except ServiceError as error:
            body = json.dumps(error.problem(number)).encode()
            reply = Reply(error.status, tuple(error.headers.items()), body, _PROBLEM)
        except ConnectionError:
            raise
        except Exception:  # noqa: BLE001  it is logged, and the client told
            _log.exception("%s failed", number)
            failed = ServiceError("The request failed; the log has more.")
            reply = Reply(failed.status, (), json.dumps(failed.problem(number)).encode(), _PROBLEM)
        return self._sent(call.in_form(reply), number)

    def _matched(self, request: web.Request) -> Call:
        """Raises NotFound, MethodNotAllowed, and what `admitted` does."""
        self._hosts.check(request.headers)
        if request.method not in METHODS:
            raise MethodNotAllowed(METHODS, "The service takes {}.")
        target = parse_target(request.raw_path, path_bytes=MAX_PATH_BYTES)
        match = self._contract.match(request.method, target.segments)
        return Call(self._contract, match, target.path)

    async def _reply(self, request: web.Request, call: Call, number: str) -> Reply:
        target = parse_target(request.raw_path, path_bytes=MAX_PATH_BYTES)
        if call.match is None:
            allow = ", ".join(self._contract.allowed(target.segments))
            return Reply(204, (("Allow", allow),))
        query = parse_query(target.raw_query, query_bytes=MAX_QUERY_BYTES)
        headers = named_headers(request.headers, call.header_names())
        call = call.admitted(headers, query)
        read_ = await self._content(request, call)
        method: Any = "GET" if request.method == "HEAD" else request.method
        ctx = RequestContext(
            method=method,
            path=target.path,
            segments=target.segments,
            query=query,
            headers=for_plan(request.headers, authorization=True),
            content=read_.kind,
            body_json=read_.value,
            body_text=read_.text,
            client_ip=request.remote or "",
            session=Session(self._session, ""),
            base_url=self._origin.base_url(request.headers),
            request_id=number,
            contract=call,
        )
        if method in ("POST", "PUT", "PATCH", "DELETE"):
            media_type = call.takes(request.headers.get("Content-Type", "")) if read_.kind != "none" else ""
            ctx = call.with_body(media_type, ctx)
        broken: list[Violation] = []
        answer = await self._run(ctx, partial(self._judge, call, broken))
        reply = call.represented(self._made(answer, number), ctx.headers.get("accept", ""))
        return _reported(reply, call, broken, number)

    def _judge(self, call: Call, broken: list[Violation], answer: Answer) -> None:
        """What of the answer breaks the contract is put into `broken`. Raises ContractBroken to enforce."""
        if call.match is None or answer.is_problem:
            return
        judging = self._contract.judging
        rules = Rules(judging.checker, judging.keys_for(call.match.operation))
        value = json.loads(answer.body) if answer.body else None
        broken += rules.broken(answer.status, value, answer.body.encode() or None)
        if broken and self._enforce:
            places = _places(broken)
            _log.error("%s breaks the contract: %s", call.match.operation.id, places)
            raise ContractBroken(f"The handler's reply, a {answer.status}, breaks the contract: {places}.")

    async def _run(self, ctx: RequestContext, judge: Judge) -> Answer:
        call: Call = ctx.contract
        assert call.match is not None
        operation = call.match.operation
        compiled = self._contract.compiled(operation)
        given: dict[str, Any] = {"identity": call.identity}
        params: dict[str, Any] | None = {}
        route = self._by_operation[f"{operation.method} {operation.template}"]
        if compiled.role.plain:
            asked = self._contract.asked(compiled, call.match, ctx)
            given["asked"] = asked.values
            params = {"id": asked.address} if asked.address else {}
        else:
            learned = self._learned(ctx)
            if learned is None:
                given["asked"] = self._contract.echoed(compiled, call.match, ctx)
            else:
                route, params = learned, None
        said = {
            "method": ctx.method,
            "path": ctx.path,
            "segments": list(ctx.segments),
            "query": ctx.query if "asked" not in given else {},
            "headers": ctx.headers,
            "client": {"ip": ctx.client_ip},
            "session": {"id": self._session, "token": None},
            "base_url": ctx.base_url,
            **given,
        }
        body = ctx.body_json if ctx.content != "none" else None
        return await self._database.answer(route, said, body, params, judge)

    def _learned(self, ctx: RequestContext) -> Route | None:
        keys = tuple(sorted(ctx.query))
        try:
            return self._table.find(ctx.method, ctx.segments, ctx.content, keys, ctx.body_json)
        except (NotFound, ServiceError):
            return None

    @staticmethod
    async def _content(request: web.Request, call: Call) -> content.Content:
        if request.body_exists and multipart.is_multipart(request.headers):
            call.takes(request.headers["Content-Type"])
            data = await content.read_body(request, limit=MAX_BODY_BYTES, seconds=BODY_SECONDS)
            return multipart.read_content(request.headers, data, file_bytes=MAX_FILE_BYTES)
        kind, data = await content.read_content(
            request, limit=MAX_BODY_BYTES, seconds=BODY_SECONDS, takes=call.takes
        )
        return await content.parse(request.method, kind, data)

    @staticmethod
    def _made(answer: Answer, number: str) -> Reply:
        if answer.is_problem:
            body = json.dumps(problem_document(answer.status, answer.body, number)).encode()
            return Reply(answer.status, answer.headers, body, _PROBLEM)
        return Reply(answer.status, answer.headers, answer.body.encode() or None)

    @staticmethod
    def _sent(reply: Reply, number: str) -> web.Response:
        text = None if reply.body is None else reply.body.decode("utf-8", "replace")
        return respond(reply.status, reply.headers, text, number, reply.media_type or "application/json")


def _places(broken: Iterable[Violation]) -> str:
    """Pointers and keywords, no values."""
    return "; ".join(f"{_plain(each.pointer) or '#'} {each.keyword}" for each in list(broken)[:_MOST_SHOWN])


def _plain(pointer: str) -> str:
    """As a header may have it."""
    return "".join(char if " " <= char <= "~" and char not in ";," else "?" for char in pointer)


def _reported(reply: Reply, call: Call, broken: list[Violation], number: str) -> Reply:
    if not broken or call.match is None:
        return reply
    places = _places(broken)
    _log.warning("%s: %s breaks the contract: %s", number, call.match.operation.id, places)
    return evolve(reply, headers=(*reply.headers, (_VIOLATIONS, places)))


def edge_of(path: Path) -> partial[ContractEdge]:
    """What makes an application's edge out of its routes, by the contract in a file."""
    enforce = os.environ.get(_REPLIES, "") == "enforce"
    return partial(ContractEdge, contract_of(path), enforce=enforce)
