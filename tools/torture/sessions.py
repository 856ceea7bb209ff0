"""More sessions than fit into memory, each written, read in another order, and read once more.

1. Each session finds its own record again, and nobody else's.
2. Descriptors of a worker stay below what its live guests may hold, those of the API process flat, whatever
   the number of sessions.
3. Memory is bounded by the live guests: the second half of the sessions adds next to nothing to any process.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from attrs import define, field

from tools.processes import rss_bytes, toml
from tools.torture.report import Report
from tools.torture.service import ServiceProcess
from tools.torture.wire import ask

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

MOST_LIVE_GUESTS = 64
#: The first half of the sessions has to fill every worker's guests, or the second half would still add some.
_SESSIONS_PER_LIVE_GUEST = 8
_WORKERS = 2
_AT_ONCE = 16
_BETWEEN_LOOKS = 250
#: Descriptors: see wasm_runtime/worker.py, and a connection for each client of the API process.
_WORKER_DESCRIPTORS_PER_GUEST, _SPARE_GUESTS, _WORKER_DESCRIPTORS_BESIDE = 4, 4, 64
_API_DESCRIPTORS = 512
_GROWTH_BYTES = 64 * 1024 * 1024


def _config(live_guests: int) -> str:
    sandbox = {"workers": _WORKERS, "live_guests": live_guests}
    # Replies that are remembered take what they may: a part of what the process may grow by.
    server = {"remembered_bytes": _GROWTH_BYTES // 4}
    return toml({"sandbox": sandbox, "server": server, "store": {"durability": "relaxed"}})


async def torture(seed: int, count: int) -> Report:
    """A run with so many sessions."""
    report = Report("sessions", seed, f"--count {count}")
    async with AsyncExitStack() as running:
        scratch = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="torture-")))
        live_guests = min(MOST_LIVE_GUESTS, max(1, count // _SESSIONS_PER_LIVE_GUEST))
        (scratch / "torture.toml").write_text(_config(live_guests))
        variables = {
            "LARS_CONFIG": str(scratch / "torture.toml"),
            "LARS_DEFAULT_PROVIDER": "conventions",
            "LARS_LOG_LEVEL": "WARNING",
        }
        service = ServiceProcess(scratch, variables)
        running.push_async_callback(service.close)
        await service.start()
        await SessionLoop(report, service, Random(f"sessions:{seed}"), live_guests).run(count)
    return report


async def _client(names: Iterator[str], act: Callable[[str], Awaitable[None]]) -> None:
    for name in names:
        await act(name)


@define
class SessionLoop:
    report: Report
    service: ServiceProcess
    rng: Random
    live_guests: int
    most: dict[str, int] = field(factory=dict)

    async def run(self, count: int) -> None:
        names = [f"s{n}" for n in range(count)]
        started = time.monotonic()
        await self._each(names[: count // 2], self._write)
        half = self._memory()
        await self._each(names[count // 2 :], self._write)
        self.rng.shuffle(names)
        await self._each(names, self._read)
        grown = {name: size - half.get(name, 0) for name, size in self._memory().items()}
        for name, size in grown.items():
            if size > _GROWTH_BYTES:
                self.report.violation(f"{name} grew by {size} bytes after half of the sessions")
        self.report.figures |= {
            "sessions": count,
            "seconds": round(time.monotonic() - started, 1),
            **self.most,
            **{f"{name}_grown_kib": size // 1024 for name, size in grown.items()},
        }

    async def _each(self, names: Sequence[str], act: Callable[[str], Awaitable[None]]) -> None:
        """A few at once, looking at the processes every now and then."""
        for at in range(0, len(names), _BETWEEN_LOOKS):
            waiting = iter(names[at : at + _BETWEEN_LOOKS])
            await asyncio.gather(*(_client(waiting, act) for _ in range(_AT_ONCE)))
            self._look()

    async def _write(self, name: str) -> None:
        answer = await ask(self.service.address, "POST", "/things", name, {"name": name})
        if answer.status != 201:
            self.report.violation(f"{name}: written, {answer.said}")

    async def _read(self, name: str) -> None:
        answer = await ask(self.service.address, "GET", "/things", name)
        items = answer.json["items"] if answer.status == 200 else answer.said
        if items != [{"id": 1, "name": name}]:
            self.report.violation(f"{name}: read, {items}")

    def _look(self) -> None:
        for name, pid in self._processes():
            open_files = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
            limit = _API_DESCRIPTORS if name == "api" else _worker_descriptors(self.live_guests)
            if open_files > limit:
                self.report.violation(f"{name} has {open_files} descriptors")
            self._note(f"{name}_descriptors", open_files)
            self._note(f"{name}_mib", rss_bytes(pid, "RssAnon") // 1024**2)

    def _note(self, figure: str, value: int) -> None:
        self.most[figure] = max(self.most.get(figure, 0), value)

    def _memory(self) -> dict[str, int]:
        return {name: rss_bytes(pid, "RssAnon") for name, pid in self._processes()}

    def _processes(self) -> list[tuple[str, int]]:
        workers = sorted(self.service.workers())
        return [("api", self.service.pid), *((f"worker{n}", pid) for n, pid in enumerate(workers))]


def _worker_descriptors(live_guests: int) -> int:
    return (live_guests + _SPARE_GUESTS) * _WORKER_DESCRIPTORS_PER_GUEST + _WORKER_DESCRIPTORS_BESIDE
