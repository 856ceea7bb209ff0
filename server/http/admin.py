"""The operators' interface over HTTP: what `server/operations/api.py` lists, below `/_meta`.

1. It is there only where an admin token is set; elsewhere these paths are what any unknown page is.
2. The admin token opens it and nothing else does; it opens nothing but this. Compared in constant time.
3. Nothing here belongs to a session: what it is about is named in path or body.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson
from attrs import evolve, frozen

from server.concurrency.aside import OPERATORS, aside
from server.http.elsewhere import LOGIN, AskElsewhere
from server.http.event_stream import EVENT_STREAM, wish_of
from server.http.relaying import Relay
from server.live import outlets
from server.live.feed import Feed, version_now
from server.operations.api import ROOMS, Api
from server.operations.call import Archive, Call, Piece
from server.requests import content, strict_json
from server.requests.auth import Authenticator
from server.requests.target import parse_query, parse_target
from server.values.errors import BadRequest, ServiceError
from server.values.model import Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from aiohttp import web

    from server.http.elsewhere import Elsewhere
    from server.http.operated import Operated
    from server.live.changes import Changes
    from server.live.feed import Past
    from server.live.outlets import Holding, Outlet, Registry, Wire
    from server.requests.context import EdgeLimits
    from server.requests.target import Target
    from server.settings.schema import Settings
    from server.values.model import Session

_PREFIX = "/_meta/"
_INDEX = ("/_meta", "/_meta/")
#: The room of the page that can be followed, and its path.
CHANGES = "changes"
FOLLOWED = "/_meta/changes"
_LAST_EVENT_ID = "Last-Event-ID"
_MOST_DIGITS = 15
_BODY_BYTES = 64 * 1024 * 1024
_UPLOAD_SECONDS = 600.0


@frozen
class Follow:
    """A session's changes after a version, and how those that were missed are had.

    `resumed`: the version was asked for, and is not just the last one. `registry`: where there is room for
    the stream, if not among those of all; `holding` ends it when who has opened it may have it no longer.
    """

    session: Session
    since: int
    past: Past
    resumed: bool
    registry: Registry | None = None
    holding: Holding = outlets.to_its_end
    #: In a cluster, of a session that another node has: that node's stream after a version.
    told: Callable[[int], AsyncIterator[bytes]] | None = None

    @property
    def begun(self) -> tuple[str, str]:
        return "", str(self.since) if self.resumed else ""

    def open(self, registry: Registry, wire: Wire, changes: Changes) -> tuple[Outlet, Awaitable[str]]:
        if self.told is not None:
            relay = Relay(registry, self.session, wire, told=self.told(self.since))
            return relay, relay.serve()
        feed = Feed(registry, self.session, wire, past=self.past)
        return feed, feed.serve(changes, self.since)


class Admin:
    def __init__(
        self,
        api: Api,
        token: str,
        limits: EdgeLimits,
        *,
        upload_bytes: int,
        operated: Operated | None = None,
    ) -> None:
        """`operated`: in a cluster, where calls are answered."""
        self._operated = operated
        self._token = token
        self._api = api
        self._authenticator = Authenticator({"admin": token})
        self._limits = limits
        self._upload_bytes = upload_bytes

    @staticmethod
    def owns(raw_path: str) -> bool:
        """Whether the path is below one of the operators' rooms, or that of the list of their pages."""
        path = raw_path.partition("?")[0]
        if path in _INDEX:
            return True
        return path.startswith(_PREFIX) and path.removeprefix(_PREFIX).partition("/")[0] in ROOMS

    def renew(self, settings: Settings) -> None:
        """Take another admin token.

        Where there is none any more, the pages stay until a restart, and shut.
        """
        self._token = settings.auth.admin_token or secrets.token_hex(32)
        self._authenticator.renew({"admin": self._token})

    async def answer(self, request: web.BaseRequest) -> Reply:
        """Raises ServiceError: Unauthorized before anything else is looked at."""
        self.authenticate(request)
        target = parse_target(request.raw_path, path_bytes=self._limits.path_bytes)
        query = parse_query(target.raw_query, query_bytes=self._limits.query_bytes)
        method = "GET" if request.method == "HEAD" else request.method
        with tempfile.TemporaryDirectory(prefix="metaservice-") as scratch:
            data = await self._data(request, target)
            body, upload = await self._content(request, target, data, Path(scratch))
            call = Call(method, target.segments[1:], query, body, upload)
            if self._operated is not None:
                await self._operated.require_here(request, call, data)
            answer = await self._api.call(call)
            if self._operated is not None:
                answer = await self._operated.with_others(request, call, data, answer)
        if isinstance(answer, Archive):
            with answer as path:
                data = await asyncio.to_thread(path.read_bytes)
            disposition = f'attachment; filename="{answer.name}"'
            return Reply(200, (("Content-Disposition", disposition),), data, "application/x-tar")
        if isinstance(answer, Piece):
            return Reply(200, (), answer.data, "application/octet-stream")
        return Reply(200, body=await aside(partial(orjson.dumps, answer), OPERATORS))

    def authenticate(self, request: web.BaseRequest) -> None:
        """Raises Unauthorized."""
        self._authenticator.authenticate(request.headers)

    @staticmethod
    def follows(request: web.BaseRequest) -> bool:
        """Whether it asks for a stream of these pages."""
        path = request.raw_path.partition("?")[0]
        return path == FOLLOWED and wish_of(request.method, request.headers) is not None

    async def follow(self, request: web.BaseRequest) -> Follow:
        """What is to be followed: `GET /_meta/changes` as a stream. Raises ServiceError."""
        self.authenticate(request)
        target = parse_target(request.raw_path, path_bytes=self._limits.path_bytes)
        query = parse_query(target.raw_query, query_bytes=self._limits.query_bytes)
        call = Call("GET", target.segments[1:], query)
        if self._operated is not None:
            await self._operated.require_here(request, call)
        return await self.following(request, call.text("session"), query)

    async def following(self, request: web.BaseRequest, name: str, query: Mapping[str, Any]) -> Follow:
        """A session's changes after `since`, or after what the request says it has got."""
        call = Call("GET", (CHANGES,), query)
        session = await self._api.named(name)
        past = partial(self._past, name)
        sent = request.headers.get(_LAST_EVENT_ID, "")
        if sent.isascii() and sent.isdecimal() and len(sent) <= _MOST_DIGITS:
            return Follow(session, int(sent), past, resumed=True)
        if "since" in query:
            return Follow(session, call.number("since", 0, 2**53), past, resumed=True)
        # What "now" is has to be known before the client can see that it follows.
        return Follow(session, await version_now(past), past, resumed=False)

    async def relayed(self, request: web.BaseRequest, name: str, found: Follow) -> Follow:
        """The same, where another node has the session. Raises Unavailable."""
        elsewhere = await self._elsewhere(request, found.session)
        if self._operated is None or elsewhere is None:
            return found
        clustered = self._operated.clustered
        headers = {"Accept": EVENT_STREAM, "Authorization": f"Bearer {self._token}"}

        def told(since: int) -> AsyncIterator[bytes]:
            query = urlencode({"session": name, "since": since})
            return clustered.told(elsewhere, f"{FOLLOWED}?{query}", headers)

        return evolve(found, told=told)

    async def _elsewhere(self, request: web.BaseRequest, session: Session) -> Elsewhere | None:
        """Whether another node has it. Raises Unavailable, Misplaced."""
        if self._operated is None:
            return None
        return await self._operated.clustered.place(request, session.directory)

    async def require_page_here(self, request: web.BaseRequest, name: str, csrf: str, body: bytes) -> None:
        """Raises AskElsewhere where another node has the session that a page of the console is about.

        `csrf`: of the login at this node, which is the page's there, too. `body`: the request's.
        """
        if self._operated is None or not name:
            return
        try:
            session = await self._api.named(name)
        except ServiceError:
            return  # which the page itself says
        elsewhere = await self._elsewhere(request, session)
        if elsewhere is not None:
            headers = {LOGIN: csrf, "Authorization": f"Bearer {self._token}"}
            raise AskElsewhere(elsewhere, body, headers)

    def handed_on_login(self, request: web.BaseRequest) -> str:
        """The CSRF token of a login at the node that hands a page on; "": it is none. Raises Unauthorized."""
        if self._operated is None or not self._operated.clustered.may_come(request):
            return ""
        csrf = request.headers.get(LOGIN, "")
        if csrf:
            self.authenticate(request)
        return csrf

    async def _past(self, name: str, since: int | None) -> dict[str, Any]:
        query = {"session": name} | ({} if since is None else {"since": str(since)})
        answer = await self._api.call(Call("GET", (CHANGES,), query))
        if not isinstance(answer, dict):
            raise TypeError(answer)
        return answer

    async def _data(self, request: web.BaseRequest, target: Target) -> bytes:
        content.check_encoding(request.headers)
        limit, seconds = _BODY_BYTES, self._limits.body_seconds
        if self._api.takes_upload(request.method, target.segments[1:]):
            limit, seconds = self._upload_bytes, _UPLOAD_SECONDS
        return await content.read_body(request, limit=limit, seconds=seconds)

    async def _content(
        self, request: web.BaseRequest, target: Target, data: bytes, scratch: Path
    ) -> tuple[Any, Path | None]:
        """The body as JSON, or in a file where one is wanted."""
        if not request.body_exists:
            return None, None
        if self._api.takes_upload(request.method, target.segments[1:]):
            upload = scratch / "upload.tar"
            await asyncio.to_thread(upload.write_bytes, data)
            return None, upload
        if content.content_kind(request.headers) != "json":
            raise BadRequest("The body must be JSON: send Content-Type: application/json.")
        return await aside(partial(strict_json.read, data), OPERATORS), None
