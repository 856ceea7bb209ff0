"""The operators' interface straight on a data root, which is locked meanwhile: no service may use it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from server.app import contract_limits, contract_of, dialect_choice, worker_pool
from server.contracts.served import ServedContracts
from server.operations.assembly import make_api
from server.operations.keeping import make_keeper
from server.planning.assembly import make_planner
from server.planning.drafting.usage import usage_book
from server.sessions.directories import DataRoot
from server.sessions.documents import KeptDocuments
from server.sessions.files import SessionFiles
from server.sessions.names import SessionNames
from server.sessions.records import Records
from server.sessions.settings import SessionSettings
from wasm_runtime import artifact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from server.operations.api import Api
    from server.settings.schema import Settings
    from wasm_runtime.outcome import Outcome
    from wasm_runtime.pool import WorkerPool
    from wasm_runtime.slot import Job


class LazyPool:
    """A worker that is started when something has to run, which most commands do without."""

    def __init__(self, make: Callable[[], WorkerPool]) -> None:
        self._make = make
        self._pool: WorkerPool | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Raises PoolError, ArtifactError."""
        async with self._starting:
            if self._pool is None:
                pool = await asyncio.to_thread(self._make)
                await pool.start()
                self._pool = pool

    async def run(self, job: Job) -> Outcome:
        await self.start()
        assert self._pool is not None  # noqa: S101 - `start` has seen to it
        return await self._pool.run(job)

    @asynccontextmanager
    async def hold(self, session: str) -> AsyncIterator[None]:
        """Without a worker nobody has any session's files open."""
        if self._pool is None:
            yield
            return
        async with self._pool.hold(session):
            yield

    def health(self) -> dict[str, Any]:
        if self._pool is None:
            return {"ready": 0, "configured": 0, "lanes": 0, "pids": [], "jobs": 0, "enforced": {}}
        return self._pool.health()

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()


@asynccontextmanager
async def opened(
    settings: Settings, progress: artifact.Progress, *, keep_library: bool = False, start: bool = False
) -> AsyncIterator[Api]:
    """The interface; `start` also starts a worker.

    Raises DataRootError, RecordError, and what `make_planner` and `LazyPool.start` do.
    """
    async with AsyncExitStack() as closing:
        root = DataRoot.open(settings.store.data_path, lock_wait_seconds=0)
        closing.callback(root.close)
        SessionFiles(root.path).remove_leftovers()
        guest = cache(partial(artifact.ensure, settings.store.cache_path, progress))
        keeper = make_keeper(settings, root)
        closing.push_async_callback(keeper.close)
        await keeper.start()
        records = Records(keeper)
        pool = LazyPool(lambda: worker_pool(settings, root, guest(), keeper, workers=1))
        closing.push_async_callback(pool.close)
        usage = usage_book(settings.planner, root.path)
        closing.push_async_callback(usage.close)
        planner = make_planner(
            settings.planner,
            lambda: guest().description,
            pool,
            root.path,
            records.exists,
            keep_library=keep_library,
            delete_collections=settings.conventions.delete_collections,
            usage=usage,
        )
        closing.push_async_callback(planner.close)
        session_settings = SessionSettings(keeper)
        await session_settings.adopt(root.path)
        names = SessionNames(keeper)
        closing.push_async_callback(names.close)
        await names.adopt(root.path)
        if start:
            await pool.start()
        yield make_api(
            settings,
            root,
            planner,
            pool,
            names=names,
            records=records,
            usage=usage,
            running=False,
            session_settings=session_settings,
            dialects=dialect_choice(settings, session_settings),
            contracts=ServedContracts(
                contract_of(settings), session_settings, KeptDocuments(records), contract_limits(settings)
            ),
        )
