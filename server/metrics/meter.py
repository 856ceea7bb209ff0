"""All that is counted in one service, put together: filled by its parts, read when somebody asks."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from server.metrics.disk import DiskGauge
from server.metrics.model_calls import ModelCalls
from server.metrics.streams import StreamCounts
from server.metrics.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from server.metrics.remembered import Remembered
    from server.sessions.records import Records
    from server.settings.schema import Settings


class Meter:
    def __init__(
        self,
        settings: Settings,
        root: Path,
        records: Records,
        health: Callable[[], Mapping[str, Any]],
        remembered: Remembered | None = None,
        *,
        streams: StreamCounts | None = None,
        cluster: Callable[[], Mapping[str, float]] | None = None,
    ) -> None:
        """`remembered` counts what is; None: nothing is remembered. `cluster`: a node's own counts."""
        self._cluster = cluster
        self._remembered = remembered
        self._streams = streams or StreamCounts()
        self.tally = Tally(routes=settings.metrics.routes)
        self.calls = ModelCalls.priced(settings.planner)
        self._disk = DiskGauge(root, records)
        self._health = health

    async def render(self, accept: str) -> tuple[bytes, str]:
        """The metrics of this moment and their media type. Raises OSError when the data root is gone."""
        # Most services are asked for no metrics, and each start would wait for the client library.
        from server.metrics.exposition import Reading, render  # noqa: PLC0415

        disk = await self._disk.read()
        now = (self.tally, self.calls, self._health(), disk, self._remembered, self._streams)
        cluster = {} if self._cluster is None else self._cluster()
        return render(Reading(_version(), *now, cluster), accept)


@cache
def _version() -> str:
    try:
        return version("metaservice")
    except PackageNotFoundError:
        return "unknown"
