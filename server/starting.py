"""Starts a service: at once where the guest is built; else it listens first, and builds meanwhile.

1. The data root is locked before anything else: who finds it in use has not listened.
2. The sockets are made once. Two servers take connections from them, one after the other, so that a client
   that comes in between waits in the backlog and is not refused.
3. The guest is built in a thread that nobody waits for: a signal ends the process all the same.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from server.app import cors_of, make_app
from server.http.connection import Server
from server.http.listening import BACKLOG, listening
from server.http.starting import StartingHandler, Steps
from server.sessions.directories import DataRoot
from wasm_runtime import artifact

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable

    from server.service import Service
    from server.settings.schema import Settings
    from server.telemetry.tracing import Tracing

_T = TypeVar("_T")


async def started(
    settings: Settings, *, tracing: Tracing | None = None, progress: artifact.Progress
) -> Service:
    """A service that runs. Raises what `make_app` and `Service.start` do; nothing is left running then."""
    root = DataRoot.open(settings.store.data_path)
    make = partial(make_app, settings, data_root=root, tracing=tracing, progress=progress)
    if artifact.is_built(settings.store.cache_path):
        service = make()
        await service.start()
        return service
    async with AsyncExitStack() as undo:
        undo.callback(root.close)
        sockets = await listening(settings.server)
        for each in sockets:
            undo.callback(each.close)
        steps = Steps(progress)
        async with _answering(settings, sockets, steps):
            await _in_daemon(partial(artifact.ensure, settings.store.cache_path, steps))
            service = make()
        # From here on all of it is the service's.
        undo.pop_all()
        await service.start(sockets)
        return service


@asynccontextmanager
async def _answering(settings: Settings, sockets: list[socket.socket], steps: Steps) -> AsyncIterator[None]:
    """503 for whoever comes; the sockets stay open after that."""
    options = settings.server
    server = Server(
        StartingHandler(steps, cors_of(settings.cors)),
        max_connections=options.max_connections,
        idle_seconds=options.header_seconds,
        read_seconds=options.body_seconds,
        target_bytes=options.path_bytes + options.query_bytes,
    )
    runner = web.ServerRunner(server, shutdown_timeout=1.0)
    await runner.setup()
    try:
        for each in sockets:
            await web.SockSite(runner, each.dup(), backlog=BACKLOG).start()
        yield
    finally:
        await runner.cleanup()


async def _in_daemon(work: Callable[[], _T]) -> _T:
    """What `asyncio.to_thread` does, in a thread that does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def settle(settled: Callable[[], None]) -> None:
        if not future.done():
            settled()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            then = partial(future.set_exception, error)
        else:
            then = partial(future.set_result, result)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, then)

    threading.Thread(target=run, name="build", daemon=True).start()
    return await future
