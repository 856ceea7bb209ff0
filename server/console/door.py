"""The console's pages over HTTP, all below `/_meta/console`.

1. They are there only where an admin token is set. Nothing but the login form is shown to whoever has none.
2. A login's cookie is sent to these pages alone, by this site's own pages alone, and no script sees it.
3. Whatever changes anything has to name the login's CSRF token, and come from a page of this service.
4. A fault is a page as well, which says what it was and what to do; what was typed is still in the browser.
5. Its event streams have room of their own (`console.streams`), and end with the login that opened them.
6. In a cluster a page about a session is made by the node that has it. The login stays this node's: the other
   is told that there is one, beside the admin token, and puts the same CSRF token into its forms.
"""

from __future__ import annotations

import hmac
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import parse_qsl

import orjson
from attrs import evolve
from markupsafe import Markup

from server.concurrency.aside import OPERATORS, aside
from server.console.files import BASE, all_files
from server.console.live import MOST_ROWS, Tailing
from server.console.logins import LOGIN_HOURS, Login, Logins
from server.console.rendering import page
from server.console.views.data import DataViews
from server.console.views.model import ModelViews
from server.console.views.routes import RouteViews
from server.console.views.sessions import SessionViews
from server.console.views.traffic import TrafficViews, asked_of, documents, rows, wanted_of
from server.console.visit import Unmade, Visit, go
from server.http.event_stream import wish_of
from server.http.pages import marked
from server.http.problem_types import REMEDIES
from server.requests import content
from server.requests.target import parse_query, parse_target
from server.values.errors import (
    BadRequest,
    MethodNotAllowed,
    MisdirectedRequest,
    NotFound,
    OriginRefused,
    ServiceError,
    Unauthorized,
)
from server.values.model import Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp import web
    from multidict import MultiMapping

    from server.console.asking import Asking
    from server.console.live import Live
    from server.console.recent import Recent
    from server.http.admin import Admin
    from server.http.watching import Follows
    from server.live.outlets import Registry
    from server.operations.api import Api
    from server.requests.context import EdgeLimits
    from server.settings.schema import Settings

_COOKIE: Final = "metaservice_console"
#: Stands for any segment.
_NAME: Final = "*"
_FORM_BYTES: Final = 2 * 1024 * 1024
_MOST_FIELDS: Final = 500
_MOST_DIGITS: Final = 15
_UPLOAD_SECONDS: Final = 600.0
_KEEP: Final = "max-age=31536000, immutable"
#: For programs, with the admin token; and how the paths of the console's streams end.
TRAFFIC: Final = "/_meta/traffic"
_LIVE: Final = "/live"
#: What a browser says of whose page a request comes from, where it is one of ours or nobody's.
_OWN_SITES: Final = frozenset({"same-origin", "none"})

View: TypeAlias = "Callable[[Visit], Awaitable[Reply]]"


