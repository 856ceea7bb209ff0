"""Requests for the planners' tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from server.values.model import RequestContext, Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.values.model import ContentKind, Method

#: Stands for no body, which None cannot: JSON has a null.
NO_BODY: Any = object()


def a_request(
    method: Method = "GET",
    path: str = "/members",
    *,
    query: Mapping[str, str | list[str]] | None = None,
    body: Any = NO_BODY,
    content: ContentKind = "json",
    headers: Mapping[str, str] | None = None,
    segments: tuple[str, ...] | None = None,
) -> RequestContext:
    """A request as the edge would make it; `segments` are the path's unless they are given."""
    there = body is not NO_BODY
    return RequestContext(
        method=method,
        path=path,
        segments=tuple(path.strip("/").split("/")) if segments is None else segments,
        query=dict(query or {}),
        headers=dict(headers or {}),
        content=content if there else "none",
        body_json=body if there else None,
        body_text=orjson.dumps(body).decode() if there else None,
        client_ip="127.0.0.1",
        session=Session("s1", "d1"),
        base_url="http://localhost:8000",
        request_id="r1",
    )
