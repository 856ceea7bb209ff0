"""The HTTP side: a request becomes a handler's context, and what it answers a response.

Order: the target, headers and query; the body; the route; the handler. Every error is a problem document
(RFC 9457) with an `error` member.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from server.http import request_id
from server.requests import content, multipart
from server.requests.headers import for_plan
from server.requests.hosts import Hosts, is_local
from server.requests.origin import Origin
from server.requests.target import parse_query, parse_target
from server.values.errors import MethodNotAllowed, ServiceError
from server.values.model import METHODS
from server.values.replies import problem_document
from tools.ejected.execution import Database, InUseError
from tools.ejected.routing import Table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from multidict import MultiMapping

    from tools.ejected.execution import Answer
    from tools.ejected.routing import Route

MAX_PATH_BYTES = 2_048
MAX_QUERY_BYTES = 8_192
MAX_BODY_BYTES = 1_048_576
MAX_FILE_BYTES = 524_288
BODY_SECONDS = 20.0
_PROBLEM = "application/problem+json"
_log = logging.getLogger(__name__)


def make_app(
    routes: Iterable[Route],
    data: Path,
    *,
    session: str,
    seed: Path | None = None,
    openapi: Path | None = None,
    hosts: Hosts | None = None,
    speaker: Speaks | None = None,
    edge_of: Callable[..., Edge] | None = None,
) -> web.Application:
    """An application that keeps its records in `data`. `session` is what `ctx["session"]["id"]` says.

    `hosts` are the names that it is served under; any where they are left out. `speaker`: of the dialect that
    requests are in; `routes` are for what it has nothing for. `edge_of` makes the edge of one that has a
    contract.
    """
    database = Database(data, seed)
    if edge_of is None:
        edge = Edge(Table(routes), database, session, hosts or Hosts(), speaker)
    else:
        edge = edge_of(routes, database, session, hosts or Hosts())

    async def opened(_app: web.Application) -> AsyncIterator[None]:
        await database.open()
        yield
        await database.close()

    app = web.Application()
    app.cleanup_ctx.append(opened)
    if openapi is not None:
        document = openapi.read_text("utf-8")

        async def describe(_request: web.Request) -> web.Response:
            return web.Response(text=document, content_type="application/json")

        app.router.add_get("/openapi.json", describe)
    app.router.add_route("*", "/{path:.*}", edge.handle)
    return app


class Speaks(Protocol):
    """What reads requests that are in a dialect, and puts errors into its words; there may be one."""

    @property
    def dialect(self) -> Any: ...

    def read(
        self, headers: MultiMapping[str], ctx: dict[str, Any], content: content.Content
    ) -> tuple[Route, dict[str, Any]] | None: ...

    def allowed(self, segments: tuple[str, ...]) -> tuple[str, ...]: ...

    def form(self, status: int, document: dict[str, Any]) -> Any: ...

    def media_type(self, accept: str) -> str: ...


class Edge:
    """Of an application whose handlers are found by its routes."""

    def __init__(
        self, table: Table, database: Database, session: str, hosts: Hosts, speaker: Speaks | None = None
    ) -> None:
        self._speaker = speaker
        self._table = table
        self._database = database
        self._session = session
        self._hosts = hosts
        self._origin = Origin()

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        response = await self._answer(request)
        if "Transfer-Encoding" in request.headers:
            # aiohttp's parser in C (3.14.5) takes fields after the last chunk for the next request's headers.
            response.force_close()
        return response

    async def _answer(self, request: web.Request) -> web.Response:
        number = request_id.of(request.headers)
        try:
            return await self._response(request, number)
        except ServiceError as error:
            return self._failed(error.status, error.headers.items(), error.problem(number), number)
        except ConnectionError:
            raise
        except Exception:  # noqa: BLE001  it is logged, and the client told
            _log.exception("%s failed", number)
            failed = ServiceError("The request failed; the log has more.")
            return self._failed(failed.status, (), failed.problem(number), number)

    async def _response(self, request: web.Request, number: str) -> web.Response:
        self._hosts.check(request.headers)
        if request.method not in METHODS:
            raise MethodNotAllowed(METHODS, "The service takes {}.")
        target = parse_target(request.raw_path, path_bytes=MAX_PATH_BYTES)
        if request.method == "OPTIONS":
            spoken = () if self._speaker is None else self._speaker.allowed(target.segments)
            allow = ", ".join(spoken or self._table.allowed(target.segments))
            return respond(204, (("Allow", allow),), None, number)
        query = parse_query(target.raw_query, query_bytes=MAX_QUERY_BYTES)
        method = "GET" if request.method == "HEAD" else request.method
        ctx = {
            "method": method,
            "path": target.path,
            "segments": list(target.segments),
            "query": query,
            "headers": for_plan(request.headers, authorization=True),
            "client": {"ip": request.remote or ""},
            "session": {"id": self._session, "token": None},
            "base_url": self._origin.base_url(request.headers),
        }
        read = await _content(request)
        found = None if self._speaker is None else self._speaker.read(request.headers, ctx, read)
        if found is None:
            keys = tuple(sorted(query))
            found = self._table.find(method, target.segments, read.kind, keys, read.value), ctx
        route, asked = found
        answer = await self._database.answer(route, asked, read.value)
        return self._answered(answer, number, request.headers.get("Accept", ""))

    def _answered(self, answer: Answer, number: str, accept: str) -> web.Response:
        if answer.is_problem:
            document = problem_document(answer.status, answer.body, number)
            return self._failed(answer.status, answer.headers, document, number)
        if self._speaker is None:
            return respond(answer.status, answer.headers, answer.body or None, number)
        headers = (*answer.headers, *self._speaker.dialect.reply_headers)
        media_type = self._speaker.media_type(accept)
        return respond(answer.status, headers, answer.body or None, number, media_type)

    def _failed(
        self, status: int, headers: Iterable[tuple[str, str]], document: dict[str, Any], number: str
    ) -> web.Response:
        """A problem document; in a dialect what it has in its place."""
        if self._speaker is None:
            return respond(status, headers, document, number, _PROBLEM)
        form = self._speaker.form(status, document)
        body = None if form.body is None else json.dumps(form.body, ensure_ascii=False)
        headers = (*headers, *self._speaker.dialect.reply_headers)
        return respond(form.status, headers, body, number, form.media_type)


async def _content(request: web.Request) -> content.Content:
    if request.body_exists and multipart.is_multipart(request.headers):
        content.check_encoding(request.headers)
        data = await content.read_body(request, limit=MAX_BODY_BYTES, seconds=BODY_SECONDS)
        if data:
            return multipart.read_content(request.headers, data, file_bytes=MAX_FILE_BYTES)
        return content.NO_CONTENT
    kind, data = await content.read_content(request, limit=MAX_BODY_BYTES, seconds=BODY_SECONDS)
    return await content.parse(request.method, kind, data)


def respond(
    status: int,
    headers: Iterable[tuple[str, str]],
    body: dict[str, Any] | str | None,
    number: str,
    media_type: str = "application/json",
) -> web.Response:
    """A response; `body` is a JSON object, or JSON text, or nothing."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")) if isinstance(body, dict) else body
    data = None if text is None or status in (204, 304) else text.encode()
    response = web.Response(status=status, headers=list(headers), body=data)
    response.headers["X-Request-ID"] = number
    response.headers["X-Content-Type-Options"] = "nosniff"
    caching = response.headers.setdefault("Cache-Control", "no-store")
    if caching != "no-store":
        response.headers["Cache-Control"] = f"private, {caching}"
        response.headers.add("Vary", "Authorization")
    if data is not None:
        response.headers["Content-Type"] = media_type
    return response