class Console:
    """A door of the handler; what it does not own goes to `beside`."""

    def __init__(
        self,
        api: Api,
        asking: Asking,
        token: str,
        *,
        live: Live,
        streams: Registry,
        recent: Recent,
        limits: EdgeLimits,
        secure: bool,
        upload_bytes: int,
        beside: Admin,
        address: Callable[[web.BaseRequest], str] = lambda request: request.remote or "",
    ) -> None:
        """`secure`: clients come by https, so the cookie is for that alone. `beside` owns the rest.

        `streams` has those of the console.
        `address`: where a request is from, also behind a proxy.
        """
        self.logins = Logins(token)
        self._limits = limits
        self._secure = secure
        self._upload_bytes = upload_bytes
        self.beside = beside
        self.streams = streams
        self._live = live
        tail = live.tail
        self._address = address
        sessions, data = SessionViews(api), DataViews(api, asking)
        routes, traffic, model = (
            RouteViews(api, tail, recent),
            TrafficViews(api, live),
            ModelViews(api),
        )
        one, name = ("sessions", _NAME), ("sessions", _NAME, "data", _NAME)
        self._table: dict[tuple[str, ...], dict[str, View]] = {
            ("sessions",): {"GET": sessions.listed, "POST": sessions.make},
            one: {"GET": sessions.show},
            (*one, "fork"): {"POST": sessions.fork},
            (*one, "reset"): {"POST": sessions.reset},
            (*one, "delete"): {"POST": sessions.delete},
            (*one, "dialect"): {"POST": sessions.set_dialect},
            (*one, "fixed"): {"POST": sessions.set_fixed},
            (*one, "contract"): {"GET": sessions.contract, "POST": sessions.change_contract},
            (*one, "log"): {"GET": sessions.log},
            (*one, "rewind"): {"GET": sessions.preview, "POST": sessions.rewind},
            (*one, "export"): {"GET": sessions.export},
            (*one, "import"): {"PUT": sessions.import_},
            (*one, "try"): {"GET": data.trial, "POST": data.tried},
            name: {"GET": data.listed},
            (*name, "new"): {"GET": data.blank, "POST": data.add},
            (*name, "records", _NAME): {"GET": data.show, "POST": data.save},
            (*name, "records", _NAME, "delete"): {"POST": data.delete},
            (*name, "records", _NAME, "restore"): {"POST": data.restore},
            ("routes",): {"GET": routes.listed},
            ("routes", _NAME): {"GET": routes.show},
            ("routes", _NAME, "edit"): {"POST": routes.edit},
            ("routes", _NAME, "pin"): {"POST": routes.pin},
            ("routes", _NAME, "forget"): {"POST": routes.forget},
            ("routes", _NAME, "replay"): {"POST": routes.replay},
            ("traffic",): {"GET": traffic.listed},
            ("traffic", "requests", _NAME): {"GET": traffic.show},
            ("model",): {"GET": model.show},
            ("model", "learning"): {"POST": model.turn},
            ("model", "test"): {"POST": model.test},
        }

    def owns(self, raw_path: str) -> bool:
        path = raw_path.partition("?")[0]
        return path in (BASE, TRAFFIC) or path.startswith(f"{BASE}/") or self.beside.owns(raw_path)

    def link(self) -> str:
        """A path that logs in whoever opens it first, within ten minutes."""
        return f"{BASE}/login?once={self.logins.link()}"

    def renew(self, settings: Settings) -> None:
        """Take another admin token; without one nobody comes in any more."""
        self.logins.renew(settings.auth.admin_token or self.logins.link())
        self.streams.end_all("the service's tokens were read again")

    async def answer(self, request: web.BaseRequest) -> Reply:
        """Raises what the door beside does. A fault of ours is a page."""
        path = request.raw_path.partition("?")[0]
        if path == TRAFFIC:
            return self._traffic(request)
        if path != BASE and not path.startswith(f"{BASE}/"):
            return await self.beside.answer(request)
        csrf = self.beside.handed_on_login(request)
        login = Login("", csrf, math.inf) if csrf else self.logins.of(_cookie(request.headers))
        try:
            reply = await self._answered(request, login)
        except MisdirectedRequest:
            raise  # for the node that has handed it on
        except ServiceError as error:
            return _fault(error, login)
        return await aside(reply.make, OPERATORS) if isinstance(reply, Unmade) else reply

    def follows(self, request: web.BaseRequest) -> bool:
        """Whether it asks for a stream of the console, or of the pages beside it."""
        if self.beside.follows(request):
            return True
        path = request.raw_path.partition("?")[0]
        streamed = path == TRAFFIC or (path.startswith(f"{BASE}/") and path.endswith(_LIVE))
        return streamed and wish_of(request.method, request.headers) is not None

    async def follow(self, request: web.BaseRequest) -> Follows:
        """Raises Unauthorized, NotFound; and what the pages beside do."""
        if self.beside.follows(request):
            return await self.beside.follow(request)
        target = parse_target(request.raw_path, path_bytes=self._limits.path_bytes)
        query = parse_query(target.raw_query, query_bytes=self._limits.query_bytes)
        if request.raw_path.partition("?")[0] == TRAFFIC:
            self.beside.authenticate(request)
            return Tailing(
                self._live, self.streams, wanted_of(asked_of(query)), documents, after=_after(request, query)
            )
        login = self.logins.of(_cookie(request.headers))
        if login is None:
            raise Unauthorized("Your login is over. Log in again.")
        holding = self.logins.holds(login)
        segments = target.segments[2:]
        if segments == ("traffic", "live"):
            return Tailing(
                self._live,
                self.streams,
                wanted_of(asked_of(query)),
                rows,
                holding,
                after=_after(request, query),
            )
        if len(segments) == 3 and segments[0] == "sessions":
            found = await self.beside.following(request, segments[1], query)
            found = await self.beside.relayed(request, segments[1], found)
            return evolve(found, registry=self.streams, holding=holding)
        raise NotFound("The console has no such stream.")

    def _traffic(self, request: web.BaseRequest) -> Reply:
        """The last requests, for programs. Raises Unauthorized."""
        self.beside.authenticate(request)
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(["GET"], "This takes {}.")
        target = parse_target(request.raw_path, path_bytes=self._limits.path_bytes)
        asked = asked_of(parse_query(target.raw_query, query_bytes=self._limits.query_bytes))
        found = self._live.tail.last(MOST_ROWS, wanted_of(asked))
        return Reply(200, body=orjson.dumps(documents(found)))

    async def _answered(self, request: web.BaseRequest, login: Login | None) -> Reply:
        target = parse_target(request.raw_path, path_bytes=self._limits.path_bytes)
        query = parse_query(target.raw_query, query_bytes=self._limits.query_bytes)
        method = "GET" if request.method == "HEAD" else request.method
        segments = tuple(filter(None, target.segments[2:]))
        if segments[:1] == ("static",):
            return _static(segments)
        if segments == ("login",):
            return await self._login(request, method, query)
        if login is None:
            return (
                _login_page(401) if method == "GET" else _login_page(401, "Your login is over. Log in again.")
            )
        if not segments:
            return go(f"{BASE}/sessions")
        view = self._view(segments, method)
        if method == "GET":
            visit = Visit(method, segments, query, login)
            await self._require_here(request, visit)
            return await view(visit)
        return await self._changed(request, Visit(method, segments, query, login), view)

    async def _changed(self, request: web.BaseRequest, visit: Visit, view: View) -> Reply:
        """What changes something. Raises OriginRefused unless it comes from a page of this login."""
        _check_site(request.headers)
        if visit.method == "PUT":
            _check_csrf(visit.login, request.headers.get("X-CSRF-Token", ""))
            return await self._uploaded(request, visit, view)
        data = await self._form_bytes(request)
        visit = evolve(visit, form=_form_of(data))
        _check_csrf(visit.login, visit.form.get("csrf", ""))
        if visit.segments == ("logout",):
            self.logins.leave(visit.login)
            return go(f"{BASE}/login")
        await self._require_here(request, visit, data)
        return await view(visit)

    async def _require_here(self, request: web.BaseRequest, visit: Visit, data: bytes = b"") -> None:
        """Raises AskElsewhere where another node has the session that it is about."""
        await self.beside.require_page_here(request, _session_of(visit), visit.login.csrf, data)

    async def _uploaded(self, request: web.BaseRequest, visit: Visit, view: View) -> Reply:
        data = await content.read_body(request, limit=self._upload_bytes, seconds=_UPLOAD_SECONDS)
        await self._require_here(request, visit, data)
        with tempfile.TemporaryDirectory(prefix="metaservice-") as scratch:
            path = Path(scratch) / "upload"
            path.write_bytes(data)
            return await view(Visit(visit.method, visit.segments, visit.query, visit.login, upload=path))

    def _view(self, segments: tuple[str, ...], method: str) -> View:
        """Raises NotFound, MethodNotAllowed."""
        if segments == ("logout",):
            methods: Mapping[str, Any] = {"POST": None}
        else:
            methods = next((each for pattern, each in self._table.items() if _is(segments, pattern)), {})
        if not methods:
            raise NotFound("The console has no such page.")
        if method not in methods:
            raise MethodNotAllowed(sorted(methods), "This page takes {}.")
        view: View = methods[method]
        return view

    async def _login(self, request: web.BaseRequest, method: str, query: Mapping[str, Any]) -> Reply:
        """With the token, which is in a form's body; or by a link that is worth nothing afterwards."""
        if method == "GET":
            once = query.get("once")
            if not isinstance(once, str) or request.method == "HEAD":  # who only looks uses nothing up
                return _login_page()
            login = self.logins.follow(once)
            return (
                self._let_in(login) if login else _login_page(401, "This link has been used, or is too old.")
            )
        if method != "POST":
            raise MethodNotAllowed(["GET", "POST"], "This page takes {}.")
        _check_site(request.headers)
        address = self._address(request)
        if not self.logins.may_try(address):
            return _login_page(429, "Too many wrong tokens. Try again in a minute.")
        form = _form_of(await self._form_bytes(request))
        login = self.logins.enter(form.get("token", ""), address)
        return self._let_in(login) if login else _login_page(401, "This is not the admin token.")

    def _let_in(self, login: Login) -> Reply:
        secure = "; Secure" if self._secure else ""
        cookie = (
            f"{_COOKIE}={login.name}; Path={BASE}; Max-Age={LOGIN_HOURS * 3_600}; HttpOnly; SameSite=Strict"
        )
        return Reply(303, (("Set-Cookie", cookie + secure), ("Location", f"{BASE}/sessions")))

    async def _form_bytes(self, request: web.BaseRequest) -> bytes:
        """Raises BadRequest for what is no form."""
        if request.content_type != "application/x-www-form-urlencoded":
            raise BadRequest("This page takes a form.")
        return await content.read_body(request, limit=_FORM_BYTES, seconds=self._limits.body_seconds)


