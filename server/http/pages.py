"""The service's own pages: what it is, whether it is well, what its problems mean.

Their names are never planned for, whether or not there is a page (yet).
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import orjson
from attrs import evolve

from server.http.problem_types import MEANINGS, all_types
from server.requests.target import RESERVED
from server.values.errors import MethodNotAllowed, NotFound
from server.values.model import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HEALTH = "/healthz"
_ALLOW = ("GET", "HEAD", "OPTIONS")

_WELCOME = {
    "service": "metaservice",
    "what": "An HTTP service without fixed endpoints. Send REST requests to any path; "
    "each is planned, checked, and run in a sandbox of its session.",
    "try": "POST /members/ with a JSON object, a Content-Type of application/json and an X-Session-ID header",
    "links": {
        "docs": "/docs",
        "redoc": "/redoc",
        "openapi": "/openapi.json",
        "openapi_for_generators": "/openapi.json?types=learned",
        "health": HEALTH,
        "operators": "/_meta/",
    },
}
_LINKED = {
    "docs": "A session's API, to try out; a new session's first steps",
    "redoc": "A session's API, to read",
    "openapi": "Its OpenAPI document; X-Session-ID or ?session= names the session",
    "openapi_for_generators": "The same with types as learned, for generators of clients",
    "health": "Whether the service is well",
    "operators": "What operators can ask for, with the admin token",
}
_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    '<link rel="icon" href="data:,">'
    "<h1>{title}</h1><dl>{rows}</dl></html>"
)
_HTML_HEADERS = (("Content-Security-Policy", "default-src 'none'; img-src data:"), ("Vary", "Accept"))


#: Of a node that hands its requests on, since it is about to stop.
STOPPING = "stopping"


def health(method: str, state: Callable[[], Mapping[str, object]]) -> Reply:
    """Open to all, so it says whether parts are well, and nothing about where they are."""
    if options := settled(method):
        return options
    found = {"status": "ok", **state()}
    # Load balancers look at the status alone.
    return evolve(_json(found), status=503 if found["status"] == STOPPING else 200)


def is_own(segments: tuple[str, ...]) -> bool:
    """Whether a path is the service's own."""
    return not segments or segments[0] in RESERVED


def page(method: str, segments: tuple[str, ...], accept: str) -> Reply:
    """The page at one of the service's own paths.

    Raises NotFound for reserved names without a page, and MethodNotAllowed.
    """
    if not segments:
        return settled(method) or _document("metaservice", _WELCOME, accept)
    if segments[:2] == ("_meta", "problems") and len(segments) == 3:
        return settled(method) or _problem_type(segments[2], accept)
    raise NotFound("There is no such page of the service.")


def settled(method: str) -> Reply | None:
    """The reply to OPTIONS of a page, None where it is read. Raises MethodNotAllowed."""
    if method == "OPTIONS":
        return Reply(204, (("Allow", ", ".join(_ALLOW)),))
    if method not in {"GET", "HEAD"}:
        raise MethodNotAllowed(_ALLOW, "This page can only be read.")
    return None


def _problem_type(slug: str, accept: str) -> Reply:
    error = all_types().get(slug)
    if error is None:
        raise NotFound("There is no such problem type.")
    document = {"type": f"/_meta/problems/{slug}", "title": error.title, "status": error.status}
    return _document(error.title, document | {"meaning": MEANINGS[slug]}, accept)


def _document(title: str, members: Mapping[str, Any], accept: str) -> Reply:
    """HTML for browsers, which are those who name it; JSON for all others."""
    if "text/html" not in accept:
        return _json(members, (("Vary", "Accept"),))
    rows = "".join(f"<dt>{escape(name)}<dd>{_cell(value)}" for name, value in members.items())
    body = _PAGE.format(title=escape(title), rows=rows).encode()
    return Reply(200, _HTML_HEADERS, body, "text/html; charset=utf-8")


def _cell(value: object) -> str:
    """A value as HTML; paths of the service are links."""
    if not isinstance(value, dict):
        return escape(str(value))
    links = (
        f'<li><a href="{escape(str(path))}">{escape(str(path))}</a> {escape(_LINKED[str(name)])}'
        for name, path in value.items()
    )
    return f"<ul>{''.join(links)}</ul>"


def _json(members: Mapping[str, object], headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    return Reply(200, headers, orjson.dumps(dict(members)))
