"""A service that is put together: how it starts, where it listens, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from aiohttp import web

from server.http.connection import Server
from server.http.listening import BACKLOG, listening
from server.http.traced import traced
from server.sessions import address
from wasm_runtime import affinity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from socket import socket

    from server.cluster.ownership import Ownership
    from server.console.door import Console
    from server.http.forwarding import Forwarder
    from server.http.handler import Handler
    from server.http.remembered import RawDoor
    from server.live.outlets import Registry
    from server.planning.drafting.usage import UsageBook
    from server.planning.planned import Planner
    from server.record.client import KeeperClient
    from server.sessions.directories import DataRoot
    from server.sessions.names import SessionNames
    from server.sessions.settings import SessionSettings
    from server.settings.schema import Settings
    from server.telemetry.tracing import Tracing
    from wasm_runtime.pool import Executor


class Service:
    """A service that is put together but not yet running; it owns its parts from now on."""

    def __init__(
        self,
        settings: Settings,
        handler: Handler,
        planner: Planner,
        executor: Executor,
        data_root: DataRoot,
        *,
        keeper: KeeperClient,
        names: SessionNames,
        session_settings: SessionSettings,
        renew: Callable[[Settings], None],
        usage: UsageBook,
        console: Console | None = None,
        tracing: Tracing | None = None,
        raw_door: RawDoor | None = None,
        streams: Sequence[Registry],
        cluster: tuple[Ownership, Forwarder] | None = None,
    ) -> None:
        self._raw_door = raw_door
        self._streams = streams
        self._settings = settings
        self._console = console
        self._handler = handler
        self._planner = planner
        self._executor = executor
        self._data_root = data_root
        self._keeper = keeper
        self._names = names
        self._session_settings = session_settings
        self._renew = renew
        self._usage = usage
        self._tracing = tracing
        self._cluster = cluster
        self._runner: web.ServerRunner | None = None
        self._closed = False

    async def start(self, sockets: Sequence[socket] = ()) -> None:
        """Open the record, start the workers, and only then listen.

        On these sockets, or where the settings say.

        Raises RecordError, PoolError, and OSError when the address is taken; nothing is left running then.
        """
        try:
            if self._cluster is not None and not sockets:
                sockets = await listening(self._settings.server)
            if self._cluster is not None:
                self._name_node(sockets)
            await self._start_parts()
            await self._names.adopt(self._data_root.path)
            await self._session_settings.adopt(self._data_root.path)
            await self._listen(sockets)
            await self._publish()
        except BaseException:
            for each in sockets:
                each.close()
            await self.close()
            raise

    @property
    def keeper(self) -> KeeperClient:
        """Whoever asks the record beside the service."""
        return self._keeper

    async def _start_parts(self) -> None:
        """The record is opened while workers load the guest."""
        keeper = asyncio.ensure_future(self._keeper.start())
        try:
            await self._executor.start()
        except BaseException:
            keeper.cancel()
            with contextlib.suppress(BaseException):
                await keeper
            raise
        await keeper

    def _name_node(self, sockets: Sequence[socket]) -> None:
        """Say where the other nodes find this one."""
        assert self._cluster is not None  # noqa: S101  the caller has looked
        host, port = sockets[0].getsockname()[:2]
        here = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        url = self._settings.record.node_url or here
        self._cluster[0].url = url
        self._keeper.change_node_url(url)

    def keep_off_workers(self) -> None:
        """Leave their processors to the workers, if there are others; so does the keeper.

        For a process that is the service alone: whatever this thread starts from now on is kept off, too.
        """
        sandbox = self._settings.sandbox
        if sandbox.pin_workers:
            affinity.keep_off(sandbox.worker_count())
            affinity.keep_off(sandbox.worker_count(), self._keeper.pid)

    async def _listen(self, sockets: Sequence[socket]) -> None:
        options = self._settings.server
        server = Server(
            self._handler if self._tracing is None else traced(self._handler, self._tracing),
            max_connections=options.max_connections,
            idle_seconds=options.header_seconds,
            read_seconds=options.body_seconds,
            target_bytes=options.path_bytes + options.query_bytes,
            door=self._raw_door,
        )
        # aiohttp waits that long for requests to end, cancels those that don't, and waits once more.
        self._runner = web.ServerRunner(server, shutdown_timeout=options.shutdown_seconds / 2)
        await self._runner.setup()
        if not sockets:
            await web.TCPSite(self._runner, options.host, options.port, backlog=BACKLOG).start()
        for each in sockets:
            await web.SockSite(self._runner, each, backlog=BACKLOG).start()

    async def _publish(self) -> None:
        """For commands beside the service, which need the admin token and have it from elsewhere."""
        token = self._settings.auth.admin_token
        if token:
            await asyncio.to_thread(address.publish, self._data_root.path, *self.address, token)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are listened on; the port is the real one where the settings say 0."""
        if self._runner is None:
            raise RuntimeError("the service is not running")
        host, port = self._runner.addresses[0][:2]
        return host, port

    @property
    def url(self) -> str:
        host, port = self.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def console_link(self) -> str:
        """The console's address, with a login that works once; empty where there is no console."""
        return "" if self._console is None else f"{self.url}{self._console.link()}"

    @property
    def data_path(self) -> str:
        return str(self._data_root.path)

    def renew_tokens(self, settings: Settings) -> None:
        """Take the tokens of settings that were read again. Raises ValueError: the others stay."""
        self._renew(settings)

    async def close(self) -> None:
        """Stop listening, let requests under way end (`shutdown_seconds`), then stop the workers.

        Further calls do nothing.
        """
        if self._closed:
            return
        self._closed = True
        if self._cluster is not None and self._runner is not None:
            await self._drain()
        async with AsyncExitStack() as closing:
            closing.callback(self._data_root.close)
            address.withdraw(self._data_root.path)
            if self._tracing is not None:
                closing.push_async_callback(asyncio.to_thread, self._tracing.close)
            closing.push_async_callback(self._keeper.close)
            closing.push_async_callback(self._names.close)
            closing.push_async_callback(self._usage.close)
            closing.push_async_callback(self._executor.close)
            closing.push_async_callback(self._planner.close)
            if self._cluster is not None:
                closing.push_async_callback(self._cluster[1].close)
            if self._runner is not None:
                seconds = self._settings.server.shutdown_seconds
                await asyncio.gather(*(each.drain(seconds) for each in self._streams))
                await self._runner.cleanup()
                self._runner = None

    async def _drain(self) -> None:
        """Give the sessions to the other nodes, and hand on what comes until load balancers have seen it."""
        assert self._cluster is not None  # noqa: S101  the caller has looked
        ownership = self._cluster[0]
        seconds = self._settings.record.drain_seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds + self._settings.server.shutdown_seconds):
                await ownership.drain()
        if ownership.lease.others:
            await asyncio.sleep(seconds)