def _form_of(data: bytes) -> dict[str, str]:
    """Raises BadRequest."""
    try:
        text = data.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise BadRequest("The form cannot be read.") from None
    return {name: value.replace("\r\n", "\n") for name, value in pairs}


def _session_of(visit: Visit) -> str:
    """The session that a page is about; of a fork the one that is made. "": it is about none."""
    match visit.segments:
        case ("sessions", _, "fork"):
            return visit.form.get("to", "").strip()
        case ("sessions", name, *_):
            return name
        case ("routes", _, "replay"):
            return visit.form.get("session", "")
        case _:
            return ""


def _after(request: web.BaseRequest, query: Mapping[str, Any]) -> int | None:
    """The second of the last point that a client has: a browser that comes again says it by itself."""
    for text in (request.headers.get("Last-Event-ID", ""), query.get("after", "")):
        if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS:
            return int(text)
    return None


def _is(segments: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    return len(segments) == len(pattern) and all(
        part in (_NAME, segment) for part, segment in zip(pattern, segments, strict=True)
    )


def _cookie(headers: MultiMapping[str]) -> str:
    for pair in ";".join(headers.getall("Cookie", ())).split(";"):
        name, _, value = pair.strip().partition("=")
        if name == _COOKIE:
            return value
    return ""


def _check_site(headers: MultiMapping[str]) -> None:
    """Raises OriginRefused for a request that a browser says is from another site's page."""
    origin = headers.get("Origin")
    foreign = origin is not None and origin.partition("://")[2] != headers.get("Host", "")
    if foreign or headers.get("Sec-Fetch-Site", "none") not in _OWN_SITES:
        raise OriginRefused("This came from a page of another site.")


def _check_csrf(login: Login, sent: str) -> None:
    if not hmac.compare_digest(sent.encode(), login.csrf.encode()):
        raise OriginRefused("This form is not of your login. Load the page again, and send it once more.")


def _static(segments: tuple[str, ...]) -> Reply:
    file = all_files().get(segments[1]) if len(segments) == 2 else None
    if file is None:
        raise NotFound("The console has no such file.")
    return Reply(200, (("Cache-Control", _KEEP),), file.content, file.media_type)


def _login_page(status: int = 200, failed: str = "") -> Reply:
    headers = (("Retry-After", "60"),) if status == 429 else ()
    return page("login.html", status, headers, failed=failed)


def _fault(error: ServiceError, login: Login | None) -> Reply:
    return page(
        "fault.html",
        error.status,
        tuple(error.headers.items()),
        csrf=login.csrf if login else "",
        room="",
        said="",
        failed="",
        title=error.title,
        detail=error.detail,
        remedy=Markup(marked(REMEDIES[error.slug])),  # noqa: S704 - made there, of texts of ours
        status_code=error.status,
    )
