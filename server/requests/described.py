"""A request that an operator describes: for it to be explained, or replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import orjson
from attrs import frozen
from multidict import CIMultiDict

from server.requests import content
from server.requests.context import EdgeLimits, check_method
from server.requests.headers import for_plan
from server.requests.target import parse_query, parse_target
from server.values.errors import BadRequest, InvalidHeader
from server.values.model import Method, RequestContext

if TYPE_CHECKING:
    from server.values.model import Session

_JSON = "application/json"


@frozen
class Described:
    """Method, path (with its query), headers, and the body as text."""

    method: str
    path: str
    headers: dict[str, str]
    body: str | None

    @classmethod
    def of(cls, document: dict[str, Any]) -> Described:
        """From ``{"method", "path", "headers"?, "body"?}``; a body that is no text is JSON.

        Raises BadRequest.
        """
        method, path = document.get("method"), document.get("path")
        headers, body = document.get("headers") or {}, document.get("body")
        if not isinstance(method, str) or not isinstance(path, str):
            raise BadRequest("`method` and `path` must be texts.")
        if not isinstance(headers, dict) or not all(isinstance(text, str) for text in headers.values()):
            raise BadRequest("`headers` must be an object of texts.")
        if body is not None and not isinstance(body, str):
            body = orjson.dumps(body).decode()
        return cls(method.upper(), path, headers, body)

    def context(self, session: Session, request_id: str) -> RequestContext:
        """The request as it would reach the planner. Raises what the HTTP edge would.

        But for `check_use`: of plans that are older than it some are for what it refuses, and are ejected.
        """
        check_method(self.method)
        limits = EdgeLimits()
        target = parse_target(self.path, path_bytes=limits.path_bytes)
        headers = CIMultiDict(self.headers)
        try:
            plan_headers = for_plan(headers, authorization=True)
        except ValueError:
            raise InvalidHeader("A header holds what none can hold.") from None
        body = self._content(headers)
        return RequestContext(
            method=cast("Method", self.method),
            path=target.path,
            segments=target.segments,
            query=parse_query(target.raw_query, query_bytes=limits.query_bytes),
            headers=plan_headers,
            content=body.kind,
            body_json=body.value,
            body_text=body.text,
            client_ip="127.0.0.1",
            session=session,
            base_url="http://localhost",
            request_id=request_id,
        )

    def _content(self, headers: CIMultiDict[str]) -> content.Content:
        if not self.body:
            return content.NO_CONTENT
        headers.setdefault("Content-Type", _JSON)
        return content.parse_content(self.method, content.content_kind(headers), self.body.encode())