def main(
    routes: Iterable[Route],
    package: Path,
    *,
    session: str,
    speaker: Speaks | None = None,
    edge_of: Callable[[Path], Callable[..., Edge]] | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C.

    `openapi.json` and `seed` are in the package where it is installed, and beside it in the project.
    """
    parser = argparse.ArgumentParser(prog="python -m app")
    parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")))
    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="where the records are (default: ./%(default)s)"
    )
    parser.add_argument(
        "--names",
        default=os.environ.get("NAMES", ""),
        help="names (Host) to serve under besides localhost, separated by commas; * is any (default: none "
        "where --host is this machine alone, else any)",
    )
    options = parser.parse_args()
    logging.basicConfig(level="INFO")
    openapi, seed = (_shipped(package, name) for name in ("openapi.json", "seed"))
    names = [name.strip() for name in options.names.split(",") if name.strip()]
    hosts = Hosts(names, local_only=is_local(options.host))
    edge = None if edge_of is None else edge_of(openapi)
    app = make_app(
        routes,
        options.data,
        session=session,
        seed=seed,
        openapi=openapi,
        hosts=hosts,
        speaker=speaker,
        edge_of=edge,
    )
    try:
        web.run_app(app, host=options.host, port=options.port)
    except InUseError as error:
        parser.exit(1, f"{error}\n")


def _shipped(package: Path, name: str) -> Path:
    installed = package / name
    return installed if installed.exists() else package.parent / name
