"""The HTTP side of the simulators: one handler that records, checks, waits, and answers or misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from aiohttp import web
from attrs import frozen

from tools.simulators.faults import Fault
from tools.simulators.plans import USUAL_PLAN
from tools.simulators.script import Answer, Player, Raw
from tools.simulators.wire import Complaint, Said, Stop, Use, user_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from tools.simulators.script import Script, Step
    from tools.simulators.wire import Wire

DRIP_SECONDS: Final = 0.05

_HEADERS: Final = {
    Fault.RATE_LIMITED_BRIEFLY: {"Retry-After": "1"},
    Fault.RATE_LIMITED_LONG: {"Retry-After": "1800"},
}
_UNKNOWN: Final = {
    Fault.NO_STRICT_SCHEMA: Use.STRICT_SCHEMA,
    Fault.NO_JSON_FORMAT: Use.JSON_FORMAT,
    Fault.NO_TEMPERATURE: Use.TEMPERATURE,
    Fault.OTHER_TOKEN_CAP: Use.TOKEN_CAP,
}
_PROSE: Final = "I would list the things, and then answer with 200."


@frozen
class Seen:
    """A request as it came: `body` is its parsed JSON, empty when it is none."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


class Simulator:
    """A provider on a loopback port; an async context manager.

    `script` can be replaced while it runs. `usual` is what the faults answer that come to an answer.
    """

    wire: ClassVar[Wire]

    def __init__(self, script: Script = (), *, usual: Answer | None = None, port: int = 0) -> None:
        self.requests: list[Seen] = []
        self._peers: set[Any] = set()
        self._usual = usual or Answer(USUAL_PLAN)
        self._player = Player(script or (self._usual,))
        self._port = port
        self._closing = asyncio.Event()
        self._running = contextlib.AsyncExitStack()

    @property
    def script(self) -> Script:
        return self._player.script

    @script.setter
    def script(self, script: Script) -> None:
        self._player = Player(script)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}{self.wire.prefix}"

    @property
    def connections(self) -> int:
        """From how many connections requests came."""
        return len(self._peers)

    async def __aenter__(self) -> Self:
        runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=1.0)
        self._running.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self._port).start()
        self._port = runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        await self._running.aclose()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            body = _json_object(await request.content.read())
        except ConnectionError:
            return web.Response()  # to nobody
        self._peers.add(request.transport and request.transport.get_extra_info("peername"))
        self.requests.append(Seen(request.path, request.headers.copy(), body))
        if request.path != self.wire.path or request.method != "POST":
            return self._refuse(Complaint(404, "Unknown request URL", "not_found_error"))
        if complaint := self.wire.complaint(request.headers, body):
            return self._refuse(complaint)
        # A client that went away ends its connection's task here; that is no error.
        with contextlib.suppress(ConnectionError):
            return await self._play(request, body, self._player.next(body))
        return web.Response()

    async def _play(self, request: web.BaseRequest, body: dict[str, Any], step: Step) -> web.StreamResponse:
        if isinstance(step, Answer):
            await self._sleep(step.latency_seconds)
            return web.json_response(self._document(body, step))
        if isinstance(step, Raw):
            return _raw(step)
        if step in _UNKNOWN:
            return await self._play_unknown(request, body, _UNKNOWN[step])
        if said := _said(step, self._usual):
            return web.json_response(self.wire.document(body, said))
        if step.status >= 300:
            return self._fail(request, body, step)
        return await self._misbehave(request, body, step)

    async def _play_unknown(
        self, request: web.BaseRequest, body: dict[str, Any], use: Use
    ) -> web.StreamResponse:
        if use in self.wire.uses(body):
            return self._refuse(self.wire.unknown(use, body))
        return await self._play(request, body, self._usual)

    async def _misbehave(
        self, request: web.BaseRequest, body: dict[str, Any], fault: Fault
    ) -> web.StreamResponse:
        document = json.dumps(self._document(body, self._usual)).encode()
        match fault:
            case Fault.HANG:
                await self._closing.wait()
            case Fault.SLOW_DRIP:
                return await self._drip(request)
            case Fault.RESET:
                _abort(request)
            case Fault.TORN:
                await _stream(request, document[: len(document) // 2], length=len(document))
                _abort(request)
            case Fault.TEN_MEGABYTES:
                return await _stream(request, document[:1] + b" " * 10_000_000 + document[1:])
            case Fault.COMPRESSED:
                headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
                return web.Response(body=gzip.compress(document), headers=headers)
            case Fault.CUT_BODY:
                return web.Response(body=document[: len(document) // 2], content_type="application/json")
            case _:
                return web.Response(text="<html><body>Welcome!</body></html>", content_type="text/html")
        return web.Response()

    async def _drip(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await _stream(request, b"{")
        while not self._closing.is_set():
            await response.write(b" ")
            await self._sleep(DRIP_SECONDS)
        return response

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    def _document(self, body: dict[str, Any], answer: Answer) -> dict[str, Any]:
        is_plan = isinstance(answer.plan, dict)
        text = json.dumps(answer.plan) if isinstance(answer.plan, dict) else answer.plan
        said = Said(text, Stop.DONE, is_plan, answer.input_tokens, answer.output_tokens)
        return self.wire.document(body, said)

    def _fail(self, request: web.BaseRequest, body: dict[str, Any], fault: Fault) -> web.Response:
        """The error of a server that quotes what it was sent, as some do."""
        sent = f"{request.headers.get('Authorization')} {user_text(body)}"
        complaint = Complaint(fault.status, f"{fault.value.what}, for {sent}", "api_error")
        headers = _HEADERS.get(fault, {})
        if fault is Fault.REDIRECT:
            headers = {"Location": f"http://{request.host}/elsewhere{self.wire.path}"}
        return self._refuse(complaint, headers)

    def _refuse(self, complaint: Complaint, headers: Mapping[str, str] | None = None) -> web.Response:
        return web.json_response(self.wire.error(complaint), status=complaint.status, headers=headers)


def _raw(step: Raw) -> web.Response:
    if isinstance(step.body, bytes):
        return web.Response(body=step.body, status=step.status, headers=step.headers)
    return web.json_response(step.body, status=step.status, headers=step.headers)


def _said(fault: Fault, usual: Answer) -> Said | None:
    """What the model says in a fault that is the model's; None: it is the server's."""
    plan = json.dumps(usual.plan)
    match fault:
        case Fault.REFUSAL:
            return Said("", Stop.REFUSED)
        case Fault.EMPTY_CHOICES:
            return Said("", Stop.EMPTY)
        case Fault.CUT_OFF:
            return Said(plan[: len(plan) // 2], Stop.MOST_TOKENS)
        case Fault.CUT_JSON:
            return Said(plan[: len(plan) // 2])
        case Fault.PROSE:
            return Said(_PROSE)
        case Fault.WRONG_SCHEMA:
            return Said('{"colour": "blue"}', is_plan=True)
        case _:
            return None


async def _stream(request: web.BaseRequest, data: bytes, *, length: int | None = None) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = length
    await response.prepare(request)
    await response.write(data)
    return response


def _abort(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


def _json_object(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
