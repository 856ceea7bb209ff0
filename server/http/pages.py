"""The service's own pages: what it is, whether it is well, what its problems mean.

Their names are never planned for, whether or not there is a page (yet).
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

import orjson
from attrs import evolve

from server.http import browser
from server.http.problem_types import MEANINGS, REMEDIES, all_types
from server.requests.target import RESERVED
from server.values.errors import MethodNotAllowed, NotFound
from server.values.model import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HEALTH = "/healthz"
CONSOLE = "/_meta/console"
_ALLOW = ("GET", "HEAD", "OPTIONS")

_WELCOME = {
    "service": "metaservice",
    "what": "An HTTP service without fixed endpoints. Send REST requests to any path; "
    "each is planned, checked, and run in a sandbox of its session.",
    "try": "POST /members/ with a JSON object, a Content-Type of application/json and an X-Session-ID header",
}
_LINKS: Mapping[str, str] = {
    "docs": "/docs",
    "redoc": "/redoc",
    "openapi": "/openapi.json",
    "openapi_for_generators": "/openapi.json?types=learned",
    "health": HEALTH,
    "operators": "/_meta/",
}
_LINKED: Mapping[str, str] = {
    "docs": "A session's API, to try out; a new session's first steps",
    "redoc": "A session's API, to read",
    "openapi": "Its OpenAPI document; X-Session-ID or ?session= names the session",
    "openapi_for_generators": "The same with types as learned, for generators of clients",
    "health": "Whether the service is well",
    "operators": "What operators can ask for, with the admin token",
    "console": "Sessions, data, learned routes and traffic in a browser, with the admin token",
}
#: What a link is called, and in which order they stand.
_NAMED: Mapping[str, str] = {
    "console": "Console",
    "docs": "Try the API",
    "redoc": "Read the API",
    "openapi": "OpenAPI document",
    "openapi_for_generators": "OpenAPI, typed",
    "health": "Health",
    "operators": "Operators' pages",
}
#: Below the page of a problem.
_MORE = '<p><a href="/">What this service is</a></p>'
_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
    "<style>{style}</style><main>{body}</main></html>"
)


@cache
def _own(name: str) -> str:
    return files(browser.__package__).joinpath(name).read_text("utf-8")


@cache
def _html_headers() -> tuple[tuple[str, str], ...]:
    """The one style is named by its digest (CSP Level 3, "hash-source"), so that no other is taken."""
    digest = base64.b64encode(hashlib.sha256(_own("plain.css").encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; frame-ancestors 'none'"
    return (("Content-Security-Policy", f"{policy}; base-uri 'none'; form-action 'none'"), ("Vary", "Accept"))


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


def home(method: str, accept: str, url: str, *, console: bool) -> Reply:
    """The front page; `url` is the service's address as the client sees it. Raises MethodNotAllowed."""
    return settled(method) or _home(accept, url, dict(_LINKS) | ({"console": CONSOLE} if console else {}))


def page(method: str, segments: tuple[str, ...], accept: str) -> Reply:
    """The page at one of the service's own paths but the first.

    Raises NotFound for reserved names without a page, and MethodNotAllowed.
    """
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


def _home(accept: str, url: str, shown: Mapping[str, str]) -> Reply:
    if not _is_browser(accept):
        return _json({**_WELCOME, "links": shown}, (("Vary", "Accept"),))
    links = "".join(
        f'<li><a href="{escape(path)}">{escape(_NAMED[name])}</a><small>{escape(_LINKED[name])}</small>'
        for name, path in sorted(shown.items(), key=lambda each: list(_NAMED).index(each[0]))
    )
    return _html("metaservice", _own("home.html").format(url=escape(url), links=links))


def _problem_type(slug: str, accept: str) -> Reply:
    """What it means and what to do about it first, then what it is called."""
    error = all_types().get(slug)
    if error is None:
        raise NotFound("There is no such problem type.")
    name = f"/_meta/problems/{slug}"
    if not _is_browser(accept):
        document = {
            "type": name,
            "title": error.title,
            "status": error.status,
            "remedy": REMEDIES[slug],
            "meaning": MEANINGS[slug],
        }
        return _json(document, (("Vary", "Accept"),))
    named = f'<p class="soft">Status {error.status}, <code>{escape(name)}</code></p>'
    body = (
        f'<h1>{escape(error.title)}</h1><h2>What to do</h2><p class="lead">{marked(REMEDIES[slug])}</p>'
        f"<h2>What it means</h2><p>{marked(MEANINGS[slug])}</p>{named}{_MORE}"
    )
    return _html(error.title, body)


def marked(text: str) -> str:
    """As HTML; what stands between backticks is code."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{each}</code>" if number % 2 else each for number, each in enumerate(pieces))


def _is_browser(accept: str) -> bool:
    """Browsers name HTML; all others get JSON."""
    return "text/html" in accept


def _html(title: str, body: str) -> Reply:
    text = _PAGE.format(title=escape(title), style=_own("plain.css"), body=body)
    return Reply(200, _html_headers(), text.encode(), "text/html; charset=utf-8")


def _json(members: Mapping[str, object], headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    return Reply(200, headers, orjson.dumps(dict(members)))
