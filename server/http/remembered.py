"""The short way of a request whose bytes have been answered before: before anything of it is parsed.

1. A request is known here if it came the long way in exactly these bytes, and its reply is still remembered
   (server/live/memory.py). All that the long way looks at is in the bytes: the Host, the token, the session,
   what a browser says of a page. So they are checked again by being the same; where what they are checked
   against changes, they are forgotten (`Memory.forget_spellings`).
2. Every header is one of those below. Any other takes the long way, for it may do something beside the reply
   (`X-Request-ID` is in the log and in the answer), or may come from a proxy that is believed.
3. What depends on the connection and not on the bytes is not known here: a plan that reads the client's
   address, and whatever is traced.
4. The reply is the long way's, but for what is new each time: its id, its date, its timing. Its line is in
   the log, and it is counted.
"""

from __future__ import annotations

from time import perf_counter, time
from typing import TYPE_CHECKING, Final

from aiohttp import HttpVersion11
from attrs import frozen

from server.http import request_id
from server.http.response import date, lasting_head
from server.live.memory import Entry
from server.telemetry.request_line import RequestLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from server.live.memory import Memory
    from server.values.model import Reply

KNOWN: Final = frozenset(
    {
        "accept", "accept-encoding", "accept-language", "authorization", "cache-control", "connection", "dnt",
        "host", "if-none-match", "origin", "pragma", "priority", "referer", "sec-ch-ua", "sec-ch-ua-mobile",
        "sec-ch-ua-platform", "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-user",
        "upgrade-insecure-requests", "user-agent", "x-service-token", "x-session-id",
    }
)  # fmt: skip
_STATUSES: Final = frozenset({200, 304})


@frozen
class _Spelling:
    """What is sent again, and what the request's line says of it."""

    entry: Entry
    head: bytes
    body: bytes
    status: int
    session: str
    route: str
    plan_id: str
    plan_source: str
    dialect: str
    token_name: str
    origin_refused: str


class RawDoor:
    """`note` is told of each request that was answered here; `shows_client`: its line has the address."""

    def __init__(
        self, memory: Memory, note: Callable[[RequestLine], None] | None = None, *, shows_client: bool = False
    ) -> None:
        self._memory = memory
        self._note = note
        self._shows_client = shows_client

    def answer(self, raw: bytes, peer: str) -> bytes | None:
        """What goes over the wire; None: the request takes the long way."""
        known: _Spelling | None = self._memory.spelt.get(raw)
        if known is None:
            return None
        started = perf_counter()
        if not self._memory.found(known.entry):
            return None
        line = RequestLine(
            request_id.new(),
            known.session,
            "GET",
            known.route,
            known.plan_id,
            known.plan_source,
            known.dialect,
            known.status,
            remembered=True,
            token_name=known.token_name,
            client=peer if self._shows_client else "",
            origin_refused=known.origin_refused,
        )
        took = perf_counter() - started
        line.took("remembered", took)
        varying = (
            f"X-Request-ID: {line.request_id}\r\nServer-Timing: remembered;dur={took * 1_000:.3f}\r\n"
            f"Date: {date(int(time()))}\r\n\r\n"
        )
        line.emit()
        if self._note is not None:
            self._note(line)
        return b"%b%b%b" % (known.head, varying.encode(), known.body)

    def keep(self, request: web.BaseRequest, reply: Reply, line: RequestLine) -> None:
        """From now on the request's bytes are answered so, if they are all that the reply depends on."""
        entry, raw = line.entry, getattr(request.protocol, "raw", None)
        if not isinstance(entry, Entry) or raw is None or reply.status not in _STATUSES:
            return
        if request.version != HttpVersion11 or not request.keep_alive:
            return
        if not all(name.lower() in KNOWN for name in request.headers):
            return
        head, body = lasting_head(reply, line), reply.body or b""
        if head is None:
            return
        made = _Spelling(
            entry,
            head,
            body,
            reply.status,
            line.session,
            line.route,
            line.plan_id,
            line.plan_source,
            line.dialect,
            line.token_name,
            line.origin_refused,
        )
        # A body that is the entry's own takes no room of its own.
        self._memory.spell(entry, raw, made, len(head) + (0 if body is entry.reply.body else len(body)))
