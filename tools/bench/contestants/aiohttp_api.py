"""The API for members, by hand in aiohttp.

    python -m tools.bench.contestants.aiohttp_api PORT DATABASE [tuned]

One process, SQLite called in the event loop: a query takes less than handing it to a thread would. As
aiohttp comes, with asyncio's loop and the standard library's JSON; or tuned, with uvloop and orjson.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import uvloop
from aiohttp import web

from tools.bench.contestants.members import Members

if TYPE_CHECKING:
    from collections.abc import Callable

_MEMBERS = web.AppKey("members", Members)
_ENCODE: web.AppKey[Callable[[Any], bytes]] = web.AppKey("encode")
_routes = web.RouteTableDef()


@_routes.get("/members")
async def list_members(request: web.Request) -> web.Response:
    limit, offset = request.query.get("limit"), int(request.query.get("offset", 0))
    asked = None if limit is None else int(limit)
    items, total = request.app[_MEMBERS].page(_session(request), asked, offset)
    return _json(request, {"items": items, "page": {"limit": asked, "offset": offset, "total": total}})


@_routes.get("/members/search")
async def search_members(request: web.Request) -> web.Response:
    ((field, value),) = request.query.items()
    return _json(request, request.app[_MEMBERS].search(_session(request), field, value))


@_routes.get(r"/members/{id:\d+}")
async def get_member(request: web.Request) -> web.Response:
    return _found(request, request.app[_MEMBERS].get(_session(request), int(request.match_info["id"])))


@_routes.post("/members")
async def create_members(request: web.Request) -> web.Response:
    body = await request.json()
    members = request.app[_MEMBERS]
    if isinstance(body, list):
        return _json(request, members.insert(_session(request), body), status=201)
    (member,) = members.insert(_session(request), [body])
    return _json(request, member, status=201, headers={"Location": f"/members/{member['id']}"})


@_routes.patch(r"/members/{id:\d+}")
async def update_member(request: web.Request) -> web.Response:
    changes = await request.json()
    return _found(
        request, request.app[_MEMBERS].update(_session(request), int(request.match_info["id"]), changes)
    )


def _session(request: web.Request) -> str:
    return request.headers["X-Session-ID"]


def _found(request: web.Request, member: dict[str, Any] | None) -> web.Response:
    return (
        _json(request, {"error": "no such member"}, status=404) if member is None else _json(request, member)
    )


def _json(request: web.Request, content: Any, **options: Any) -> web.Response:
    body = request.app[_ENCODE](content)
    return web.Response(body=body, content_type="application/json", **options)


@web.middleware
async def _bad_requests(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        response: web.StreamResponse = await handler(request)
    except (KeyError, TypeError, ValueError) as error:
        return _json(request, {"error": f"bad request: {error}"}, status=400)
    return response


def main() -> None:
    port, database, *tuned = sys.argv[1:]
    app = web.Application(middlewares=[_bad_requests])
    app[_MEMBERS] = Members(Path(database))
    app[_ENCODE] = orjson.dumps if tuned else _encode
    app.add_routes(_routes)
    if tuned:
        uvloop.install()
    web.run_app(app, host="127.0.0.1", port=int(port), print=None, access_log=None)


def _encode(content: Any) -> bytes:
    return json.dumps(content).encode()


if __name__ == "__main__":
    main()
