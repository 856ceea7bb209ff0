"""The console asks as a client does: the same planner, plans, transactions and log line."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import orjson
from attrs import evolve, frozen

from server.http.conditional import conditional
from server.telemetry.request_line import RequestLine
from server.values.errors import ServiceError
from server.values.replies import error_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from server.http.handler import UseCase
    from server.operations.api import Api
    from server.values.model import Reply


@frozen
class Answered:
    """A client's reply, as a page shows it. `value` is the body as JSON, or its text where it is none."""

    status: int
    headers: dict[str, str]
    value: Any
    line: RequestLine

    @property
    def well(self) -> bool:
        return self.status < 400

    @property
    def failure(self) -> str:
        """What a problem reply says is wrong, with the places it names; empty where all is well."""
        if self.well:
            return ""
        value = self.value if isinstance(self.value, dict) else {}
        places = value.get("errors") or value.get("violations") or []
        told = [str(value.get("detail") or f"Status {self.status}.")]
        told += [each if isinstance(each, str) else orjson.dumps(each).decode() for each in places][:5]
        return " ".join(told)


@frozen
class Asking:
    """`note` is told of each request, as of any client's."""

    use_case: UseCase
    api: Api
    note: Callable[[RequestLine], None]
    new_line: Callable[..., RequestLine] = RequestLine

    async def ask(
        self, session: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answered:
        """A body that is no text is sent as JSON. A refusal is an answer like any other."""
        line = self.new_line(request_id=secrets.token_hex(8), method=method.upper())
        document = {
            "session": session,
            "method": method,
            "path": path,
            "body": body,
            "headers": dict(headers or {}),
        }
        reply = await self._reply(line, document)
        line.status = reply.status
        line.emit()
        self.note(line)
        return Answered(reply.status, dict(reply.headers), _value(reply.body), line)

    async def _reply(self, line: RequestLine, document: dict[str, Any]) -> Reply:
        try:
            found = await self.api.context(document, in_dialect=False)
            line.session = found.session.id
            ctx = evolve(found, request_id=line.request_id)
            return conditional(await self.use_case.serve(ctx, line), ctx.method, ctx.headers)
        except ServiceError as error:
            line.problem = error.slug
            return error_reply(error, line.request_id)


def _value(body: bytes | None) -> Any:
    if not body:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")
