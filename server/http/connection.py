"""aiohttp's low-level server, with the limits and the manners of this service.

No router: there is one handler for everything (11,692 requests a second with aiohttp's router in
front of it, 13,975 without).
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import structlog
from aiohttp import web
from aiohttp.http import RawRequestMessage

from server.http import request_id
from server.http.framing import Framing
from server.http.malformed import malformed
from server.http.response import SENT, to_response
from server.telemetry.request_line import RequestLine
from server.values.errors import ServiceError
from server.values.replies import error_reply

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from server.http.remembered import RawDoor

    Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

log = structlog.get_logger(__name__)

#: How long a client may go on sending a body that was already refused, so that it can read why.
LINGER_SECONDS = 2.0
_REQUEST_LINE_REST = 64  # method, version, blanks


class Connection(web.RequestHandler):
    """One connection: over the cap it is closed, and what the parser refuses is one short log line (T53).

    What is sent has to be read: a client that leaves more than the buffers hold for longer than a body may
    take is cut off, and so is one that leaves anything when the connection is to be closed. asyncio waits for
    ever in both cases.
    """

    __slots__ = ("_framing", "_is_free", "_peer", "_socket", "_streams", "_unread", "cut_off")
    _manager: Server | None

    def __init__(self, manager: Server, *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(manager, loop=loop, **options)
        self._socket: asyncio.Transport | None = None
        self._unread: asyncio.TimerHandle | None = None
        #: Whether it ended because the client did not read.
        self.cut_off = False
        #: Whether an event stream is written, which looks after its reader itself.
        self._streams = False
        self._framing = Framing()
        #: Whether the last response was one after which nothing is left to do.
        self._is_free = False
        self._peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast("asyncio.Transport", transport)
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if isinstance(peer, tuple) else str(peer or "")
        if self._manager is not None and self._manager.is_full():
            log.warning("connection_refused", reason="max_connections")
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.end_stream()
        self._socket = None
        self._expect_reading(None)
        super().connection_lost(exc)

    def begin_stream(self) -> None:
        """From now on it counts as a stream, and not as one of `max_connections`."""
        if not self._streams and self._manager is not None:
            self._streams = True
            self._manager.streams += 1
            self._expect_reading(None)

    def end_stream(self) -> None:
        """It is a connection as any other; what is left of the stream has to be read."""
        if not self._streams:
            return
        self._streams = False
        if self._manager is not None:
            self._manager.streams -= 1
        if self._socket is not None and self._socket.get_write_buffer_size():
            self._expect_reading(self._manager)

    def pause_writing(self) -> None:
        super().pause_writing()
        if not self._streams:
            self._expect_reading(self._manager)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._expect_reading(None)

    async def start(self) -> None:
        """Serve until the connection is to be closed; see aiohttp's."""
        try:
            await super().start()
        finally:
            if self._socket is not None and self._socket.get_write_buffer_size():
                self._expect_reading(self._manager)

    def _expect_reading(self, manager: Server | None) -> None:
        """From now on, or no longer."""
        if self._unread is not None:
            self._unread.cancel()
        self._unread = None if manager is None else self._loop.call_later(manager.read_seconds, self._cut_off)

    def _cut_off(self) -> None:
        if self._socket is not None:
            self.cut_off = True
            self._socket.abort()

    @property
    def raw(self) -> bytes | None:
        """The bytes of the request that is served, if they are all of it and nothing else has come since."""
        return self._framing.raw

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """What aiohttp does behind a handler; see `_is_idle`."""
        finished = await super().finish_response(request, resp, start_time)
        self._is_free = resp is SENT
        return finished

    def data_received(self, data: bytes) -> None:
        if self._is_idle() and self._is_answered(data):
            return
        self._is_free = False
        before, current = len(self._messages), self._current_request
        super().data_received(data)
        made = [message for message, _ in islice(self._messages, before, None)]
        self._framing.take(data, made, alone=not before and current is None)
        if self._messages and not isinstance(self._messages[-1][0], RawRequestMessage):
            self._break_bodies()

    def _is_idle(self) -> bool:
        """Whether what comes now is a request that stands behind no other, and can be answered at once.

        aiohttp waits for it, or is about to: all of the last response is written, and its connection stays.
        A quick client's next request is here before a turn of the event loop has passed.
        """
        waits = (self._is_free or self._waiter is not None) and not self._messages
        ends = self._force_close or self._close or self.writing_paused
        return waits and self._current_request is None and not ends and self._framing.at_end

    def _is_answered(self, data: bytes) -> bool:
        """Whether it was a request that is known by its bytes; see `RawDoor`."""
        door = None if self._manager is None else self._manager.door
        answer = None if door is None else door.answer(data, self._peer)
        if answer is None or self.transport is None:
            return False
        self.transport.write(answer)
        # As aiohttp does behind each response.
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        return True

    def _break_bodies(self) -> None:
        """End the wait for a body whose framing broke.

        aiohttp queues the parser's error behind the request whose body it is in, and that request would
        wait for the rest until its deadline.
        """
        bodies = [body for _, body in self._messages]
        if self._current_request is not None:
            bodies.append(self._current_request.content)
        for body in bodies:
            if not body.is_eof():
                body.set_exception(web.RequestPayloadError("broken framing"))

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's text quotes the request
    ) -> web.StreamResponse:
        """A problem document for what never became a request; nothing of it is repeated anywhere.

        Raises ConnectionError, which aiohttp takes for the end of the connection.
        """
        if isinstance(exc, ConnectionError):
            raise exc
        line = RequestLine(request_id=request_id.new(), method="-", status=status)
        error = malformed(exc) if status == 400 else ServiceError()
        line.problem = error.slug
        if status != 400:
            log.error("unhandled", request_id=line.request_id, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the response was already sent")
        line.emit()
        response = to_response(error_reply(error, line.request_id), line)
        response.force_close()
        return response


class Server(web.Server):
    """Makes the connections. `idle_seconds` also bounds the time that a request's headers may take.

    `read_seconds`: for which what was sent may lie unread. `door` knows requests by their bytes.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        max_connections: int,
        idle_seconds: float,
        read_seconds: float,
        target_bytes: int,
        door: RawDoor | None = None,
    ) -> None:
        # Whoever leaves gives up what it waits for. Not all does: server/concurrency/uninterrupted.py.
        super().__init__(handler, handler_cancellation=True)
        self.read_seconds = read_seconds
        #: Connections that are event streams: they have a limit of their own.
        self.streams = 0
        self.door = door
        self._max_connections = max_connections
        self._options: dict[str, Any] = {
            "keepalive_timeout": idle_seconds,
            "lingering_time": LINGER_SECONDS,
            "max_line_size": target_bytes + _REQUEST_LINE_REST,
            "auto_decompress": False,
            "access_log": None,
        }

    def is_full(self) -> bool:
        return len(self._connections) - self.streams > self._max_connections

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._options)
